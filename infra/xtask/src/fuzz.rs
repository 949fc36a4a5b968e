//! `cargo xtask fuzz`: libFuzzer over what Ductus reads from outside, for as long as you like; the test run does it briefly.
//!
//! The compiler is the usual one: its own instruments are enough for libFuzzer, and where nothing is `unsafe` no sanitizer is
//! missed. The targets stand in `fuzz`, which `cargo fuzz` understands as well.
//!
//! Invariants: nothing is written into the repository, what is found lies beside the build; the last line on standard output
//! is the JSON summary, also after Ctrl-C; the brief form does the same every time.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;

use crate::command::{cargo, command, last_lines, run_quiet, run_shown};
use crate::tally::Tally;
use crate::{environment, files, prerequisites, report};

/// What makes the compiler count edges and hand comparisons to libFuzzer: the flags of `cargo fuzz --sanitizer none`.
const INSTRUMENTS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-simplifycfg-branch-fold-threshold=0 \
    -Ccodegen-units=1 --cfg fuzzing";
/// One input takes microseconds; a target that takes so long for one, or so much memory, has failed.
const TIMEOUT_S: u32 = 60;
const MEMORY_MIB: u32 = 4096;
/// What libFuzzer ends with when it was interrupted.
const EXIT_INTERRUPTED: i32 = 72;
/// The brief form begins here.
const SEED: u32 = 20_261_121;
/// How often progress is shown.
const SHOWN_EVERY: Duration = Duration::from_secs(10);
/// How much of the output of a failed target is shown.
const FAILURE_LINES: usize = 30;

/// A fuzz target.
struct Target {
    name: &'static str,
    /// The package that it is built from, below the repository.
    package: &'static str,
    /// Inputs of the brief form, the corpus included: some seconds; 0 where it takes no part because its build is long.
    runs: u32,
}

const TARGETS: &[Target] = &[
    Target {
        name: "parse",
        package: "fuzz",
        runs: 150_000,
    },
    Target {
        name: "session_state",
        package: "fuzz",
        runs: 60_000,
    },
    Target {
        name: "marker",
        package: "fuzz",
        runs: 30_000,
    },
    Target {
        name: "manifest",
        package: "fuzz",
        runs: 50_000,
    },
    Target {
        name: "delta_log",
        package: "fuzz/delta",
        runs: 0,
    },
];

/// Which target, and how long.
#[derive(Args)]
pub(crate) struct Options {
    /// parse, session_state, marker, manifest or delta_log, whose build takes long; without one, all but that.
    target: Option<String>,
    /// How long each target runs.
    #[arg(long, default_value_t = 10)]
    minutes: u32,
}

/// What became of a target.
#[derive(Debug, Serialize)]
struct Outcome {
    target: &'static str,
    executions: u64,
    seconds: f64,
    crashes: u64,
    /// Edges of the program that inputs came upon.
    edges: u64,
}

#[derive(Serialize)]
struct Summary<'a> {
    executions: u64,
    seconds: f64,
    crashes: u64,
    targets: &'a [Outcome],
}

/// Builds the targets and runs them one after the other; the last line is the JSON summary.
pub(crate) fn fuzz(options: &Options) -> Result<ExitCode> {
    let chosen: Vec<&Target> = match &options.target {
        None => TARGETS.iter().filter(|target| target.runs > 0).collect(),
        Some(name) => TARGETS.iter().filter(|target| target.name == name).collect(),
    };
    let Some(first) = chosen.first() else {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        bail!("no such fuzz target; there are: {}", names.join(", "));
    };
    prerequisites::require(prerequisites::FUZZ)?;
    let programs = build(first.package)?;
    let interrupted = Arc::new(AtomicBool::new(false));
    // The target ends by itself; without this, its summary would be lost.
    signal_hook::flag::register(signal_hook::consts::SIGINT, interrupted.clone())
        .context("cannot listen for Ctrl-C")?;
    let limit = format!("-max_total_time={}", u64::from(options.minutes) * 60);
    let mut outcomes = Vec::new();
    for target in chosen {
        if interrupted.load(Ordering::Relaxed) {
            break;
        }
        report::heading(format!("{}, {} min", target.name, options.minutes));
        let found = found(target);
        outcomes.push(run(
            target,
            &programs,
            &found,
            &[limit.as_str()],
            &mut Progress::default(),
        )?);
    }
    let summary = Summary {
        executions: outcomes.iter().map(|outcome| outcome.executions).sum(),
        seconds: outcomes.iter().map(|outcome| outcome.seconds).sum(),
        crashes: outcomes.iter().map(|outcome| outcome.crashes).sum(),
        targets: &outcomes,
    };
    report::result(serde_json::to_string(&summary)?);
    Ok(if summary.crashes == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The brief form, for the test run: so many inputs of each target, and the same every time.
pub(crate) fn check(tally: &mut Tally) {
    let mut programs = None;
    tally.check("build the fuzz targets", || {
        programs = Some(build("fuzz")?);
        Ok(())
    });
    // Without them the build has failed already.
    let Some(programs) = programs else { return };
    for target in TARGETS.iter().filter(|target| target.runs > 0) {
        tally.check(&format!("fuzz: {}", target.name), || brief(target, &programs));
    }
}

fn brief(target: &Target, programs: &Path) -> Result<()> {
    let found = environment::target().join("fuzz/brief").join(target.name);
    files::remove_folder(&found)?;
    let limits = [format!("-runs={}", target.runs), format!("-seed={SEED}")];
    let limits: Vec<&str> = limits.iter().map(String::as_str).collect();
    let mut silence = Progress {
        silent: true,
        ..Progress::default()
    };
    let outcome = run(target, programs, &found, &limits, &mut silence)?;
    if outcome.crashes > 0 {
        bail!(
            "see above; what it was found with lies in {}",
            found.join("artifacts").display()
        );
    }
    report::progress(format!("    {} inputs, {} edges", outcome.executions, outcome.edges));
    Ok(())
}

/// Where inputs that came upon something new are kept for the next run, and those that broke something.
fn found(target: &Target) -> PathBuf {
    environment::target().join("fuzz/found").join(target.name)
}

/// Builds a package of targets with instruments; gives the folder of its programs.
fn build(package: &str) -> Result<PathBuf> {
    let host = run_quiet(command("rustc").args(["--print", "host-tuple"]))?;
    let (host, folder) = (host.trim(), environment::target().join("fuzz"));
    let mut build = cargo();
    build
        .args(["build", "--locked", "--release", "--bins", "--target", host])
        .arg("--manifest-path")
        .arg(environment::repository().join(package).join("Cargo.toml"))
        .env("CARGO_TARGET_DIR", &folder)
        .env("RUSTFLAGS", INSTRUMENTS)
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    run_shown(&mut build).with_context(|| {
        format!("the fuzz targets do not build; where {package}/Cargo.lock does not fit, `cargo metadata` in {package} mends it")
    })?;
    Ok(folder.join(host).join("release"))
}

fn run(target: &Target, programs: &Path, found: &Path, limits: &[&str], progress: &mut Progress) -> Result<Outcome> {
    let fuzz = environment::repository().join("fuzz");
    let (corpus, artifacts) = (found.join("corpus"), found.join("artifacts"));
    files::make_folder(&corpus)?;
    files::make_folder(&artifacts)?;
    let mut program = command(programs.join(target.name));
    program.args(limits).args([
        "-print_final_stats=1".to_owned(),
        format!("-timeout={TIMEOUT_S}"),
        format!("-rss_limit_mb={MEMORY_MIB}"),
        format!("-artifact_prefix={}/", artifacts.display()),
    ]);
    let words = fuzz.join("dictionaries").join(format!("{}.dict", target.name));
    if words.exists() {
        program.arg(format!("-dict={}", words.display()));
    }
    // New inputs go to the first folder.
    let kept = environment::repository()
        .join(target.package)
        .join("corpus")
        .join(target.name);
    program.arg(&corpus).arg(kept);
    let started = Instant::now();
    let code = progress.watch(&mut program)?;
    let crashed = !matches!(code, Some(0 | EXIT_INTERRUPTED));
    if crashed {
        report::progress(last_lines(&progress.lines.join("\n"), FAILURE_LINES));
        report::progress(format!(
            "    {}: FAILED: once more: {} INPUT; then keep the input in {}/corpus/{}",
            target.name,
            programs.join(target.name).display(),
            target.package,
            target.name
        ));
    }
    Ok(Outcome {
        target: target.name,
        executions: progress.executions,
        seconds: (started.elapsed().as_secs_f64() * 10.0).round() / 10.0,
        crashes: u64::from(crashed),
        edges: progress.edges,
    })
}

/// What libFuzzer says of itself.
#[derive(Default)]
struct Progress {
    silent: bool,
    executions: u64,
    edges: u64,
    shown: Option<Instant>,
    /// Everything but the steps of the search.
    lines: Vec<String>,
}

impl Progress {
    /// Runs libFuzzer to its end, and shows now and then where it is.
    fn watch(&mut self, program: &mut Command) -> Result<Option<i32>> {
        let mut child = program
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.get_program().display()))?;
        let output = child.stderr.take().context("a child process has no output")?;
        for line in BufReader::new(output).split(b'\n') {
            self.read(&String::from_utf8_lossy(
                &line.context("cannot read the output of a fuzz target")?,
            ));
        }
        Ok(child.wait().context("cannot wait for a fuzz target")?.code())
    }

    /// `#4096 NEW    cov: 310 ft: 512 corp: 40/8Kb …`, or `stat::number_of_executed_units: 4096`, or anything.
    fn read(&mut self, line: &str) {
        if let Some(executions) = line.strip_prefix("stat::number_of_executed_units:") {
            self.executions = executions.trim().parse().unwrap_or(self.executions);
        }
        if !line.starts_with('#') {
            self.lines.push(line.to_owned());
            return;
        }
        let mut words = line.split_whitespace().skip_while(|word| *word != "cov:").skip(1);
        self.edges = words.next().and_then(|edges| edges.parse().ok()).unwrap_or(self.edges);
        if !self.silent && self.shown.is_none_or(|shown| shown.elapsed() >= SHOWN_EVERY) {
            self.shown = Some(Instant::now());
            report::progress(format!("    {line}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libfuzzer_says_is_read() {
        let mut progress = Progress {
            silent: true,
            ..Progress::default()
        };
        for line in [
            "INFO: seed corpus: files: 13 min: 17b max: 1088b total: 7161b rss: 29Mb",
            "#14\tINITED cov: 2010 ft: 3309 corp: 13/7161b exec/s: 0 rss: 29Mb",
            "#665330\tDONE   cov: 2548 ft: 6760 corp: 1682/582Kb lim: 1198 exec/s: 31682 rss: 31Mb",
            "stat::number_of_executed_units: 665330",
        ] {
            progress.read(line);
        }
        assert_eq!(
            (progress.executions, progress.edges, progress.lines.len()),
            (665_330, 2548, 2)
        );
    }

    #[test]
    fn every_target_has_its_program_and_corpus() {
        for target in TARGETS {
            let package = environment::repository().join(target.package);
            assert!(
                package
                    .join("fuzz_targets")
                    .join(format!("{}.rs", target.name))
                    .exists()
            );
            assert!(package.join("corpus").join(target.name).is_dir(), "{}", target.name);
        }
    }
}
