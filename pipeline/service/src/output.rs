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

/// An error and its causes in one line, each once: librdkafka's errors tell their own cause already.
pub fn explain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !text.contains(&cause) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause);
        }
    }
    text
}

/// Tells what went wrong before logging exists.
#[expect(clippy::print_stderr, reason = "the last word of a process that ends")]
pub fn complain(text: &str) {
    eprintln!("ductus: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn each_cause_is_told_once() {
        let error = anyhow::anyhow!("broken pipe").context("kafka: broken pipe");
        let error = Err::<(), _>(error)
            .context("scoring cannot start")
            .expect_err("an error");
        assert_eq!(explain(&error), "scoring cannot start: kafka: broken pipe");
    }
}
