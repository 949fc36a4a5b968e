//! From a batch to durable documents: send, judge, split, wait, try again; what will never be taken becomes a dead letter.
//!
//! Invariants: [`Delivery::deliver`] returns only when every record of the batch is durable, in the index or among the dead
//! letters; a lack of permission is told once, as an alarm, and nothing is lost by it; waiting is bounded, trying is not.

use super::backoff::Backoff;
use super::batch::{Batch, Original};
use super::bulk::{Answer, Fate, judge};
use super::client::Client;
use super::metrics::{DocumentOutcome, IndexMetrics, RequestOutcome};
use crate::health::Health;
use ductus_dynamics::id::hex;
use ductus_dynamics::reject::RejectReason;
use ductus_dynamics::wire::{DeadLetter, Source, VERSION};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The program, as dead letters name it.
const PROGRAM: &str = concat!("ductus ", env!("CARGO_PKG_VERSION"));
/// Name of this part in readiness.
const PART: &str = "index";

/// Delivers batches; shared by the requests under way.
pub(super) struct Delivery {
    // PROPERTIES
    pub(super) client: Client,
    pub(super) letters: Letters,
    pub(super) backoff: Backoff,
    pub(super) metrics: IndexMetrics,
    pub(super) health: Health,
    // STATES
    /// Whether Elasticsearch refuses us, so that the alarm sounds once.
    pub(super) blocked: AtomicBool,
    /// Whether Elasticsearch is away, so that it is told once.
    pub(super) away: AtomicBool,
}

impl Delivery {
    /// Makes every record of `batch` durable. Dropping the future loses nothing: the offsets are not committed then.
    pub(super) async fn deliver(&self, batch: &Batch) {
        for (index, reason) in batch.unreadable() {
            self.dead_letter(
                &batch.original(index),
                reason,
                "the record is no document of its topic",
                false,
            )
            .await;
        }
        // Parts that are still to be sent, the next one last. Together they are never more than the batch.
        let mut parts = vec![batch.readable()];
        let mut attempt = 0;
        while let Some(part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            match self.send(&part).await {
                Answer::Items(fates) => {
                    let before = part.len();
                    let rest = self.settle(&part, &fates).await;
                    attempt = if rest.len() < before { 0 } else { attempt + 1 };
                    if !rest.is_empty() {
                        self.metrics.retried(rest.len());
                        parts.push(rest);
                        self.wait(attempt).await;
                    }
                }
                Answer::TooLarge(_) | Answer::Refused(_) if part.len() > 1 => {
                    let (left, right) = part.split();
                    parts.push(right);
                    parts.push(left);
                }
                Answer::TooLarge(why) => {
                    self.dead_letter(&part.original(0), RejectReason::OversizeBatch, &why, true)
                        .await;
                }
                Answer::Refused(why) => {
                    self.dead_letter(&part.original(0), RejectReason::RefusedBySink, &why, true)
                        .await;
                }
                Answer::Forbidden(why) => {
                    self.alarm(&why);
                    parts.push(part);
                    tokio::time::sleep(self.backoff.max).await;
                }
                Answer::Retry(why) => {
                    if !self.away.swap(true, Ordering::Relaxed) {
                        tracing::warn!(why, "elasticsearch does not take documents, waiting");
                    }
                    parts.push(part);
                    self.wait(attempt).await;
                    attempt += 1;
                }
            }
        }
    }

    async fn send(&self, part: &Batch) -> Answer {
        let started = Instant::now();
        let reply = self.client.bulk(part.body()).await;
        let answer = match &reply {
            Ok(reply) => judge(reply.status, &reply.body, part.len()),
            Err(error) => Answer::Retry(chain(error)),
        };
        let outcome = match &answer {
            Answer::Items(_) => RequestOutcome::Taken,
            Answer::TooLarge(_) => RequestOutcome::TooLarge,
            Answer::Refused(_) => RequestOutcome::Refused,
            Answer::Forbidden(_) => RequestOutcome::Forbidden,
            Answer::Retry(_) if reply.is_err() => RequestOutcome::NoAnswer,
            Answer::Retry(_) => RequestOutcome::Retry,
        };
        self.metrics
            .request(outcome, part.body_bytes(), started.elapsed().as_secs_f64());
        answer
    }

    /// Settles what the answer settles; what must be tried again comes back.
    async fn settle(&self, part: &Batch, fates: &[Fate]) -> Batch {
        let mut again = vec![false; fates.len()];
        let (mut created, mut existed) = (0, 0);
        let mut forbidden = None;
        let mut busy = None;
        for (index, fate) in fates.iter().enumerate() {
            match fate {
                Fate::Created => created += 1,
                Fate::Existed => existed += 1,
                Fate::Refused(why) => {
                    self.dead_letter(&part.original(index), RejectReason::RefusedBySink, why, true)
                        .await;
                }
                Fate::Retry(why) => {
                    busy = Some(why);
                    again[index] = true;
                }
                Fate::Forbidden(why) => {
                    forbidden = Some(why);
                    again[index] = true;
                }
            }
        }
        self.metrics.documents(DocumentOutcome::Created, created);
        self.metrics.documents(DocumentOutcome::Existed, existed);
        match (forbidden, busy) {
            (Some(why), _) => {
                self.alarm(why);
                // The rest of the wait comes with the retry.
                tokio::time::sleep(self.backoff.max).await;
            }
            (None, Some(why)) => tracing::debug!(why, "some documents are to be tried again"),
            (None, None) => self.all_clear(),
        }
        part.select(|index| again[index])
    }

    async fn wait(&self, attempt: u32) {
        tokio::time::sleep(self.backoff.wait_now(attempt)).await;
    }

    fn alarm(&self, why: &str) {
        if !self.blocked.swap(true, Ordering::Relaxed) {
            tracing::error!(
                why,
                "elasticsearch refuses us, indexing stops until credentials or privileges are mended; nothing is lost"
            );
            self.metrics.blocked(true);
            self.health.lacks(PART, format!("is refused by Elasticsearch: {why}"));
        }
    }

    fn all_clear(&self) {
        if self.blocked.swap(false, Ordering::Relaxed) {
            tracing::info!("elasticsearch takes documents from us again");
            self.metrics.blocked(false);
            self.health.has(PART);
        }
        if self.away.swap(false, Ordering::Relaxed) {
            tracing::info!("elasticsearch takes documents again");
        }
    }

    async fn dead_letter(&self, original: &Original<'_>, reason: RejectReason, why: &str, contentless: bool) {
        let mut attempt = 0;
        while let Err(error) = self.letters.write(original, reason, why, contentless).await {
            if attempt == 0 {
                tracing::error!(%error, "dead letter cannot be written, indexing waits; nothing is lost");
            }
            self.wait(attempt).await;
            attempt += 1;
        }
        self.metrics.documents(DocumentOutcome::DeadLetter, 1);
    }
}

/// Writes dead letters.
pub(super) struct Letters {
    pub(super) producer: FutureProducer,
    pub(super) topic: String,
    /// Names of the role's topics, by number.
    pub(super) sources: Vec<String>,
}

impl Letters {
    async fn write(
        &self,
        original: &Original<'_>,
        reason: RejectReason,
        why: &str,
        contentless: bool,
    ) -> anyhow::Result<()> {
        let (letter, value) = self.letter(original, reason, contentless)?;
        let headers = headers(&letter, why);
        let mut record = FutureRecord::to(&self.topic).payload(&value).headers(headers);
        record.key = original.key;
        let sent = self.producer.send(record, Duration::from_secs(5)).await;
        sent.map(|_| ()).map_err(|(error, _)| anyhow::Error::from(error))
    }

    fn letter(
        &self,
        original: &Original<'_>,
        reason: RejectReason,
        contentless: bool,
    ) -> serde_json::Result<(DeadLetter, Vec<u8>)> {
        let letter = DeadLetter {
            v: VERSION,
            reason,
            source: Source {
                topic: self.sources.get(original.place.topic).cloned().unwrap_or_default(),
                partition: original.place.partition,
                offset: original.place.offset,
            },
            size_bytes: original.value.len() as u64,
            sha256: hex(&Sha256::digest(original.value)),
            timestamp_us: original.timestamp_us,
            program: PROGRAM.to_owned(),
            payload: contentless.then(|| String::from_utf8_lossy(original.value).into_owned()),
        };
        let value = serde_json::to_vec(&letter)?;
        Ok((letter, value))
    }
}

/// Why, and where the record stood, for readers that do not open the document.
fn headers(letter: &DeadLetter, why: &str) -> OwnedHeaders {
    let (partition, offset) = (letter.source.partition.to_string(), letter.source.offset.to_string());
    let timestamp_ms = (letter.timestamp_us / 1_000).to_string();
    [
        ("reason", letter.reason.code()),
        ("detail", why),
        ("topic", &letter.source.topic),
        ("partition", &partition),
        ("offset", &offset),
        ("timestamp_ms", &timestamp_ms),
        ("program", &letter.program),
    ]
    .into_iter()
    .fold(OwnedHeaders::new_with_capacity(7), |headers, (key, value)| {
        headers.insert(Header {
            key,
            value: Some(value),
        })
    })
}

/// An error with all its causes; the outermost alone rarely says that a connection was refused.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests;
