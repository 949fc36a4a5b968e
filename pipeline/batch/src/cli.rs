//! The command line: what there is, and what the process ends with.

use crate::backend::{BackEndArgs, backend};
use crate::evaluate::{EvaluateArgs, ForgeriesArgs, evaluate, forgeries};
use crate::import::{ImportArgs, import};
use crate::promote::{PromoteArgs, promote};
use crate::query::{QueryArgs, query};
use crate::serve::{ServeArgs, serve};
use crate::thresholds::{ThresholdsArgs, thresholds};
use crate::train::{TrainArgs, train};
use crate::{interrupt, output};
use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Import, train, evaluate, promote and query: the batch side of Ductus.
#[derive(Parser, Debug)]
#[command(name = "ductus-batch", version, about, max_term_width = 120)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Read a public data set into a file of event batches or into the history tables.
    Import(ImportArgs),
    /// Learn a model from the history tables, or from folders of public data sets.
    Train(Box<TrainArgs>),
    /// Learn from this deployment's people how a model's embeddings are best compared: a new version of the model.
    Backend(BackEndArgs),
    /// Measure a model by a protocol.
    Evaluate(EvaluateArgs),
    /// Learn the weights of the detector of forged times.
    Forgeries(ForgeriesArgs),
    /// Compute step-up thresholds from the history tables and a budget.
    Thresholds(ThresholdsArgs),
    /// Make a model live, or return to the one before.
    Promote(PromoteArgs),
    /// Ask the history tables in SQL.
    Query(QueryArgs),
    /// Train on a schedule and promote what is better.
    Serve(ServeArgs),
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    // Dependencies speak up only when something is wrong.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,ductus_batch=info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
    match interrupt::listen().and_then(|()| dispatch(&cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<interrupt::Interrupted>() => {
            tracing::warn!("{error:#}");
            ExitCode::from(interrupt::EXIT_CODE)
        }
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: &Command) -> Result<()> {
    match command {
        Command::Import(args) => output::result(&import(args)?),
        Command::Train(args) => output::result(&train(args)?),
        Command::Backend(args) => output::result(&backend(args)?),
        Command::Evaluate(args) => output::result(&evaluate(args)?),
        Command::Forgeries(args) => output::result(&forgeries(args)?),
        Command::Thresholds(args) => output::result(&thresholds(args)?),
        Command::Promote(args) => output::result(&promote(args)?),
        Command::Query(args) => output::text(&query(args)?),
        Command::Serve(args) => output::result(&serve(args)?),
    }
}
