//! The command `evaluate`: how well a model tells people apart, by a published protocol.
//!
//! Invariants: embeddings come from the scorer and comparisons from `dynamics::compare`, as in the stream; the folder may
//! hold any people; what cannot be measured is refused in words, and a number that a protocol does not give is null.

mod attacks;
mod bootstrap;
mod clocks;
mod comparators;
mod compare;
pub mod continuous;
mod layout;
mod model;
mod output;
mod paired;
mod people;
mod pictures;
mod protocols;
mod report;
mod scores;

#[cfg(test)]
mod tests;

pub use attacks::{AttackReport, Forgeries, ForgeriesArgs, forgeries};
pub(crate) use clocks::Clocks;
pub use comparators::seed::seed_sees;
pub use continuous::{ContinuousArgs, ContinuousReport};
pub use layout::{Enrolled, Layout, Pair, Probe, Reference, Trials};
pub(crate) use paired::{Draws, Paired, paired};
pub(crate) use people::LearnedFrom;
pub(crate) use pictures::draw_svg;
pub use pictures::{draw_det, draw_scores};
pub use protocols::{Protocol, Settings, free_text, held_out, held_out_some};
pub use report::{Named, Published, Report};
pub use scores::{Figures, Measured, Scores};

use crate::corpus::DataSource;
use crate::import::Dataset;
use crate::{config, embed};
use anyhow::{Result, bail};
use clap::Args;
use compare::{BackEnd, Learned, Shipped};
use ductus_dynamics::event::Modality;
use ductus_dynamics::feature::FeatureWindow;
use ductus_scorer::Manifest;
use protocols::LaidOut;
use report::Judged;
use serde::Serialize;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Instant;

/// The name of the figures by [`Learned`].
const LEARNED: &str = "whitening learned from the other people";
/// The name of the figures by [`Shipped::against_nearest`].
const AGAINST_NEAREST: &str = "against the nearest other person enrolled";
/// What `--shuffle-labels` draws by.
const SHUFFLE_SEED: u64 = 20_261_121;

/// Options of `evaluate`.
#[derive(Args, Clone, Debug)]
pub struct EvaluateArgs {
    /// How to judge.
    #[arg(long, value_enum)]
    pub protocol: Protocol,
    /// A folder in the data set's own format.
    #[arg(long)]
    pub data: PathBuf,
    /// The data set, where the protocol leaves it open (held-out, cross, chimera); the others know theirs.
    #[arg(long, value_enum)]
    pub dataset: Option<Dataset>,
    /// The model's folder.
    #[arg(long)]
    pub model: PathBuf,
    /// Write the result here; beside it a table (`.md`) and the pictures det.svg, roc.svg, scores.svg and reliability.svg.
    #[arg(long)]
    pub report: PathBuf,
    /// Reference windows a person, where the protocol leaves it open.
    #[arg(long)]
    pub references: Option<usize>,
    /// Steps a window, where the protocol leaves it open [default: 50 keys, 128 pointer events, the model's limit if less].
    #[arg(long)]
    pub steps: Option<NonZeroUsize>,
    /// Bring all event times to multiples of this many µs, from a random phase on in every session.
    #[arg(long)]
    pub requantise_us: Option<NonZeroU32>,
    /// Bring all clocks to this frequency; of the moves within a tick the last is kept.
    #[arg(long)]
    pub clock_hz: Option<NonZeroU32>,
    /// Give everybody's references to somebody else: every error rate must become 50 %.
    #[arg(long)]
    pub shuffle_labels: bool,
    /// Draws of people behind the 95 % intervals.
    #[arg(long, default_value = "1000")]
    pub resamples: usize,
    /// Judge only the people that `held-out.txt` of this other model's folder names, to compare two models on the same people.
    #[arg(long)]
    pub held_out_of: Option<PathBuf>,
    /// Leave the comparators out.
    #[arg(long)]
    pub without_comparators: bool,
    /// People that comparators learn a background from, each DATASET=DIR [default: the other people of the protocol].
    #[arg(long)]
    pub background: Vec<DataSource>,
    /// A model of the seed's design to compare with.
    #[arg(long)]
    pub seed_model: Option<PathBuf>,
    /// Chimera: a folder with pointer recordings.
    #[arg(long)]
    pub pointer_data: Option<PathBuf>,
    /// Chimera: their data set [default: sapimouse].
    #[arg(long, value_enum)]
    pub pointer_dataset: Option<Dataset>,
    /// Chimera: the pointer model's folder.
    #[arg(long)]
    pub pointer_model: Option<PathBuf>,
    /// Threads that embed.
    #[arg(long, default_value = "2")]
    pub threads: NonZeroUsize,
    /// The ONNX Runtime library, before `ORT_DYLIB_PATH` and the cache folder.
    #[arg(long)]
    pub onnxruntime: Option<PathBuf>,
    /// Of the protocol `continuous` alone.
    #[command(flatten)]
    pub continuous: ContinuousArgs,
}

/// What a protocol found.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Outcome {
    /// Comparisons of windows.
    Compared(Box<Report>),
    /// Takeovers in mid-session.
    Continuous(Box<ContinuousReport>),
    /// Attack sessions.
    Attacks(Box<AttackReport>),
}

/// Runs a protocol.
pub fn evaluate(args: &EvaluateArgs) -> Result<Outcome> {
    // Protocols that play whole sessions through the line stand here with a line of their own.
    if args.protocol == Protocol::Continuous {
        return Ok(Outcome::Continuous(Box::new(continuous::run(args)?)));
    }
    if args.protocol == Protocol::Attacks {
        return Ok(Outcome::Attacks(Box::new(attacks::run(args)?)));
    }
    Ok(Outcome::Compared(Box::new(compare(args)?)))
}

/// Judges a model by comparing windows.
fn compare(args: &EvaluateArgs) -> Result<Report> {
    let started = Instant::now();
    config::start_runtime(args.onnxruntime.as_deref())?;
    let manifest = Manifest::load(&args.model)?;
    let modality = manifest.modality;
    if args.protocol.modality().is_some_and(|needed| needed != modality) {
        bail!(
            "protocol {} does not judge {} models such as {}",
            args.protocol.name(),
            modality.name(),
            manifest.name()
        );
    }
    let judged = match args.protocol {
        Protocol::Chimera => protocols::chimera::judge(args)?,
        _ => judge(args, &manifest)?,
    };
    let mut report = Report::of(args, &manifest, &judged);
    report.seconds = started.elapsed().as_secs_f64();
    write(args, &report, &judged.scores)?;
    Ok(report)
}

/// Lays out, embeds and compares.
fn judge(args: &EvaluateArgs, manifest: &Manifest) -> Result<Judged> {
    let modality = manifest.modality;
    let mut settings = Settings::of(modality);
    settings.steps = args
        .steps
        .map_or(settings.steps.min(manifest.steps_max), NonZeroUsize::get);
    settings.references = args.references.unwrap_or(settings.references).max(1);
    let LaidOut {
        crowd,
        mut layout,
        compared,
    } = protocols::lay_out(args, modality, manifest.detail, settings)?;
    if args.shuffle_labels {
        layout.shuffle_labels(SHUFFLE_SEED);
    }
    layout.check()?;
    let mut judged = Judged {
        subjects: layout.people(),
        people_read: crowd.read,
        subjects_seen: people::seen_by(&args.model, manifest, &crowd.people),
        windows: layout.windows.len(),
        refused: crowd.refused,
        notes: [crowd.notes, layout.notes.clone()].concat(),
        comparators: compared,
        ..Judged::default()
    };
    let longest = layout.windows.iter().map(|window| window.len).max().unwrap_or(0);
    let model = model::load(&args.model, modality, longest, &mut judged.notes)?;
    let embeddings = embed::with_model(&model, &layout.windows, args.threads)?;
    let back_end = Shipped::of(&model);
    let score = |enrolled: &[Enrolled], trials: &Trials| back_end.score(enrolled, trials, &embeddings, args.threads);
    judged.scores = score(&layout.enrolled, &layout.trials);
    let galleries = layout.galleries.iter();
    judged.by_references = galleries
        .map(|(count, enrolled)| (*count, score(enrolled, &layout.trials)))
        .collect();
    let after = layout.after.iter().filter(|(_, trials)| !trials.pairs.is_empty());
    judged.after = after
        .map(|(windows, trials)| (*windows, score(&layout.enrolled, trials)))
        .collect();
    if args.protocol.is_closed() {
        judged
            .variants
            .push(comparators::by(AGAINST_NEAREST, &layout, |trials| {
                back_end.against_nearest(&layout.enrolled, trials, &embeddings, args.threads)
            }));
    }
    if args.protocol.learns() {
        match Learned::of(&layout.enrolled, &embeddings) {
            Some(learned) => judged.variants.push(comparators::by(LEARNED, &layout, |trials| {
                learned.score(&layout.enrolled, trials, &embeddings, args.threads)
            })),
            None => judged
                .notes
                .push("too few people with several occasions to learn a whitening from".to_owned()),
        }
    }
    if !args.without_comparators {
        let others = background(args, modality, manifest, settings)?;
        let scored = comparators::score_all(&layout, &others, args.threads, &mut judged.notes);
        judged.comparators.extend(scored);
        if let Some(folder) = &args.seed_model {
            let scored = comparators::seed::score(&layout, folder, args.threads)?;
            judged.comparators.push(scored);
        }
    }
    Ok(judged)
}

/// Windows of people from elsewhere, by person.
fn background(
    args: &EvaluateArgs,
    modality: Modality,
    manifest: &Manifest,
    settings: Settings,
) -> Result<Vec<Vec<FeatureWindow>>> {
    let mut people = Vec::new();
    for DataSource { dataset, dir } in &args.background {
        let crowd = people::read_folder(*dataset, dir, modality, manifest.detail, &Clocks::of(args))?;
        people.extend(crowd.people);
    }
    let cutting = settings.cutting(modality).apart();
    let windows = people.iter().map(|person| {
        let sessions = person.sessions.iter();
        sessions.flat_map(|session| cutting.features(session)).collect()
    });
    Ok(windows
        .filter(|windows: &Vec<FeatureWindow>| !windows.is_empty())
        .collect())
}

fn write(args: &EvaluateArgs, report: &Report, scores: &Scores) -> Result<()> {
    let title = format!("{} on {}", report.model, report.protocol);
    let pictures = [
        ("det.svg", draw_det(&title, scores)?),
        ("roc.svg", pictures::draw_roc(&title, scores)?),
        ("scores.svg", draw_scores(&title, scores)?),
        ("reliability.svg", pictures::draw_reliability(&title, scores)?),
    ];
    output::write(&args.report, report, report.table(), pictures)
}
