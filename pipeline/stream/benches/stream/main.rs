//! What the stream costs against a real Kafka: CPU of our process an event, beside its yardsticks in the same run.
//!
//! Every measurement is a process of its own (this program again), so that nothing else's processor time is in it; the CPU
//! is that of the whole process, librdkafka's threads and the start included, over a topic that was filled before. Prints one
//! JSON object a line, as `cargo xtask bench` reads them. Needs `DUCTUS_TEST_KAFKA`; with `DUCTUS_BENCH_KEEP=FILE` the topics
//! of the line are named there, for whoever compares other programs on the same records.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark's result is its output"
)]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

mod drain;
mod fill;
mod latency;
mod line;
mod model;
mod process;

use process::{Measured, Task, in_a_process};
use serde_json::json;

type Group = fn() -> Anyhow<()>;
type Anyhow<T> = Result<T, Box<dyn std::error::Error>>;

/// How much: enough for seconds of CPU in each process.
const DRAIN_RECORDS: u64 = 4_000_000;
const DEFAULT_CONSUMER_RECORDS: u64 = 400_000;
const EVENTS: u64 = 2_000_000;
const MODEL_EVENTS: u64 = 400_000;
const ROUNDS: usize = 3;

fn main() -> Anyhow<()> {
    if let Some(task) = process::told()? {
        println!("{}", serde_json::to_string(&task.measure()?)?);
        return Ok(());
    }
    // `cargo test --benches` only asks whether it builds.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let chosen: Vec<&String> = arguments
        .iter()
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let is_chosen = |name: &str| chosen.is_empty() || chosen.iter().any(|chosen| *chosen == name);
    let groups: [(&str, Group); 6] = [
        ("drain", drain),
        ("line", whole_line),
        ("model", with_model),
        ("sessions", sessions),
        ("restart", restart),
        ("latency", latency::bench),
    ];
    for (name, group) in groups {
        if is_chosen(name) {
            group()?;
        }
    }
    Ok(())
}

/// A result line; `target` is of the ratio value : yardstick, at most so much where lower is better.
fn report(name: &str, value: f64, unit: &str, yardstick: Option<f64>, target: Option<f64>, lower_is_better: bool) {
    let line = json!({
        "name": name, "value": value, "unit": unit, "yardstick": yardstick, "target": target,
        "lower_is_better": lower_is_better,
    });
    println!("{line}");
}

fn tell(what: &str, measured: &Measured) {
    eprintln!(
        "    {what}: {:.0} ns CPU and {:.0} ns each, {} MB at most",
        measured.cpu_ns_each(),
        measured.wall_ns_each(),
        measured.memory_bytes_max / 1_000_000
    );
}

/// Several measurements in turn, round after round, so that whatever else the machine does meets all of them; of each the round
/// that took the least CPU, which is the one that was disturbed least.
fn in_turn<const N: usize>(mut all: [&mut dyn FnMut(usize) -> Anyhow<Measured>; N]) -> Anyhow<[Measured; N]> {
    let mut least: [Option<Measured>; N] = std::array::from_fn(|_| None);
    for round in 0..ROUNDS {
        for (measure, least) in all.iter_mut().zip(&mut least) {
            let measured = measure(round)?;
            if least.as_ref().is_none_or(|least| measured.cpu_s < least.cpu_s) {
                *least = Some(measured);
            }
        }
    }
    Ok(least.map(|least| least.expect("there is at least one round")))
}

/// The source alone.
fn drain() -> Anyhow<()> {
    let topics = fill::raw(DRAIN_RECORDS)?;
    let run = |what: &str, count| -> Anyhow<Measured> {
        in_a_process(&Task {
            what: what.to_owned(),
            prefix: topics.clone(),
            count,
            ..Task::default()
        })
    };
    let [bare, ours, stream] = in_turn([
        &mut |_| run("drain-bare", DRAIN_RECORDS),
        &mut |_| run("drain-ours", DRAIN_RECORDS),
        &mut |_| run("drain-stream-consumer", DEFAULT_CONSUMER_RECORDS),
    ])?;
    tell("bare batch loop", &bare);
    tell("source of a shard", &ours);
    tell("StreamConsumer", &stream);
    let speed = |measured: &Measured| 1e9 / measured.cpu_ns_each();
    let (name, unit) = ("stream/source", "records/CPU-s");
    report(
        &format!("{name} beside a bare batch loop"),
        speed(&ours),
        unit,
        Some(speed(&bare)),
        Some(0.85),
        false,
    );
    let other = Some(speed(&stream));
    report(
        &format!("{name} beside StreamConsumer"),
        speed(&ours),
        unit,
        other,
        Some(6.0),
        false,
    );
    Ok(())
}

/// The line without a model, one event a record and twenty; with checkpoints and without.
fn whole_line() -> Anyhow<()> {
    for batch in [1, 20] {
        let load = fill::Load {
            sessions: 1_000,
            events: EVENTS,
            batch,
            partitions: 4,
            poison: false,
        };
        let filled = fill::sessions(&load)?;
        let row = format!("stream/line, {batch} events a record");
        let row_bare = format!("stream/windows alone, {batch} events a record");
        filled.note(&[&row, &row_bare], None, false)?;
        let poisoned = fill::sessions(&fill::Load { poison: true, ..load })?;
        let [on, off, bare, poisoned] = in_turn([
            &mut |round| line::run(&filled, line::Kind::NoModel, 1, round),
            &mut |round| line::run(&filled, line::Kind::NoCheckpoints, 1, round),
            &mut |round| line::run(&filled, line::Kind::NoDetectors, 1, round),
            &mut |round| line::run(&poisoned, line::Kind::NoModel, 1, round),
        ])?;
        tell(&format!("line, {batch} events a record"), &on);
        tell("the same without checkpoints", &off);
        tell("the same without detectors, as others do it", &bare);
        report(&row_bare, bare.cpu_ns_each(), "CPU ns/event", None, None, true);
        let each = |measured: &Measured| 1e9 / measured.cpu_ns_each();
        report(&row, on.cpu_ns_each(), "CPU ns/event", None, None, true);
        let name = format!("stream/guarantees, {batch} events a record");
        report(&name, each(&on), "events/CPU-s", Some(each(&off)), Some(0.95), false);
        tell("the same with 1 % poison", &poisoned);
        let name = format!("stream/1 % poison, {batch} events a record");
        report(
            &name,
            each(&poisoned),
            "events/CPU-s",
            Some(each(&on)),
            Some(0.95),
            false,
        );
    }
    Ok(())
}

/// The line with the released models, and its model stage beside a bare loop.
fn with_model() -> Anyhow<()> {
    let load = fill::Load {
        sessions: 1_000,
        events: MODEL_EVENTS,
        batch: 20,
        partitions: 4,
        poison: false,
    };
    let filled = fill::sessions(&load)?;
    let row = "stream/line with the model";
    filled.note(&[row], Some(&model::released()?), false)?;
    let [measured] = in_turn([&mut |round| line::run(&filled, line::Kind::Released, 1, round)])?;
    tell("line with the released model", &measured);
    report(row, measured.cpu_ns_each(), "CPU ns/event", None, None, true);
    if let Some((ours, bare)) = measured.windows_per_s {
        report(
            "stream/model stage in the line",
            ours,
            "windows/s",
            Some(bare),
            Some(0.85),
            false,
        );
    }
    Ok(())
}

/// Cost and memory as sessions and threads grow.
fn sessions() -> Anyhow<()> {
    let mut first: Option<Measured> = None;
    for sessions in [1_000, 10_000, 100_000] {
        let load = fill::Load {
            sessions,
            events: (sessions * 50).max(EVENTS),
            batch: 20,
            partitions: 4,
            poison: false,
        };
        let filled = fill::sessions(&load)?;
        let [measured] = in_turn([&mut |round| line::run(&filled, line::Kind::NoModel, 1, round)])?;
        tell(&format!("{sessions} sessions"), &measured);
        let yardstick = first.as_ref().map(Measured::cpu_ns_each);
        let target = yardstick.map(|_| 1.3);
        let name = format!("stream/line, {sessions} sessions");
        report(&name, measured.cpu_ns_each(), "CPU ns/event", yardstick, target, true);
        if let Some(first) = &first {
            let bytes = measured.memory_bytes_end.saturating_sub(first.memory_bytes_end) as f64;
            let each = bytes / (sessions as f64 - 1_000.0);
            let row = format!("stream/memory a session, {sessions} sessions");
            if sessions == 100_000 {
                filled.note(&[&row], None, true)?;
            }
            report(&row, each, "bytes", None, None, true);
        }
        if sessions == 1_000 {
            let two = line::run(&filled, line::Kind::NoModel, 2, 0)?;
            tell("the same in two threads", &two);
            let speed = |measured: &Measured| 1e9 / measured.wall_ns_each();
            let one = Some(speed(&measured));
            report("stream/two threads", speed(&two), "events/s", one, Some(1.8), false);
        }
        first.get_or_insert(measured);
    }
    Ok(())
}

/// From the start to the first new decision with 100,000 sessions in the session states.
fn restart() -> Anyhow<()> {
    let load = fill::Load {
        sessions: 100_000,
        // Not yet a full window: what comes after the restart closes the first.
        events: 8_000_000,
        batch: 80,
        partitions: 4,
        poison: false,
    };
    let filled = fill::sessions(&load)?;
    line::run(&filled, line::Kind::NoModel, 1, 0)?;
    let bare = in_a_process(&Task {
        what: "read-states".to_owned(),
        prefix: line::group(&filled, line::Kind::NoModel, 1, 0),
        ..Task::default()
    })?;
    fill::more(&filled, 1_000)?;
    let again = line::run_again(&filled)?;
    eprintln!("    {} bytes of session states", bare.count);
    report(
        "stream/restart with 100,000 sessions",
        again.wall_s,
        "s",
        Some(bare.wall_s),
        Some(1.5),
        true,
    );
    Ok(())
}
