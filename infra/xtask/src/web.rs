//! The web page: installed, built when its sources changed, checked.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::command::run_quiet;
use crate::node::Node;
use crate::prerequisites;
use crate::{environment, files, report};

/// Folders below `web/` that are made, not written.
const MADE: [&str; 3] = ["node_modules", "dist", "coverage"];

/// The folder `web/` with its packages installed.
pub(crate) struct Web {
    node: Node,
    folder: PathBuf,
}

impl Web {
    /// Finds Node.js and installs the packages of the lock file, unless that very lock file is installed already.
    pub(crate) fn install() -> Result<Self> {
        let web = Self {
            node: Node::find()?,
            folder: environment::repository().join("web"),
        };
        let lock =
            fs::read_to_string(web.folder.join("package-lock.json")).context("cannot read web/package-lock.json")?;
        let stamp = web.stamp("lock");
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
            return Ok(web);
        }
        report::stage("npm packages of the page", || {
            // No package here needs its install script, and a registry is not asked to run code for us.
            let mut npm = web.node.npm(&web.folder);
            run_quiet(npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))
        })?;
        files::write(&stamp, &lock)?;
        Ok(web)
    }

    /// Builds `web/console/dist`, unless it was built from exactly these sources.
    pub(crate) fn build(&self) -> Result<()> {
        let sources = self.fingerprint()?;
        let (stamp, page) = (self.stamp("page"), self.folder.join("console/dist/index.html"));
        if page.exists() && fs::read_to_string(&stamp).is_ok_and(|built| built == sources) {
            return Ok(());
        }
        report::stage("the web page", || {
            run_quiet(self.node.npm(&self.folder).args(["run", "build"]))
        })?;
        if !page.exists() {
            bail!("`npm run build` in web/ made no {}", page.display());
        }
        files::write(&stamp, &sources)
    }

    /// npm in the folder.
    pub(crate) fn npm(&self) -> Command {
        self.node.npm(&self.folder)
    }

    /// One of the scripts of `web/package.json`.
    pub(crate) fn script(&self, name: &str) -> Command {
        let mut npm = self.npm();
        // Colours would stand between us and the numbers in the output.
        npm.args(["run", name]).env("NO_COLOR", "1").env_remove("FORCE_COLOR");
        if let Some(chromium) = prerequisites::chromium() {
            npm.env("CHROMIUM", chromium);
        }
        npm
    }

    /// What tests that start Node.js and Chromium themselves are told.
    pub(crate) fn variables(&self) -> Result<[(&'static str, OsString); 2]> {
        let chromium = prerequisites::chromium().context("there is no Chromium on the search path")?;
        Ok([
            ("DUCTUS_TEST_NODE", self.node.program()?.into()),
            ("DUCTUS_TEST_CHROMIUM", chromium.into()),
        ])
    }

    /// One hash over the names and contents of everything the page is built from.
    fn fingerprint(&self) -> Result<String> {
        let mut paths = Vec::new();
        sources(&self.folder, &mut paths)?;
        paths.sort();
        let mut hash = Sha256::new();
        for path in paths {
            let content = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            hash.update(
                path.strip_prefix(&self.folder)
                    .unwrap_or(&path)
                    .as_os_str()
                    .as_encoded_bytes(),
            );
            hash.update((content.len() as u64).to_le_bytes());
            hash.update(content);
        }
        Ok(files::hex(&hash.finalize()))
    }

    /// Beside what it speaks about: whoever removes the packages removes the stamps too.
    fn stamp(&self, of: &str) -> PathBuf {
        self.folder.join(format!("node_modules/.ductus-{of}"))
    }
}

fn sources(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry?;
        if MADE.iter().any(|made| entry.file_name() == *made) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            sources(&entry.path(), paths)?;
        } else {
            paths.push(entry.path());
        }
    }
    Ok(())
}
