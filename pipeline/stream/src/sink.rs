//! What a shard writes to Kafka: decisions at once, everything else in checkpoints.
//!
//! Invariant: a decision stands on the partition number of its events, so that whoever takes over a partition reads what was
//! said about it from one place.

use crate::checkpointer::Checkpointer;
use crate::config::ScoreConfig;
use crate::error::StreamError;
use crate::log::{Checkpoint, Outcome, Output};
use crate::producer::{Outgoing, Producer};
use crate::source::Membership;
use std::time::{Duration, Instant};

pub(crate) struct Sink {
    started: Instant,
    decisions: String,
    producer: Producer,
    checkpointer: Checkpointer,
}

impl Sink {
    /// Makes the producers of a shard.
    ///
    /// # Errors
    ///
    /// [`StreamError`].
    pub(crate) fn open(config: &ScoreConfig, member: &str) -> Result<Self, StreamError> {
        let ms = Duration::from_millis;
        Ok(Self {
            started: Instant::now(),
            decisions: config.topics.decisions.clone(),
            producer: Producer::open_with(&config.kafka.decisions(member), ms(config.queue_full_ms))?,
            checkpointer: Checkpointer::open(
                &config.kafka,
                &config.topics,
                &config.group,
                member,
                ms(config.request_timeout_ms),
            )?,
        })
    }
}

impl Output for Sink {
    type Membership = Membership;

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }

    fn say(&mut self, partition: i32, key: &[u8], value: &[u8]) -> Result<(), StreamError> {
        self.producer.send(Outgoing {
            topic: &self.decisions,
            partition: Some(partition),
            key: Some(key),
            payload: Some(value),
            noted: true,
            ..Outgoing::default()
        })
    }

    fn serve(&mut self) -> Result<(), StreamError> {
        self.producer.poll()
    }

    fn in_flight(&self) -> u64 {
        self.producer.in_flight()
    }

    fn draw_line(&mut self) {
        self.producer.draw_line();
    }

    fn settled(&self) -> bool {
        self.producer.settled()
    }

    fn said(&self, partition: i32) -> Option<i64> {
        self.producer.acknowledged(partition)
    }

    fn commit(&mut self, checkpoint: Checkpoint, membership: Membership) -> Result<(), StreamError> {
        self.checkpointer.commit(checkpoint, membership)
    }

    fn outcome(&mut self, wait: Duration) -> Result<Option<Outcome>, StreamError> {
        self.checkpointer.outcome(wait)
    }
}
