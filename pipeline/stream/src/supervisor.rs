//! Starts the shards, starts them again, and lets them go.
//!
//! Invariants: a shard that fails or panics is started again after a pause that doubles up to its bound, until told to stop;
//! the others go on meanwhile; stopping is asked for by one flag that everything looks at.

use crate::config::ScoreConfig;
use crate::embed::Embedders;
use crate::error::StreamError;
use crate::log::{Change, Input as _};
use crate::metrics::StreamMetrics;
use crate::models::Models;
use crate::shard::{Shard, ShardStatus};
use crate::sink::Sink;
use crate::source::Source;
use crate::topics::check_topics;
use ductus_dynamics::line::Accounting;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A pause looks this often whether it should end.
const PAUSE_STEP: Duration = Duration::from_millis(50);

/// The `score` role.
pub struct Score;

impl Score {
    /// Checks settings and topics, loads the models and starts the shards. They run until `stop` is set, by whoever holds it
    /// (a signal handler), or until [`ScoreHandle::stop`]. ONNX Runtime was started before (`ductus_scorer::Runtime`).
    ///
    /// # Errors
    ///
    /// [`StreamError`]; nothing runs then.
    pub fn start(
        config: ScoreConfig,
        metrics: StreamMetrics,
        stop: Arc<AtomicBool>,
    ) -> Result<ScoreHandle, StreamError> {
        check(&config)?;
        let (models, watcher) = Models::start(&config, &metrics, Arc::clone(&stop))?;
        let mut handle = run(config, metrics, stop, Arc::new(models))?;
        handle.watcher = Some(watcher);
        Ok(handle)
    }

    /// The same with another embedding step than ONNX models, for tests.
    ///
    /// # Errors
    ///
    /// As [`Score::start`].
    pub fn start_with(
        config: ScoreConfig,
        metrics: StreamMetrics,
        stop: Arc<AtomicBool>,
        embedders: Arc<dyn Embedders>,
    ) -> Result<ScoreHandle, StreamError> {
        check(&config)?;
        run(config, metrics, stop, embedders)
    }
}

/// Reads the events topic as a shard does and hands out every value, until `take` says `false`: for measurements, and for
/// whoever wants to look. Nothing is decided and nothing committed.
///
/// # Errors
///
/// [`StreamError`].
pub fn read_events(config: &ScoreConfig, mut take: impl FnMut(&[u8]) -> bool) -> Result<(), StreamError> {
    let timeout = Duration::from_millis(config.request_timeout_ms);
    let mut source = Source::open(&config.kafka, &config.group, &config.topics, "reader", timeout)?;
    let mut goes_on = true;
    while goes_on {
        match source.change() {
            Some(Change::Assigned(partitions)) => {
                let positions = source.positions(&partitions)?;
                let from: Vec<(i32, i64)> = positions.iter().map(|at| (at.partition, at.start)).collect();
                source.assign(&from)?;
            }
            Some(Change::Revoked { partitions, .. }) => source.unassign(&partitions)?,
            None => {}
        }
        let wait = Duration::from_millis(config.poll_ms);
        source.read(wait, config.poll_records_max, &mut |incoming| {
            goes_on = take(incoming.value);
            Ok(goes_on)
        })?;
    }
    Ok(())
}

/// The running shards of a process.
pub struct ScoreHandle {
    stop: Arc<AtomicBool>,
    embedders: Arc<dyn Embedders>,
    statuses: Vec<Arc<ShardStatus>>,
    shards: Vec<JoinHandle<Result<(), StreamError>>>,
    watcher: Option<JoinHandle<()>>,
}

impl ScoreHandle {
    /// Whether a model is loaded, every shard is up, partitions are assigned, and nobody asked to stop.
    pub fn ready(&self) -> bool {
        let up = |status: &Arc<ShardStatus>| status.running.load(Ordering::Acquire);
        !self.stop.load(Ordering::Acquire)
            && self.embedders.loaded()
            && self.statuses.iter().all(up)
            && self.partitions() > 0
    }

    /// Partitions that the shards of this process have.
    pub fn partitions(&self) -> usize {
        let of = |status: &Arc<ShardStatus>| status.partitions.load(Ordering::Acquire);
        self.statuses.iter().map(of).sum()
    }

    /// What became of the events of the partitions that the shards of this process have, from their first record on, whoever
    /// read it.
    pub fn accounting(&self) -> Accounting {
        let mut sum = Accounting::default();
        for status in &self.statuses {
            status.accounting().values().for_each(|partition| sum.merge(partition));
        }
        sum
    }

    /// Asks everything to stop: what was read is decided about, acknowledged and committed, then the group is left.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Waits for the end.
    ///
    /// # Errors
    ///
    /// The first error of a shard that could not finish what it had read: its input is read again at the next start.
    pub fn join(self) -> Result<(), StreamError> {
        let mut outcome = Ok(());
        for shard in self.shards {
            let ended = shard.join().unwrap_or_else(|panic| Err(panicked(&*panic)));
            outcome = outcome.and(ended);
        }
        if let Some(Err(panic)) = self.watcher.map(JoinHandle::join) {
            outcome = outcome.and(Err(panicked(&*panic)));
        }
        outcome
    }
}

fn check(config: &ScoreConfig) -> Result<(), StreamError> {
    let problems = config.problems();
    if !problems.is_empty() {
        return Err(StreamError::Settings(problems));
    }
    let timeout = Duration::from_millis(config.request_timeout_ms);
    check_topics(&config.kafka, &config.topics, &config.topics.for_scoring(), timeout)?;
    Ok(())
}

fn run(
    config: ScoreConfig,
    metrics: StreamMetrics,
    stop: Arc<AtomicBool>,
    embedders: Arc<dyn Embedders>,
) -> Result<ScoreHandle, StreamError> {
    let config = Arc::new(config);
    let mut handle = ScoreHandle {
        stop: Arc::clone(&stop),
        embedders: Arc::clone(&embedders),
        statuses: Vec::new(),
        shards: Vec::new(),
        watcher: None,
    };
    for index in 0..config.shard_count() {
        let supervisor = Supervisor {
            index,
            config: Arc::clone(&config),
            metrics: metrics.clone(),
            stop: Arc::clone(&stop),
            embedders: Arc::clone(&embedders),
            status: Arc::default(),
        };
        handle.statuses.push(Arc::clone(&supervisor.status));
        let thread = std::thread::Builder::new().name(format!("shard-{index}"));
        match thread.spawn(move || supervisor.supervise()) {
            Ok(shard) => handle.shards.push(shard),
            Err(error) => {
                // The shards that run already would go on without anybody to join them.
                handle.stop();
                let _ = handle.join();
                return Err(StreamError::Thread(error));
            }
        }
    }
    Ok(handle)
}

/// Runs one shard in its thread, again and again.
struct Supervisor {
    index: usize,
    config: Arc<ScoreConfig>,
    metrics: StreamMetrics,
    stop: Arc<AtomicBool>,
    embedders: Arc<dyn Embedders>,
    status: Arc<ShardStatus>,
}

impl Supervisor {
    fn supervise(&self) -> Result<(), StreamError> {
        let bound = Duration::from_millis(self.config.restart_backoff_ms_max);
        let first = Duration::from_millis(self.config.restart_backoff_ms).min(bound);
        let mut pause = first;
        loop {
            let started = Instant::now();
            // A panic leaves nothing behind that is used again: the shard is made anew.
            let ended =
                catch_unwind(AssertUnwindSafe(|| self.run_once())).unwrap_or_else(|panic| Err(panicked(&*panic)));
            self.status.running.store(false, Ordering::Release);
            self.status.partitions.store(0, Ordering::Release);
            let Err(error) = ended else {
                tracing::info!(shard = self.index, "shard stopped");
                return Ok(());
            };
            if self.stop.load(Ordering::Acquire) {
                if error.is_theirs_to_finish() {
                    tracing::warn!(shard = self.index, %error, "others go on from the stopping shard's last checkpoint");
                    return Ok(());
                }
                tracing::error!(shard = self.index, %error, "shard stopped without finishing, its input is read again");
                return Err(error);
            }
            for partition in self.status.forget_partitions() {
                self.metrics.forget_partition(partition);
            }
            if started.elapsed() > 2 * bound {
                pause = first;
            }
            tracing::error!(shard = self.index, %error, pause_ms = pause.as_millis() as u64, "shard failed and starts again");
            self.metrics.restarted();
            self.pause(pause);
            pause = (2 * pause).min(bound);
        }
    }

    fn run_once(&self) -> Result<(), StreamError> {
        // Told to stop in a pause: what the failed shard had read is read again at the next start.
        if self.stop.load(Ordering::Acquire) {
            return Ok(());
        }
        let embed = self.embedders.embedder();
        let (config, member) = (&*self.config, format!("shard-{}", self.index));
        let timeout = Duration::from_millis(config.request_timeout_ms);
        let sink = Sink::open(config, &member)?;
        let source = Source::open(&config.kafka, &config.group, &config.topics, &member, timeout)?;
        let shard = Shard::new(self.index, config, &self.metrics, &self.status, embed, (source, sink));
        self.status.running.store(true, Ordering::Release);
        tracing::info!(shard = self.index, "shard started");
        shard.run(&self.stop)
    }

    fn pause(&self, length: Duration) {
        let until = Instant::now() + length;
        while !self.stop.load(Ordering::Acquire) && Instant::now() < until {
            std::thread::sleep(PAUSE_STEP.min(length));
        }
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> StreamError {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    StreamError::Panicked(text.unwrap_or_else(|| "without a message".to_owned()))
}
