//! `cargo xtask`: every command anyone needs to build, try, test and measure Ductus.
//!
//! Invariants: a thing that is missing is fetched or named, never passed over; downloads are pinned and live in the
//! user's cache folder, never in the repository; standard output holds results, standard error holds progress.

mod accuracy;
mod advisories;
#[cfg(test)]
mod alerts;
mod bench;
mod command;
mod demo;
mod deny;
mod elasticsearch;
mod environment;
mod faults;
mod files;
mod fuzz;
mod http;
mod java;
mod kafka;
mod node;
mod onnxruntime;
mod opensearch;
mod peers;
mod postgresql;
mod prerequisites;
mod python;
mod recordings;
mod report;
mod services;
mod tally;
mod test;
mod up;
mod web;
mod wheel;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Every command anyone needs to build, try, test and measure Ductus.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct CommandLine {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Set up, build, and run the demo; with `--exit` once at full speed, ending with a JSON summary.
    Demo(demo::Options),
    /// Set up, and run every check and every test, real services included.
    Test(test::Options),
    /// Kill, pause and rebalance `score` for as long as you like, and compare what it decided with an undisturbed run.
    Faults(faults::Options),
    /// Search for input that breaks what reads it, with libFuzzer, and print what was run as JSON.
    Fuzz(fuzz::Options),
    /// Run every benchmark beside its yardstick.
    Bench(bench::Options),
    /// Judge the released models by every protocol and write docs/accuracy.md.
    Accuracy(accuracy::Options),
    /// Start real Kafka and real Elasticsearch (and what else you name) on this machine and keep them running.
    Up(up::Options),
    /// Stop what `up` started.
    Down {
        /// Remove the data of the services as well.
        #[arg(long)]
        wipe: bool,
    },
}

fn main() -> ExitCode {
    let outcome = match CommandLine::parse().task {
        Task::Demo(options) => demo::demo(&options).map(|()| ExitCode::SUCCESS),
        Task::Test(options) => test::test(&options),
        Task::Faults(options) => faults::faults(&options),
        Task::Fuzz(options) => fuzz::fuzz(&options),
        Task::Bench(options) => bench::bench(&options),
        Task::Accuracy(options) => accuracy::accuracy(&options),
        Task::Up(options) => up::up(&options).map(|()| ExitCode::SUCCESS),
        Task::Down { wipe } => up::down(wipe).map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        report::progress(format!("error: {error:#}"));
        ExitCode::FAILURE
    })
}
