//! Ctrl-C and SIGTERM as a flag that long loops look at.
//!
//! Invariant: the first signal ends the work at the next safe place; a second one ends the process at once.

use anyhow::{Context, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::signal::unix::{SignalKind, signal};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Exit status of a command that was interrupted: 128 + SIGINT, as shells tell it.
pub const EXIT_CODE: u8 = 130;

/// The work was ended by a signal; what was done so far is kept where the command says so.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// Listens for signals in a thread of its own; the history tables allow no runtime around them.
pub fn listen() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime that waits for signals")?;
    let guard = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    drop(guard);
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async move {
                for _ in 0..2 {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                    }
                    if REQUESTED.swap(true, Ordering::SeqCst) {
                        std::process::exit(i32::from(EXIT_CODE));
                    }
                    tracing::warn!("interrupted, ending at the next safe place; once more ends at once");
                }
            });
        })
        .context("cannot start the thread that waits for signals")?;
    Ok(())
}

/// Whether a signal came.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

/// An error once a signal came.
pub fn check() -> Result<()> {
    if requested() { Err(Interrupted.into()) } else { Ok(()) }
}
