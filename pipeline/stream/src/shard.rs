//! One shard: a thread that takes records of its partitions to decisions, from beginning to end, and shares nothing.
//!
//! ```text
//! poll ─► Line::ingest ─► batch of ready windows (all partitions, all sessions) ─► embed ─► Line::conclude ─► produce
//! ```
//!
//! Invariants:
//! - A window is concluded in the order in which its line gave it.
//! - An offset is committed only when every record that was produced before it is acknowledged, dead letters included. After
//!   an error nothing is committed any more: the shard ends, and starts again from its last commit.
//! - Models and references of elsewhere change between two batches only.
//!
//! # After a restart
//!
//! A commit says where the partition's oldest open session began (the offset) and up to where records were decided about
//! (`high`, in the commit's metadata). The next owner reads the references, then the records from the offset on: those below
//! `high` go through the line silently, which rebuilds the open sessions; nothing is produced and no reference is learned.
//!
//! Until sessions are kept in checkpoints (the full exactly-once protocol of the design, a later step) this remains possible:
//! - A kill between producing and committing: the records since the last commit are decided about again, under the same
//!   decision ids, which sinks that write by id do not notice.
//! - The silent windows are compared with the references as they are now, not as they were then, and with the model that is
//!   live now. Ids, windows and actions' ids are the same; the evidence of a session that was open at the restart may differ.
//! - A session open for longer than the events topic retains them is rebuilt from what is left.

mod batch;
mod commit;
mod output;
mod partition;

use crate::compacted::Follower;
use crate::config::ScoreConfig;
use crate::embed::{Embed, LiveModel};
use crate::error::StreamError;
use crate::metrics::StreamMetrics;
use crate::producer::Producer;
use crate::source::{Change, Source};
use batch::{Batch, Waiting};
use ductus_dynamics::event::Modality;
use ductus_dynamics::id;
use ductus_dynamics::line::{Accounting, Embedded, Ingested, LineConfig, Record};
use ductus_dynamics::wire::{self, AuditAction, AuditRecord};
use output::{Output, Refusal, now_us};
use partition::Partition;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{BorrowedMessage, Message};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Records of the references topic taken in one turn.
const REFERENCES_MAX: usize = 256;
/// Stands for all tenants in audit records that concern none.
const EVERY_TENANT: &str = "-";

/// What others may see of a shard.
#[derive(Debug, Default)]
pub(crate) struct ShardStatus {
    /// Partitions that it has.
    pub(crate) partitions: AtomicUsize,
    /// Whether it is up, that is, not between two tries.
    pub(crate) running: AtomicBool,
    accounting: Mutex<Accounting>,
}

impl ShardStatus {
    pub(crate) fn accounting(&self) -> Accounting {
        self.accounting.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A running shard.
pub(crate) struct Shard<'a> {
    // Apart from the rest, because the record in hand borrows from it.
    source: Source,
    work: Work<'a>,
    stop: &'a AtomicBool,
}

struct Work<'a> {
    // PROPERTIES
    index: usize,
    config: &'a ScoreConfig,
    line: Arc<LineConfig>,
    metrics: &'a StreamMetrics,
    status: &'a ShardStatus,
    // STATES
    embed: Box<dyn Embed>,
    /// As decisions name them; to see a swap.
    models: [Option<LiveModel>; Modality::ALL.len()],
    references: Follower,
    output: Output,
    partitions: BTreeMap<i32, Partition>,
    batch: Batch,
    /// One record's results; used again for each.
    ingested: Ingested,
    /// Offsets that wait until what was produced before them is acknowledged: (partition, low, high).
    offered: Option<Vec<(i32, i64, i64)>>,
    committed_at: Instant,
    /// Commit intervals that have passed.
    commit_ticks: u64,
}

impl<'a> Shard<'a> {
    /// Joins the group.
    pub(crate) fn open(
        index: usize,
        config: &'a ScoreConfig,
        metrics: &'a StreamMetrics,
        status: &'a ShardStatus,
        stop: &'a AtomicBool,
        mut embed: Box<dyn Embed>,
    ) -> Result<Self, StreamError> {
        let ms = Duration::from_millis;
        let (timeout, member) = (ms(config.request_timeout_ms), format!("shard-{index}"));
        let producer = Producer::open(&config.kafka, &member, ms(config.queue_full_ms))?;
        let references = Follower::open(
            &config.kafka,
            &config.group,
            &config.topics.references,
            &format!("{member}-references"),
            timeout,
        )?;
        let source = Source::open(&config.kafka, &config.group, &config.topics.events, &member, timeout)?;
        embed.refresh();
        let work = Work {
            index,
            config,
            line: Arc::new(config.line.clone()),
            metrics,
            status,
            models: Modality::ALL.map(|modality| embed.live(modality).cloned()),
            embed,
            references,
            output: Output::new(producer, &config.topics, config.dead_letters, metrics),
            partitions: BTreeMap::new(),
            batch: Batch::default(),
            ingested: Ingested::default(),
            offered: None,
            committed_at: Instant::now(),
            commit_ticks: 0,
        };
        Ok(Self { source, work, stop })
    }

    /// Runs until told to stop; then everything that was read is decided about, acknowledged and committed.
    pub(crate) fn run(mut self) -> Result<(), StreamError> {
        while !self.stop.load(Ordering::Acquire) {
            self.turn()?;
        }
        let deadline = Instant::now() + Duration::from_millis(self.work.config.flush_timeout_ms);
        loop {
            self.rebalance()?;
            self.work.conclude()?;
            self.work.publish();
            match self.work.settle(&self.source, None) {
                // Shards that stop together disturb each other's group: serve it until it takes commits again.
                Err(error) if is_rebalancing(&error) && Instant::now() < deadline => self.read()?,
                ended => return ended,
            }
        }
    }

    fn turn(&mut self) -> Result<(), StreamError> {
        self.rebalance()?;
        self.read()?;
        let work = &mut self.work;
        let patience = work.batch.patience(Duration::from_millis(work.config.batch_wait_ms));
        if work.batch.len() >= work.config.batch_windows_max || patience.is_some_and(|left| left.is_zero()) {
            work.conclude()?;
        }
        work.follow_references()?;
        work.output.producer.poll()?;
        work.publish();
        work.commit_when_due(&self.source)
    }

    /// Takes the records that are there, up to a bound; waits for the first one only.
    fn read(&mut self) -> Result<(), StreamError> {
        let Self { source, work, .. } = self;
        let bound = Duration::from_millis(work.config.batch_wait_ms);
        let mut wait = work
            .batch
            .patience(bound)
            .unwrap_or(Duration::from_millis(work.config.poll_ms));
        for _ in 0..work.config.poll_records_max {
            let Some(message) = source.poll(wait)? else {
                break;
            };
            work.take(&message)?;
            wait = Duration::ZERO;
            if work.batch.len() >= work.config.batch_windows_max {
                break;
            }
        }
        Ok(())
    }

    /// Answers what the group changed.
    fn rebalance(&mut self) -> Result<(), StreamError> {
        while let Some(change) = self.source.change() {
            match change {
                Change::Assigned(partitions) => self.assigned(&partitions)?,
                Change::Revoked { partitions, lost } => self.revoked(&partitions, lost)?,
            }
            let count = self.work.partitions.len();
            self.work.status.partitions.store(count, Ordering::Release);
        }
        Ok(())
    }

    fn assigned(&mut self, partitions: &[i32]) -> Result<(), StreamError> {
        let positions = self.source.positions(partitions)?;
        let work = &mut self.work;
        for position in &positions {
            let partition = Partition::new(work.line.clone(), &work.config.topics.events, position);
            work.partitions.insert(position.partition, partition);
            let Work {
                references,
                partitions,
                metrics,
                ..
            } = work;
            references.follow(position.partition, |kept| {
                let partition = partitions.get_mut(&kept.partition);
                if let Some(event) = partition.and_then(|partition| partition.take_stored(kept)) {
                    metrics.reference(event);
                }
            })?;
        }
        self.source.assign(&positions)?;
        tracing::info!(shard = self.work.index, ?partitions, "partitions assigned");
        Ok(())
    }

    fn revoked(&mut self, partitions: &[i32], lost: bool) -> Result<(), StreamError> {
        let work = &mut self.work;
        work.conclude()?;
        work.publish();
        if lost {
            // Somebody else may have them already, and commits would be refused: the offered ones are offered anew.
            tracing::warn!(
                shard = work.index,
                ?partitions,
                "partitions were lost, their new owner repeats decisions"
            );
        } else if let Err(error) = work.settle(&self.source, Some(partitions)) {
            if !matches!(error, StreamError::Kafka { .. }) {
                return Err(error);
            }
            tracing::warn!(shard = work.index, ?partitions, %error, "revoked partitions were not committed, their new owner repeats decisions");
        }
        for partition in partitions {
            if work.partitions.remove(partition).is_some() {
                work.references.leave(*partition)?;
                work.metrics.forget_partition(*partition);
            }
        }
        if let Some(offered) = &mut work.offered {
            offered.retain(|(partition, ..)| !partitions.contains(partition));
        }
        self.source.unassign(partitions)?;
        tracing::info!(shard = work.index, ?partitions, "partitions revoked");
        Ok(())
    }
}

impl Work<'_> {
    fn take(&mut self, message: &BorrowedMessage<'_>) -> Result<(), StreamError> {
        let (number, offset) = (message.partition(), message.offset());
        let Some(partition) = self.partitions.get(&number) else {
            return Ok(());
        };
        // A seek or a new assignment may hand out again what was taken.
        if partition.next_offset.is_some_and(|next| offset < next) {
            return Ok(());
        }
        if partition.goes_live_at(offset) {
            self.conclude()?;
            self.go_live(number);
        }
        let Some(partition) = self.partitions.get_mut(&number) else {
            return Ok(());
        };
        let value = message.payload().unwrap_or_default();
        let record = Record {
            offset,
            timestamp_us: message
                .timestamp()
                .to_millis()
                .unwrap_or_default()
                .saturating_mul(1_000),
            value,
        };
        let ingested = &mut self.ingested;
        ingested.clear();
        partition.line.ingest(&record, ingested);
        partition.next_offset = Some(offset + 1);
        partition.last_timestamp_us = Some(record.timestamp_us);
        if partition.live {
            self.output.audits(&ingested.audits)?;
            let refusal = Refusal {
                partition: number,
                offset,
                timestamp_us: record.timestamp_us,
                key: message.key(),
                value,
            };
            self.output.dead_letters(&refusal, &ingested.refused)?;
        }
        for ready in ingested.ready.drain(..) {
            self.batch.push(Waiting {
                partition: number,
                wants_embedding: partition.line.wants_embedding(&ready),
                ready,
                silent: !partition.live,
                timestamp_us: record.timestamp_us,
            });
        }
        // A session that was closed is forgotten once its windows are concluded. Its next batch may be the next record, and
        // whether that opens a new session must not depend on how windows were batched.
        let closed = |audit: &AuditRecord| audit.action == AuditAction::SessionClosed;
        if self.ingested.audits.iter().any(closed) {
            self.conclude()?;
        }
        Ok(())
    }

    /// Embeds and concludes every window that waits, and produces what follows.
    fn conclude(&mut self) -> Result<(), StreamError> {
        if self.embed.refresh() {
            self.audit_models()?;
        }
        if self.batch.is_empty() {
            return Ok(());
        }
        self.batch
            .embed(&mut *self.embed, self.config.batch_windows_max, self.metrics)?;
        let Self {
            batch,
            partitions,
            output,
            models,
            ..
        } = self;
        batch.conclude(|waiting, embedding| {
            let Some(partition) = partitions.get_mut(&waiting.partition) else {
                return Ok(());
            };
            let live = models[waiting.ready.window.modality.index()].as_ref();
            let embedded = live.zip(embedding).map(|(live, embedding)| Embedded {
                model: &live.model,
                back_end: &live.back_end,
                embedding,
            });
            let outcome = partition.line.conclude(waiting.ready, embedded);
            if waiting.silent {
                if let Some(reference) = &outcome.reference {
                    partition.restore(reference);
                }
                return Ok(());
            }
            if let Some(reference) = &outcome.reference {
                let key = partition.wrote(reference);
                output.reference(&key, reference, waiting.partition)?;
            }
            output.audits(&outcome.audits)?;
            output.decision(&outcome.decision, waiting.timestamp_us)
        })
    }

    /// Notes for each partition from where on another model is used.
    fn audit_models(&mut self) -> Result<(), StreamError> {
        for modality in Modality::ALL {
            let live = self.embed.live(modality).cloned();
            if live == self.models[modality.index()] {
                continue;
            }
            if let Some(live) = &live {
                for partition in self.partitions.values() {
                    let offset = self.batch.first_offset(partition.number).or(partition.next_offset);
                    let topic = &self.config.topics.events;
                    self.output
                        .audits(&[model_live(live, topic, partition, offset.unwrap_or(0))])?;
                }
                tracing::info!(
                    shard = self.index,
                    modality = modality.name(),
                    version = live.model.version,
                    "shard took up a model"
                );
            }
            self.models[modality.index()] = live;
        }
        Ok(())
    }

    fn follow_references(&mut self) -> Result<(), StreamError> {
        let Self {
            references,
            partitions,
            metrics,
            batch,
            ..
        } = self;
        // Windows that wait see the references that were there when they came.
        if partitions.is_empty() || !batch.is_empty() {
            return Ok(());
        }
        references.poll(Duration::ZERO, REFERENCES_MAX, |kept| {
            let partition = partitions.get_mut(&kept.partition);
            if let Some(event) = partition.and_then(|partition| partition.take_stored(kept)) {
                metrics.reference(event);
            }
        })
    }

    fn go_live(&mut self, number: i32) {
        if let Some(partition) = self.partitions.get_mut(&number) {
            partition.go_live();
            tracing::info!(shard = self.index, partition = number, "partition is rebuilt and live");
        }
    }

    /// Adds up what became of the events.
    fn publish(&mut self) {
        for partition in self.partitions.values_mut() {
            if let Some(new) = partition.uncounted() {
                self.metrics.count(&new);
                let mut accounting = self.status.accounting.lock().unwrap_or_else(PoisonError::into_inner);
                accounting.merge(&new);
            }
        }
    }
}

/// Whether the group has no time for commits just now: it does again once its members have answered it.
fn is_rebalancing(error: &StreamError) -> bool {
    let StreamError::Kafka { source, .. } = error else {
        return false;
    };
    matches!(
        source.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::RebalanceInProgress
                | RDKafkaErrorCode::IllegalGeneration
                | RDKafkaErrorCode::UnknownMemberId
        )
    )
}

/// From `offset` on, windows of this partition are embedded with `live`.
fn model_live(live: &LiveModel, topic: &str, partition: &Partition, offset: i64) -> AuditRecord {
    let number = partition.number.to_string();
    AuditRecord {
        v: wire::VERSION,
        id: id::id(&[
            "audit",
            "model_live",
            topic,
            &number,
            &live.model.version,
            &live.model.sha256,
            &offset.to_string(),
        ]),
        action: AuditAction::ModelLive,
        tenant: EVERY_TENANT.to_owned(),
        subject: None,
        session: None,
        decision: None,
        model: Some(live.model.clone()),
        reference: None,
        source: Some(wire::Source {
            topic: topic.to_owned(),
            partition: partition.number,
            offset,
        }),
        time_us: partition.last_timestamp_us.unwrap_or_else(now_us),
    }
}
