//! What the gateway costs, and how fast it answers, against a real Kafka.
//!
//! The gateway is the binary `ductus` of this build with its usual configuration, asked with application keys and session
//! tokens. Its yardsticks get the same requests from the same generator, in turn with it: a bare axum handler (`bare`, this
//! program again) that produces the same bytes with the same client, and one in FastAPI (`infra/bench/peers`). Every server
//! is a process of its own, whose CPU and memory the kernel tells. Prints one JSON object a line, as `cargo xtask bench`
//! reads them. Needs `DUCTUS_TEST_KAFKA`; `DUCTUS_BENCH_FASTAPI` says how FastAPI is started. The argument `quick` makes
//! everything small: it shows that it runs, not how fast.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark's result is its output"
)]
#![expect(clippy::disallowed_methods, reason = "a benchmark is configured by its environment")]

mod bare;
mod batches;
mod http;
mod identify;
mod ingest;
mod place;
mod process;
mod sockets;
mod verify;

use serde_json::json;
use std::time::Duration;

/// How much.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) rounds: usize,
    /// Of each measurement.
    pub(crate) time: Duration,
    /// Before it: connections, caches and the producer's queues settle.
    pub(crate) warm_up: Duration,
    /// WebSockets that send.
    pub(crate) busy: usize,
    /// WebSockets that do not.
    pub(crate) idle: usize,
    /// Reference sets that somebody is looked for among.
    pub(crate) sets: usize,
}

const FULL: Size = Size {
    rounds: 3,
    time: Duration::from_secs(10),
    warm_up: Duration::from_secs(3),
    busy: 2_000,
    idle: 10_000,
    sets: 100_000,
};
const QUICK: Size = Size {
    rounds: 1,
    time: Duration::from_secs(2),
    warm_up: Duration::from_secs(1),
    busy: 100,
    idle: 300,
    sets: 500,
};

fn main() -> anyhow::Result<()> {
    if let Some(task) = bare::told()? {
        return bare::serve(&task);
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` only asks whether it builds.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let is_quick = arguments.iter().any(|argument| argument == "quick");
    let size = if is_quick { QUICK } else { FULL };
    let chosen: Vec<&String> = arguments
        .iter()
        .filter(|argument| !argument.starts_with("--") && *argument != "quick")
        .collect();
    let is_chosen = |name: &str| chosen.is_empty() || chosen.iter().any(|chosen| *chosen == name);
    process::raise_descriptors()?;
    // One thread: on a small machine the generator must leave room for what it measures.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        if is_chosen("ingest") {
            ingest::bench(&size).await?;
        }
        if is_chosen("sockets") {
            sockets::bench(&size).await?;
        }
        if is_chosen("verify") {
            verify::bench(&size).await?;
        }
        if is_chosen("identify") {
            identify::bench(&size).await?;
        }
        Ok(())
    })
}

/// What a value is compared with: a yardstick, and the ratio to it that is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Against {
    pub(crate) yardstick: Option<f64>,
    pub(crate) target: Option<f64>,
}

impl Against {
    pub(crate) const NOTHING: Self = Self {
        yardstick: None,
        target: None,
    };

    /// At most, or at least, `target` times as much as this.
    pub(crate) fn times(target: f64, yardstick: Option<f64>) -> Self {
        Self {
            yardstick,
            target: Some(target),
        }
    }

    /// At most this.
    pub(crate) fn at_most(most: f64) -> Self {
        Self::times(1.0, Some(most))
    }

    /// Beside this, of which nothing is asked.
    pub(crate) fn beside(yardstick: Option<f64>) -> Self {
        Self {
            yardstick,
            target: None,
        }
    }
}

/// A result of which less is better.
pub(crate) fn cost(name: &str, value: f64, unit: &str, against: Against) {
    report(name, value, unit, against, true);
}

/// A result of which more is better.
pub(crate) fn speed(name: &str, value: f64, unit: &str, against: Against) {
    report(name, value, unit, against, false);
}

fn report(name: &str, value: f64, unit: &str, against: Against, lower_is_better: bool) {
    let Against { yardstick, target } = against;
    println!(
        "{}",
        json!({
            "name": format!("gateway/{name}"), "value": value, "unit": unit, "yardstick": yardstick, "target": target,
            "lower_is_better": lower_is_better,
        })
    );
}

pub(crate) fn tell(what: &str) {
    eprintln!("    {what}");
}

/// The middle, and what 99 of 100 are within.
pub(crate) fn p50_p99(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |share: usize| values.get(values.len() * share / 100).copied().unwrap_or(f64::NAN);
    (at(50), at(99))
}
