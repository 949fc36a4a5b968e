//! The command `forgeries`: learns the weights of the detector of forged times, and says what it finds.
//!
//! Source: a folder of typed recordings, without the people that a model kept aside: its attacks are judged on those. Every
//! second person is learned from, the others are judged here: their own sessions against sessions that were forged from
//! their recordings. Nothing about the latter reaches the weights; the line is chosen from them.
//!
//! Invariants: a session's score is the largest of its windows, as the stream sees them; chance comes from a fixed seed; the
//! same folder gives the same file.

use super::cast::{Cast, Subject, presentation_steps};
use super::kinds::seed;
use crate::evaluate::clocks::Clocks;
use crate::evaluate::people;
use crate::import::Dataset;
use crate::interrupt;
use crate::windows::Cutting;
use anyhow::{Context, Result};
use clap::Args;
use ductus_dynamics::event::{InputEvent, KeyDetail, Modality};
use ductus_dynamics::line::LineConfig;
use ductus_dynamics::liveness::{FIGURE_NAMES, FIGURES, FULL_KEYS, LivenessPolicy, Watch};
use ductus_dynamics::synthetic::attack;
use ductus_dynamics::synthetic::forgery::Keeps;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

/// Weight of large weights in what is minimised, on figures of unit variance.
const RIDGE: f64 = 3e-3;
/// Steps of the descent, and their size; the largest eigenvalue of the problem is below the number of figures.
const ROUNDS: usize = 4_000;
const RATE: f64 = 0.3;
/// Share of the judged genuine sessions that may be accused.
const FALSE_ALARMS_MAX: f64 = 0.005;

/// Options of `forgeries`.
#[derive(Args, Clone, Debug)]
pub struct ForgeriesArgs {
    /// A folder of typed recordings in the data set's own format.
    #[arg(long)]
    pub data: PathBuf,
    /// The data set.
    #[arg(long, value_enum, default_value = "aalto")]
    pub dataset: Dataset,
    /// A model's folder: nobody whom it kept aside is looked at.
    #[arg(long)]
    pub model: PathBuf,
    /// Write the weights here, as the source file of `dynamics::liveness::weights`.
    #[arg(long)]
    pub out: PathBuf,
}

/// The result of `forgeries`.
#[derive(Clone, Debug, Serialize)]
pub struct Forgeries {
    /// People whose sessions the weights were learned from.
    pub learned_from: usize,
    /// People who were judged.
    pub judged: usize,
    /// Genuine sessions of theirs.
    pub genuine: usize,
    /// Score that `false_alarms_max` of them reach.
    pub forged_max: f64,
    /// Share of genuine sessions that may be accused.
    pub false_alarms_max: f64,
    /// Share of forged sessions that reach it, by what the forger keeps.
    pub found: BTreeMap<&'static str, f64>,
    /// What was left out.
    pub notes: Vec<String>,
}

/// A session's windows: how many keys stand behind each, and its figures.
type Seen = Vec<(usize, [f64; FIGURES])>;

/// Who types: the person, or a forger by name.
const TYPISTS: [(&str, Option<Option<Keeps>>); 7] = [
    ("genuine", None),
    ("digraphs", Some(None)),
    ("pauses", Some(Some(Keeps::Pauses))),
    ("rollover", Some(Some(Keeps::Rollover))),
    ("triples", Some(Some(Keeps::Triples))),
    ("correlation", Some(Some(Keeps::Correlation))),
    ("pieces", Some(Some(Keeps::Pieces))),
];
/// Pieces of recordings are typed by a person; learning to tell them would unlearn the rest.
const NOT_LEARNED: &str = "pieces";

/// Learns the weights.
pub fn forgeries(args: &ForgeriesArgs) -> Result<Forgeries> {
    let detail = KeyDetail::Class;
    let mut crowd = people::read_folder(
        args.dataset,
        &args.data,
        Modality::Keystroke,
        detail,
        &Clocks::default(),
    )?;
    people::without_kept_aside(&mut crowd, &args.model)?;
    let line = LineConfig::default();
    let cast = Cast::of(&crowd.people, Modality::Keystroke, &line, &mut crowd.notes)?;
    let (mut learn, mut judge) = (BTreeMap::new(), BTreeMap::new());
    for (number, subject) in cast.subjects.iter().enumerate() {
        interrupt::check()?;
        let half = if number % 2 == 0 { &mut learn } else { &mut judge };
        for (name, typist) in TYPISTS {
            let sessions: &mut Vec<Seen> = half.entry(name).or_default();
            sessions.extend(
                typed(&cast, number, subject, typist)
                    .iter()
                    .map(|events| seen(events, &line)),
            );
        }
    }
    let score = Score::learn(&learn);
    std::fs::write(&args.out, score.source()).with_context(|| format!("cannot write {}", args.out.display()))?;
    let least = line.liveness.structure_keys_min;
    let scores = |name: &str| -> Vec<f64> {
        let sessions = judge.get(name).into_iter().flatten();
        let mut scores: Vec<f64> = sessions.map(|seen| score.of(seen, least)).collect();
        scores.sort_by(f64::total_cmp);
        scores
    };
    let genuine = scores("genuine");
    let at = ((1.0 - FALSE_ALARMS_MAX) * genuine.len() as f64) as usize;
    let forged_max = genuine.get(at).copied().unwrap_or(f64::MAX);
    let found = |name: &&'static str| {
        let scores = scores(name);
        let over = scores.len() - scores.partition_point(|score| *score < forged_max);
        (*name, over as f64 / scores.len().max(1) as f64)
    };
    Ok(Forgeries {
        learned_from: cast.subjects.len().div_ceil(2),
        judged: cast.subjects.len() / 2,
        genuine: genuine.len(),
        forged_max,
        false_alarms_max: FALSE_ALARMS_MAX,
        found: TYPISTS[1..].iter().map(|(name, _)| name).map(found).collect(),
        notes: crowd.notes,
    })
}

/// The sessions of a person, or one of a forger.
fn typed(cast: &Cast, number: usize, subject: &Subject, typist: Option<Option<Keeps>>) -> Vec<Vec<InputEvent>> {
    let Some(keeps) = typist else {
        let whole = |events: &&Vec<InputEvent>| super::cast::count(events) >= presentation_steps(Modality::Keystroke);
        return [&subject.watch, &subject.unseen]
            .into_iter()
            .filter(whole)
            .cloned()
            .collect();
    };
    let (text, seed) = (cast.text_for(number), seed(number, 0));
    let presses = match keeps {
        None => subject.times.forgery(text, seed),
        Some(keeps) => subject.forger.forge(keeps, text, seed),
    };
    vec![attack::events(&presses, 0, 0)]
}

fn seen(events: &[InputEvent], line: &LineConfig) -> Seen {
    let (mut watch, mut seen) = (Watch::default(), Vec::new());
    let policy = LivenessPolicy::default();
    let cutting = Cutting {
        modality: Modality::Keystroke,
        config: *line.window(Modality::Keystroke),
    };
    for window in cutting.windows_of(events, &[]) {
        watch.look(&window, &policy);
        let keys = watch.key_statistics().keys;
        seen.extend(watch.forgery_figures().map(|figures| (keys, figures)));
    }
    seen
}

/// A logistic score.
struct Score {
    weights: [f64; FIGURES],
    constant: f64,
}

impl Score {
    /// By gradient descent on whole sessions; genuine and forged ones weigh the same.
    fn learn(sessions: &BTreeMap<&'static str, Vec<Seen>>) -> Self {
        let of = |is_genuine: bool| -> Vec<[f64; FIGURES]> {
            let wanted = sessions
                .iter()
                .filter(|(name, _)| **name != NOT_LEARNED && (**name == "genuine") == is_genuine);
            wanted
                .flat_map(|(_, all)| all.iter().filter_map(|seen| Some(seen.last()?.1)))
                .collect()
        };
        let (genuine, forged) = (of(true), of(false));
        let (mut mean, mut sd) = ([0.0; FIGURES], [0.0; FIGURES]);
        for i in 0..FIGURES {
            let values = || genuine.iter().chain(&forged).map(|figures| figures[i]);
            let count = (genuine.len() + forged.len()).max(1) as f64;
            mean[i] = values().sum::<f64>() / count;
            sd[i] = (values().map(|value| (value - mean[i]).powi(2)).sum::<f64>() / count)
                .sqrt()
                .max(1e-6);
        }
        let plain =
            |figures: &[f64; FIGURES]| -> [f64; FIGURES] { std::array::from_fn(|i| (figures[i] - mean[i]) / sd[i]) };
        let labelled = |all: &[[f64; FIGURES]], label: f64| -> Vec<_> {
            let share = 0.5 / all.len().max(1) as f64;
            all.iter().map(|figures| (plain(figures), label, share)).collect()
        };
        let rows = [labelled(&genuine, 0.0), labelled(&forged, 1.0)].concat();
        let (mut weights, mut constant) = ([0.0; FIGURES], 0.0);
        for _ in 0..ROUNDS {
            let (mut slope, mut of_constant) = (weights.map(|weight| RIDGE * weight), 0.0);
            for (figures, label, share) in &rows {
                let score: f64 = figures
                    .iter()
                    .zip(&weights)
                    .map(|(figure, weight)| figure * weight)
                    .sum::<f64>()
                    + constant;
                let wrong = share * (1.0 / (1.0 + (-score).exp()) - label);
                of_constant += wrong;
                for (slope, figure) in slope.iter_mut().zip(figures) {
                    *slope += wrong * figure;
                }
            }
            constant -= RATE * of_constant;
            for (weight, slope) in weights.iter_mut().zip(slope) {
                *weight -= RATE * slope;
            }
        }
        let raw: [f64; FIGURES] = std::array::from_fn(|i| rounded(weights[i] / sd[i]));
        let shift: f64 = (0..FIGURES).map(|i| raw[i] * mean[i]).sum();
        Self {
            weights: raw,
            constant: rounded(constant - shift),
        }
    }

    /// The largest score of a session's windows that are judged.
    fn of(&self, seen: &Seen, least: usize) -> f64 {
        let judged = seen.iter().filter(|(keys, _)| *keys >= least);
        let scores = judged.map(|(keys, figures)| {
            let score: f64 = figures
                .iter()
                .zip(&self.weights)
                .map(|(figure, weight)| figure * weight)
                .sum();
            (score + self.constant) * (*keys).min(FULL_KEYS) as f64 / FULL_KEYS as f64
        });
        scores.fold(f64::NEG_INFINITY, f64::max)
    }

    /// The source file.
    fn source(&self) -> String {
        let mut text = String::from(
            "//! Weights of the score against forged times, in the order of [`super::FIGURE_NAMES`], and its constant.\n//!\n\
             //! Written by `ductus-batch forgeries`, which says on whom it was learned and what it finds; do not edit by hand.\n\n\
             use super::forged::FIGURES;\n\npub(super) const WEIGHTS: [f64; FIGURES] = [\n",
        );
        for (name, weight) in FIGURE_NAMES.iter().zip(self.weights) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "    {weight:?}, // {name}");
        }
        let _ = writeln!(text, "];\npub(super) const CONSTANT: f64 = {:?};", self.constant);
        text
    }
}

/// Two decimals: what the file holds is what was judged.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn what_forgers_lose_is_learned_and_repeats() {
        let dir = tempfile::tempdir().unwrap();
        fixtures::aalto(dir.path(), 8, 15, 60);
        let model = fixtures::model(
            dir.path(),
            &dir.path().join("model"),
            "1",
            &["--hold-out", "aalto-{0..1}"],
        );
        let args = |name: &str| ForgeriesArgs {
            data: dir.path().to_owned(),
            dataset: Dataset::Aalto,
            model: model.clone(),
            out: dir.path().join(name),
        };
        let found = forgeries(&args("one.rs")).unwrap();
        assert_eq!(found.found.len(), TYPISTS.len() - 1);
        assert!(
            found.found.values().all(|share| (0.0..=1.0).contains(share)),
            "{found:?}"
        );
        assert!(
            found.judged < 8 && found.learned_from + found.judged <= 7,
            "nobody who was kept aside: {found:?}"
        );
        forgeries(&args("two.rs")).unwrap();
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(read("one.rs"), read("two.rs"));
        assert_eq!(
            read("one.rs").lines().filter(|line| line.contains("// ")).count(),
            FIGURES
        );
    }

    #[test]
    fn the_descent_finds_what_tells_them_apart() {
        let session = |value: f64| {
            let mut figures = [0.0; FIGURES];
            figures[3] = value;
            vec![(FULL_KEYS, figures)]
        };
        let sessions = |values: [f64; 3]| values.map(session).to_vec();
        let known = BTreeMap::from([
            ("genuine", sessions([0.2, 0.3, 0.4])),
            ("pauses", sessions([0.0, 0.05, -0.1])),
        ]);
        let score = Score::learn(&known);
        assert!(score.weights[3] < 0.0);
        assert!(score.of(&session(0.4), 100) < 0.0 && score.of(&session(0.0), 100) > 0.0);
        assert!(
            score.of(&session(0.0), FULL_KEYS + 1).is_infinite(),
            "too few keys are not judged"
        );
    }
}
