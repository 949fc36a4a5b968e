//! What is known of people, in memory, to answer one-time questions from: references and live models, as Kafka has them.
//!
//! Invariants: everything is read, nothing is written, no group is joined; until the references were read to their end no
//! question is answered; at most `questions.in_flight_max` are answered at once.

use crate::config::Config;
use crate::health::Health;
use crate::kafka::{self, Logged};
use crate::shutdown::Shutdown;
use anyhow::Context;
use ductus_dynamics::event::Modality;
use ductus_scorer::Runtime;
use ductus_scorer::probe::{Fed, Held, PoolPolicy, ProbePolicy, Prober, ReferencePool};
use ductus_stream::{Follower, Models, StreamMetrics};
use prometheus::Registry;
use rdkafka::consumer::BaseConsumer;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::Semaphore;

/// One wait for a change of references: how long it takes to see that it should stop.
const WATCH: Duration = Duration::from_millis(100);
/// Changes taken in one go.
const CHANGES_MAX: usize = 1024;
/// Between two tries to reach Kafka.
const AGAIN: Duration = Duration::from_secs(3);
/// What readiness calls it.
const PART: &str = "references";

/// Answers questions about people.
pub(super) struct People {
    pub(super) pool: ReferencePool,
    pub(super) prober: Prober,
    pub(super) places: Arc<Semaphore>,
    /// Set once, when the models were read.
    models: Arc<OnceLock<Arc<Models>>>,
    /// Partitions of the references topic, once they are known.
    partitions: OnceLock<Vec<i32>>,
    /// Whether the references were read to their end.
    ready: AtomicBool,
}

impl People {
    /// Starts ONNX Runtime, then reads in a thread of its own until `shutdown`.
    ///
    /// # Errors
    /// There is no ONNX Runtime, or the system gives no thread.
    pub(super) fn start(
        config: &Config,
        health: &Health,
        shutdown: &Shutdown,
    ) -> anyhow::Result<(Arc<Self>, JoinHandle<()>)> {
        Runtime::start_from(&config.onnxruntime_candidates())
            .context("a gateway without ONNX Runtime verifies nobody: give it one, or set questions.enabled=false")?;
        let models: Arc<OnceLock<Arc<Models>>> = Arc::default();
        let live = Arc::clone(&models);
        let (line, questions) = (config.line(), &config.questions);
        let pool = PoolPolicy {
            references_max: questions.references_max,
            bytes_max: questions.references_bytes_max,
            ..PoolPolicy::default()
        };
        let policy = ProbePolicy {
            embedders_max: questions.embedders_max,
            ..ProbePolicy::default()
        };
        let people = Arc::new(Self {
            pool: ReferencePool::new(pool, line.references),
            prober: Prober::new(
                Arc::new(line),
                policy,
                Box::new(move |modality| live.get()?.current(modality)),
            ),
            places: Arc::new(Semaphore::new(questions.in_flight_max)),
            models,
            partitions: OnceLock::new(),
            ready: AtomicBool::new(false),
        });
        health.lacks(PART, "references are not read yet");
        let watch = Watch {
            people: Arc::clone(&people),
            config: config.clone(),
            health: health.clone(),
            shutdown: shutdown.clone(),
            stop: Arc::default(),
        };
        let thread = std::thread::Builder::new().name("references".to_owned());
        Ok((people, thread.spawn(move || watch.run())?))
    }

    /// What there is of a subject; none until it is known.
    pub(super) fn subject(&self, tenant: &str, subject: &str) -> Option<Vec<Held>> {
        self.is_ready().then(|| self.pool.subject(tenant, subject))
    }

    /// The model that answers about a modality.
    pub(super) fn model(&self, modality: Modality) -> Option<ductus_scorer::Turn> {
        self.models.get()?.current(modality)
    }

    /// Partitions of the references topic; none until they are known.
    pub(super) fn partitions(&self) -> &[i32] {
        self.partitions.get().map_or(&[], Vec::as_slice)
    }

    /// Whether questions can be answered.
    pub(super) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }
}

/// The thread that keeps up with Kafka.
struct Watch {
    people: Arc<People>,
    config: Config,
    health: Health,
    shutdown: Shutdown,
    /// For the watcher of models.
    stop: Arc<AtomicBool>,
}

impl Watch {
    fn run(&self) {
        while !self.shutdown.is_requested() {
            if let Err(error) = self.follow() {
                self.health.lacks(PART, format!("references cannot be read: {error:#}"));
                self.shutdown.wait_timeout(AGAIN);
            }
        }
        self.stop.store(true, Ordering::Release);
    }

    /// Reads models and references, then follows both.
    fn follow(&self) -> anyhow::Result<()> {
        let mut score = self.config.score_config();
        score.group = "ductus-gateway".to_owned();
        if self.people.models.get().is_none() {
            // The metrics of the line are those of `score`, which in the demo is this process as well.
            let metrics = StreamMetrics::register(&Registry::new())?;
            // Its watcher ends with `stop`, and nobody has to wait for that.
            let (models, _watcher) = Models::start(&score, &metrics, Arc::clone(&self.stop))?;
            // Nobody else sets it.
            let _ = self.people.models.set(models);
        }
        let timeout = Duration::from_millis(score.request_timeout_ms);
        let topic = &self.config.topics.references;
        let follower = Follower::open(&score.kafka, &score.group, topic, "references", timeout)?;
        let partitions = self.partitions(topic, timeout)?;
        // Topics do not grow while they are read: decisions would no longer stand where their events do.
        for partition in self.people.partitions.get_or_init(|| partitions).iter().copied() {
            follower.follow(partition, |kept| self.feed(kept.key, kept.value))?;
        }
        let mut turns = [None; Modality::ALL.len()];
        self.take_up_models(&mut turns);
        self.people.ready.store(true, Ordering::Release);
        self.health.has(PART);
        while !self.shutdown.is_requested() {
            follower.poll(WATCH, CHANGES_MAX, |kept| self.feed(kept.key, kept.value))?;
            self.take_up_models(&mut turns);
        }
        Ok(())
    }

    fn feed(&self, key: &[u8], value: Option<&[u8]>) {
        match self.people.pool.feed(key, value) {
            Fed::Put | Fed::Removed | Fed::Absent => {}
            Fed::Full => tracing::warn!("references do not fit: see questions.references_max and references_bytes_max"),
            Fed::Refused(error) => tracing::warn!(%error, "a record of the references topic is left out"),
        }
    }

    /// Lets the pool know what went live since.
    fn take_up_models(&self, turns: &mut [Option<u64>; Modality::ALL.len()]) {
        let Some(models) = self.people.models.get() else {
            return;
        };
        for modality in Modality::ALL {
            let Some(turn) = models.current(modality) else {
                continue;
            };
            if turns[modality.index()] != Some(turn.generation) {
                turns[modality.index()] = Some(turn.generation);
                let manifest = turn.model.manifest().model_ref();
                self.people
                    .pool
                    .go_live(modality, &manifest.sha256, turn.model.back_end());
            }
        }
    }

    fn partitions(&self, topic: &str, timeout: Duration) -> anyhow::Result<Vec<i32>> {
        let consumer: BaseConsumer<Logged> = self
            .config
            .kafka
            .settings()
            .reader("ductus-gateway", "references")
            .create_with_context(Logged)?;
        kafka::partitions(&consumer, topic, timeout).with_context(|| format!("the topic {topic}"))
    }
}
