//! The command `backend`: a new version of a model, whose embeddings are compared as the people of this deployment need it.
//!
//! ```text
//! people ─ split by person ─┬─ several occasions ─ network ─► whitening, calibration ─► backend.bin
//!                           └─ kept aside ─ both back-ends ─► error before and after, cost ─► manifest, card, pictures
//! ```
//! Invariants: the network stays the same bytes, so references stay valid and nothing is embedded again; nobody whom the
//! back-end learned from is among those its error is measured on; while too few people were seen on several occasions, the
//! new version has the back-end of the old one, and the result says so.

mod folder;
mod occasions;

#[cfg(test)]
mod tests;

pub(crate) use occasions::{Dividing, GAP_MINUTES};

use crate::corpus::{self, DataSource, Person};
use crate::evaluate::{Layout, Measured, Scores, Settings, held_out};
use crate::train::{HELD_OUT_FILE, HoldOut, lineage, set_aside};
use crate::windows::Cutting;
use crate::{config, embed};
use anyhow::{Context, Result, bail};
use clap::Args;
use ductus_dynamics::accuracy;
use ductus_dynamics::backend::{BackEnd, LearnConfig, LearnError, Learned, learn};
use ductus_scorer::{Contract, Manifest, Model};
use serde::Serialize;
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Options of `backend`.
#[derive(Args, Clone, Debug)]
pub struct BackEndArgs {
    /// The model's folder.
    #[arg(long)]
    pub model: PathBuf,
    /// Learn from the people of the tables under this folder or URL.
    #[arg(long, required_unless_present = "data", conflicts_with = "data")]
    pub history: Option<String>,
    /// Learn from folders of public data sets, each DATASET=DIR.
    #[arg(long)]
    pub data: Vec<DataSource>,
    /// Folder of the new version; its last part becomes its name.
    #[arg(long)]
    pub out: PathBuf,
    /// Replace a version that is there already.
    #[arg(long)]
    pub force: bool,
    /// Share of the mean variance that is added to every direction [default: what does best on people it was not learned from].
    #[arg(long)]
    pub shrinkage: Option<f64>,
    /// Fewest people seen on several occasions; with fewer the model keeps its back-end.
    #[arg(long, default_value_t = LearnConfig::default().people_min)]
    pub people_min: usize,
    /// A pause between sessions that makes another occasion, minutes.
    #[arg(long, default_value_t = GAP_MINUTES)]
    pub occasion_gap_minutes: u32,
    /// Whom to keep aside to judge: a number, or pseudonyms [default: those whom the model's training kept aside, else a fifth].
    #[arg(long)]
    pub hold_out: Option<HoldOut>,
    /// Decides who is kept aside.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Threads that embed.
    #[arg(long)]
    pub threads: Option<NonZeroUsize>,
    /// The ONNX Runtime library, before `ORT_DYLIB_PATH` and the cache folder.
    #[arg(long)]
    pub onnxruntime: Option<PathBuf>,
}

/// The result of `backend`.
#[derive(Clone, Debug, Serialize)]
pub struct Made {
    /// `id/version` of the new version.
    pub model: String,
    /// Hash of its network, which is that of the old version.
    pub sha256: String,
    /// Whether a back-end was learned; else the old one was copied.
    pub learned: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
    /// How much the whitening was shrunken; none where plain cosines did best and only the calibration is new.
    pub shrinkage: Option<f64>,
    /// People it was learned from.
    pub people: usize,
    /// Their occasions.
    pub occasions: usize,
    /// People kept aside and judged.
    pub subjects: usize,
    /// On these, with the new back-end.
    pub after: Option<Judged>,
    /// On the same with the old one.
    pub before: Option<Judged>,
    /// Time taken.
    pub seconds: f64,
}

/// Error and cost of a back-end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// Error rates.
    #[serde(flatten)]
    pub measured: Measured,
    /// Cost of its log-likelihood ratios, bits.
    pub cllr: Option<f64>,
    /// The least cost that their order allows, bits.
    pub min_cllr: Option<f64>,
}

/// Learns a back-end and writes the new version.
pub fn backend(args: &BackEndArgs) -> Result<Made> {
    let started = Instant::now();
    let place = folder::Place::of(args)?;
    config::start_runtime(args.onnxruntime.as_deref())?;
    let manifest = Manifest::load(&args.model)?;
    let model = Arc::new(Model::load(&args.model, &Contract::of(manifest.modality))?);
    let people = match &args.history {
        Some(root) => corpus::from_history(root, manifest.modality, manifest.detail)?,
        None => corpus::from_folders(&args.data, manifest.modality, manifest.detail)?,
    };
    let work = Work {
        args,
        model: &model,
        people: &people,
        threads: args
            .threads
            .or_else(|| std::thread::available_parallelism().ok())
            .unwrap_or(NonZeroUsize::MIN),
    };
    let (learn_from, aside) = work.split()?;
    let learned = match work.learn(&learn_from)? {
        Ok(learned) => learned,
        Err(why) => {
            tracing::warn!("{why}; the new version keeps the back-end of {}", manifest.name());
            let copied = place.copy(&manifest)?;
            return Ok(Made::copied(&copied, why, started));
        }
    };
    let (layout, judged) = work.judge(&aside, &learned)?;
    let new = folder::Version {
        old: &manifest,
        learned: &learned,
        lineage: lineage(learn_from.iter().copied()),
        subjects: layout.people(),
        judged: &judged,
        kept_aside: aside.iter().map(|person| person.name() + "\n").collect(),
    };
    let manifest = place.write(&new)?;
    Ok(Made {
        model: manifest.name(),
        sha256: manifest.sha256,
        learned: true,
        why_not: None,
        shrinkage: learned.shrinkage,
        people: learned.people,
        occasions: learned.occasions,
        subjects: layout.people(),
        after: Some(judged.after.1),
        before: Some(judged.before),
        seconds: started.elapsed().as_secs_f64(),
    })
}

impl Made {
    fn copied(manifest: &Manifest, why: String, started: Instant) -> Self {
        let source = manifest.backend.as_ref();
        Self {
            model: manifest.name(),
            sha256: manifest.sha256.clone(),
            learned: false,
            why_not: Some(why),
            shrinkage: None,
            people: source.map_or(0, |source| source.people),
            occasions: source.map_or(0, |source| source.occasions),
            subjects: 0,
            after: None,
            before: None,
            seconds: started.elapsed().as_secs_f64(),
        }
    }
}

/// What is to be done.
struct Work<'a> {
    args: &'a BackEndArgs,
    model: &'a Arc<Model>,
    people: &'a [Person],
    threads: NonZeroUsize,
}

/// How both back-ends did on the people kept aside.
struct Compared {
    before: Judged,
    after: (Scores, Judged),
}

impl Work<'_> {
    /// Whom to learn from and whom to judge. People whom the network did not learn from come first as judges.
    fn split(&self) -> Result<(Vec<&Person>, Vec<&Person>)> {
        let unseen = kept_aside(&self.args.model)?;
        let known: Vec<&str> = self
            .people
            .iter()
            .filter(|person| unseen.contains(&person.name()))
            .map(|person| person.subject.as_str())
            .collect();
        let hold_out = match &self.args.hold_out {
            Some(hold_out) => Some(hold_out.clone()),
            // Where nearly everybody is unknown to the network, anybody will do as a judge.
            None if known.is_empty() || 2 * known.len() > self.people.len() => None,
            None => Some(HoldOut::named(known)),
        };
        let everybody: Vec<usize> = (0..self.people.len()).collect();
        let judge = set_aside(self.people, &everybody, hold_out.as_ref(), self.args.seed);
        let (mut learn_from, mut aside) = (Vec::new(), Vec::new());
        for (index, person) in self.people.iter().enumerate() {
            if judge.contains(&index) {
                aside.push(person)
            } else {
                learn_from.push(person)
            }
        }
        Ok((learn_from, aside))
    }

    /// Learns; the inner error says why the people do not suffice.
    fn learn(&self, people: &[&Person]) -> Result<Result<Learned, String>> {
        let manifest = self.model.manifest();
        let dividing = Dividing::of(
            Cutting::of_stream(manifest.modality),
            manifest.steps_max,
            self.args.occasion_gap_minutes,
        );
        let occasions = dividing.embedded(people.iter().copied(), |windows| {
            embed::with_model(self.model, windows, self.threads)
        })?;
        let mut config = LearnConfig {
            people_min: self.args.people_min,
            ..LearnConfig::default()
        };
        if let Some(shrinkage) = self.args.shrinkage {
            config.candidates = [shrinkage; 4];
            config.plain = false;
        }
        match learn(&occasions, &config) {
            Ok(learned) => Ok(Ok(learned)),
            Err(error @ LearnError::Dims { .. }) => Err(error).context("the network's embeddings differ in length"),
            Err(error) => Ok(Err(error.to_string())),
        }
    }

    fn judge(&self, people: &[&Person], learned: &Learned) -> Result<(Layout, Compared)> {
        let manifest = self.model.manifest();
        let people: Vec<Person> = people.iter().copied().cloned().collect();
        let mut settings = Settings::of(manifest.modality);
        settings.steps = settings.steps.min(manifest.steps_max);
        let layout = held_out(&people, manifest.modality, settings);
        layout.check().context("the people kept aside cannot be judged")?;
        let embeddings = embed::with_model(self.model, &layout.windows, self.threads)?;
        let judge = |back_end: &BackEnd| {
            let scores = layout.score(&layout.trials, &embeddings.in_space(&back_end.space));
            let judged = Judged::of(&scores, back_end);
            (scores, judged)
        };
        let compared = Compared {
            before: judge(self.model.back_end()).1,
            after: judge(&learned.back_end),
        };
        Ok((layout, compared))
    }
}

impl Judged {
    /// `scores` are cosines.
    fn of(scores: &Scores, back_end: &BackEnd) -> Self {
        let (genuine, impostor) = scores.split();
        let llrs =
            |cosines: &[f32]| -> Vec<f32> { cosines.iter().map(|cosine| back_end.calibration.llr(*cosine)).collect() };
        Self {
            measured: scores.measure(),
            cllr: accuracy::cllr(&llrs(&genuine), &llrs(&impostor)),
            min_cllr: accuracy::min_cllr(&genuine, &impostor),
        }
    }
}

/// Whom the model's training kept aside, `tenant/subject`.
fn kept_aside(model: &Path) -> Result<BTreeSet<String>> {
    let file = model.join(HELD_OUT_FILE);
    if !file.is_file() {
        return Ok(BTreeSet::new());
    }
    let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// The version's name: the last part of its folder.
fn version_of(out: &Path) -> Result<String> {
    let name = out.file_name().and_then(|name| name.to_str());
    match name {
        Some(name) => Ok(name.to_owned()),
        None => bail!("{} does not end in a folder name", out.display()),
    }
}
