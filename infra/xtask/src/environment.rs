//! Where things lie: the checkout, the cache folder, cargo's target folder.
//!
//! Invariant: this is the only file of xtask that reads environment variables.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A variable that is set and not empty.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place of xtask that reads the environment"
)]
pub(crate) fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// The root of the checkout that this xtask belongs to.
pub(crate) fn repository() -> PathBuf {
    // cargo tells the running clone; the compiled-in path is for a binary started by hand.
    let crate_folder = variable("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    crate_folder
        .ancestors()
        .nth(2)
        .map_or_else(|| crate_folder.clone(), Path::to_path_buf)
}

/// The folder for everything downloaded or kept running: never inside the repository.
pub(crate) fn cache() -> Result<PathBuf> {
    if let Some(folder) = variable("DUCTUS_CACHE") {
        return std::path::absolute(PathBuf::from(folder)).context("cannot make DUCTUS_CACHE an absolute path");
    }
    if let Some(folder) = variable("XDG_CACHE_HOME") {
        return Ok(PathBuf::from(folder).join("ductus"));
    }
    let home = variable("HOME").context("no HOME, so no cache folder: set DUCTUS_CACHE to a folder of your own")?;
    Ok(PathBuf::from(home).join(".cache/ductus"))
}

/// A cache folder that an unprivileged user can read. Elasticsearch refuses to run as root, and the
/// home folder of root is closed to everybody else.
pub(crate) fn shared_cache() -> Result<PathBuf> {
    let cache = cache()?;
    if is_root() && !open_to_all(&cache) {
        Ok(PathBuf::from("/var/cache/ductus"))
    } else {
        Ok(cache)
    }
}

/// Cargo's target folder, as cargo itself would choose it.
pub(crate) fn target() -> PathBuf {
    match variable("CARGO_TARGET_DIR") {
        Some(folder) => repository().join(PathBuf::from(folder)),
        None => repository().join("target"),
    }
}

/// In continuous integration nothing may be left out.
pub(crate) fn in_ci() -> bool {
    variable("CI").is_some_and(|value| value != "false" && value != "0")
}

/// Whether this process is root. `/proc` tells without an FFI call.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|this| this.uid() == 0)
}

/// Names that `cargo run` sets for xtask itself and that must not leak into the cargo started from here:
/// build scripts watch some of them, and would build again and again.
pub(crate) fn names_of_outer_cargo() -> Vec<OsString> {
    let ours = |name: &str| {
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
            || matches!(name, "CARGO_PRIMARY_PACKAGE" | "LD_LIBRARY_PATH")
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place of xtask that reads the environment"
    )]
    let all = env::vars_os();
    all.map(|(name, _)| name)
        .filter(|name| name.to_str().is_some_and(ours))
        .collect()
}

fn open_to_all(folder: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    folder
        .ancestors()
        .filter_map(|ancestor| ancestor.metadata().ok())
        .all(|metadata| metadata.permissions().mode() & 0o005 == 0o005)
}
