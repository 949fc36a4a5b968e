//! What a person sees: progress on standard error, results on standard output.
//!
//! Invariant: everything xtask prints goes through here, so that standard output holds results only.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

/// A line about what happens, on standard error.
#[expect(clippy::print_stderr, reason = "the progress output of a command line tool")]
pub(crate) fn progress(line: impl AsRef<str>) {
    eprintln!("{}", line.as_ref());
}

/// A line that is (part of) the command's result, on standard output.
#[expect(clippy::print_stdout, reason = "the result of a command line tool")]
pub(crate) fn result(line: impl AsRef<str>) {
    println!("{}", line.as_ref());
    // A reader at the other end of a pipe sees the line when it is made, not when a buffer is full.
    let _ = std::io::stdout().flush();
}

/// A heading before a stage that prints by itself.
pub(crate) fn heading(title: impl AsRef<str>) {
    progress(format!("\n==> {}", title.as_ref()));
}

/// Runs a stage that prints nothing by itself: a clock turns meanwhile, and one line stays.
pub(crate) fn stage<T>(title: impl AsRef<str>, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let title = title.as_ref();
    let started = Instant::now();
    let spinner = std::io::stderr().is_terminal().then(|| spinner(title));
    if spinner.is_none() {
        progress(format!("==> {title} …"));
    }
    let outcome = work();
    if let Some(spinner) = spinner {
        spinner.finish_and_clear();
    }
    let word = if outcome.is_ok() { "done" } else { "FAILED" };
    progress(format!("    {title}: {word} in {}", seconds(started.elapsed())));
    outcome
}

/// `3.2 s`, or `4 min 10 s` where minutes matter.
pub(crate) fn seconds(elapsed: Duration) -> String {
    match elapsed.as_secs() {
        0..=119 => format!("{:.1} s", elapsed.as_secs_f64()),
        whole => format!("{} min {} s", whole / 60, whole % 60),
    }
}

fn spinner(title: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(title.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
