//! Reads the decisions topic for the board and the streams, and what people said of decisions.
//!
//! Invariants: it belongs to no consumer group and commits nothing, so that every gateway sees every decision and none
//! disturbs a sink; it starts a bounded number of decisions back; a record that is no decision is skipped and logged once.

use super::board::{Board, Placed};
use super::feedback::Feedbacks;
use super::place::Place;
use crate::config::Config;
use crate::health::Health;
use crate::kafka::{self, Logged};
use crate::metrics::GatewayMetrics;
use crate::shutdown::Shutdown;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message, Offset, TopicPartitionList};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// One wait for a decision: how long the feed takes to see that it should stop.
const POLL: Duration = Duration::from_millis(100);
/// Between two looks at whether the brokers answer.
const CHECK: Duration = Duration::from_secs(5);
const METADATA_TIMEOUT: Duration = Duration::from_secs(3);
/// What readiness calls it.
const PART: &str = "kafka";

/// A reader that is not assigned yet.
pub(super) struct Feed {
    consumer: BaseConsumer<Logged>,
    topic: String,
    /// How many decisions of each partition's past are read.
    back: i64,
    board: Arc<Board>,
    feedback_topic: String,
    feedback: Arc<Feedbacks>,
    metrics: GatewayMetrics,
}

impl Feed {
    pub(super) fn open(
        config: &Config,
        board: Arc<Board>,
        feedback: Arc<Feedbacks>,
        metrics: GatewayMetrics,
    ) -> anyhow::Result<Self> {
        let consumer = config
            .kafka
            .settings()
            .reader("ductus-gateway", "feed")
            .create_with_context(Logged)?;
        Ok(Self {
            consumer,
            topic: config.topics.decisions.clone(),
            back: config.gateway.board_decisions_max as i64,
            board,
            feedback_topic: config.topics.feedback.clone(),
            feedback,
            metrics,
        })
    }

    pub(super) fn spawn(self, health: Health, shutdown: Shutdown) -> anyhow::Result<JoinHandle<()>> {
        health.lacks(PART, "decisions are not read yet");
        let thread = std::thread::Builder::new().name("decision-feed".to_owned());
        Ok(thread.spawn(move || self.run(&health, &shutdown))?)
    }

    fn run(&self, health: &Health, shutdown: &Shutdown) {
        while !shutdown.is_requested() {
            match self.assign() {
                Ok(()) => break,
                Err(error) => {
                    health.lacks(PART, format!("decisions cannot be read: {error}"));
                    shutdown.wait_timeout(METADATA_TIMEOUT);
                }
            }
        }
        health.has(PART);
        let mut checked = Instant::now();
        let mut strangers = 0_u64;
        while !shutdown.is_requested() {
            match self.consumer.poll(POLL) {
                Some(Ok(message)) => {
                    if !self.take(&message) {
                        strangers += 1;
                        if strangers == 1 {
                            tracing::warn!(
                                topic = message.topic(),
                                "a record is not what its topic holds, it and its like are skipped"
                            );
                        }
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) | None => {}
                Some(Err(error)) => tracing::warn!(%error, "decisions cannot be read for now"),
            }
            if checked.elapsed() > CHECK {
                checked = Instant::now();
                let answered = self.consumer.fetch_metadata(Some(&self.topic), METADATA_TIMEOUT);
                health.set(
                    PART,
                    answered
                        .err()
                        .map(|error| format!("the brokers do not answer: {error}")),
                );
            }
        }
    }

    /// Takes every partition of the topic, a little back, and all feedback.
    fn assign(&self) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        for partition in kafka::partitions(&self.consumer, &self.topic, METADATA_TIMEOUT)? {
            list.add_partition_offset(&self.topic, partition, Offset::OffsetTail(self.back))?;
        }
        for partition in kafka::partitions(&self.consumer, &self.feedback_topic, METADATA_TIMEOUT)? {
            list.add_partition_offset(&self.feedback_topic, partition, Offset::Beginning)?;
        }
        self.consumer.assign(&list)
    }

    fn take(&self, message: &BorrowedMessage<'_>) -> bool {
        if message.topic() == self.feedback_topic {
            return self.feedback.take(message.payload());
        }
        let Some(placed) = placed(message) else {
            return false;
        };
        self.metrics.decisions.inc();
        self.board.put(placed);
        true
    }
}

/// The decision that a record holds, if it holds one.
pub(super) fn placed(message: &BorrowedMessage<'_>) -> Option<Placed> {
    Some(Placed {
        place: Place {
            partition: message.partition(),
            offset: message.offset(),
        },
        decision: serde_json::from_slice(message.payload()?).ok()?,
    })
}
