//! `cargo xtask accuracy`: every protocol of `ductus-batch evaluate` with the released models, and `docs/accuracy.md` from it.
//!
//! Invariants: nobody is judged by a model that has learned from them; a row that failed fails the command and says why; the
//! page is written only from a full set of rows, and depends on nothing but the reports.

mod about;
mod findings;
mod models;
mod page;
mod plan;
mod runs;
mod tables;
mod targets;
#[cfg(test)]
mod tests;

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::command::{cargo, run_shown};
use crate::{environment, files, onnxruntime, prerequisites, recordings, report};
use models::Models;
use plan::{Plan, Run, Section};
use runs::{Judge, Outcome};

/// The file of CMU's recordings, which no archive here holds.
const CMU_FILE: &str = "DSL-StrongPasswordData.csv";
/// A picture larger than this is not worth a place in the repository.
const PICTURE_BYTES_MAX: u64 = 60_000;

/// What is judged, and how.
#[derive(Args)]
pub(crate) struct Options {
    /// Only these protocols: their sections are printed; the page is written if the other reports are there.
    #[arg(long, value_name = "PROTOCOL")]
    only: Vec<String>,
    /// Make reports again that are there.
    #[arg(long)]
    again: bool,
    /// Reports made at once [default: one a core, as far as memory bears it].
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// Judge with this `ductus-batch` instead of building one.
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
}

/// Judges, and writes the page.
pub(crate) fn accuracy(options: &Options) -> Result<ExitCode> {
    let started = Instant::now();
    let repository = environment::repository();
    let Some(data) = recordings::folder()? else {
        bail!("no recordings: set DUCTUS_DATA to the folder with the archives, or with folders unpacked from them");
    };
    let models = Models::read(&repository)?;
    let plan = Plan::of(&models, cmu_folder(&data).as_deref());
    check(&plan, &options.only)?;
    let binary = binary(options)?;
    let judge = Judge {
        build: runs::fingerprint(&binary)?,
        binary,
        library: onnxruntime::fetch()?,
        data,
        cache: runs::cache()?,
        again: options.again,
        seed: plan.seed.clone(),
        seed_trained: OnceLock::new(),
    };
    let chosen =
        |section: &&Section| options.only.is_empty() || options.only.iter().any(|name| name == section.protocol);
    let wanted: Vec<&Run> = plan
        .sections
        .iter()
        .filter(chosen)
        .flat_map(|section| &section.runs)
        .collect();
    report::heading(format!(
        "judge {} rows; reports lie in {}",
        wanted.len(),
        judge.cache.display()
    ));
    let made = judge.all(&wanted, options.jobs.unwrap_or_else(runs::jobs));
    let outcome = |run: &Run| match wanted.iter().position(|wanted| *wanted == run) {
        Some(place) => Some(made[place].clone()),
        None => judge.found(run).map(|report| Outcome::Found(Box::new(report))),
    };
    let all: Vec<Vec<Option<Outcome>>> = plan
        .sections
        .iter()
        .map(|section| section.runs.iter().map(outcome).collect())
        .collect();
    let ended = conclude(options, &plan, &models, &judge, all);
    report::progress(format!("\nall of it took {}", report::seconds(started.elapsed())));
    ended
}

/// Writes the page where every row is there, prints the sections that were asked for, and names what failed.
fn conclude(
    options: &Options,
    plan: &Plan,
    models: &Models,
    judge: &Judge,
    all: Vec<Vec<Option<Outcome>>>,
) -> Result<ExitCode> {
    let missing: Vec<&str> = plan
        .sections
        .iter()
        .zip(&all)
        .filter(|(_, rows)| rows.iter().any(Option::is_none))
        .map(|(section, _)| section.protocol)
        .collect();
    let is_whole = missing.is_empty();
    // A section of which a row is missing has none.
    let whole = |rows: Vec<Option<Outcome>>| rows.into_iter().collect::<Option<Vec<Outcome>>>().unwrap_or_default();
    let outcomes: Vec<Vec<Outcome>> = all.into_iter().map(whole).collect();
    for protocol in &options.only {
        report::result(page::only(plan, &outcomes, protocol));
    }
    if is_whole {
        write(plan, models, judge, &outcomes)?;
    } else {
        report::progress(format!(
            "the page stays as it was: no reports yet of {}",
            missing.join(", ")
        ));
    }
    let failed = page::failed(plan, &outcomes);
    for (run, why) in &failed {
        report::progress(format!(
            "FAILED {}: {}\n    {why}\n    log: {}",
            run.arguments[1],
            run.label,
            judge.folder(run).display()
        ));
    }
    Ok(if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn write(plan: &Plan, models: &Models, judge: &Judge, outcomes: &[Vec<Outcome>]) -> Result<()> {
    let docs = environment::repository().join("docs");
    let pictures = docs.join(page::PICTURES);
    files::remove_folder(&pictures)?;
    files::make_folder(&pictures)?;
    for (section, outcomes) in plan.sections.iter().zip(outcomes) {
        for (file, _) in page::pictures(section, outcomes) {
            let from = judge.folder(&section.runs[0]).join(file);
            copy(&from, &pictures.join(page::picture(section, file)))?;
        }
    }
    let path = docs.join("accuracy.md");
    files::write(&path, &page::render(plan, models, outcomes))?;
    report::progress(format!("    written: {}", path.display()));
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let cannot = || format!("cannot copy {}", from.display());
    let bytes = fs::copy(from, to).with_context(cannot)?;
    if bytes > PICTURE_BYTES_MAX {
        bail!("{} has {bytes} bytes, too many for the repository", from.display());
    }
    Ok(())
}

fn check(plan: &Plan, only: &[String]) -> Result<()> {
    let names: Vec<&str> = plan.sections.iter().map(|section| section.protocol).collect();
    match only.iter().find(|name| !names.contains(&name.as_str())) {
        Some(name) => bail!("no such protocol: {name}; there are: {}", names.join(", ")),
        None => Ok(()),
    }
}

fn binary(options: &Options) -> Result<PathBuf> {
    if let Some(path) = &options.binary {
        return std::path::absolute(path).context("--binary is no path");
    }
    prerequisites::require(prerequisites::DEMO)?;
    report::heading("build ductus-batch (the first time takes minutes)");
    // With the features of the whole workspace, as `cargo build --release --bins` has it: nothing is built twice.
    run_shown(cargo().args(["build", "--release", "--workspace", "--bin", "ductus-batch"]))?;
    Ok(environment::target().join("release/ductus-batch"))
}

/// Where CMU's file lies, as the page names it.
fn cmu_folder(data: &Path) -> Option<String> {
    if data.join(CMU_FILE).is_file() {
        return Some("$DUCTUS_DATA".to_owned());
    }
    let mut folders: Vec<PathBuf> = fs::read_dir(data)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    folders.sort();
    let folder = folders.into_iter().find(|folder| folder.join(CMU_FILE).is_file())?;
    Some(format!("$DUCTUS_DATA/{}", folder.file_name()?.to_string_lossy()))
}
