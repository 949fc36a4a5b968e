//! `cargo xtask demo`: set-up and the main job on the embedded default.
//!
//! Invariant: standard output belongs to `ductus demo` alone, so that its last line is the JSON summary.

use std::os::unix::process::CommandExt;

use anyhow::{Context, Result};
use clap::Args;

use crate::command::{cargo, command, run_shown};
use crate::web::Web;
use crate::{environment, files, onnxruntime, prerequisites, recordings, report};

/// What `ductus demo` is told.
#[derive(Args)]
pub(crate) struct Options {
    /// Play the built-in scenario once at full speed, without a page, and print a JSON summary.
    #[arg(long)]
    exit: bool,
    /// Passed on to `ductus demo`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Sets up, builds, and becomes `ductus demo`: its signals and exit status are its own.
pub(crate) fn demo(options: &Options) -> Result<()> {
    let exit = options.exit || options.arguments.iter().any(|argument| argument == "--exit");
    prerequisites::require(prerequisites::DEMO)?;
    let library = onnxruntime::fetch()?;
    let page = environment::repository().join("web/console/dist");
    if exit {
        // The binary embeds whatever page is there, and needs the folder for it.
        files::make_folder(&page)?;
    } else {
        Web::install()?.build()?;
    }
    report::heading("build ductus (the first time takes minutes)");
    run_shown(cargo().args(["build", "--release", "--package", "ductus-service", "--bin", "ductus"]))?;

    let mut ductus = command(environment::target().join("release/ductus"));
    for name in environment::names_of_outer_cargo() {
        ductus.env_remove(name);
    }
    ductus.arg("demo").env("ORT_DYLIB_PATH", library);
    if options.exit {
        ductus.arg("--exit");
    }
    if let Some(data) = recordings::folder()? {
        ductus.env("DUCTUS_DATA", data);
    }
    report::heading("ductus demo");
    // Only a failure comes back from here.
    Err(ductus.args(&options.arguments).exec()).context("cannot start ductus")
}
