//! The context of this crate's Kafka clients: what librdkafka says goes to the log.
//!
//! Invariants: librdkafka's texts name brokers and topics, never a record's content; it retries by itself, so that its
//! complaints are warnings; the end of a partition is none.

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

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
