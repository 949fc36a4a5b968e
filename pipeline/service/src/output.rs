//! Results on standard output: the only place that writes there. Logs go to standard error.
//!
//! Invariant: a command whose result is a number writes one JSON object as its last line.

use serde::Serialize;

/// Prints a result meant for people.
#[expect(clippy::print_stdout, reason = "results of commands go to standard output")]
pub fn text(text: &str) {
    println!("{text}");
}

/// Prints a result as one line of JSON.
///
/// # Errors
/// The value cannot be written as JSON.
#[expect(clippy::print_stdout, reason = "results of commands go to standard output")]
pub fn json(value: &impl Serialize) -> serde_json::Result<()> {
    println!("{}", serde_json::to_string(value)?);
    Ok(())
}

/// Tells what went wrong before logging exists.
#[expect(clippy::print_stderr, reason = "the last word of a process that ends")]
pub fn complain(text: &str) {
    eprintln!("ductus: {text}");
}
