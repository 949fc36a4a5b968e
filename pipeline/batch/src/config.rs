//! What the environment says: the only place of this crate that reads it.

use anyhow::Result;
use ductus_scorer::{Runtime, candidates};
use std::path::{Path, PathBuf};

/// Starts ONNX Runtime from `--onnxruntime`, `ORT_DYLIB_PATH` or the cache folder.
pub fn start_runtime(explicit: Option<&Path>) -> Result<()> {
    let environment = variable("ORT_DYLIB_PATH");
    let cache = cache_dir();
    Runtime::start_from(&candidates(explicit, environment.as_deref(), cache.as_deref()))?;
    Ok(())
}

/// The user's cache folder for Ductus.
pub fn cache_dir() -> Option<PathBuf> {
    let base = variable("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    let base = base.or_else(|| Some(variable("HOME")?.join(".cache")));
    base.map(|base| base.join("ductus"))
}

#[expect(clippy::disallowed_methods, reason = "this is the config.rs of the batch side")]
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from)
}
