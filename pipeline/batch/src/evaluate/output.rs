//! Puts a report where it was asked for: JSON, its table beside it, and the pictures in the same folder.
//!
//! Invariant: the JSON is written last, so that where it stands all of it stands.

use anyhow::{Context, Result};
use serde::Serialize;
use std::path::Path;

/// Writes a report to `path`, its table to the same name with the ending `.md`, and the pictures under their names.
pub(super) fn write(
    path: &Path,
    report: &impl Serialize,
    table: String,
    pictures: impl IntoIterator<Item = (&'static str, String)>,
) -> Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let json = serde_json::to_string_pretty(report).context("cannot write the report as JSON")?;
    let pictures = pictures.into_iter().map(|(name, picture)| (folder.join(name), picture));
    let texts = [(path.with_extension("md"), table), (path.to_owned(), json + "\n")];
    for (path, text) in pictures.chain(texts) {
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
