//! `cargo xtask faults`: the long form of the fault tests, against a Kafka of its own.
//!
//! Invariants: the last line on standard output is the JSON summary, also after Ctrl-C; the services are stopped whatever
//! happens.

use std::os::unix::process::CommandExt;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;

use crate::command::{command, run_shown};
use crate::kafka::{Kafka, Ports};
use crate::services::{Lifetime, interrupt};
use crate::test::{Folders, build_everything};
use crate::{environment, java, onnxruntime, prerequisites, report};

/// Between two looks whether it has ended, or is to end.
const LOOK: Duration = Duration::from_millis(100);

/// How long, and which.
#[derive(Args)]
pub(crate) struct Options {
    /// How many faults to provoke; one takes about three seconds.
    #[arg(long, default_value_t = 200)]
    cycles: u64,
    /// Which people work, and what happens when.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Builds, starts Kafka, runs the program `faults`.
pub(crate) fn faults(options: &Options) -> Result<ExitCode> {
    prerequisites::require(prerequisites::TEST)?;
    let kafka = Kafka::fetch(&java::home()?)?;
    let library = onnxruntime::fetch()?;
    run_shown(&mut build_everything())?;
    let folders = Folders::new()?;
    let ports = Ports::free()?;
    let running = report::stage(format!("Kafka on port {}", ports.broker), || {
        kafka.start(&folders.own.join("kafka"), ports, Lifetime::WithUs)
    })?;
    let programs = environment::target().join("debug");
    let mut faults = command(programs.join("faults"));
    faults
        .args([
            "--cycles",
            &options.cycles.to_string(),
            "--seed",
            &options.seed.to_string(),
        ])
        .env("ORT_DYLIB_PATH", library)
        .env("DUCTUS_BIN_DIR", &programs)
        .envs(ports.variables());
    // Ctrl-C reaches a whole process group: Kafka and the instances must not go before the program has told its sums.
    let interrupted = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::clone(&interrupted))
        .context("cannot listen to Ctrl-C")?;
    let mut faults = faults
        .process_group(0)
        .spawn()
        .context("cannot start the program faults")?;
    let ended = loop {
        if let Some(ended) = faults.try_wait().context("cannot wait for the program faults")? {
            break ended;
        }
        if interrupted.swap(false, Ordering::AcqRel) {
            interrupt(faults.id());
        }
        std::thread::sleep(LOOK);
    };
    drop(running);
    folders.clean_up(ended.success());
    Ok(if ended.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
