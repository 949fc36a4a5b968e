//! What this crate's Kafka clients share: what librdkafka says goes to the log, and what partitions there are.
//!
//! Invariants: librdkafka's texts name brokers and topics, never a record's content; it retries by itself, so that its
//! complaints are warnings; the end of a partition is none.

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::{MetadataPartition, MetadataTopic};
use std::time::Duration;

/// For clients that need no other callbacks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Logged;

impl ClientContext for Logged {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        match level {
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
                tracing::debug!(facility, text, "kafka client");
            }
            _ => tracing::warn!(facility, text, "kafka client warns"),
        }
    }

    fn stats(&self, _: rdkafka::Statistics) {}

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::PartitionEOF) {
            tracing::warn!(%error, reason, "kafka client reports an error");
        }
    }
}

impl ConsumerContext for Logged {}

/// The partitions of a topic, at least one.
///
/// # Errors
/// The brokers do not answer within `timeout`, or there is no such topic.
pub fn partitions(consumer: &BaseConsumer<Logged>, topic: &str, timeout: Duration) -> Result<Vec<i32>, KafkaError> {
    let metadata = consumer.fetch_metadata(Some(topic), timeout)?;
    let partitions = metadata.topics().iter().flat_map(MetadataTopic::partitions);
    let partitions: Vec<i32> = partitions.map(MetadataPartition::id).collect();
    if partitions.is_empty() {
        return Err(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition));
    }
    Ok(partitions)
}
