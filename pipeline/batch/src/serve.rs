//! The command `serve`: trains on a schedule from the tables that `archive` fills, and promotes what is better.
//!
//! Invariants: one run at a time; a run that fails or is refused changes nothing, is logged, and the schedule goes on; a
//! signal ends the wait at once and a training at its next checkpoint.

use crate::interrupt::{self, Interrupted};
use crate::promote::{KafkaArgs, PromoteArgs, Refused, promote};
use crate::train::{TrainArgs, train};
use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use clap::{Args, Parser};
use croner::Cron;
use ductus_dynamics::event::Modality;
use serde::Serialize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// The same every time, so that the same people are kept aside: neither the candidate nor the live model has learned from them,
/// and `promote` can judge both on them.
const SEED: u64 = 1;
/// How often the wait looks at the clock and for signals.
const LOOK: Duration = Duration::from_millis(500);

/// Options of `serve`.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// When to train, as cron writes it, in UTC: "0 3 * * *" is every night at three.
    #[arg(long)]
    pub retrain: String,
    /// The tables that `archive` fills.
    #[arg(long)]
    pub history: String,
    /// What to train; both unless given.
    #[arg(long)]
    pub modality: Vec<Modality>,
    /// The registry that every process is configured with (`models.dir`).
    #[arg(long, default_value = "models")]
    pub registry: PathBuf,
    /// Where candidates are made; those that were refused stay there to be looked at.
    #[arg(long, default_value = "candidates")]
    pub candidates: PathBuf,
    /// Where to announce.
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// Train once now, and end.
    #[arg(long)]
    pub once: bool,
    /// Options handed to `train`, as one string: `--steps 400 --threads 1`.
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    pub train: String,
    /// The ONNX Runtime library, before `ORT_DYLIB_PATH` and the cache folder.
    #[arg(long)]
    pub onnxruntime: Option<PathBuf>,
}

/// The result of `serve`, once it was stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Served {
    /// Trainings begun.
    pub runs: u64,
    /// Models promoted.
    pub promoted: u64,
    /// Models refused, being worse.
    pub refused: u64,
    /// Runs that failed.
    pub failed: u64,
}

/// Serves until a signal comes.
pub fn serve(args: &ServeArgs) -> Result<Served> {
    let cron = Cron::from_str(&args.retrain).with_context(|| format!("--retrain {:?} is no schedule", args.retrain))?;
    // A mistake in the options should show now and not at three in the morning.
    train_args(args, Modality::Keystroke, "check", 0)?;
    let mut served = Served::default();
    if args.once {
        run(args, Utc::now(), &mut served);
        return Ok(served);
    }
    loop {
        let next = cron
            .find_next_occurrence(&Utc::now(), false)
            .context("the schedule has no next time")?;
        tracing::info!(%next, "waiting for the next training");
        if !wait_until(next) {
            tracing::info!("stopped");
            return Ok(served);
        }
        run(args, next, &mut served);
    }
}

/// Waits, and tells whether the time has come (and not a signal).
fn wait_until(next: DateTime<Utc>) -> bool {
    while !interrupt::requested() {
        if Utc::now() >= next {
            return true;
        }
        std::thread::sleep(LOOK);
    }
    false
}

fn run(args: &ServeArgs, now: DateTime<Utc>, served: &mut Served) {
    let modalities = if args.modality.is_empty() {
        Modality::ALL.to_vec()
    } else {
        args.modality.clone()
    };
    for modality in modalities {
        if interrupt::requested() {
            return;
        }
        served.runs += 1;
        match retrain(args, modality, now) {
            Ok(changed) => served.promoted += u64::from(changed),
            Err(error) if error.is::<Interrupted>() => tracing::warn!("{error:#}"),
            Err(error) if error.is::<Refused>() => {
                served.refused += 1;
                tracing::warn!(modality = modality.name(), "{error:#}");
            }
            Err(error) => {
                served.failed += 1;
                tracing::error!(
                    modality = modality.name(),
                    "retraining failed, the live model stays: {error:#}"
                );
            }
        }
    }
}

fn retrain(args: &ServeArgs, modality: Modality, now: DateTime<Utc>) -> Result<bool> {
    let version = now.format("%Y-%m-%d-%H%M").to_string();
    let training = train_args(args, modality, &version, SEED)?;
    let trained = train(&training)?;
    tracing::info!(model = trained.model, eer = trained.eer_global, "trained");
    let promoted = promote(&PromoteArgs {
        model: Some(training.out),
        roll_back: false,
        modality,
        registry: args.registry.clone(),
        history: Some(args.history.clone()),
        kafka: args.kafka.clone(),
        force: false,
        onnxruntime: args.onnxruntime.clone(),
    })?;
    tracing::info!(
        model = promoted.model,
        changed = promoted.changed,
        announced = promoted.announced,
        "promoted"
    );
    Ok(promoted.changed)
}

/// The options of `train` as the command line would make them.
fn train_args(args: &ServeArgs, modality: Modality, version: &str, seed: u64) -> Result<TrainArgs> {
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        train: TrainArgs,
    }
    let out = args.candidates.join(modality.name()).join(version);
    let mut words: Vec<std::ffi::OsString> = vec!["train".into(), "--history".into(), (&args.history).into()];
    words.extend(["--modality".into(), modality.name().into(), "--out".into(), out.into()]);
    words.extend(["--seed".into(), seed.to_string().into(), "--resume".into()]);
    words.extend(args.train.split_whitespace().map(Into::into));
    let mut train = Line::try_parse_from(words)
        .context("--train holds options that train does not know")?
        .train;
    train.onnxruntime = train.onnxruntime.or_else(|| args.onnxruntime.clone());
    Ok(train)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(train: &str) -> ServeArgs {
        ServeArgs {
            retrain: "0 3 * * *".to_owned(),
            history: "tables".to_owned(),
            modality: Vec::new(),
            registry: "models".into(),
            candidates: "candidates".into(),
            kafka: KafkaArgs::default(),
            once: false,
            train: train.to_owned(),
            onnxruntime: None,
        }
    }

    #[test]
    fn options_of_train_are_handed_on_and_checked() {
        let train = train_args(&args("--steps 40 --threads 1"), Modality::Pointer, "v", 7).unwrap();
        assert_eq!(
            (train.steps, train.seed, train.out),
            (Some(40), 7, "candidates/pointer/v".into())
        );
        assert!(train_args(&args("--stebs 40"), Modality::Pointer, "v", 7).is_err());
    }

    #[test]
    fn three_at_night() {
        let cron = Cron::from_str("0 3 * * *").unwrap();
        let now: DateTime<Utc> = "2026-11-21T09:00:00Z".parse().unwrap();
        assert_eq!(
            cron.find_next_occurrence(&now, false).unwrap().to_rfc3339(),
            "2026-11-22T03:00:00+00:00"
        );
        assert!(
            serve(&ServeArgs {
                retrain: "at three".to_owned(),
                ..args("")
            })
            .is_err()
        );
    }
}
