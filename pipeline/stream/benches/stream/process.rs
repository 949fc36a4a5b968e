//! A measurement in a process of its own: what it is told, and what it says.

use crate::{Anyhow, drain, line};
use serde::{Deserialize, Serialize};
use std::process::Command;
use std::time::Instant;

const TASK: &str = "DUCTUS_BENCH_TASK";

/// What a process is to measure.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) what: String,
    /// Prefix of the topics' names.
    pub(crate) prefix: String,
    /// Records or events until it ends.
    pub(crate) count: u64,
    pub(crate) partitions: i32,
    pub(crate) threads: usize,
    /// Consumer group, to go on where it stood.
    pub(crate) group: String,
}

/// What it cost.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) count: u64,
    pub(crate) cpu_s: f64,
    pub(crate) wall_s: f64,
    pub(crate) memory_bytes_max: u64,
    /// When it was done, all of its work still held.
    pub(crate) memory_bytes_end: u64,
    /// Windows a second of the embedding stage, and of a bare loop in the same process.
    pub(crate) windows_per_s: Option<(f64, f64)>,
}

impl Measured {
    pub(crate) fn cpu_ns_each(&self) -> f64 {
        self.cpu_s * 1e9 / self.count as f64
    }

    pub(crate) fn wall_ns_each(&self) -> f64 {
        self.wall_s * 1e9 / self.count as f64
    }
}

impl Task {
    /// Does what it says.
    pub(crate) fn measure(&self) -> Anyhow<Measured> {
        match self.what.as_str() {
            "drain-ours" => drain::ours(self),
            "drain-bare" => drain::bare(self),
            "drain-stream-consumer" => drain::stream_consumer(self),
            "read-states" => drain::states(self),
            _ => line::measure(self),
        }
    }
}

/// The task of this process, if it has one.
pub(crate) fn told() -> Anyhow<Option<Task>> {
    let Ok(task) = std::env::var(TASK) else {
        return Ok(None);
    };
    Ok(Some(serde_json::from_str(&task)?))
}

/// Measures in a process of its own.
pub(crate) fn in_a_process(task: &Task) -> Anyhow<Measured> {
    let mut command = Command::new(std::env::current_exe()?);
    command.env(TASK, serde_json::to_string(task)?);
    let output = command.stderr(std::process::Stdio::inherit()).output()?;
    let text = String::from_utf8(output.stdout)?;
    if !output.status.success() {
        return Err(format!("{} ended with {}", task.what, output.status).into());
    }
    Ok(serde_json::from_str(text.lines().last().unwrap_or_default())?)
}

/// From now on; what came before, the start of the process, counts as CPU but not as wall time.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }

    pub(crate) fn stop(&self, count: u64) -> Anyhow<Measured> {
        let wall_s = self.seconds();
        Ok(Measured {
            count,
            cpu_s: cpu_s()?,
            wall_s,
            memory_bytes_max: status_bytes("VmHWM:")?,
            memory_bytes_end: status_bytes("VmRSS:")?,
            windows_per_s: None,
        })
    }
}

/// User and system time of this process so far, in the kernel's ticks of 10 ms.
pub(crate) fn cpu_s() -> Anyhow<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().ok_or("no fields in /proc/self/stat")?;
    let ticks: f64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<f64>)
        .sum::<Result<_, _>>()?;
    Ok(ticks / 100.0)
}

fn status_bytes(field: &str) -> Anyhow<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kb = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    Ok(kb.ok_or("no such field in /proc/self/status")? * 1_024)
}
