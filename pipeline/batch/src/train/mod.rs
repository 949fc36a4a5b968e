//! The command `train`: from people's sessions to a checked model folder.
//!
//! ```text
//! people ─ split by person ─┬─ to learn from ─ windows ─ trainer ─► network ─► model.onnx
//!                           └─ kept aside ─ protocol ─ embeddings ─► scores ─► calibration, manifest, card, pictures
//! ```
//! Invariants: nobody whom a model learned from is among those its error is measured on; the same command on the same data
//! gives the same bytes; nothing stands at the place of the model until it was loaded once as the stream will load it.

mod augment;
mod calibrate;
mod card;
mod coarse;
mod fit;
mod folder;
mod recipe;
mod space;
mod split;

#[cfg(test)]
mod tests;

pub use augment::Augmentation;
pub use calibrate::{calibrate, cost};
pub(crate) use card::with_gate;
pub(crate) use folder::CARD_FILE;
pub use folder::HELD_OUT_FILE;
pub use recipe::{BackEndName, LossName, Recipe, TrainArgs};
pub use split::HoldOut;
pub(crate) use split::set_aside;

use crate::corpus::{self, Person};
use crate::evaluate::{self, Layout, Protocol, Scores, Settings};
use crate::import::CommercialUse;
use crate::{config, embed};
use anyhow::{Context, Result, bail};
use ductus_dynamics::feature;
use ductus_learn::Ensemble;
use ductus_scorer::{BackEndSource, DataSource, MANIFEST_FORMAT, Manifest, Training, sha256_hex};
use fit::{Fitted, Material, Run, fit, steps_in};
use serde::Serialize;
use space::Learned;
use split::Split;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Windows that the exported network is compared on.
const SAMPLES: usize = 256;

/// The result of `train`.
#[derive(Clone, Debug, Serialize)]
pub struct Trained {
    /// `id/version`.
    pub model: String,
    /// Hash of the network.
    pub sha256: String,
    /// People learned from.
    pub subjects: usize,
    /// Their windows.
    pub windows: usize,
    /// Mean loss of the last steps.
    pub loss: f64,
    /// Mean equal error rate of the people kept aside, each under their own threshold.
    pub eer_subject: Option<f64>,
    /// Their equal error rate under one threshold.
    pub eer_global: Option<f64>,
    /// Time taken.
    pub seconds: f64,
}

/// Trains a model and writes its folder.
pub fn train(args: &TrainArgs) -> Result<Trained> {
    let started = Instant::now();
    // Mistakes in the options show before anything is read.
    let checked = Recipe::of(args, 0)?;
    let version = version_of(args)?;
    if args.out.exists() && !args.force {
        bail!(
            "{} is there already; give another --out, or --force to replace it",
            args.out.display()
        );
    }
    config::start_runtime(args.onnxruntime.as_deref())?;
    let people = match &args.history {
        Some(root) => corpus::from_history(root, checked.modality, checked.detail)?,
        None => corpus::from_folders(&args.data, checked.modality, checked.detail)?,
    };
    let mut recipe = Recipe::of(args, people.len())?;
    let people = with_windows(people, &recipe);
    let threads = args
        .threads
        .or_else(|| std::thread::available_parallelism().ok())
        .unwrap_or(NonZeroUsize::MIN);
    if let Some(minutes) = args.minutes {
        recipe.config.steps = steps_in(Material::of(people.iter(), &recipe)?, &recipe, minutes, threads)?;
    }
    let plan = Plan {
        args,
        recipe: &recipe,
        people: &people,
        threads,
    };
    let outcome = plan.run()?;
    let day = args.started.clone().unwrap_or_else(today);
    let network_bytes = outcome.fitted.network.to_onnx();
    let manifest = plan.manifest(&outcome, &version, day, sha256_hex(&network_bytes))?;
    let draft = folder::Draft {
        recipe: &recipe,
        fitted: &outcome.fitted,
        network_bytes: &network_bytes,
        back_end: outcome.space.file().map(|(bytes, _)| bytes),
        manifest: &manifest,
        scores: &outcome.scores,
        judged: &outcome.judged,
        kept_aside: plan.names(&outcome.kept_aside),
        samples: &outcome.layout.windows[..outcome.layout.windows.len().min(SAMPLES)],
    };
    folder::write(&args.out, &draft, args.force, threads)?;
    Ok(Trained {
        model: manifest.name(),
        sha256: manifest.sha256.clone(),
        subjects: outcome.fitted.people,
        windows: outcome.fitted.windows,
        loss: outcome.fitted.loss,
        eer_subject: manifest.accuracy.eer_subject,
        eer_global: manifest.accuracy.eer_global,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// What is to be done.
struct Plan<'a> {
    args: &'a TrainArgs,
    recipe: &'a Recipe,
    people: &'a [Person],
    threads: NonZeroUsize,
}

/// What came out.
struct Outcome {
    fitted: Fitted,
    space: Learned,
    scores: Scores,
    /// The layout that was scored last; its windows stand for the data.
    layout: Layout,
    /// People that were judged, of all folds.
    judged_people: usize,
    /// How they were chosen, in a sentence.
    judged: String,
    /// Whom the network learned from.
    learned: Vec<usize>,
    /// Whom it was judged on and did not learn from; nobody where it learned from everybody.
    kept_aside: Vec<usize>,
}

impl Plan<'_> {
    fn run(&self) -> Result<Outcome> {
        let judgeable = self.judgeable();
        let seed = self.recipe.config.seed;
        match self.args.folds {
            Some(folds) if folds < 2 => bail!("--folds is {folds}, but must be at least 2"),
            Some(folds) => self.run_folds(&Split::folds(self.people, &judgeable, folds, seed)?),
            None => {
                let split = Split::hold_out(self.people, &judgeable, self.args.hold_out.as_ref(), seed)?;
                self.run_split(split)
            }
        }
    }

    fn run_split(&self, split: Split) -> Result<Outcome> {
        let fitted = self.fit(&split.train, "train")?;
        let space = self.space(&split.train, &fitted.network)?;
        let (layout, scores) = self.judge(&split.judge, &fitted.network, &space)?;
        let judged_people = layout.enrolled.len();
        let judged = format!("On {judged_people} people who were kept aside; the model never saw them.");
        Ok(Outcome {
            fitted,
            space,
            scores,
            layout,
            judged_people,
            judged,
            learned: split.train,
            kept_aside: split.judge,
        })
    }

    fn run_folds(&self, folds: &[Split]) -> Result<Outcome> {
        let (mut scores, mut last, mut judged_people) = (Scores::default(), Layout::default(), 0);
        for (number, Split { train, judge }) in folds.iter().enumerate() {
            let fitted = self.fit(train, &format!("fold {}", number + 1))?;
            let space = self.space(train, &fitted.network)?;
            let (layout, fold) = self.judge(judge, &fitted.network, &space)?;
            tracing::info!(fold = number + 1, measured = ?fold.measure(), "fold judged");
            judged_people += layout.enrolled.len();
            scores.extend(fold);
            last = layout;
        }
        let everybody: Vec<usize> = (0..self.people.len()).collect();
        let fitted = self.fit(&everybody, "train")?;
        let space = self.space(&everybody, &fitted.network)?;
        let judged = format!(
            "By {} folds: {judged_people} people were judged, each by a model of the same recipe that had not seen them, against \
             the others of their fold. The model here learned from everybody.",
            folds.len()
        );
        Ok(Outcome {
            fitted,
            space,
            scores,
            layout: last,
            judged_people,
            judged,
            learned: everybody,
            kept_aside: Vec::new(),
        })
    }

    fn fit(&self, chosen: &[usize], part: &str) -> Result<Fitted> {
        let material = Material::of(chosen.iter().map(|&index| &self.people[index]), self.recipe)?;
        let run = Run {
            label: "train",
            part,
            threads: self.threads,
            resume: self.args.resume,
        };
        fit(&material, self.recipe, &run)
    }

    fn space(&self, chosen: &[usize], network: &Ensemble) -> Result<Learned> {
        let people = chosen.iter().map(|&index| &self.people[index]);
        Learned::of(self.args.back_end, people, self.recipe, network, self.threads)
    }

    /// Embeds with the trainer's network: the exported one is compared with it before anything is written.
    fn judge(&self, chosen: &[usize], network: &Ensemble, learned: &Learned) -> Result<(Layout, Scores)> {
        let people: Vec<Person> = chosen.iter().map(|&index| self.people[index].clone()).collect();
        let layout = self.lay_out(&people);
        layout.check().context("the people kept aside cannot be judged")?;
        let embeddings = embed::with_network(network, &layout.windows, self.threads)?.in_space(&learned.space);
        let scores = layout.score(&layout.trials, &embeddings);
        Ok((layout, scores))
    }

    fn lay_out(&self, people: &[Person]) -> Layout {
        let modality = self.recipe.modality;
        let mut layout = self
            .args
            .protocol
            .lay_out_people(people, modality, Settings::of(modality));
        let windows = std::mem::take(&mut layout.windows);
        layout.windows = windows.into_iter().map(|window| self.recipe.seen(window)).collect();
        layout
    }

    /// Whom the protocol can judge.
    fn judgeable(&self) -> Vec<usize> {
        let can = |person: &Person| {
            let layout = self.lay_out(std::slice::from_ref(person));
            layout.enrolled.len() == 1 && !layout.trials.probes.is_empty()
        };
        let free = |person: &Person| match self.args.protocol {
            Protocol::Pohmm | Protocol::Cross => !evaluate::free_text(vec![person.clone()]).is_empty(),
            _ => true,
        };
        (0..self.people.len())
            .filter(|&index| free(&self.people[index]) && can(&self.people[index]))
            .collect()
    }

    fn manifest(&self, outcome: &Outcome, version: &str, day: String, sha256: String) -> Result<Manifest> {
        let recipe = self.recipe;
        let measured = outcome.scores.measure();
        let (cllr, min_cllr) = cost(&outcome.scores);
        let (data, non_commercial) = lineage(outcome.learned.iter().map(|&index| &self.people[index]));
        Ok(Manifest {
            format: MANIFEST_FORMAT,
            id: if recipe.seed_design {
                "seed"
            } else {
                recipe.modality.name()
            }
            .to_owned(),
            version: version.to_owned(),
            modality: recipe.modality,
            sha256,
            layout_hash: feature::layout_hash(recipe.modality),
            features: feature::features(recipe.modality),
            embedding_dims: outcome.fitted.network.dims(),
            steps_max: recipe.cutting.config.steps,
            detail: recipe.detail,
            calibration: calibrate(&outcome.scores)?,
            backend: outcome.space.file().map(|(_, source)| BackEndSource {
                data: data.clone(),
                ..source
            }),
            training: Training {
                command: recipe.command(self.args, version, &day),
                seed: recipe.config.seed,
                non_commercial,
                started: day,
                data,
            },
            accuracy: measured.accuracy(self.args.protocol.name(), outcome.judged_people, cllr, min_cllr),
            gate: None,
        })
    }

    /// `tenant/subject`, one a line.
    fn names(&self, chosen: &[usize]) -> String {
        chosen.iter().map(|&index| self.people[index].name() + "\n").collect()
    }
}

/// Whose data went in, by tenant, and whether any of it forbids commercial use.
pub(crate) fn lineage<'a>(learned: impl Iterator<Item = &'a Person>) -> (Vec<DataSource>, bool) {
    let mut tenants: BTreeMap<&str, usize> = BTreeMap::new();
    for person in learned {
        *tenants.entry(&person.tenant).or_default() += 1;
    }
    let mut non_commercial = false;
    let sources = tenants.into_iter().map(|(tenant, subjects)| {
        let (terms, commercial_use) = recipe::terms(tenant);
        non_commercial |= commercial_use == CommercialUse::Forbidden;
        DataSource {
            name: tenant.to_owned(),
            terms: terms.to_owned(),
            subjects,
        }
    });
    (sources.collect(), non_commercial)
}

/// People with at least two training windows: a pair is the least that says anything.
fn with_windows(mut people: Vec<Person>, recipe: &Recipe) -> Vec<Person> {
    people.retain(|person| {
        let windows: usize = person
            .sessions
            .iter()
            .map(|session| recipe.cutting.windows(session).len())
            .sum();
        windows >= 2
    });
    people
}

fn version_of(args: &TrainArgs) -> Result<String> {
    let name = args.out.file_name().and_then(|name| name.to_str());
    Ok(name
        .with_context(|| format!("{} does not end in a folder name", args.out.display()))?
        .to_owned())
}

/// Today's date in UTC.
fn today() -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (year, month, day) = civil((seconds / 86_400) as i64);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Year, month and day of a number of days since 1970-01-01 (Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}
