//! The long form of the fault tests of `score`: `cargo xtask faults` starts Kafka and then this.
//!
//! Invariants: one world for the whole run, whose books are settled at intervals, so that memory stays bounded and a loss
//! is seen soon; the last line on standard output is the JSON summary. On Ctrl-C it is that of the last settlement: what
//! happened since is not known to be right, and not counted.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program whose output is its result"
)]

use clap::Parser;
use ductus_tests::chaos::{self, Chaos, Fault, HOUR_S};
use ductus_tests::ledger::Tally;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Cycles between two settlements of the books.
const SETTLE_CYCLES: u64 = 20;
/// What happens, in turn.
const FAULTS: [Fault; 10] = [
    Fault::Kill,
    Fault::Clock { off_s: HOUR_S },
    Fault::Pause,
    Fault::Kill,
    Fault::Kill,
    Fault::Rebalance,
    Fault::Clock { off_s: -HOUR_S },
    Fault::KillAll,
    Fault::Kill,
    Fault::Starve,
];

/// Kills, pauses and rebalances instances of `score`, and compares what they decided with an undisturbed run.
#[derive(Parser)]
struct Options {
    /// How many faults to provoke.
    #[arg(long)]
    cycles: u64,
    /// Which people work, and what happens when.
    #[arg(long)]
    seed: u64,
}

/// What is known to be right or wrong.
#[derive(Clone, Default, Serialize)]
struct Summary {
    cycles: u64,
    #[serde(flatten)]
    tally: Tally,
    seconds: f64,
    seed: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let settled = Arc::new(Mutex::new(Summary {
        seed: options.seed,
        ..Summary::default()
    }));
    let ended = tokio::select! {
        ended = run(&options, &settled) => Some(ended),
        _ = tokio::signal::ctrl_c() => None,
    };
    let summary = settled.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if ended.is_none() {
        eprintln!("interrupted: the summary is that of the last settlement");
    }
    println!("{}", serde_json::to_string(&summary).expect("a summary is plain data"));
    if summary.tally.holds() && ended != Some(false) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// All cycles; false when decisions stopped coming.
async fn run(options: &Options, settled: &Mutex<Summary>) -> bool {
    let started = Instant::now();
    let note = |cycles: u64, tally: &Tally| {
        *settled.lock().unwrap_or_else(PoisonError::into_inner) = Summary {
            cycles,
            tally: tally.clone(),
            seconds: started.elapsed().as_secs_f64(),
            seed: options.seed,
        };
    };
    let bar = ProgressBar::new(options.cycles).with_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} faults, {elapsed} of {duration}: {msg}")
            .expect("the template is well formed"),
    );
    let world = chaos::world("faults").await;
    let mut chaos = Chaos::start(&world, 2, options.seed).await;
    let (mut told, mut goes_on) = (0, true);
    for cycle in 1..=options.cycles {
        chaos.cycle(FAULTS[(cycle % FAULTS.len() as u64) as usize]).await;
        bar.inc(1);
        if cycle.is_multiple_of(SETTLE_CYCLES) {
            goes_on = chaos.settle().await;
            let (tally, examples) = (chaos.ledger().tally(), chaos.ledger().examples());
            note(cycle, &tally);
            bar.set_message(wrong(&tally));
            if bar.is_hidden() {
                eprintln!("{cycle}/{} faults: {}", options.cycles, wrong(&tally));
            }
            for example in &examples[told..] {
                bar.suspend(|| eprintln!("{example}"));
            }
            told = examples.len();
        }
        if !goes_on {
            bar.suspend(|| eprintln!("decisions do not come any more: the run ends here"));
            break;
        }
    }
    let cycles = bar.position();
    let (tally, examples) = chaos.finish().await;
    bar.finish_with_message(wrong(&tally));
    for example in &examples[told..] {
        eprintln!("{example}");
    }
    note(cycles, &tally);
    goes_on
}

fn wrong(tally: &Tally) -> String {
    let Tally {
        decisions,
        lost,
        duplicates,
        differing,
        unexpected,
        ..
    } = tally;
    format!("{decisions} decisions, {lost} lost, {duplicates} twice, {differing} differ, {unexpected} unexpected")
}
