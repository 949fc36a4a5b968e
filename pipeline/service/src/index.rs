//! The role `index`: decisions and audit records to Elasticsearch or OpenSearch.
//!
//! ```text
//! decisions, audit ─ consumer ─► document ─► batch ─► deliver (bulk, judge, retry, split) ─► data streams
//!                        ▲                                   │
//!                        └──────── offsets ◄── durable ──────┘
//! ```
//!
//! Invariants: a document's `_id` follows from its record, so that writing it again changes nothing; an offset is committed
//! only when every record below it is in the index or among the dead letters; at most `in_flight_max` requests are under way
//! and at most one more batch waits, then the consumer is held (and still polled); scoring never waits for this role.

pub(crate) mod backoff;
pub(crate) mod batch;
mod bulk;
mod client;
pub(crate) mod consumer;
#[cfg(test)]
mod dashboards;
mod deliver;
mod document;
mod json;
mod metrics;
pub(crate) mod offsets;
mod said;
mod templates;

pub use document::{Streams, write_audit, write_decision};

use crate::config::Config;
use crate::health::Health;
use crate::shutdown::Shutdown;
use anyhow::Context;
use backoff::Backoff;
use batch::{Batch, Original, Place};
use client::Client;
use consumer::{Change, Commit, Member};
use deliver::{Delivery, Letters};
use ductus_dynamics::reject::RejectReason;
use metrics::IndexMetrics;
use offsets::Offsets;
use rdkafka::consumer::CommitMode;
use rdkafka::message::{BorrowedMessage, Message};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Numbers of the topics in the consumer's list.
const DECISIONS: usize = 0;
const AUDIT: usize = 1;
/// One wait for a record; while it lasts nothing else is looked after.
const POLL: Duration = Duration::from_millis(20);

/// Runs the role until `shutdown` is requested and everything read is written; `health` is told what is missing.
///
/// # Errors
/// A dependency that stays away, or a configuration that it refuses.
pub fn run(
    config: &Config,
    health: &Health,
    shutdown: Shutdown,
    registry: &prometheus::Registry,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("index")
        .enable_all()
        .build()
        .context("the runtime of the index cannot be started")?;
    let metrics = IndexMetrics::register(registry)?;
    let topics = [config.topics.decisions.as_str(), config.topics.audit.as_str()];
    let member = Member::join(config, &config.elasticsearch.group, &topics, metrics.lag.clone())?;
    let delivery = Delivery {
        client: Client::new(&config.elasticsearch)?,
        letters: Letters {
            producer: config
                .kafka
                .producer_config()
                .create()
                .context("the Kafka producer cannot be made")?,
            topic: config.topics.dead_letters.clone(),
            sources: topics.map(str::to_owned).to_vec(),
        },
        backoff: Backoff {
            min: Duration::from_millis(config.elasticsearch.retry_min_ms),
            max: Duration::from_millis(config.elasticsearch.retry_max_ms),
        },
        metrics: metrics.clone(),
        health: health.clone(),
        blocked: AtomicBool::new(false),
        away: AtomicBool::new(false),
    };
    let in_flight_max = config.elasticsearch.in_flight_max.max(1);
    let (finished, finishing) = sync_channel(in_flight_max);
    let mut sink = Sink {
        streams: Streams::new(&config.elasticsearch.namespace),
        bytes_max: config.elasticsearch.bulk_bytes_max,
        age_max: Duration::from_millis(config.elasticsearch.flush_interval_ms),
        in_flight_max,
        delivery: Arc::new(delivery),
        runtime: runtime.handle().clone(),
        finished,
        finishing,
        metrics,
        waiting: Batch::default(),
        waiting_since: Instant::now(),
        in_flight: 0,
        in_flight_bytes: 0,
        offsets: Offsets::default(),
        member,
    };
    tracing::info!(url = config.elasticsearch.url, "indexing decisions and audit records");
    while !shutdown.is_requested() {
        sink.turn()?;
    }
    let drained = sink.drain(Duration::from_millis(config.elasticsearch.request_timeout_ms))?;
    runtime.shutdown_background();
    tracing::info!(
        drained,
        "indexing ended; what is not in the index is read again by the next one"
    );
    Ok(())
}

/// `ductus index --setup`: installs templates and component templates, then ends.
///
/// # Errors
/// Elasticsearch cannot be reached or refuses a template.
pub fn setup(config: &Config) -> anyhow::Result<()> {
    let client = Client::new(&config.elasticsearch)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime of the setup cannot be started")?;
    runtime.block_on(templates::install(&client))
}

/// A batch that is durable.
struct Finished {
    places: Vec<Place>,
    bytes: usize,
}

/// The loop's state: what waits, what is under way, how far everything is.
struct Sink {
    // PROPERTIES
    streams: Streams,
    bytes_max: usize,
    age_max: Duration,
    in_flight_max: usize,
    delivery: Arc<Delivery>,
    runtime: tokio::runtime::Handle,
    finished: SyncSender<Finished>,
    finishing: Receiver<Finished>,
    metrics: IndexMetrics,
    // STATES
    waiting: Batch,
    waiting_since: Instant,
    in_flight: usize,
    in_flight_bytes: usize,
    offsets: Offsets,
    member: Member,
}

impl Sink {
    /// One turn: what is durable, what the group did, one record, one request.
    fn turn(&mut self) -> anyhow::Result<()> {
        self.take_finished();
        let full = self.waiting.held_bytes() >= self.bytes_max;
        if full && self.in_flight == self.in_flight_max {
            self.member.hold();
        } else {
            self.member.go_on();
        }
        let message = self.member.poll(POLL)?;
        for change in self.member.take_changes() {
            if let Change::Revoked(topic, partition) = change {
                self.offsets.forget(topic, partition);
            }
        }
        if let Some(message) = message {
            let place = Place {
                topic: self.member.topic_number(message.topic()),
                partition: message.partition(),
                offset: message.offset(),
            };
            self.offsets.read(place);
            if self.waiting.is_empty() {
                self.waiting_since = Instant::now();
            }
            take(&mut self.waiting, &message, place, &self.streams);
        }
        let due = self.waiting.held_bytes() >= self.bytes_max || self.waiting_since.elapsed() >= self.age_max;
        if due {
            self.dispatch();
        }
        Ok(())
    }

    /// Sends what waits, if there is room.
    fn dispatch(&mut self) {
        if self.waiting.is_empty() || self.in_flight == self.in_flight_max {
            return;
        }
        let batch = std::mem::take(&mut self.waiting);
        let (delivery, finished) = (self.delivery.clone(), self.finished.clone());
        self.in_flight += 1;
        self.in_flight_bytes += batch.held_bytes();
        self.metrics.held(self.in_flight_bytes);
        self.runtime.spawn(async move {
            delivery.deliver(&batch).await;
            // There is room for one note of every request under way, so this never waits; nobody listens after the end.
            let _ = finished.send(Finished {
                places: batch.places().collect(),
                bytes: batch.held_bytes(),
            });
        });
    }

    fn take_finished(&mut self) {
        let mut any = false;
        while let Ok(finished) = self.finishing.try_recv() {
            any = true;
            self.in_flight -= 1;
            self.in_flight_bytes -= finished.bytes;
            for place in finished.places {
                self.offsets.done(place);
            }
        }
        if any {
            self.metrics.held(self.in_flight_bytes + self.waiting.held_bytes());
            self.commit(CommitMode::Async);
        }
    }

    fn commit(&mut self, mode: CommitMode) {
        let commits: Vec<Commit> = self
            .offsets
            .take_committable()
            .into_iter()
            .map(|place| Commit {
                place,
                metadata: String::new(),
            })
            .collect();
        self.member.commit(&commits, mode);
    }

    /// Writes what was read, within `bound`; returns whether all of it is durable.
    fn drain(&mut self, bound: Duration) -> anyhow::Result<bool> {
        let started = Instant::now();
        self.member.hold();
        while started.elapsed() < bound {
            self.dispatch();
            if self.in_flight == 0 && self.waiting.is_empty() {
                break;
            }
            // Held: this only serves the group.
            self.member.poll(POLL)?;
            self.take_finished();
        }
        self.commit(CommitMode::Sync);
        Ok(self.in_flight == 0 && self.waiting.is_empty())
    }
}

/// Encodes a record into the batch.
fn take(batch: &mut Batch, message: &BorrowedMessage<'_>, place: Place, streams: &Streams) {
    let Some(value) = message.payload() else {
        // A tombstone says nothing: these topics are not compacted.
        return batch.push(&original(message, place, b""), |_| Err(RejectReason::Malformed));
    };
    let ingested_us = now_us();
    batch.push(&original(message, place, value), |out| {
        match place.topic {
            DECISIONS => write_decision(out, &parsed(value)?, streams, ingested_us),
            AUDIT => write_audit(out, &parsed(value)?, streams, ingested_us),
            _ => return Err(RejectReason::Malformed),
        }
        Ok(())
    });
}

fn parsed<T: DeserializeOwned>(value: &[u8]) -> Result<T, RejectReason> {
    serde_json::from_slice(value).map_err(|_| RejectReason::Malformed)
}

fn original<'m>(message: &'m BorrowedMessage<'_>, place: Place, value: &'m [u8]) -> Original<'m> {
    Original {
        place,
        timestamp_us: message.timestamp().to_millis().unwrap_or(0).saturating_mul(1_000),
        key: message.key(),
        value,
    }
}

/// For `event.ingested` only: no result depends on it.
fn now_us() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_micros()).unwrap_or(i64::MAX)
}
