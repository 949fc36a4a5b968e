//! The report of the protocol: JSON, a table for people, and a picture.

use super::adaptation::Adaptation;
use super::layout::Cast;
use super::measure::{Genuine, Rule, Stream, Takeovers, choose, quantile};
use super::picture;
use crate::evaluate::report::EER_CONVENTION;
use crate::evaluate::{EvaluateArgs, Figures, Scores, output};
use crate::import::Refused;
use anyhow::{Context, Result};
use ductus_dynamics::event::Modality;
use ductus_scorer::Manifest;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

/// Actions within which the shares found are reported.
const FOUND: [usize; 2] = [60, 200];
/// Hours of the curve: what a tighter or looser budget would cost.
const CURVE_HOURS: [f64; 6] = [0.5, 1.0, 2.0, 4.0, 8.0, 24.0];
/// Resamples of the bootstrap over people, and its seed.
const RESAMPLES: usize = 1_000;
const SEED: u64 = 4;

/// The result of the protocol `continuous`. The names of the contract count windows; the others count streams.
#[derive(Clone, Debug, Serialize)]
pub struct ContinuousReport {
    /// Protocol.
    pub protocol: &'static str,
    /// People reported.
    pub subjects: usize,
    /// Of windows: those of the right person, and those of somebody else only.
    #[serde(flatten)]
    pub figures: Figures,
    /// What an equal error rate is here.
    pub eer_convention: &'static str,
    /// What an action is.
    pub action: &'static str,
    /// People who chose the threshold.
    pub subjects_choosing: usize,
    /// Hours of activity in which a subject may have one false step-up.
    pub budget_hours: f64,
    /// Risk from which a step-up is asked for, as chosen.
    pub step_up_risk: f32,
    /// Takeovers judged.
    pub takeovers: usize,
    /// Takeovers left out: a false step-up came first.
    pub takeovers_left_out: usize,
    /// Actions until the step-up, median; null where half are not found.
    pub actions_median: Option<usize>,
    /// Its 95 % confidence interval over people.
    pub actions_median_ci: [Option<usize>; 2],
    /// Actions until 90 % are found.
    pub actions_p90: Option<usize>,
    /// Actions until 95 % are found.
    pub actions_p95: Option<usize>,
    /// Mean actions of an impostor before a step-up (ANIA); those not found count with what they did.
    pub ania: Option<f64>,
    /// Mean actions of the right person before a false step-up (ANGA); null where there was none.
    pub anga: Option<f64>,
    /// Share found within 60 actions.
    pub found_60: Option<f64>,
    /// Its 95 % confidence interval over people.
    pub found_60_ci: [Option<f64>; 2],
    /// Share found within 200 actions.
    pub found_200: Option<f64>,
    /// Its 95 % confidence interval over people.
    pub found_200_ci: [Option<f64>; 2],
    /// False step-ups of the reported people.
    pub false_step_ups: usize,
    /// People who had any.
    pub false_step_up_subjects: usize,
    /// Their hours of genuine activity, until the first step-up of a stream.
    pub genuine_hours: f64,
    /// Actions in it.
    pub genuine_actions: usize,
    /// False step-ups in 8 hours of activity.
    pub false_step_ups_per_8h: Option<f64>,
    /// The same where the threshold was chosen.
    pub chosen_false_step_ups_per_8h: Option<f64>,
    /// What other budgets cost.
    pub curve: Vec<Point>,
    /// Whether somebody who nudges a profile gets in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adaptation: Option<Adaptation>,
    /// The model that was judged.
    pub model: String,
    /// Hash of its network.
    pub sha256: String,
    /// People in the folder.
    pub people_read: usize,
    /// People played whom the model may have learned from: then the figures flatter it.
    pub subjects_seen: usize,
    /// Rows, files and sessions that were refused, by reason.
    pub refused: Refused,
    /// What was left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Time taken.
    pub seconds: f64,
}

/// One budget and its cost.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Point {
    /// Hours of activity in which one false step-up may be.
    pub budget_hours: f64,
    /// The threshold chosen for it.
    pub step_up_risk: f32,
    /// False step-ups of the reported people in 8 hours.
    pub false_step_ups_per_8h: Option<f64>,
    /// Actions until half the takeovers are found.
    pub actions_median: Option<usize>,
    /// Actions until 95 % are found.
    pub actions_p95: Option<usize>,
    /// As in the report.
    pub found_60: Option<f64>,
    /// As in the report.
    pub found_200: Option<f64>,
}

/// All that a report is made of.
pub(super) struct Found<'a> {
    pub(super) manifest: &'a Manifest,
    pub(super) cast: &'a Cast<'a>,
    pub(super) people_read: usize,
    pub(super) subjects_seen: usize,
    pub(super) refused: Refused,
    pub(super) rule: Rule,
    pub(super) hours: f64,
    pub(super) chosen: &'a [Stream],
    pub(super) reported: &'a [Stream],
    pub(super) adaptation: Option<Adaptation>,
    pub(super) notes: Vec<String>,
}

/// Measures, and writes JSON, table and picture.
pub(super) fn write(args: &EvaluateArgs, found: Found<'_>, started: Instant) -> Result<ContinuousReport> {
    let mut report = measure(args, &found);
    let title = format!("{}: risk when somebody else takes over", report.model);
    let judged = found.reported.iter().flat_map(|stream| &stream.judged);
    let hop = judged.map(|judged| judged.fresh).min().unwrap_or(1);
    let hop = hop.max(found.rule.full / 10);
    let takeover = picture::draw(&title, report.action, found.reported, &found.rule, hop)?;
    report.seconds = started.elapsed().as_secs_f64();
    output::write(&args.report, &report, table(&report), [("takeover.svg", takeover)])?;
    Ok(report)
}

fn measure(args: &EvaluateArgs, found: &Found<'_>) -> ContinuousReport {
    let scores = scores(found.reported, found.rule.full);
    let takeovers = Takeovers::as_asked(found.reported);
    let activity = Genuine::count(found.reported, &found.rule);
    let [median_ci, found_60_ci, found_200_ci] = intervals(&takeovers);
    ContinuousReport {
        protocol: "continuous",
        subjects: enrolled(found.reported),
        figures: scores.figures(args.resamples, args.threads),
        eer_convention: EER_CONVENTION,
        action: match found.cast.modality {
            Modality::Keystroke => "keystrokes",
            Modality::Pointer => "pointer events",
        },
        subjects_choosing: enrolled(found.chosen),
        budget_hours: found.hours,
        step_up_risk: found.rule.step_up_risk,
        takeovers: takeovers.found.len(),
        takeovers_left_out: takeovers.already,
        actions_median: takeovers.quantile(0.5),
        actions_median_ci: median_ci.map(|value| value.map(|value| value as usize)),
        actions_p90: takeovers.quantile(0.9),
        actions_p95: takeovers.quantile(0.95),
        ania: takeovers.mean(),
        anga: (activity.step_ups > 0).then(|| activity.steps as f64 / activity.step_ups as f64),
        found_60: takeovers.within(FOUND[0]),
        found_60_ci,
        found_200: takeovers.within(FOUND[1]),
        found_200_ci,
        false_step_ups: activity.step_ups,
        false_step_up_subjects: alarmed(found),
        genuine_hours: activity.hours(),
        genuine_actions: activity.steps,
        false_step_ups_per_8h: activity.step_ups_in(8.0),
        chosen_false_step_ups_per_8h: Genuine::count(found.chosen, &found.rule).step_ups_in(8.0),
        curve: CURVE_HOURS.iter().map(|hours| point(found, *hours)).collect(),
        adaptation: found.adaptation.clone(),
        model: found.manifest.name(),
        sha256: found.manifest.sha256.clone(),
        people_read: found.people_read,
        subjects_seen: found.subjects_seen,
        refused: found.refused.clone(),
        notes: found.notes.clone(),
        seconds: 0.0,
    }
}

fn point(found: &Found<'_>, hours: f64) -> Point {
    let rule = Rule {
        step_up_risk: choose(found.chosen, &found.rule, hours),
        ..found.rule
    };
    let takeovers = Takeovers::count(found.reported, &rule);
    Point {
        budget_hours: hours,
        step_up_risk: rule.step_up_risk,
        false_step_ups_per_8h: Genuine::count(found.reported, &rule).step_ups_in(8.0),
        actions_median: takeovers.quantile(0.5),
        actions_p95: takeovers.quantile(0.95),
        found_60: takeovers.within(FOUND[0]),
        found_200: takeovers.within(FOUND[1]),
    }
}

/// People with a false step-up in a genuine stream.
fn alarmed(found: &Found<'_>) -> usize {
    let mut by_person: BTreeMap<usize, Vec<&Stream>> = BTreeMap::new();
    for stream in found.reported {
        by_person.entry(stream.claimed).or_default().push(stream);
    }
    let any = |streams: &&Vec<&Stream>| Genuine::count(streams.iter().copied(), &found.rule).step_ups > 0;
    by_person.values().filter(any).count()
}

/// Says how many people have no stream, if any.
pub(super) fn not_enrolled(cast: &Cast<'_>, chosen: &[Stream], reported: &[Stream]) -> Option<String> {
    let missing = cast.choose.len() + cast.report.len() - enrolled(chosen) - enrolled(reported);
    (missing > 0).then(|| format!("{missing} people left out: too few of their windows could be used to enrol them"))
}

/// People who have a stream: whoever never came to a mature set of references has none.
fn enrolled(streams: &[Stream]) -> usize {
    streams
        .iter()
        .map(|stream| stream.claimed)
        .collect::<BTreeSet<_>>()
        .len()
}

/// Log-likelihood ratios of windows that hold one person's steps only.
fn scores(streams: &[Stream], full: usize) -> Scores {
    let mut all = Vec::new();
    for stream in streams {
        // The same genuine steps stand before every takeover, and count once.
        let genuine = stream.other.is_none();
        for judged in stream.judged.iter().filter(|judged| judged.steps == full) {
            let Some((_, llr)) = judged.compared else { continue };
            if genuine || judged.position >= stream.before + full {
                all.push((stream.claimed as u32, genuine, llr));
            }
        }
    }
    Scores { all }
}

/// 95 % confidence intervals of median, found within 60 and within 200 actions, by bootstrap over the people claimed.
fn intervals(takeovers: &Takeovers) -> [[Option<f64>; 2]; 3] {
    let mut people: BTreeMap<usize, Vec<Option<usize>>> = BTreeMap::new();
    for (claimed, found) in &takeovers.found {
        people.entry(*claimed).or_default().push(*found);
    }
    let people: Vec<Vec<Option<usize>>> = people.into_values().collect();
    if people.is_empty() {
        return [[None; 2]; 3];
    }
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let mut samples: [Vec<f64>; 3] = Default::default();
    for _ in 0..RESAMPLES {
        let drawn: Vec<Option<usize>> = (0..people.len())
            .flat_map(|_| &people[(rng.next_u64() % people.len() as u64) as usize])
            .copied()
            .collect();
        let within = |actions: usize| {
            let within = drawn.iter().filter(|found| found.is_some_and(|found| found <= actions));
            within.count() as f64 / drawn.len() as f64
        };
        let median = quantile(drawn.iter().copied(), 0.5);
        samples[0].push(median.map_or(f64::INFINITY, |median| median as f64));
        samples[1].push(within(FOUND[0]));
        samples[2].push(within(FOUND[1]));
    }
    samples.map(|mut values| {
        values.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let value = values.get((share * (values.len() - 1) as f64).round() as usize);
            value.copied().filter(|value| value.is_finite())
        };
        [at(0.025), at(0.975)]
    })
}

/// The report as a table.
fn table(report: &ContinuousReport) -> String {
    let number = |value: Option<usize>| value.map_or("not reached".to_owned(), |value| value.to_string());
    let percent = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{:.1} %", value * 100.0));
    let decimal = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.2}"));
    let range = |[low, high]: [Option<f64>; 2]| format!("{} to {}", percent(low), percent(high));
    let mut text = format!(
        "# {} on `continuous`\n\nThreshold: risk {:.2}, chosen on {} people for one false step-up in {} hours of activity; reported on \
         {} others. Somebody else of the same half takes over in mid-session.\n\n| | |\n|---|---|\n",
        report.model, report.step_up_risk, report.subjects_choosing, report.budget_hours, report.subjects
    );
    let [low, high] = report.actions_median_ci;
    let rows = [
        (
            "takeovers (left out: stepped up before)",
            format!("{} ({})", report.takeovers, report.takeovers_left_out),
        ),
        (
            "until the step-up: median (95 % interval), 90 %, 95 %",
            format!(
                "{} ({} to {}), {}, {} {}",
                number(report.actions_median),
                number(low),
                number(high),
                number(report.actions_p90),
                number(report.actions_p95),
                report.action
            ),
        ),
        ("ANIA (mean; not found: what they did)", decimal(report.ania)),
        (
            "found within 60",
            format!("{} ({})", percent(report.found_60), range(report.found_60_ci)),
        ),
        (
            "found within 200",
            format!("{} ({})", percent(report.found_200), range(report.found_200_ci)),
        ),
        (
            "false step-ups, of how many people",
            format!("{}, {}", report.false_step_ups, report.false_step_up_subjects),
        ),
        (
            "genuine activity",
            format!(
                "{:.1} hours, {} {}",
                report.genuine_hours, report.genuine_actions, report.action
            ),
        ),
        (
            "false step-ups in 8 hours of activity",
            decimal(report.false_step_ups_per_8h),
        ),
        (
            "the same where the threshold was chosen",
            decimal(report.chosen_false_step_ups_per_8h),
        ),
        (
            "windows: EER per subject, under one threshold; AUC",
            format!(
                "{}, {}; {}",
                percent(report.figures.measured.eer_subject),
                percent(report.figures.measured.eer_global),
                decimal(report.figures.measured.auc)
            ),
        ),
    ];
    for (name, value) in rows {
        let _ = writeln!(text, "| {name} | {value} |");
    }
    text.push_str(
        "\n![Risk when somebody else takes over](takeover.svg)\n\n| one false step-up in | risk | measured in 8 h | median | 95 % | found \
         within 60 | within 200 |\n|---|---|---|---|---|---|---|\n",
    );
    for point in &report.curve {
        let _ = writeln!(
            text,
            "| {} h | {:.2} | {} | {} | {} | {} | {} |",
            point.budget_hours,
            point.step_up_risk,
            decimal(point.false_step_ups_per_8h),
            number(point.actions_median),
            number(point.actions_p95),
            percent(point.found_60),
            percent(point.found_200)
        );
    }
    if let Some(adaptation) = &report.adaptation {
        text.push_str(&adaptation.table());
    }
    for note in &report.notes {
        let _ = write!(text, "\n{note}.\n");
    }
    text
}

/// Writes every decision of the streams, one stream a line.
pub(super) fn write_traces(path: &Path, cast: &Cast<'_>, parts: &[(&str, &[Stream])]) -> Result<()> {
    /// Position, steps, fresh, end µs, cosine, llr, evidence, risk.
    type Row = (usize, usize, usize, i64, Option<f32>, Option<f32>, f32, f32);
    #[derive(Serialize)]
    struct Trace<'a> {
        half: &'a str,
        claimed: &'a str,
        other: Option<&'a str>,
        before: usize,
        judged: Vec<Row>,
    }
    let unwritable = || format!("cannot write {}", path.display());
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).with_context(unwritable)?);
    for (half, streams) in parts {
        for stream in *streams {
            let rows = stream.judged.iter().map(|judged| {
                let (cosine, llr) = judged.compared.unzip();
                (
                    judged.position,
                    judged.steps,
                    judged.fresh,
                    judged.end_us,
                    cosine,
                    llr,
                    judged.evidence,
                    judged.risk,
                )
            });
            let trace = Trace {
                half,
                claimed: &cast.people[stream.claimed].subject,
                other: stream.other.map(|other| cast.people[other].subject.as_str()),
                before: stream.before,
                judged: rows.collect(),
            };
            serde_json::to_writer(&mut file, &trace).context("cannot write a trace as JSON")?;
            file.write_all(b"\n").with_context(unwritable)?;
        }
    }
    file.flush().with_context(unwritable)
}
