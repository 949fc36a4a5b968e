//! The one way in which event batches get into Kafka: gateway, players and replay all use it. What else a gateway writes goes
//! the same way.
//!
//! Invariants: nothing is told to be published before the brokers acknowledged it; the record's key is the subject, or the
//! session while nobody is claimed, so that a session's events stay in order.

use crate::kafka::Logged;
use ductus_stream::KafkaSettings;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use std::time::Duration;

/// Why a batch is not in Kafka.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The producer's queue is full: try again soon.
    #[error("the producer's queue is full")]
    QueueFull,
    /// Kafka does not answer, or refuses.
    #[error("kafka did not acknowledge: {0}")]
    Refused(String),
}

/// Where an acknowledged record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

/// Produces to the events topic. Clones share one client.
#[derive(Clone)]
pub struct Publisher {
    producer: FutureProducer<Logged>,
    topic: String,
}

/// A batch on its way.
pub struct OnItsWay(DeliveryFuture);

impl Publisher {
    /// A client named `member`.
    ///
    /// # Errors
    /// librdkafka refuses its settings.
    pub fn open(settings: &KafkaSettings, topic: &str, member: &str) -> anyhow::Result<Self> {
        Ok(Self {
            producer: settings.producer(member).create_with_context(Logged)?,
            topic: topic.to_owned(),
        })
    }

    /// The same client for another topic.
    #[must_use]
    pub fn to(&self, topic: &str) -> Self {
        Self {
            producer: self.producer.clone(),
            topic: topic.to_owned(),
        }
    }

    /// Ends a key of a compacted topic on one of its partitions.
    ///
    /// # Errors
    /// The queue is full, or the client has failed.
    pub fn end(&self, key: &str, partition: i32) -> Result<OnItsWay, PublishError> {
        let tombstone = FutureRecord::<str, [u8]>::to(&self.topic).key(key).partition(partition);
        self.begin(tombstone)
    }

    /// Puts a batch on its way; `timestamp_ms` is the record's time, now where absent.
    ///
    /// # Errors
    /// The queue is full, or the client has failed.
    pub fn send(&self, key: Option<&str>, value: &[u8], timestamp_ms: Option<i64>) -> Result<OnItsWay, PublishError> {
        let mut record = FutureRecord::to(&self.topic).payload(value);
        if let Some(key) = key {
            record = record.key(key);
        }
        if let Some(timestamp_ms) = timestamp_ms {
            record = record.timestamp(timestamp_ms);
        }
        self.begin(record)
    }

    fn begin(&self, record: FutureRecord<'_, str, [u8]>) -> Result<OnItsWay, PublishError> {
        match self.producer.send_result(record) {
            Ok(delivery) => Ok(OnItsWay(delivery)),
            Err((error, _)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => {
                Err(PublishError::QueueFull)
            }
            Err((error, _)) => Err(refused(&error)),
        }
    }

    /// Waits until everything sent is acknowledged or given up.
    ///
    /// # Errors
    /// It takes longer than `timeout`.
    pub fn flush(&self, timeout: Duration) -> Result<(), PublishError> {
        self.producer.flush(timeout).map_err(|error| refused(&error))
    }
}

impl OnItsWay {
    /// Waits for the acknowledgement.
    ///
    /// # Errors
    /// Kafka refused it, or did not answer within `delivery.timeout.ms`.
    pub async fn acknowledged(self) -> Result<Published, PublishError> {
        match self.0.await {
            Ok(Ok(delivery)) => Ok(Published {
                partition: delivery.partition,
                offset: delivery.offset,
            }),
            Ok(Err((error, _))) => Err(refused(&error)),
            Err(_) => Err(PublishError::Refused("the client ended".to_owned())),
        }
    }

    /// The same, but for no longer than this.
    ///
    /// # Errors
    /// See [`Self::acknowledged`]; it may still get there where it takes longer.
    pub async fn acknowledged_within(self, timeout: Duration) -> Result<Published, PublishError> {
        match tokio::time::timeout(timeout, self.acknowledged()).await {
            Ok(acknowledged) => acknowledged,
            Err(_) => Err(PublishError::Refused("not in time".to_owned())),
        }
    }
}

fn refused(error: &KafkaError) -> PublishError {
    PublishError::Refused(error.to_string())
}
