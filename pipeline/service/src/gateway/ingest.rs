//! From the bytes of a request to acknowledged records.
//!
//! Invariants: only what the stream itself would accept is produced, byte for byte as it came, and only what the caller may
//! say: a batch under another's name is refused, and so is what a person sends to be learned while they are guarded; batches
//! of a request go to Kafka in their order; at most `gateway.in_flight_max` batches wait for Kafka, each for at most
//! `gateway.produce_timeout_ms`.

use super::access::Caller;
use super::identity::Identity;
use super::publisher::{OnItsWay, PublishError, Publisher};
use super::rate::{Rates, TooOften};
use crate::config::Config;
use crate::metrics::GatewayMetrics;
use ductus_accounts::{AccessToken, Forgery};
use ductus_dynamics::event::InputEvent;
use ductus_dynamics::parse::{BatchHead, ParseLimits, parse};
use ductus_dynamics::reject::{RejectReason, Rejections};
use ductus_dynamics::wire::Purpose;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// A batch that is in Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    /// Running number of the batch.
    pub(super) seq: u32,
    /// Events that will be used.
    pub(super) events: u64,
    /// Events that were refused one by one; the stream notes them as dead letters.
    pub(super) rejected: u64,
}

/// Why a batch is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It breaks the contract: sending it again is of no use.
    Rejected(RejectReason),
    /// It names a tenant, a subject or a session that the caller may not speak for, or a purpose that it may not.
    Forged(Forgery),
    /// It is for another purpose than the route.
    OtherPurpose,
    /// It would be learned, and whoever sent it is guarded instead, or must prove first that it is them.
    Guarded,
    /// Its subject or its credential sends too much: send it again after this many seconds.
    TooOften(u32),
    /// Too much waits already: send it again later.
    Busy,
    /// Kafka does not acknowledge: send it again later, under the same number.
    Unavailable,
}

impl Refusal {
    /// The code that clients and metrics see.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Rejected(reason) => reason.code(),
            Self::Forged(Forgery::ForgedTenant) => "forged_tenant",
            Self::Forged(Forgery::ForgedSubject) => "forged_subject",
            Self::Forged(Forgery::ForgedSession) => "forged_session",
            Self::Forged(Forgery::ForgedPurpose) => "forged_purpose",
            Self::OtherPurpose => "other_purpose",
            Self::Guarded => "guarded",
            Self::TooOften(_) => "too_often",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
        }
    }

    /// Whether the same batch may be taken later.
    pub(super) fn is_for_now(self) -> bool {
        matches!(self, Self::TooOften(_) | Self::Busy | Self::Unavailable)
    }
}

impl From<TooOften> for Refusal {
    fn from(too_often: TooOften) -> Self {
        Self::TooOften(too_often.retry_after_s)
    }
}

/// Takes batches in.
pub(super) struct Ingest {
    publisher: Publisher,
    limits: ParseLimits,
    rates: Rates,
    /// None where nobody signs in here.
    identity: Option<Arc<Identity>>,
    in_flight: Arc<Semaphore>,
    produce_timeout: Duration,
    metrics: GatewayMetrics,
}

impl Ingest {
    /// With the bounds of `config`.
    pub(super) fn new(
        config: &Config,
        publisher: Publisher,
        identity: Option<Arc<Identity>>,
        metrics: GatewayMetrics,
    ) -> Self {
        Self {
            publisher,
            limits: config.parse_limits(),
            rates: Rates::new(&config.gateway),
            identity,
            in_flight: Arc::new(Semaphore::new(config.gateway.in_flight_max)),
            produce_timeout: Duration::from_millis(config.gateway.produce_timeout_ms),
            metrics,
        }
    }

    /// Checks a batch and waits until Kafka has it.
    ///
    /// # Errors
    /// See [`Refusal`]. After [`Refusal::Unavailable`] it may still get there: its number then marks the repetition.
    pub(super) async fn take(&self, caller: &Caller, value: &[u8]) -> Result<Accepted, Refusal> {
        let begun = self.begin(caller, value).await;
        self.end(begun).await
    }

    /// The same for many, in their order. Nothing is sent after one that would have to come again, so that none overtakes it.
    pub(super) async fn take_all<'a>(
        &self,
        caller: &Caller,
        values: impl Iterator<Item = &'a [u8]>,
    ) -> Vec<Result<Accepted, Refusal>> {
        let mut halted = None;
        let mut begun = Vec::new();
        for value in values {
            let next = match halted {
                Some(refusal) => Err(refusal),
                None => self.begin(caller, value).await,
            };
            halted = next.as_ref().err().copied().filter(|refusal| refusal.is_for_now());
            begun.push(next);
        }
        let mut outcomes = Vec::with_capacity(begun.len());
        for begun in begun {
            outcomes.push(self.end(begun).await);
        }
        outcomes
    }

    /// Checks a batch and puts it on its way.
    async fn begin(&self, caller: &Caller, value: &[u8]) -> Result<Begun, Refusal> {
        let (key, accepted) = self.check(caller, value).await?;
        let Ok(permit) = Arc::clone(&self.in_flight).try_acquire_owned() else {
            return Err(Refusal::Busy);
        };
        let waiting = Waiting::new(&self.metrics, permit);
        let sent = self.publisher.send(Some(&key), value, None);
        let on_its_way = sent.map_err(|error| match error {
            PublishError::QueueFull => Refusal::Busy,
            PublishError::Refused(_) => Refusal::Unavailable,
        })?;
        Ok(Begun {
            accepted,
            on_its_way,
            deadline: Instant::now() + self.produce_timeout,
            timer: self.metrics.produce_seconds.start_timer(),
            _waiting: waiting,
        })
    }

    /// Waits for the acknowledgement, and counts.
    async fn end(&self, begun: Result<Begun, Refusal>) -> Result<Accepted, Refusal> {
        let outcome = match begun {
            Ok(begun) => begun.acknowledged().await,
            Err(refusal) => Err(refusal),
        };
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

    /// Parses as the stream will; gives the record's key.
    async fn check(&self, caller: &Caller, value: &[u8]) -> Result<(String, Accepted), Refusal> {
        let mut events: Vec<InputEvent> = Vec::new();
        let mut rejections = Rejections::default();
        let head = match parse(value, &self.limits, &mut events, &mut rejections) {
            Ok(head) => head,
            Err(rejection) => {
                self.metrics.events_rejected.inc_by(rejection.events);
                return Err(Refusal::Rejected(rejection.reason));
            }
        };
        caller.may_say(&head)?;
        let key = key(&head);
        if let Err(too_often) = self.rates.batch(caller.credential(), head.tenant, key) {
            caller.limited("batches");
            return Err(too_often.into());
        }
        if let (Some(identity), Some(token)) = (&self.identity, caller.person())
            && head.purpose != Purpose::Session
            && !is_learned(identity, token).await?
        {
            return Err(caller.guarded());
        }
        let accepted = Accepted {
            seq: head.seq,
            events: events.len() as u64,
            rejected: rejections.total(),
        };
        Ok((key.to_owned(), accepted))
    }
}

/// Asked of the database for each batch: enrolment takes minutes, and what it teaches stays.
async fn is_learned(identity: &Identity, who: &AccessToken) -> Result<bool, Refusal> {
    identity.is_learned(who).await.map_err(|error| {
        tracing::error!(%error, "the accounts database failed");
        Refusal::Unavailable
    })
}

/// Key of the record.
fn key<'a>(head: &BatchHead<'a>) -> &'a str {
    head.subject.unwrap_or(head.session)
}

/// A batch on its way to Kafka.
struct Begun {
    accepted: Accepted,
    on_its_way: OnItsWay,
    deadline: Instant,
    timer: prometheus::HistogramTimer,
    _waiting: Waiting,
}

impl Begun {
    async fn acknowledged(self) -> Result<Accepted, Refusal> {
        match tokio::time::timeout_at(self.deadline, self.on_its_way.acknowledged()).await {
            Ok(Ok(_)) => {
                self.timer.observe_duration();
                Ok(self.accepted)
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "batch was not acknowledged");
                self.timer.stop_and_discard();
                Err(Refusal::Unavailable)
            }
            Err(_) => {
                self.timer.stop_and_discard();
                Err(Refusal::Unavailable)
            }
        }
    }
}

/// Counts itself while it lives: a request may be dropped at any await.
struct Waiting {
    metrics: GatewayMetrics,
    _permit: OwnedSemaphorePermit,
}

impl Waiting {
    fn new(metrics: &GatewayMetrics, permit: OwnedSemaphorePermit) -> Self {
        metrics.in_flight.inc();
        Self {
            metrics: metrics.clone(),
            _permit: permit,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
    }
}
