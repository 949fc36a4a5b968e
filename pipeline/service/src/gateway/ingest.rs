//! From the bytes of a request to an acknowledged record.
//!
//! Invariants: only what the stream itself would accept is produced, byte for byte as it came; at most
//! `gateway.in_flight_max` batches wait for Kafka, each for at most `gateway.produce_timeout_ms`.

use super::publisher::{PublishError, Publisher};
use crate::config::Config;
use crate::metrics::GatewayMetrics;
use ductus_dynamics::event::InputEvent;
use ductus_dynamics::parse::{ParseLimits, parse};
use ductus_dynamics::reject::{RejectReason, Rejections};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// A batch that is in Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Running number of the batch.
    pub seq: u32,
    /// Events that will be used.
    pub events: u64,
    /// Events that were refused one by one; the stream notes them as dead letters.
    pub rejected: u64,
}

/// Why a batch is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It breaks the contract: sending it again is of no use.
    Rejected(RejectReason),
    /// Too much waits already: send it again later.
    Busy,
    /// Kafka does not acknowledge: send it again later, under the same number.
    Unavailable,
}

impl Refusal {
    /// The code that clients and metrics see.
    pub fn code(self) -> &'static str {
        match self {
            Self::Rejected(reason) => reason.code(),
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Takes batches in.
pub struct Ingest {
    publisher: Publisher,
    limits: ParseLimits,
    in_flight: Arc<Semaphore>,
    produce_timeout: Duration,
    metrics: GatewayMetrics,
}

impl Ingest {
    /// With the bounds of `config`.
    pub fn new(config: &Config, publisher: Publisher, metrics: GatewayMetrics) -> Self {
        Self {
            publisher,
            limits: config.parse_limits(),
            in_flight: Arc::new(Semaphore::new(config.gateway.in_flight_max)),
            produce_timeout: Duration::from_millis(config.gateway.produce_timeout_ms),
            metrics,
        }
    }

    /// Checks a batch and waits until Kafka has it.
    ///
    /// # Errors
    /// See [`Refusal`]. After [`Refusal::Unavailable`] it may still get there: its number then marks the repetition.
    pub async fn take(&self, value: &[u8]) -> Result<Accepted, Refusal> {
        let outcome = self.try_take(value).await;
        let label = match &outcome {
            Ok(accepted) => {
                self.metrics.events.inc_by(accepted.events);
                self.metrics.events_rejected.inc_by(accepted.rejected);
                "accepted"
            }
            Err(refusal) => refusal.code(),
        };
        self.metrics.batches.with_label_values(&[label]).inc();
        outcome
    }

    async fn try_take(&self, value: &[u8]) -> Result<Accepted, Refusal> {
        let (key, accepted) = self.check(value)?;
        let Ok(_permit) = self.in_flight.try_acquire() else {
            return Err(Refusal::Busy);
        };
        let _waiting = Waiting::new(&self.metrics);
        let timer = self.metrics.produce_seconds.start_timer();
        let sent = self.publisher.send(Some(&key), value, None);
        let on_its_way = sent.map_err(|error| match error {
            PublishError::QueueFull => Refusal::Busy,
            PublishError::Refused(_) => Refusal::Unavailable,
        })?;
        match tokio::time::timeout(self.produce_timeout, on_its_way.acknowledged()).await {
            Ok(Ok(_)) => {
                timer.observe_duration();
                Ok(accepted)
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "batch was not acknowledged");
                timer.stop_and_discard();
                Err(Refusal::Unavailable)
            }
            Err(_) => {
                timer.stop_and_discard();
                Err(Refusal::Unavailable)
            }
        }
    }

    /// Parses as the stream will; gives the record's key.
    fn check(&self, value: &[u8]) -> Result<(String, Accepted), Refusal> {
        let mut events: Vec<InputEvent> = Vec::new();
        let mut rejections = Rejections::default();
        match parse(value, &self.limits, &mut events, &mut rejections) {
            Ok(head) => Ok((
                head.subject.unwrap_or(head.session).to_owned(),
                Accepted {
                    seq: head.seq,
                    events: events.len() as u64,
                    rejected: rejections.total(),
                },
            )),
            Err(rejection) => {
                self.metrics.events_rejected.inc_by(rejection.events);
                Err(Refusal::Rejected(rejection.reason))
            }
        }
    }
}

/// Counts itself while it lives: a request may be dropped at any await.
struct Waiting<'a>(&'a GatewayMetrics);

impl<'a> Waiting<'a> {
    fn new(metrics: &'a GatewayMetrics) -> Self {
        metrics.in_flight.inc();
        Self(metrics)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.in_flight.dec();
    }
}
