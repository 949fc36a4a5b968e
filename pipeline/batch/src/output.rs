//! Standard output: the result of a command and nothing else, its JSON object as the last line. Everything for people goes to
//! standard error.

use anyhow::{Context, Result};
use serde::Serialize;
use std::io::Write;

/// Prints the result.
pub fn result(result: &impl Serialize) -> Result<()> {
    let line = serde_json::to_string(result).context("cannot write the result as JSON")?;
    text(&line)
}

/// Prints rows for people or programs.
pub fn text(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        .context("cannot write to standard output")
}
