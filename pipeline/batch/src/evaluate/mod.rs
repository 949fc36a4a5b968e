//! The command `evaluate`: how well a model tells people apart, by a published protocol.
//!
//! Invariants: embeddings come from the scorer and comparisons from `dynamics::compare`, as in the stream; the folder may
//! hold any people; what cannot be measured is refused in words, and a number that a protocol does not give is null.

mod comparators;
mod pictures;
mod protocols;
mod trials;

#[cfg(test)]
mod tests;

pub use comparators::scaled_manhattan;
pub use pictures::{draw_det, draw_scores};
pub use protocols::{Protocol, Settings, free_text, held_out};
pub use trials::{Layout, Measured, Pair, Scores, Trials};

use crate::import::Dataset;
use crate::{config, embed};
use anyhow::{Context, Result, bail};
use clap::Args;
use ductus_scorer::{Contract, Manifest, Model};
use serde::Serialize;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Options of `evaluate`.
#[derive(Args, Clone, Debug)]
pub struct EvaluateArgs {
    /// How to judge.
    #[arg(long, value_enum)]
    pub protocol: Protocol,
    /// A folder in the data set's own format.
    #[arg(long)]
    pub data: PathBuf,
    /// The data set, for the protocol `held-out`; the others know theirs.
    #[arg(long, value_enum)]
    pub dataset: Option<Dataset>,
    /// The model's folder.
    #[arg(long)]
    pub model: PathBuf,
    /// Write the result here, and `det.svg` beside it.
    #[arg(long)]
    pub report: PathBuf,
    /// Reference windows a person, where the protocol leaves it open.
    #[arg(long)]
    pub references: Option<usize>,
    /// Threads that embed.
    #[arg(long, default_value = "2")]
    pub threads: NonZeroUsize,
    /// The ONNX Runtime library, before `ORT_DYLIB_PATH` and the cache folder.
    #[arg(long)]
    pub onnxruntime: Option<PathBuf>,
}

/// The result of `evaluate`.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Protocol.
    pub protocol: &'static str,
    /// People enrolled.
    pub subjects: usize,
    /// Genuine comparisons.
    pub genuine: u64,
    /// Impostor comparisons.
    pub impostor: u64,
    /// Mean equal error rate of the people under their own thresholds.
    pub eer_subject: Option<f64>,
    /// Equal error rate under one threshold.
    pub eer_global: Option<f64>,
    /// Area under the curve.
    pub auc: Option<f64>,
    /// FNMR at FMR 1 %.
    pub fnmr_at_fmr_1pct: Option<f64>,
    /// FNMR at FMR 0.1 %.
    pub fnmr_at_fmr_0_1pct: Option<f64>,
    /// The same with several windows a decision.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after_windows: Vec<After>,
    /// The same comparisons by scaled Manhattan distance, without a model.
    pub scaled_manhattan: Yardstick,
    /// The model that was judged.
    pub model: String,
    /// Hash of its network.
    pub sha256: String,
    /// Windows that were embedded.
    pub windows: usize,
    /// What was left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Time taken.
    pub seconds: f64,
}

/// What a method without learning reaches on the same comparisons.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Yardstick {
    /// As in [`Report`].
    pub eer_subject: Option<f64>,
    /// As in [`Report`].
    pub eer_global: Option<f64>,
    /// As in [`Report`].
    pub auc: Option<f64>,
}

/// Measures where a decision looks at several consecutive windows.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct After {
    /// How many.
    pub windows: usize,
    /// Genuine decisions.
    pub genuine: u64,
    /// Impostor decisions.
    pub impostor: u64,
    /// As in [`Report`].
    pub eer_subject: Option<f64>,
    /// As in [`Report`].
    pub eer_global: Option<f64>,
    /// As in [`Report`].
    pub auc: Option<f64>,
    /// As in [`Report`].
    pub fnmr_at_fmr_1pct: Option<f64>,
    /// As in [`Report`].
    pub fnmr_at_fmr_0_1pct: Option<f64>,
}

/// What a protocol found.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Outcome {
    /// Comparisons of windows.
    Compared(Box<Report>),
}

/// Runs a protocol.
pub fn evaluate(args: &EvaluateArgs) -> Result<Outcome> {
    // Protocols that play whole sessions through the line stand here with a line of their own.
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
    let model = Arc::new(Model::load(&args.model, &Contract::of(modality))?);
    let mut settings = Settings::of(modality);
    settings.steps = settings.steps.min(manifest.steps_max);
    settings.references = args.references.unwrap_or(settings.references).max(1);
    let layout = protocols::lay_out(args, modality, manifest.detail, settings)?;
    layout.check()?;
    let embeddings = embed::with_model(&model, &layout.windows, args.threads)?;
    let scores = layout.score(&layout.trials, &embeddings);
    let measured = scores.measure();
    let yardstick = scaled_manhattan(&layout, &layout.trials).measure();
    let after = layout.after.iter().filter(|(_, trials)| !trials.pairs.is_empty());
    let after = after
        .map(|(windows, trials)| After::of(*windows, layout.score(trials, &embeddings).measure()))
        .collect();
    let report = Report {
        protocol: args.protocol.name(),
        subjects: layout.enrolled.len(),
        genuine: measured.genuine,
        impostor: measured.impostor,
        eer_subject: measured.eer_subject,
        eer_global: measured.eer_global,
        auc: measured.auc,
        fnmr_at_fmr_1pct: measured.fnmr_at_fmr_1pct,
        fnmr_at_fmr_0_1pct: measured.fnmr_at_fmr_0_1pct,
        after_windows: after,
        scaled_manhattan: Yardstick {
            eer_subject: yardstick.eer_subject,
            eer_global: yardstick.eer_global,
            auc: yardstick.auc,
        },
        model: manifest.name(),
        sha256: manifest.sha256.clone(),
        windows: layout.windows.len(),
        notes: layout.notes.clone(),
        seconds: started.elapsed().as_secs_f64(),
    };
    write(args, &report, &scores)?;
    Ok(report)
}

impl After {
    fn of(windows: usize, measured: Measured) -> Self {
        Self {
            windows,
            genuine: measured.genuine,
            impostor: measured.impostor,
            eer_subject: measured.eer_subject,
            eer_global: measured.eer_global,
            auc: measured.auc,
            fnmr_at_fmr_1pct: measured.fnmr_at_fmr_1pct,
            fnmr_at_fmr_0_1pct: measured.fnmr_at_fmr_0_1pct,
        }
    }
}

fn write(args: &EvaluateArgs, report: &Report, scores: &Scores) -> Result<()> {
    let folder = args
        .report
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let text = serde_json::to_string_pretty(report).context("cannot write the report as JSON")?;
    std::fs::write(&args.report, text + "\n").with_context(|| format!("cannot write {}", args.report.display()))?;
    let picture = folder.join("det.svg");
    let title = format!("{} on {}", report.model, report.protocol);
    std::fs::write(&picture, draw_det(&title, scores)?).with_context(|| format!("cannot write {}", picture.display()))
}
