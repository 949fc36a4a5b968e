//! One shard: a thread that takes records of its partitions to decisions, from beginning to end, and shares nothing.
//!
//! ```text
//! read ─► Line::ingest ─► batch of ready windows (all partitions, all sessions) ─► embed ─► Line::conclude ─► say
//!                                                              └► every few seconds: checkpoint
//! ```
//!
//! The protocol is that of `docs/delivery.md`. Invariants here:
//! - A window is concluded in the order in which its line gave it.
//! - A decision that an earlier owner recorded is adopted and not said again.
//! - Models and references of elsewhere change between two batches only, with a checkpoint that says so.
//! - After an error nothing is written any more: the shard ends, and begins anew from the log.

mod batch;
mod checkpoint;
mod documents;
mod load;
mod partition;

use crate::config::ScoreConfig;
use crate::embed::{Embed, LiveModel};
use crate::error::StreamError;
use crate::log::{Change, Incoming, Input, Kept, Output};
use crate::metrics::StreamMetrics;
use batch::{Batch, Waiting};
use checkpoint::Checkpoints;
use ductus_dynamics::event::Modality;
use ductus_dynamics::id;
use ductus_dynamics::line::{Accounting, Embedded, Ingested, LineConfig, Record};
use ductus_dynamics::wire::{self, AuditAction, AuditRecord, ModelRef};
use partition::Partition;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Records of the references topic taken in one turn, and most of them that wait for a checkpoint.
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
    /// What embedding a window took lately, ns; 0 before the first. It outlives the shard: one that took on too much for the
    /// group's patience takes on less at its next try.
    embed_ns: AtomicU64,
    /// By partition that it has.
    accounting: Mutex<BTreeMap<i32, Accounting>>,
}

impl ShardStatus {
    /// Event counts of its partitions, from their first record on.
    pub(crate) fn accounting(&self) -> BTreeMap<i32, Accounting> {
        self.accounting.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The shard has failed: its partitions are nobody's, or somebody else's. Gives their numbers.
    pub(crate) fn forget_partitions(&self) -> Vec<i32> {
        self.partitions.store(0, Ordering::Release);
        let mut accounting = self.accounting.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *accounting).into_keys().collect()
    }
}

/// A running shard.
pub(crate) struct Shard<'a, I, O> {
    // Apart from the rest, because the record in hand borrows from it.
    input: I,
    work: Work<'a, O>,
}

struct Work<'a, O> {
    // PROPERTIES
    index: usize,
    config: &'a ScoreConfig,
    line: Arc<LineConfig>,
    metrics: &'a StreamMetrics,
    status: &'a ShardStatus,
    /// Longest time between two turns that the group bears.
    silence_max: Duration,
    // STATES
    embed: Box<dyn Embed>,
    output: O,
    partitions: BTreeMap<i32, Partition>,
    batch: Batch,
    checkpoints: Checkpoints,
    /// One record's results; used again for each.
    ingested: Ingested,
    /// The document being written; likewise.
    document: Vec<u8>,
    /// When the turn began.
    turn_began: Duration,
}

impl<'a, I, O> Shard<'a, I, O>
where
    I: Input,
    O: Output<Membership = I::Membership>,
{
    /// A shard between an input and an output.
    pub(crate) fn new(
        index: usize,
        config: &'a ScoreConfig,
        metrics: &'a StreamMetrics,
        status: &'a ShardStatus,
        embed: Box<dyn Embed>,
        (input, output): (I, O),
    ) -> Self {
        let now = output.now();
        let work = Work {
            index,
            config,
            line: Arc::new(config.line.clone()),
            metrics,
            status,
            silence_max: config.kafka.session_timeout(),
            embed,
            output,
            partitions: BTreeMap::new(),
            batch: Batch::default(),
            checkpoints: Checkpoints::starting_at(now),
            ingested: Ingested::default(),
            document: Vec::new(),
            turn_began: now,
        };
        Self { input, work }
    }

    /// Runs until told to stop; then everything that was read is decided about, acknowledged and in a checkpoint. Where nothing
    /// was read since the last one, there is nothing to finish, whatever fails.
    ///
    /// # Errors
    ///
    /// [`StreamError`]: what was read since the last checkpoint is read again.
    pub(crate) fn run(mut self, stop: &AtomicBool) -> Result<(), StreamError> {
        let Err(error) = self.run_until(stop) else {
            return Ok(());
        };
        if stop.load(Ordering::Acquire) && self.work.is_finished() {
            tracing::warn!(shard = self.work.index, %error, "the stopping shard had nothing to finish");
            return Ok(());
        }
        Err(error)
    }

    fn run_until(&mut self, stop: &AtomicBool) -> Result<(), StreamError> {
        while !stop.load(Ordering::Acquire) {
            self.turn()?;
        }
        self.finish()
    }

    /// The last checkpoint.
    ///
    /// # Errors
    ///
    /// [`StreamError`]; with [`StreamError::Lost`] the partitions are somebody else's to finish.
    pub(crate) fn finish(&mut self) -> Result<(), StreamError> {
        self.rebalance()?;
        let Self { input, work } = self;
        work.conclude()?;
        let (since, bound) = (work.output.now(), Duration::from_millis(work.config.flush_timeout_ms));
        // Members that stop together move the group on under each other's checkpoints: it is served until one succeeds.
        while !work.checkpoint_step(input)? {
            input.pause(true);
            input.read(Duration::ZERO, 1, &mut |_| Err(StreamError::Astray))?;
            match input.change() {
                Some(Change::Revoked { partitions, lost: true }) => return Err(StreamError::Lost(partitions)),
                Some(Change::Revoked { partitions, .. }) => work.give_up(input, &partitions)?,
                // Taken, because the group waits for an answer, and not read: they are somebody else's when this member leaves.
                Some(Change::Assigned(partitions)) => {
                    let unread: Vec<_> = partitions.iter().map(|&partition| (partition, 0)).collect();
                    input.assign(&unread)?;
                }
                None => {}
            }
            let waited = work.output.now().saturating_sub(since);
            if waited > bound {
                let waited_ms = waited.as_millis() as u64;
                return Err(StreamError::CheckpointTimeout { waited_ms });
            }
        }
        work.publish();
        Ok(())
    }

    /// One turn: what the group changed, some records, what is due.
    ///
    /// # Errors
    ///
    /// [`StreamError`]: this shard is to be dropped.
    pub(crate) fn turn(&mut self) -> Result<(), StreamError> {
        self.work.awake()?;
        self.rebalance()?;
        if self.work.hold(&mut self.input)? {
            return Ok(());
        }
        self.read()?;
        let work = &mut self.work;
        if work.is_batch_due() {
            work.conclude_some(work.affordable())?;
        }
        work.follow_references(&mut self.input, false)?;
        work.output.serve()?;
        work.publish();
        work.checkpoint_when_due(&mut self.input)
    }

    /// Takes the records that are there, up to a bound; waits for the first one only. With more windows waiting than one turn
    /// can embed, or without checkpoints for too long, the group is served and nothing is taken.
    fn read(&mut self) -> Result<(), StreamError> {
        let Self { input, work } = self;
        let windows_max = work.config.batch_windows_max.min(work.affordable());
        let full = work.batch.len() >= windows_max;
        input.pause(full || work.is_checkpoint_overdue());
        if full {
            return input.read(Duration::ZERO, 1, &mut |_| Err(StreamError::Astray));
        }
        let bound = Duration::from_millis(work.config.batch_wait_ms);
        let patience = work.batch.patience(bound, work.output.now());
        let wait = if work.checkpoints.are_sealing() {
            Duration::ZERO
        } else {
            patience.unwrap_or(Duration::from_millis(work.config.poll_ms))
        };
        input.read(wait, work.config.poll_records_max, &mut |incoming| {
            work.take(incoming)?;
            Ok(work.batch.len() < windows_max)
        })
    }

    /// Answers what the group changed.
    fn rebalance(&mut self) -> Result<(), StreamError> {
        while let Some(change) = self.input.change() {
            match change {
                Change::Assigned(partitions) => self.assigned(&partitions)?,
                Change::Revoked { partitions, lost: true } => return Err(StreamError::Lost(partitions)),
                Change::Revoked { partitions, .. } => self.work.give_up(&mut self.input, &partitions)?,
            }
            let count = self.work.partitions.len();
            self.work.status.partitions.store(count, Ordering::Release);
        }
        Ok(())
    }

    fn assigned(&mut self, partitions: &[i32]) -> Result<(), StreamError> {
        let Self { input, work } = self;
        work.load(input, partitions)?;
        // Loading may take long; the group asks for a sign of life only after it.
        work.turn_began = work.output.now();
        if work.partitions.values().any(Partition::is_anew) {
            // What a partition begins with is said before anything is decided.
            work.conclude()?;
            work.take_outside(input)?;
        }
        let next = |number: &i32| {
            work.partitions
                .get(number)
                .map(|partition| (*number, partition.next_offset))
        };
        let from: Vec<(i32, i64)> = partitions.iter().filter_map(next).collect();
        input.assign(&from)?;
        tracing::info!(shard = work.index, ?partitions, "partitions assigned");
        Ok(())
    }
}

impl<O: Output> Work<'_, O> {
    /// Whether everything that was read is in a checkpoint that was written.
    fn is_finished(&self) -> bool {
        self.checkpoints.are_idle() && self.batch.is_empty() && !self.partitions.values().any(Partition::has_unsaved)
    }

    /// Whether the group still takes this member for alive. Whoever slept for too long drops what it holds.
    fn awake(&mut self) -> Result<(), StreamError> {
        self.still_awake()?;
        self.turn_began = self.output.now();
        Ok(())
    }

    fn still_awake(&self) -> Result<(), StreamError> {
        let stood = self.output.now().saturating_sub(self.turn_began);
        if stood < self.silence_max {
            return Ok(());
        }
        let stood_ms = stood.as_millis() as u64;
        Err(StreamError::Overslept { stood_ms })
    }

    /// A last checkpoint, then the group goes on without us.
    fn give_up<I>(&mut self, input: &mut I, partitions: &[i32]) -> Result<(), StreamError>
    where
        I: Input<Membership = O::Membership>,
    {
        self.checkpoint_now(input, partitions)?;
        self.publish();
        for partition in partitions {
            self.partitions.remove(partition);
            self.metrics.forget_partition(*partition);
        }
        let mut accounting = self.status.accounting.lock().unwrap_or_else(PoisonError::into_inner);
        accounting.retain(|partition, _| !partitions.contains(partition));
        drop(accounting);
        input.unassign(partitions)?;
        tracing::info!(shard = self.index, ?partitions, "partitions revoked");
        Ok(())
    }

    fn is_batch_due(&self) -> bool {
        let bound = Duration::from_millis(self.config.batch_wait_ms);
        let patience = self.batch.patience(bound, self.output.now());
        self.batch.len() >= self.config.batch_windows_max || patience.is_some_and(|left| left.is_zero())
    }

    fn take(&mut self, incoming: &Incoming<'_>) -> Result<(), StreamError> {
        let Some(partition) = self.partitions.get_mut(&incoming.partition) else {
            return Ok(());
        };
        // A seek or a new assignment may hand out again what was taken.
        if incoming.offset < partition.next_offset {
            return Ok(());
        }
        let record = Record {
            offset: incoming.offset,
            timestamp_us: incoming.timestamp_us,
            value: incoming.value,
        };
        let ingested = &mut self.ingested;
        ingested.clear();
        partition.line.ingest(&record, ingested);
        partition.next_offset = incoming.offset + 1;
        partition.last_timestamp_us = Some(record.timestamp_us);
        for audit in &ingested.audits {
            partition.keep(documents::audit(audit)?);
        }
        let topic = &self.config.topics.events;
        for letter in documents::dead_letters(incoming, topic, &ingested.refused, self.config.dead_letters)? {
            partition.keep(letter);
        }
        for refused in &ingested.refused {
            self.metrics.dead_letter(refused.reason.code());
        }
        let now = if ingested.ready.is_empty() {
            Duration::ZERO
        } else {
            self.output.now()
        };
        for ready in ingested.ready.drain(..) {
            let live = &partition.models[ready.window.modality.index()];
            let waiting = Waiting {
                partition: incoming.partition,
                model: live.clone().filter(|_| partition.line.wants_embedding(&ready)),
                ready,
                timestamp_us: record.timestamp_us,
            };
            self.batch.push(waiting, now);
        }
        Ok(())
    }

    /// How many windows can be embedded in a quarter of the time that the group bears.
    fn affordable(&self) -> usize {
        let budget_ns = self.silence_max.as_nanos() as u64 / 4;
        let affordable = budget_ns.checked_div(self.status.embed_ns.load(Ordering::Relaxed));
        affordable.map_or(usize::MAX, |windows| windows.max(1) as usize)
    }

    /// Embeds and concludes every window that waits, and says what follows.
    fn conclude(&mut self) -> Result<(), StreamError> {
        self.conclude_some(usize::MAX)
    }

    /// The same for at most so many windows.
    fn conclude_some(&mut self, most: usize) -> Result<(), StreamError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let (together, before) = (self.config.batch_windows_max.min(most), self.output.now());
        let embedded = self.batch.embed(&mut *self.embed, most, together, self.metrics)?;
        if embedded > 0 {
            let took = self.output.now().saturating_sub(before).as_nanos() as u64 / embedded as u64;
            let lately = self.status.embed_ns.load(Ordering::Relaxed);
            let mean = if lately == 0 { took } else { (3 * lately + took) / 4 };
            self.status.embed_ns.store(mean.max(1), Ordering::Relaxed);
        }
        self.still_awake()?;
        let Self {
            batch,
            partitions,
            output,
            metrics,
            document,
            ..
        } = self;
        batch.conclude(output.now(), |waiting, embedding| {
            let Some(partition) = partitions.get_mut(&waiting.partition) else {
                return Ok(());
            };
            let embedded = waiting.model.as_ref().zip(embedding).map(|(live, embedding)| Embedded {
                model: &live.model,
                back_end: &live.back_end,
                embedding,
            });
            if let Some(recorded) = partition.recorded(|| waiting.ready.decision_id()) {
                metrics.adopted();
                for audit in partition.line.adopt(waiting.ready, embedded, recorded) {
                    partition.keep(documents::audit(&audit)?);
                }
                return Ok(());
            }
            let outcome = partition.line.conclude(waiting.ready, embedded);
            for audit in &outcome.audits {
                partition.keep(documents::audit(audit)?);
            }
            document.clear();
            serde_json::to_writer(&mut *document, &outcome.decision)?;
            let decision = &outcome.decision;
            output.say(
                waiting.partition,
                documents::decision_key(decision).as_bytes(),
                document,
            )?;
            metrics.window(decision.window.modality, decision.window.closed);
            let latency_us = now_us().saturating_sub(waiting.timestamp_us).max(0);
            metrics.decision(decision.action, latency_us as f64 / 1e6);
            Ok(())
        })
    }

    /// Notes what others did to references; it takes effect with a checkpoint.
    fn follow_references<I: Input>(&mut self, input: &mut I, to_end: bool) -> Result<(), StreamError> {
        let waiting: usize = self.partitions.values().map(Partition::waiting_outside).sum();
        if self.partitions.is_empty() || (waiting >= REFERENCES_MAX && !to_end) {
            return Ok(());
        }
        let Self {
            partitions, metrics, ..
        } = self;
        input.new_references(REFERENCES_MAX, to_end, &mut |kept: Kept<'_>| {
            let partition = partitions.get_mut(&kept.partition);
            if let Some(event) = partition.and_then(|partition| partition.take_reference(kept, false)) {
                metrics.reference(event);
            }
            Ok(())
        })
    }

    /// Whether something from outside is to take effect: another model at once, references of others when a checkpoint is due.
    fn is_outside_due(&mut self, checkpoint_due: bool) -> bool {
        let newest = Modality::ALL.map(|modality| self.embed.newest(modality));
        self.partitions.values().any(|partition| {
            let another = |modality: Modality| {
                is_another(
                    newest[modality.index()].as_ref(),
                    partition.models[modality.index()].as_ref(),
                )
            };
            let waiting = partition.waiting_outside();
            partition.takes_outside()
                && (Modality::ALL.into_iter().any(another)
                    || waiting >= REFERENCES_MAX
                    || (waiting > 0 && checkpoint_due))
        })
    }

    /// Lets what comes from outside take effect where it may, with the checkpoint that is prepared next.
    fn take_outside<I: Input>(&mut self, input: &mut I) -> Result<(), StreamError> {
        let newest = Modality::ALL.map(|modality| self.embed.newest(modality));
        // References for a model are written before it is announced: what can be seen of the announcement, they are there.
        self.follow_references(input, true)?;
        for partition in self.partitions.values_mut() {
            if !partition.takes_outside() {
                continue;
            }
            partition.take_outside();
            for (modality, live) in Modality::ALL.into_iter().zip(&newest) {
                if !is_another(live.as_ref(), partition.models[modality.index()].as_ref()) {
                    continue;
                }
                partition.models[modality.index()].clone_from(live);
                if let Some(live) = live {
                    let audit = model_live(&live.model, &self.config.topics.events, partition);
                    partition.keep(documents::audit(&audit)?);
                    tracing::info!(
                        shard = self.index,
                        partition = partition.number,
                        modality = modality.name(),
                        version = live.model.version,
                        "partition takes up a model"
                    );
                }
            }
        }
        self.checkpoints.hold();
        Ok(())
    }

    /// Adds up what became of the events.
    fn publish(&mut self) {
        for (number, partition) in &mut self.partitions {
            if self.batch.is_empty() && partition.passed_frontier() {
                tracing::info!(
                    shard = self.index,
                    partition = number,
                    "partition is where its last owner was"
                );
            }
            if let Some(new) = partition.uncounted() {
                self.metrics.count(&new);
                let mut accounting = self.status.accounting.lock().unwrap_or_else(PoisonError::into_inner);
                accounting.insert(*number, partition.line.accounting().clone());
            }
        }
    }
}

/// Whether there is a model, and another one than in use.
fn is_another(newest: Option<&Arc<LiveModel>>, in_use: Option<&Arc<LiveModel>>) -> bool {
    newest
        .is_some_and(|newest| in_use.is_none_or(|in_use| !Arc::ptr_eq(newest, in_use) && newest.model != in_use.model))
}

/// From here on, windows of this partition are embedded with `model`.
fn model_live(model: &ModelRef, topic: &str, partition: &Partition) -> AuditRecord {
    let (number, offset) = (partition.number.to_string(), partition.next_offset);
    AuditRecord {
        v: wire::VERSION,
        id: id::id(&[
            "audit",
            "model_live",
            topic,
            &number,
            &model.version,
            &model.sha256,
            &offset.to_string(),
        ]),
        action: AuditAction::ModelLive,
        tenant: EVERY_TENANT.to_owned(),
        subject: None,
        session: None,
        decision: None,
        model: Some(model.clone()),
        reference: None,
        source: Some(wire::Source {
            topic: topic.to_owned(),
            partition: partition.number,
            offset,
        }),
        access: None,
        time_us: partition.last_timestamp_us.unwrap_or_else(now_us),
    }
}

/// For latencies and lags only: no result depends on it.
fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    since.as_micros() as i64
}
