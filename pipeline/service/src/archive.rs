//! The role `archive`: events, windows, decisions and what was said of them to the Delta tables.
//!
//! ```text
//! events ─ consumer ─► parse ─► event rows ─┐
//!                  └─► Line  ─► window rows ├─ every flush ─► Delta, one commit a table ─► offsets
//! decisions ───────► read ──► decision rows ┤
//! feedback ────────► read ──► feedback rows ┘
//! ```
//!
//! Invariants:
//! - Windows are cut by the same [`ductus_dynamics::line::Line`] that scoring runs, so that history holds what was decided on.
//! - A row is written once. A decision that is said again (docs/delivery.md) is known by its id among the last `repeats_max` of its
//!   partition, which are read again at the start. A table's transaction of `<group>/<topic>/<partition>` says up to which offset its rows are there;
//!   an append is made only where that stands as this process last saw it.
//! - The committed offset of an events partition is where its oldest open session began; its metadata says up to where records
//!   were archived, where the watermark stood before that offset, and which sessions were open (by their first records). A
//!   restart reads from that offset, rebuilds those sessions and no other, and writes only rows beyond the transactions. With
//!   more open sessions than the metadata can name (about a thousand a partition) all that is met is rebuilt: then a batch
//!   that is repeated long after its session fell silent may number that session's later windows anew.
//! - A batch that is repeated after its session was forgotten makes rows of a session of its own here, where scoring knows it from
//!   its checkpoints and decides nothing.
//! - Buffers are bounded by `flush_rows_max`; while the store fails nothing more is read, and nothing is lost.

mod flush;
mod metrics;
mod partition;

use crate::config::Config;
use crate::health::Health;
use crate::index::backoff::Backoff;
use crate::index::batch::Place;
use crate::index::consumer::{Change, Commit, Member};
use crate::shutdown::Shutdown;
use anyhow::Context;
use ductus_dynamics::line::LineConfig;
use ductus_history::{HistoryError, Table, Tables};
use flush::Outcome;
use metrics::ArchiveMetrics;
use partition::{Decisions, Events, Position, Words};
use rdkafka::consumer::CommitMode;
use rdkafka::message::{BorrowedMessage, Message};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Numbers of the topics in the consumer's list.
const EVENTS: usize = 0;
const DECISIONS: usize = 1;
const FEEDBACK: usize = 2;
/// One wait for a record; while it lasts nothing else is looked after.
const POLL: Duration = Duration::from_millis(20);
/// Waiting times after the store failed.
const BACKOFF: Backoff = Backoff {
    min: Duration::from_millis(500),
    max: Duration::from_secs(30),
};
/// Tries of the last flush, when the process is asked to end.
const LAST_TRIES: u32 = 3;
/// Name of this part in readiness.
const PART: &str = "archive";

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
    let metrics = ArchiveMetrics::register(registry)?;
    let Some(tables) = open(&config.archive.tables, health, &shutdown)? else {
        return Ok(());
    };
    let topics = [
        config.topics.events.as_str(),
        config.topics.decisions.as_str(),
        config.topics.feedback.as_str(),
    ];
    let member = Member::join(config, &config.archive.group, &topics, metrics.lag.clone())?;
    let mut archive = Archive {
        // What a restart cannot rebuild may not matter: sessions that were forgotten are not remembered here.
        line: Arc::new(LineConfig {
            repeat_sessions_max: 0,
            ..config.line()
        }),
        group: config.archive.group.clone(),
        topics: topics.map(str::to_owned),
        rows_max: config.archive.flush_rows_max,
        repeats_max: config.archive.repeats_max,
        age_max: Duration::from_millis(config.archive.flush_interval_ms),
        metrics,
        health: health.clone(),
        tables,
        member,
        events: BTreeMap::new(),
        decisions: BTreeMap::new(),
        words: BTreeMap::new(),
        committed: Vec::new(),
        rows: 0,
        flushed: Instant::now(),
        failures: 0,
        retry_at: None,
    };
    tracing::info!(
        tables = config.archive.tables,
        "archiving events, windows, decisions and feedback"
    );
    while !shutdown.is_requested() {
        archive.turn()?;
    }
    archive.end(&shutdown);
    Ok(())
}

/// Opens the tables, waiting for a store that is away; `None` when the process is to end first.
fn open(root: &str, health: &Health, shutdown: &Shutdown) -> anyhow::Result<Option<Tables>> {
    health.lacks(PART, "its tables are not open yet");
    let mut attempt = 0;
    loop {
        match Tables::open(root) {
            Ok(tables) => {
                health.has(PART);
                return Ok(Some(tables));
            }
            Err(error) if error.is_transient() => {
                if attempt == 0 {
                    tracing::error!(%error, "history tables cannot be opened, archiving waits; nothing is lost");
                    health.lacks(PART, "its tables cannot be opened");
                }
            }
            Err(error) => return Err(error).context("archive.tables cannot be used"),
        }
        if shutdown.wait_timeout(BACKOFF.wait_now(attempt)) {
            return Ok(None);
        }
        attempt += 1;
    }
}

/// The loop's state.
struct Archive {
    // PROPERTIES
    line: Arc<LineConfig>,
    group: String,
    topics: [String; 3],
    rows_max: usize,
    repeats_max: usize,
    age_max: Duration,
    metrics: ArchiveMetrics,
    health: Health,
    // STATES
    tables: Tables,
    member: Member,
    events: BTreeMap<i32, Events>,
    decisions: BTreeMap<i32, Decisions>,
    /// What was said of decisions.
    words: BTreeMap<i32, Words>,
    /// What was committed last.
    committed: Vec<Commit>,
    /// Rows that wait, windows weighted by their steps.
    rows: usize,
    flushed: Instant,
    /// Flushes that failed in a row, and when to try again.
    failures: u32,
    retry_at: Option<Instant>,
}

impl Archive {
    /// One turn: a flush if one is due, then what the group did, then one record.
    fn turn(&mut self) -> anyhow::Result<()> {
        match self.retry_at {
            Some(at) if at <= Instant::now() => self.flush(CommitMode::Async),
            Some(_) => {}
            None if self.rows >= self.rows_max || self.flushed.elapsed() >= self.age_max => {
                self.flush(CommitMode::Async)
            }
            None => {}
        }
        if self.retry_at.is_some() {
            // Still polled: see [`Member`].
            self.member.hold();
        } else {
            self.member.go_on();
        }
        // The record borrows the member, and what it needs is done through it: it is copied once, here.
        let record = self.member.poll(POLL)?.map(|message| Taken::of(&message, &self.member));
        for change in self.member.take_changes() {
            self.forget(change);
        }
        if let Some(record) = record {
            self.take(&record);
        }
        Ok(())
    }

    /// A partition that comes or goes is begun afresh: what waited of it is read again by its next owner.
    fn forget(&mut self, change: Change) {
        let (Change::Assigned(topic, partition) | Change::Revoked(topic, partition)) = change;
        match topic {
            EVENTS => drop(self.events.remove(&partition)),
            DECISIONS => drop(self.decisions.remove(&partition)),
            _ => drop(self.words.remove(&partition)),
        }
        self.committed.clear();
        self.count_rows();
    }

    fn take(&mut self, record: &Taken) {
        let taken = match record.place.topic {
            EVENTS => self.take_events(record),
            DECISIONS => self.take_decision(record),
            _ => self.take_word(record),
        };
        if let Err(error) = taken {
            // It is read again; without its partition's state nothing can be told of it.
            tracing::warn!(
                error = format!("{error:#}"),
                partition = record.place.partition,
                "state of a partition cannot be read, trying again"
            );
            self.back_to(record.place.topic, record.place.partition, Some(record.place.offset));
            self.fail();
        }
    }

    fn take_events(&mut self, record: &Taken) -> anyhow::Result<()> {
        let Place { partition, offset, .. } = record.place;
        if !self.events.contains_key(&partition) {
            let (committed, position) = self.position(EVENTS, partition)?;
            let last = [
                self.last_offset(Table::Events, EVENTS, partition)?,
                self.last_offset(Table::Windows, EVENTS, partition)?,
            ];
            let begun = Events::begin(&self.line, &self.topics[EVENTS], partition, position, last);
            self.events.insert(partition, begun);
            if committed.is_some_and(|committed| committed > offset) {
                // The group started us before the last commit: nothing there is needed.
                self.back_to(EVENTS, partition, committed);
                return Ok(());
            }
        }
        if let Some(events) = self.events.get_mut(&partition)
            && events.is_next(offset)
        {
            let before = events.weight();
            if events.take(offset, record.timestamp_us, &record.value) {
                self.metrics.unreadable(1);
            }
            self.rows += events.weight() - before;
            self.metrics.held(self.rows);
        }
        Ok(())
    }

    fn take_decision(&mut self, record: &Taken) -> anyhow::Result<()> {
        let Place { partition, offset, .. } = record.place;
        if !self.decisions.contains_key(&partition) {
            let last = self.last_offset(Table::Decisions, DECISIONS, partition)?;
            let begun = Decisions::begin(last, offset, self.repeats_max);
            let from = begun.read_from();
            self.decisions.insert(partition, begun);
            if from < offset {
                self.back_to(DECISIONS, partition, Some(from));
                return Ok(());
            }
        }
        if let Some(decisions) = self.decisions.get_mut(&partition) {
            let before = decisions.weight();
            match decisions.take(offset, &record.value) {
                partition::Taken::Row => {}
                partition::Taken::Repeat => self.metrics.repeated(),
                partition::Taken::Unreadable => self.metrics.unreadable(1),
            }
            self.rows += decisions.weight() - before;
        }
        Ok(())
    }

    /// Where the last commit of an events partition stands, and what its metadata says.
    fn position(&self, topic: usize, partition: i32) -> anyhow::Result<(Option<i64>, Position)> {
        let committed = self.member.committed(topic, partition)?;
        let position = committed.as_ref().map_or_else(Position::default, |(offset, metadata)| {
            Position::parse(metadata, *offset)
        });
        Ok((committed.map(|(offset, _)| offset), position))
    }

    fn take_word(&mut self, record: &Taken) -> anyhow::Result<()> {
        let Place { partition, offset, .. } = record.place;
        if !self.words.contains_key(&partition) {
            let last = self.last_offset(Table::Feedback, FEEDBACK, partition)?;
            self.words.insert(partition, Words::begin(last, offset));
        }
        if let Some(words) = self.words.get_mut(&partition) {
            let before = words.weight();
            if words.take(offset, &record.value) == partition::Taken::Unreadable {
                self.metrics.unreadable(1);
            }
            self.rows += words.weight() - before;
        }
        Ok(())
    }

    /// Last offset that a table has of a partition.
    fn last_offset(&mut self, table: Table, topic: usize, partition: i32) -> Result<Option<i64>, HistoryError> {
        let app_id = self.app_id(topic, partition);
        self.tables.last_txn(table, &app_id)
    }

    fn app_id(&self, topic: usize, partition: i32) -> String {
        format!("{}/{}/{partition}", self.group, self.topics[topic])
    }

    /// Writes what waits, or notes when to try again.
    fn flush(&mut self, mode: CommitMode) {
        let started = Instant::now();
        self.flushed = started;
        match self.write() {
            Ok(Outcome::Written(rows)) => {
                self.metrics.flushed(&rows, started.elapsed().as_secs_f64());
                let commits = self.take_commits();
                self.member.commit(&commits, mode);
                self.recover();
            }
            Ok(Outcome::Conflict) => {
                tracing::warn!("another archive wrote rows of our partitions, reading them again");
                self.begin_again();
                self.recover();
            }
            Err(error) => {
                if self.failures == 0 {
                    tracing::error!(%error, "history cannot be written, archiving waits; nothing is lost");
                    self.health.lacks(PART, "its tables cannot be written");
                }
                self.metrics.failed();
                self.fail();
            }
        }
        self.count_rows();
    }

    fn fail(&mut self) {
        self.retry_at = Some(Instant::now() + BACKOFF.wait_now(self.failures));
        self.failures += 1;
        self.metrics.blocked(true);
    }

    fn recover(&mut self) {
        if self.failures > 0 {
            tracing::info!(failures = self.failures, "history is written again");
            self.health.has(PART);
        }
        self.failures = 0;
        self.retry_at = None;
        self.metrics.blocked(false);
    }

    /// Forgets all partitions and reads them again from their commits.
    fn begin_again(&mut self) {
        let events = std::mem::take(&mut self.events)
            .into_keys()
            .map(|partition| (EVENTS, partition));
        let decisions = std::mem::take(&mut self.decisions)
            .into_keys()
            .map(|partition| (DECISIONS, partition));
        let words = std::mem::take(&mut self.words)
            .into_keys()
            .map(|partition| (FEEDBACK, partition));
        self.committed.clear();
        for (topic, partition) in events.chain(decisions).chain(words) {
            match self.member.committed(topic, partition) {
                Ok(committed) => self.back_to(topic, partition, committed.map(|(offset, _)| offset)),
                Err(error) => {
                    // From the beginning is slow and still right.
                    tracing::warn!(
                        error = format!("{error:#}"),
                        partition,
                        "reading a partition from its beginning"
                    );
                    self.back_to(topic, partition, None);
                }
            }
        }
    }

    fn back_to(&self, topic: usize, partition: i32, offset: Option<i64>) {
        if let Err(error) = self.member.seek(topic, partition, offset) {
            tracing::warn!(
                error = format!("{error:#}"),
                "partition is read on from where it stands"
            );
        }
    }

    fn count_rows(&mut self) {
        let events: usize = self.events.values().map(Events::weight).sum();
        let decisions: usize = self.decisions.values().map(Decisions::weight).sum();
        let words: usize = self.words.values().map(Words::weight).sum();
        self.rows = events + decisions + words;
        self.metrics.held(self.rows);
    }

    /// The last flush.
    fn end(&mut self, shutdown: &Shutdown) {
        for _ in 0..LAST_TRIES {
            self.flush(CommitMode::Sync);
            if self.retry_at.is_none() {
                tracing::info!("archiving ended, all that was read is written");
                return;
            }
            std::thread::sleep(BACKOFF.min);
        }
        debug_assert!(shutdown.is_requested());
        tracing::warn!("archiving ended, what is not written is read again by the next one");
    }
}

/// A record, taken out of librdkafka's buffer.
struct Taken {
    place: Place,
    timestamp_us: i64,
    value: Vec<u8>,
}

impl Taken {
    fn of(message: &BorrowedMessage<'_>, member: &Member) -> Self {
        Self {
            place: Place {
                topic: member.topic_number(message.topic()),
                partition: message.partition(),
                offset: message.offset(),
            },
            timestamp_us: message.timestamp().to_millis().unwrap_or(0).saturating_mul(1_000),
            value: message.payload().unwrap_or_default().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests;
