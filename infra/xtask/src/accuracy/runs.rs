//! Calls `ductus-batch` for every row, a few at a time, and keeps the reports in the cache folder.
//!
//! Invariants: a report is reused only for the same arguments, the same recordings and models that are the same in all that
//! figures depend on; a call that fails leaves no report, and what it said stands beside where the report would be.

use std::collections::VecDeque;
use std::fs;
use std::io::Read;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};
use sha2::{Digest, Sha256};

use super::findings::Report;
use super::plan::{Run, SEED, Seed};
use crate::command::{command, last_lines, run_quiet};
use crate::files::hex;
use crate::{environment, files, report};

/// What a call may need at once, kB: Aalto's recordings with their windows.
const MEMORY_KB: u64 = 3_000_000;
/// How much of what a failed call said is repeated.
const SAID_LINES: usize = 5;
/// Protocols that play whole sessions: they take longest and start first.
const SLOW: [&str; 2] = ["continuous", "attacks"];

/// What became of a row.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Found(Box<Report>),
    Failed(String),
}

/// Where calls happen.
pub(crate) struct Judge {
    /// The program, and the hash of its bytes.
    pub(crate) binary: PathBuf,
    pub(crate) build: String,
    /// ONNX Runtime's library.
    pub(crate) library: PathBuf,
    /// The unpacked recordings.
    pub(crate) data: PathBuf,
    /// Where reports lie.
    pub(crate) cache: PathBuf,
    /// Whether reports that are there are made again.
    pub(crate) again: bool,
    /// The model of the seed's design.
    pub(crate) seed: Option<Seed>,
    /// Its folder, from when the first row needed it.
    pub(crate) seed_trained: OnceLock<Result<PathBuf, String>>,
}

impl Judge {
    /// The folder of a row's report.
    pub(crate) fn folder(&self, run: &Run) -> PathBuf {
        let data = self.data.display().to_string();
        let words = run.arguments.iter().chain(&run.identity).chain([&data]);
        self.cache.join("reports").join(key(words))
    }

    /// The report of a row, if it is there.
    pub(crate) fn found(&self, run: &Run) -> Option<Report> {
        let text = fs::read_to_string(self.folder(run).join("report.json")).ok()?;
        Report::parse(&text).ok()
    }

    /// The folder of the model of the seed's design; whoever asks first trains it, if it is not there.
    fn seed(&self) -> Result<&Path> {
        let trained = self
            .seed_trained
            .get_or_init(|| self.train_seed().map_err(|error| format!("{error:#}")));
        trained.as_deref().map_err(|error| anyhow!("{error}"))
    }

    fn train_seed(&self) -> Result<PathBuf> {
        let seed = self
            .seed
            .as_ref()
            .context("there is no model beside which the seed's design could be trained")?;
        let folder = self.cache.join("seed").join(key(&seed.arguments));
        if folder.join("manifest.toml").is_file() {
            return Ok(folder);
        }
        let (name, started) = ("the seed's design, to compare with: train (once)", Instant::now());
        report::progress(format!("==> {name} …"));
        let mut train = command(&self.binary);
        train.arg("train").env("ORT_DYLIB_PATH", &self.library);
        train.args(seed.arguments.iter().map(|word| self.told(word)));
        // Where it was interrupted it goes on.
        run_quiet(train.args(["--force", "--resume"]).arg("--out").arg(&folder))?;
        report::progress(format!("    {name}: done in {}", report::seconds(started.elapsed())));
        Ok(folder)
    }

    /// Makes the reports that are not there, `jobs` at a time; gives what became of each row, in their order.
    pub(crate) fn all(&self, runs: &[&Run], jobs: NonZeroUsize) -> Vec<Outcome> {
        let mut order: Vec<usize> = (0..runs.len())
            .filter(|&i| self.again || self.found(runs[i]).is_none())
            .collect();
        self.say_what_is_there(runs, &order);
        let is_slow = |run: &Run| SLOW.iter().any(|slow| run.arguments.iter().any(|word| word == slow));
        order.sort_by_key(|&i| (!is_slow(runs[i]), runs[i].needs_seed()));
        let (all, threads) = (order.len(), threads(jobs));
        let outcomes: Vec<Mutex<Option<Outcome>>> = runs.iter().map(|_| Mutex::new(None)).collect();
        let queue = Mutex::new((order.into_iter().collect::<VecDeque<usize>>(), 0));
        let next = || {
            let mut queue = queue.lock().ok()?;
            let index = queue.0.pop_front()?;
            queue.1 += 1;
            Some((index, queue.1))
        };
        std::thread::scope(|scope| {
            for _ in 0..jobs.get().min(all) {
                scope.spawn(|| {
                    while let Some((index, number)) = next() {
                        let outcome = self.row(runs[index], &format!("[{number}/{all}]"), threads);
                        if let Ok(mut slot) = outcomes[index].lock() {
                            *slot = Some(outcome);
                        }
                    }
                });
            }
        });
        let outcome = |(slot, run): (Mutex<Option<Outcome>>, &&Run)| {
            let made = slot.into_inner().ok().flatten();
            made.or_else(|| self.found(run).map(|report| Outcome::Found(Box::new(report))))
        };
        let outcomes = outcomes.into_iter().zip(runs).map(outcome);
        outcomes
            .map(|outcome| outcome.unwrap_or_else(|| Outcome::Failed("nothing came of it".to_owned())))
            .collect()
    }

    /// Reports of an older program are reused, since most changes of it change no score; but that is said.
    fn say_what_is_there(&self, runs: &[&Run], order: &[usize]) {
        let there: Vec<usize> = (0..runs.len()).filter(|i| !order.contains(i)).collect();
        let build = |&&i: &&usize| {
            fs::read_to_string(self.folder(runs[i]).join("build.txt")).is_ok_and(|build| build == self.build)
        };
        let same = there.iter().filter(build).count();
        if !there.is_empty() {
            report::progress(format!(
                "    {} of {} reports were there already",
                there.len(),
                runs.len()
            ));
        }
        if same < there.len() {
            report::progress(format!(
                "    {} of these by another build of ductus-batch: --again makes them again",
                there.len() - same
            ));
        }
    }

    fn row(&self, run: &Run, place: &str, threads: usize) -> Outcome {
        let name = format!("{place} {}: {}", run.arguments[1], run.label);
        let started = Instant::now();
        report::progress(format!("==> {name} …"));
        let outcome = self.call(run, threads);
        let word = if outcome.is_ok() { "done" } else { "FAILED" };
        report::progress(format!("    {name}: {word} in {}", report::seconds(started.elapsed())));
        match outcome {
            Ok(report) => Outcome::Found(Box::new(report)),
            Err(error) => {
                report::progress(format!("    {error:#}"));
                Outcome::Failed(format!("{error:#}"))
            }
        }
    }

    fn call(&self, run: &Run, threads: usize) -> Result<Report> {
        let folder = self.folder(run);
        files::remove_folder(&folder)?;
        files::make_folder(&folder)?;
        let path = folder.join("report.json");
        let seed = if run.needs_seed() { self.seed()? } else { Path::new("") };
        let words = run.arguments.iter().map(|word| match word.as_str() {
            SEED => seed.display().to_string(),
            word => self.told(word),
        });
        let mut evaluate = command(&self.binary);
        evaluate
            .arg("evaluate")
            .args(words)
            .args(["--threads", &threads.to_string()]);
        evaluate.arg("--report").arg(&path).env("ORT_DYLIB_PATH", &self.library);
        let output = evaluate
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot start {}", self.binary.display()))?;
        let said = String::from_utf8_lossy(&output.stderr);
        for (file, text) in [
            ("log.txt", &*said),
            ("command.txt", &run.command()),
            ("build.txt", &self.build),
        ] {
            files::write(&folder.join(file), text)?;
        }
        if !output.status.success() {
            // Half a folder must not pass for a report.
            let _ = fs::remove_file(&path);
            bail!(
                "{} ended with {}:\n{}",
                run.command(),
                output.status,
                last_lines(said.trim_end(), SAID_LINES)
            );
        }
        let text = fs::read_to_string(&path).with_context(|| format!("no report from {}", run.command()))?;
        Report::parse(&text)
    }

    /// An argument with the recordings' place on this machine.
    fn told(&self, word: &str) -> String {
        word.replace("$DUCTUS_DATA", &self.data.display().to_string())
    }
}

/// How many calls at once: one a core, and no more than memory bears.
pub(crate) fn jobs() -> NonZeroUsize {
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let free = memory.lines().find_map(|line| {
        line.strip_prefix("MemAvailable:")?
            .trim()
            .strip_suffix("kB")?
            .trim()
            .parse()
            .ok()
    });
    let bearable = free.unwrap_or(0u64) / MEMORY_KB;
    NonZeroUsize::new(cores().min(bearable as usize)).unwrap_or(NonZeroUsize::MIN)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

fn threads(jobs: NonZeroUsize) -> usize {
    (cores() / jobs).max(1)
}

/// A name for these words.
fn key<'a>(words: impl IntoIterator<Item = &'a String>) -> String {
    let mut hash = Sha256::new();
    for word in words {
        hash.update(word);
        hash.update([0]);
    }
    hex(&hash.finalize()[..12])
}

/// What a file is known by.
pub(crate) fn fingerprint(path: &Path) -> Result<String> {
    let cannot = || format!("cannot read {}", path.display());
    let mut hash = Sha256::new();
    let mut file = fs::File::open(path).with_context(cannot)?;
    let mut block = vec![0; 1 << 20];
    loop {
        match file.read(&mut block).with_context(cannot)? {
            0 => return Ok(hex(&hash.finalize())),
            count => hash.update(&block[..count]),
        }
    }
}

/// Where reports lie.
pub(crate) fn cache() -> Result<PathBuf> {
    Ok(environment::cache()?.join("accuracy"))
}
