//! `cargo xtask bench`: every benchmark, each beside its yardstick in the same run.
//!
//! Invariant: a yardstick that could not run leaves its ratio empty and is named; it is never replaced by an old number.

mod stream;

use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::command::{cargo, command, run_shown};
use crate::kafka::{Kafka, Ports};
use crate::services::Lifetime;
use crate::test::Folders;
use crate::web::Web;
use crate::{environment, files, java, onnxruntime, peers, prerequisites, report};

/// The list of benchmarks.
const BENCHMARKS: &[Benchmark] = &[
    Benchmark {
        name: "learn",
        about: "training step of the LSTM against PyTorch",
        measure: learn,
    },
    Benchmark {
        name: "scorer",
        about: "embedding windows against a bare ONNX Runtime loop",
        measure: scorer,
    },
    Benchmark {
        name: "probe",
        about: "identification among 100,000 references against plain products and 20 ms, verification against 15 ms",
        measure: || cargo_bench("ductus-scorer", "probe"),
    },
    Benchmark {
        name: "features",
        about: "parsing and feature building against 1 µs an event",
        measure: features,
    },
    Benchmark {
        name: "stream",
        about: "the stream against a real Kafka: source, line, model stage, latency, sessions, restart",
        measure: stream::stream,
    },
    Benchmark {
        name: "gateway",
        about: "the gateway against a real Kafka: ingest beside bare axum and FastAPI, WebSockets, verification, identification",
        measure: gateway,
    },
    Benchmark {
        name: "sdk",
        about: "the browser SDK in Chromium: main-thread time an event against 50 µs, size against 4 KiB",
        measure: sdk,
    },
    Benchmark {
        name: "index",
        about: "writing documents for Elasticsearch against the client crate",
        measure: || cargo_bench("ductus-service", "documents"),
    },
    Benchmark {
        name: "tests",
        about: "the tests of dynamics against 10 s",
        measure: dynamics_tests,
    },
];

/// What a yardstick script ends with where the library that it measures is absent.
pub(crate) const EXIT_YARDSTICK_ABSENT: i32 = 3;

/// Which benchmarks.
#[derive(Args)]
pub(crate) struct Options {
    /// Only this one.
    name: Option<String>,
}

struct Benchmark {
    name: &'static str,
    about: &'static str,
    measure: fn() -> Result<Vec<Measured>>,
}

/// One line of a benchmark's output.
#[derive(Debug, Clone, Deserialize)]
struct Measured {
    name: String,
    value: f64,
    unit: String,
    #[serde(default)]
    yardstick: Option<f64>,
    /// The ratio of value to yardstick that is asked for.
    #[serde(default)]
    target: Option<f64>,
    #[serde(default)]
    lower_is_better: bool,
}

/// One line of our own output.
#[derive(Debug, Serialize, PartialEq)]
struct Judged {
    name: String,
    value: f64,
    unit: String,
    yardstick: Option<f64>,
    ratio: Option<f64>,
    target: Option<f64>,
    holds: Option<bool>,
}

#[derive(Serialize)]
struct Results<'a> {
    results: &'a [Judged],
}

/// Runs the benchmarks, prints the table and then, as the last line, all results as JSON.
pub(crate) fn bench(options: &Options) -> Result<ExitCode> {
    let chosen: Vec<&Benchmark> = BENCHMARKS
        .iter()
        .filter(|benchmark| options.name.as_ref().is_none_or(|name| name == benchmark.name))
        .collect();
    if chosen.is_empty() {
        let names: Vec<&str> = BENCHMARKS.iter().map(|benchmark| benchmark.name).collect();
        bail!("no such benchmark; there are: {}", names.join(", "));
    }
    prerequisites::require(prerequisites::DEMO)?;
    let folder = environment::target().join("bench");
    files::make_folder(&folder)?;
    let mut all = Vec::new();
    let mut broken = false;
    for benchmark in chosen {
        report::heading(format!("{}: {}", benchmark.name, benchmark.about));
        match (benchmark.measure)() {
            Ok(measured) => {
                let judged: Vec<Judged> = measured.into_iter().map(judge).collect();
                write(&folder, benchmark.name, &judged)?;
                all.extend(judged);
            }
            Err(error) => {
                report::progress(format!("    {}: FAILED: {error:#}", benchmark.name));
                broken = true;
            }
        }
    }
    table(&all);
    report::result(serde_json::to_string(&Results { results: &all })?);
    let missed = all.iter().any(|judged| judged.holds == Some(false));
    Ok(if broken || missed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn learn() -> Result<Vec<Measured>> {
    let mut measured = cargo_bench("ductus-learn", "training")?;
    let script = environment::repository().join("pipeline/learn/benches/training_torch.py");
    // PyTorch weighs gigabytes and is nobody's prerequisite: whoever has it in an environment of its own names its Python.
    let python = environment::variable("DUCTUS_TORCH_PYTHON").unwrap_or_else(|| "python3".into());
    let torch = json_lines(command(python).arg(&script), Some(EXIT_YARDSTICK_ABSENT))?;
    if torch.is_none() {
        report::progress(
            "    skipped: no PyTorch here, so learn has no yardstick in this run (see DUCTUS_TORCH_PYTHON)",
        );
    }
    let torch = torch.unwrap_or_default();
    for line in &mut measured {
        let yardstick = torch.iter().find(|other| other.name == format!("{}-torch", line.name));
        line.yardstick = yardstick.map(|yardstick| yardstick.value);
        line.target = Some(1.5);
    }
    Ok(measured)
}

fn scorer() -> Result<Vec<Measured>> {
    cargo_bench("ductus-scorer", "embed")
}

fn features() -> Result<Vec<Measured>> {
    cargo_bench("ductus-dynamics", "features")
}

/// Starts a Kafka of its own, and measures against it.
fn gateway() -> Result<Vec<Measured>> {
    let fastapi = peers::fastapi()?;
    with_kafka("ductus-service", "gateway", |ports, _| {
        let mut variables = ports.variables();
        if let Some(fastapi) = &fastapi {
            variables.push(("DUCTUS_BENCH_FASTAPI", serde_json::to_string(fastapi)?));
        }
        cargo_bench_with("ductus-service", "gateway", &variables)
    })
}

/// The SDK in a real browser, from its sources as they stand.
fn sdk() -> Result<Vec<Measured>> {
    let lines = json_lines(&mut Web::install()?.script("bench"), None)?.unwrap_or_default();
    if lines.is_empty() {
        bail!("the benchmark of the SDK printed no result");
    }
    Ok(lines)
}

/// Does something while a Kafka runs that is its own; what is to be measured is built before.
fn with_kafka<T>(package: &str, bench: &str, work: impl FnOnce(Ports, &Folders) -> Result<T>) -> Result<T> {
    prerequisites::require(prerequisites::TEST)?;
    let kafka = Kafka::fetch(&java::home()?)?;
    run_shown(cargo().args(["bench", "--package", package, "--bench", bench, "--no-run"]))?;
    let (folders, ports) = (Folders::new()?, Ports::free()?);
    let running = kafka.start(&folders.own.join("kafka"), ports, Lifetime::WithUs)?;
    let done = work(ports, &folders);
    drop(running);
    folders.clean_up(done.is_ok());
    done
}

/// The tests of the domain crate: as they stand, and after a change of the crate. The first is promised; the second is
/// what a developer waits for, most of it the compiler, and is told beside it.
fn dynamics_tests() -> Result<Vec<Measured>> {
    let tests = || {
        let mut tests = cargo();
        tests.args(["test", "--quiet", "--package", "ductus-dynamics"]);
        tests
    };
    let timed = |name: &str, target| -> Result<Measured> {
        let started = Instant::now();
        run_shown(&mut tests())?;
        let (name, value, unit) = (name.to_owned(), started.elapsed().as_secs_f64(), "s".to_owned());
        Ok(Measured {
            name,
            value,
            unit,
            yardstick: Some(10.0),
            target,
            lower_is_better: true,
        })
    };
    run_shown(tests().arg("--no-run"))?;
    let warm = timed("dynamics/tests-warm", Some(1.0))?;
    let source = environment::repository().join("pipeline/dynamics/src/lib.rs");
    let touched = File::options()
        .append(true)
        .open(&source)
        .and_then(|file| file.set_modified(SystemTime::now()));
    touched.with_context(|| format!("cannot touch {}", source.display()))?;
    Ok(vec![warm, timed("dynamics/tests-after-a-change", None)?])
}

fn cargo_bench(package: &str, bench: &str) -> Result<Vec<Measured>> {
    cargo_bench_with(package, bench, &[])
}

fn cargo_bench_with(package: &str, bench: &str, variables: &[(&str, String)]) -> Result<Vec<Measured>> {
    let mut cargo = cargo();
    cargo
        .args(["bench", "--package", package, "--bench", bench])
        .env("ORT_DYLIB_PATH", onnxruntime::fetch()?)
        .envs(variables.iter().map(|(name, value)| (name, value)));
    let lines = json_lines(&mut cargo, None)?.unwrap_or_default();
    if lines.is_empty() {
        bail!("the benchmark {bench} of {package} printed no result");
    }
    Ok(lines)
}

/// Runs a command and reads the JSON lines out of its output; the rest is passed on. None if it ended with `absent`.
fn json_lines(command: &mut Command, absent: Option<i32>) -> Result<Option<Vec<Measured>>> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let mut lines = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        match serde_json::from_str(line) {
            Ok(measured) => lines.push(measured),
            Err(_) => report::progress(line),
        }
    }
    match output.status.code() {
        Some(0) => Ok(Some(lines)),
        code if code.is_some() && code == absent => Ok(None),
        _ => bail!("{} ended with {}", command.get_program().display(), output.status),
    }
}

fn judge(measured: Measured) -> Judged {
    let ratio = measured.yardstick.map(|yardstick| measured.value / yardstick);
    let holds = ratio.zip(measured.target).map(|(ratio, target)| {
        if measured.lower_is_better {
            ratio <= target
        } else {
            ratio >= target
        }
    });
    let Measured {
        name,
        value,
        unit,
        yardstick,
        target,
        ..
    } = measured;
    Judged {
        name,
        value,
        unit,
        yardstick,
        ratio,
        target,
        holds,
    }
}

fn write(folder: &Path, name: &str, results: &[Judged]) -> Result<()> {
    let path = folder.join(format!("{name}.json"));
    files::write(
        &path,
        &format!("{}\n", serde_json::to_string_pretty(&Results { results })?),
    )?;
    report::progress(format!("    written: {}", path.display()));
    Ok(())
}

fn table(all: &[Judged]) {
    let number = |value: Option<f64>| match value {
        None => "-".to_owned(),
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) => format!("{value:.2}"),
    };
    let holds = |holds| match holds {
        Some(true) => "holds",
        Some(false) => "MISSED",
        None => "not judged",
    };
    report::result(format!(
        "\n{:<64} {:>12} {:>12} {:>7} {:>7}  {:<10} unit",
        "benchmark", "value", "yardstick", "ratio", "target", ""
    ));
    for one in all {
        report::result(format!(
            "{:<64} {:>12} {:>12} {:>7} {:>7}  {:<10} {}",
            one.name,
            number(Some(one.value)),
            number(one.yardstick),
            number(one.ratio),
            number(one.target),
            holds(one.holds),
            one.unit
        ));
    }
    report::result("");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_judged_in_their_own_direction() {
        for (line, ratio, holds) in [
            (
                r#"{"name":"a","value":8,"unit":"/s","yardstick":10,"target":0.8}"#,
                Some(0.8),
                Some(true),
            ),
            (
                r#"{"name":"a","value":7,"unit":"/s","yardstick":10,"target":0.8}"#,
                Some(0.7),
                Some(false),
            ),
            (
                r#"{"name":"a","value":7,"unit":"s","yardstick":10,"target":1,"lower_is_better":true}"#,
                Some(0.7),
                Some(true),
            ),
            (
                r#"{"name":"a","value":11,"unit":"s","yardstick":10,"target":1,"lower_is_better":true}"#,
                Some(1.1),
                Some(false),
            ),
            (r#"{"name":"a","value":7,"unit":"/s","target":1.5}"#, None, None),
            (r#"{"name":"a","value":7,"unit":"/s","yardstick":null}"#, None, None),
        ] {
            let judged = judge(serde_json::from_str(line).expect("the line is well formed"));
            assert_eq!((judged.ratio, judged.holds), (ratio, holds), "{line}");
        }
    }
}
