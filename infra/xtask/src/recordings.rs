//! The public recordings that some tests and the demo play: never in the repository, named by `DUCTUS_DATA`.
//!
//! Invariant: where they are not, that is said; nothing pretends to have read them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::command::{command, run_quiet};
use crate::{environment, files, report};

/// The folder with the unpacked data sets, or none where `DUCTUS_DATA` is unset.
///
/// `DUCTUS_DATA` may hold the unpacked folders themselves or `*.tar.xz` archives, which are unpacked once.
pub(crate) fn folder() -> Result<Option<PathBuf>> {
    let Some(named) = environment::variable("DUCTUS_DATA") else {
        return Ok(None);
    };
    let named = std::path::absolute(PathBuf::from(named)).context("DUCTUS_DATA is no path")?;
    let archives = archives(&named)?;
    if archives.is_empty() {
        return Ok(Some(named));
    }
    let unpacked = environment::cache()?.join("recordings").join(key(&archives)?);
    if !unpacked.exists() {
        files::make_folder(&environment::cache()?.join("recordings"))?;
        report::stage("unpack the recordings (once)", || {
            files::fill_once(&unpacked, |partial| {
                archives.iter().try_for_each(|archive| unpack(archive, partial))
            })
        })?;
    }
    Ok(Some(unpacked))
}

fn archives(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        bail!("DUCTUS_DATA names {}, which is no folder", folder.display());
    }
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(".tar.xz"));
    paths.sort();
    Ok(paths)
}

/// Names the archives as they are now: a changed archive is unpacked again, beside the old one.
fn key(archives: &[PathBuf]) -> Result<String> {
    use std::os::unix::fs::MetadataExt;
    let mut hash = Sha256::new();
    for archive in archives {
        let metadata = archive
            .metadata()
            .with_context(|| format!("cannot read {}", archive.display()))?;
        hash.update(format!(
            "{} {} {}\n",
            archive.display(),
            metadata.len(),
            metadata.mtime()
        ));
    }
    Ok(files::hex(&hash.finalize()[..8]))
}

fn unpack(archive: &Path, folder: &Path) -> Result<()> {
    // The owner of the files is whoever unpacks them, and they can be removed again.
    let mut tar = command("tar");
    tar.args([
        "--extract",
        "--xz",
        "--no-same-owner",
        "--no-same-permissions",
        "--file",
    ])
    .arg(archive);
    run_quiet(tar.arg("--directory").arg(folder)).map(drop)
}
