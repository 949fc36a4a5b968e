//! What scoring is told: plain values, so that any configuration language can be mapped onto them.
//!
//! Invariant: every bound of this crate has its name here or is a librdkafka property.

use crate::kafka::KafkaSettings;
use crate::topics::Topics;
use ductus_dynamics::line::LineConfig;
use std::path::PathBuf;

/// All of the `score` role.
#[derive(Clone, Debug)]
pub struct ScoreConfig {
    /// librdkafka properties.
    pub kafka: KafkaSettings,
    /// Names of topics.
    pub topics: Topics,
    /// Consumer group.
    pub group: String,
    /// Shard threads; 0 for one a core. More than the topic has partitions stand idle.
    pub shards: usize,
    /// What a partition's line depends on.
    pub line: LineConfig,
    /// Folder of the models: `models/<modality>/<version>`, `models/<modality>/live`.
    pub models_dir: PathBuf,
    /// Most windows embedded together.
    pub batch_windows_max: usize,
    /// How long a window waits for others to be embedded with, ms.
    pub batch_wait_ms: u64,
    /// Most records taken in one turn.
    pub poll_records_max: usize,
    /// Longest wait for a record, ms: how long a quiet shard takes to see that it should stop.
    pub poll_ms: u64,
    /// Between two checkpoints, ms: how much is replayed after a crash, and how long audit records and dead letters wait.
    pub checkpoint_interval_ms: u64,
    /// A checkpoint is due sooner when what waits for it holds more than this, bytes.
    pub checkpoint_bytes_max: usize,
    /// Most sessions of a partition that are sealed for a checkpoint in one turn: decisions wait for as long as that takes.
    pub checkpoint_turn_sessions: usize,
    /// Without a checkpoint for this long nothing more is read, ms: how much can have to be replayed.
    pub checkpoint_age_ms_max: u64,
    /// Bound on each question to the broker and on reading a compacted topic, ms.
    pub request_timeout_ms: u64,
    /// Bound on waiting for a checkpoint when partitions are given up or something takes effect, ms.
    pub flush_timeout_ms: u64,
    /// How long one record waits for room in the producer's queue, ms.
    pub queue_full_ms: u64,
    /// First pause before a stopped shard starts again, ms; doubles each time.
    pub restart_backoff_ms: u64,
    /// Longest such pause, ms.
    pub restart_backoff_ms_max: u64,
    /// What dead letters hold.
    pub dead_letters: DeadLetterConfig,
}

/// What dead letters hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadLetterConfig {
    /// Keeps the payload of every refused record, also where it may hold what somebody typed. For development only. A record
    /// without consent is not kept even then.
    pub keep_payload_unsafe: bool,
    /// Larger payloads are left out, bytes: as JSON text they can grow six-fold, and must fit into a record.
    pub payload_bytes_max: usize,
}

impl Default for ScoreConfig {
    fn default() -> Self {
        Self {
            kafka: KafkaSettings::default(),
            topics: Topics::default(),
            group: "ductus-score".to_owned(),
            shards: 0,
            line: LineConfig::default(),
            models_dir: PathBuf::from("models"),
            batch_windows_max: 64,
            batch_wait_ms: 2,
            poll_records_max: 1_024,
            poll_ms: 20,
            checkpoint_interval_ms: 2_000,
            checkpoint_bytes_max: 16_777_216,
            checkpoint_turn_sessions: 64,
            checkpoint_age_ms_max: 60_000,
            request_timeout_ms: 10_000,
            flush_timeout_ms: 30_000,
            queue_full_ms: 30_000,
            restart_backoff_ms: 500,
            restart_backoff_ms_max: 30_000,
            dead_letters: DeadLetterConfig::default(),
        }
    }
}

impl Default for DeadLetterConfig {
    fn default() -> Self {
        Self {
            keep_payload_unsafe: false,
            payload_bytes_max: 131_072,
        }
    }
}

impl ScoreConfig {
    /// Every mistake that shows without a broker, as sentences; empty when there is none.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.kafka.problems();
        let positive = [
            ("score.batch_windows_max", self.batch_windows_max as u64),
            ("score.poll_records_max", self.poll_records_max as u64),
            ("score.poll_ms", self.poll_ms),
            ("score.checkpoint_interval_ms", self.checkpoint_interval_ms),
            ("score.checkpoint_bytes_max", self.checkpoint_bytes_max as u64),
            ("score.checkpoint_turn_sessions", self.checkpoint_turn_sessions as u64),
            ("score.request_timeout_ms", self.request_timeout_ms),
            ("score.flush_timeout_ms", self.flush_timeout_ms),
            ("score.queue_full_ms", self.queue_full_ms),
            ("score.restart_backoff_ms", self.restart_backoff_ms),
        ];
        for (name, value) in positive {
            if value == 0 {
                problems.push(format!("{name} is 0, but must be at least 1"));
            }
        }
        if self.group.is_empty() {
            problems.push("score.group is empty, name the consumer group".to_owned());
        }
        if self.checkpoint_age_ms_max <= self.checkpoint_interval_ms {
            problems.push("score.checkpoint_age_ms_max must be more than score.checkpoint_interval_ms".to_owned());
        }
        if self.restart_backoff_ms_max < self.restart_backoff_ms {
            problems.push("score.restart_backoff_ms_max is less than score.restart_backoff_ms".to_owned());
        }
        problems
    }

    /// Shard threads to start.
    pub(crate) fn shard_count(&self) -> usize {
        match self.shards {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            some => some,
        }
    }
}
