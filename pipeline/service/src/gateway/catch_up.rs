//! Reads out of the decisions topic what the board no longer has of a session.
//!
//! Invariants: at most `gateway.catch_up_readers_max` read at once, each for at most `gateway.catch_up_timeout_ms`; what a
//! reading gives is all of the session's decisions after a place, or the word that some were deleted already.

use super::board::Placed;
use super::feed;
use super::place::Place;
use crate::config::Config;
use crate::kafka::Logged;
use ductus_stream::KafkaSettings;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Message, Offset, TopicPartitionList};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// One wait for a record.
const POLL: Duration = Duration::from_millis(100);

/// Reads the topic's past.
#[derive(Clone)]
pub(super) struct CatchUp {
    inner: Arc<Inner>,
}

struct Inner {
    settings: KafkaSettings,
    topic: String,
    timeout: Duration,
    readers: Arc<Semaphore>,
}

/// What was found.
#[derive(Debug)]
pub(super) struct Found {
    /// The session's decisions after the place, oldest first.
    pub(super) decisions: Vec<Arc<Placed>>,
    /// Whether the topic's retention took some before they were read.
    pub(super) lost: bool,
}

/// Why there is nothing to give now.
#[derive(Debug, thiserror::Error)]
pub(super) enum CatchUpError {
    #[error("too many readers catch up already, see gateway.catch_up_readers_max")]
    Busy,
    #[error("decisions cannot be read: {0}")]
    Kafka(#[from] KafkaError),
    #[error("it took longer than gateway.catch_up_timeout_ms")]
    Slow,
    #[error("the reading was broken off")]
    Ended,
}

impl CatchUp {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            inner: Arc::new(Inner {
                settings: config.kafka.settings(),
                topic: config.topics.decisions.clone(),
                timeout: Duration::from_millis(config.gateway.catch_up_timeout_ms),
                readers: Arc::new(Semaphore::new(config.gateway.catch_up_readers_max)),
            }),
        }
    }

    /// What the topic has of `session` after `place`, up to its end as it is now.
    pub(super) async fn after(&self, place: Place, tenant: Option<&str>, session: &str) -> Result<Found, CatchUpError> {
        let permit = Arc::clone(&self.inner.readers).try_acquire_owned();
        let permit = permit.map_err(|_| CatchUpError::Busy)?;
        let inner = Arc::clone(&self.inner);
        let (tenant, session) = (tenant.map(str::to_owned), session.to_owned());
        let reading = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            inner.read(place, |placed| placed.is_of(tenant.as_deref(), &session))
        });
        reading.await.map_err(|_| CatchUpError::Ended)?
    }
}

impl Inner {
    fn read(&self, place: Place, wanted: impl Fn(&Placed) -> bool) -> Result<Found, CatchUpError> {
        let deadline = Instant::now() + self.timeout;
        let consumer: BaseConsumer<Logged> = self
            .settings
            .reader("ductus-gateway", "catch-up")
            .create_with_context(Logged)?;
        let (first, end) = consumer.fetch_watermarks(&self.topic, place.partition, self.timeout)?;
        let from = first.max(place.offset + 1);
        let mut found = Found {
            decisions: Vec::new(),
            lost: first > place.offset + 1,
        };
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, place.partition, Offset::Offset(from))?;
        consumer.assign(&list)?;
        let mut next = from;
        while next < end {
            if Instant::now() > deadline {
                return Err(CatchUpError::Slow);
            }
            let message = match consumer.poll(POLL) {
                Some(Ok(message)) => message,
                // Transaction markers stand between the last record and the end.
                Some(Err(KafkaError::PartitionEOF(_))) => break,
                Some(Err(error)) => return Err(error.into()),
                None => continue,
            };
            next = message.offset() + 1;
            if message.offset() < end
                && let Some(placed) = feed::placed(&message)
                && wanted(&placed)
            {
                found.decisions.push(Arc::new(placed));
            }
        }
        Ok(found)
    }
}
