//! What is known of one partition, and its rows that wait.
//!
//! Invariants: a record is taken once, in order; rows at or below the tables' transactions are not made again, though the
//! records go through the line to rebuild what was open; every window is concluded at once, so that the line forgets its
//! sessions as scoring's does.

use ductus_dynamics::event::InputEvent;
use ductus_dynamics::line::{Ingested, Line, LineConfig, LineState, Record, Watermark};
use ductus_dynamics::parse::{BatchHead, ParseLimits, parse};
use ductus_dynamics::reject::{RejectReason, Rejections};
use ductus_dynamics::wire::{AuditAction, Decision, Feedback};
use ductus_history::{DecisionRows, EventRows, FeedbackRows, HistoryError, RecordBatch, RowSource, WindowRows};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// Longest metadata of a commit: Kafka's default bound is 4096 bytes (`offset.metadata.max.bytes`).
const METADATA_BYTES_MAX: usize = 3_900;

/// What the commit of an events partition says besides its offset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// Records below this were archived.
    pub(super) next: i64,
    /// The watermark before the record at the committed offset.
    pub(super) watermark: Option<Watermark>,
    /// First records of the sessions that were open; `None` where there were too many to say.
    pub(super) open: Option<BTreeSet<i64>>,
}

impl Position {
    /// Reads a commit's metadata; where it says nothing, `committed` is all that is known.
    pub(super) fn parse(metadata: &str, committed: i64) -> Self {
        let text = |name: &str| {
            let mut pairs = metadata.split(' ');
            pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        };
        let number = |name: &str| text(name)?.parse().ok();
        let open = text("open").map(|open| {
            let deltas = open.split(',').filter_map(|delta| delta.parse::<i64>().ok());
            deltas.map(|delta| committed + delta).collect()
        });
        Self {
            next: number("next").unwrap_or(committed),
            watermark: text("watermark").and_then(|json| serde_json::from_str(json).ok()),
            open,
        }
    }

    /// The metadata of a commit of `committed`.
    pub(super) fn metadata(&self, committed: i64) -> String {
        let mut text = format!("next={}", self.next);
        // JSON of numbers only has no blanks.
        if let Some(watermark) = self
            .watermark
            .as_ref()
            .and_then(|watermark| serde_json::to_string(watermark).ok())
        {
            text.push_str(&format!(" watermark={watermark}"));
        }
        if let Some(open) = &self.open {
            let deltas: Vec<String> = open.iter().map(|offset| (offset - committed).to_string()).collect();
            let deltas = deltas.join(",");
            if text.len() + deltas.len() < METADATA_BYTES_MAX - " open=".len() {
                text.push_str(" open=");
                text.push_str(&deltas);
            }
        }
        text
    }
}

/// Records that were archived before and go through the line again, to rebuild the sessions that were open.
#[derive(Debug)]
struct Replay {
    /// Up to here.
    next: i64,
    /// First records of the sessions to rebuild.
    open: BTreeSet<i64>,
    /// Keys of those that were met.
    keys: HashSet<String>,
}

impl Replay {
    /// Whether a batch belongs to a session that is rebuilt. One that was closed before must not come to life again: a batch
    /// of it that is read without what was before it would stand for a session that never was.
    fn takes(&mut self, offset: i64, head: &BatchHead<'_>) -> bool {
        let key = key(head.tenant, head.session);
        self.keys.contains(&key) || (self.open.contains(&offset) && self.keys.insert(key))
    }
}

fn key(tenant: &str, session: &str) -> String {
    format!("{tenant}/{session}")
}

/// A partition of the events topic.
pub(super) struct Events {
    // PROPERTIES
    partition: i32,
    limits: ParseLimits,
    // STATES
    line: Line,
    /// The offset after the last record taken.
    next: Option<i64>,
    /// Rows for the table `events`.
    pub(super) events: Waiting,
    event_rows: EventRows,
    /// Rows for the table `windows`.
    pub(super) windows: Waiting,
    window_rows: WindowRows,
    /// Windows closed below this are in the table, or never will be.
    windows_from: i64,
    /// Steps in the windows that wait.
    window_steps: usize,
    /// The open sessions: offset of the first record, and the watermark before it.
    open: HashMap<String, (i64, Option<Watermark>)>,
    replay: Option<Replay>,
    /// Buffers used again for each record.
    ingested: Ingested,
    parsed: Vec<InputEvent>,
}

impl Events {
    pub(super) fn begin(
        config: &Arc<LineConfig>,
        topic: &str,
        partition: i32,
        position: Position,
        [events_last, windows_last]: [Option<i64>; 2],
    ) -> Self {
        let mut begun = Self {
            partition,
            limits: config.parse,
            line: Line::new(config.clone(), topic, partition),
            next: None,
            events: Waiting::after(events_last),
            event_rows: EventRows::new(),
            windows: Waiting::after(windows_last),
            window_rows: WindowRows::new(),
            windows_from: position.next.max(windows_last.map_or(0, |last| last + 1)),
            window_steps: 0,
            open: HashMap::new(),
            replay: None,
            ingested: Ingested::default(),
            parsed: Vec::new(),
        };
        begun.line.restore(&LineState {
            watermark: position.watermark,
            ..LineState::default()
        });
        begun.replay = position.open.map(|open| Replay {
            next: position.next,
            open,
            keys: HashSet::new(),
        });
        begun
    }

    /// Whether the record at `offset` was not taken yet.
    pub(super) fn is_next(&self, offset: i64) -> bool {
        self.next.is_none_or(|next| offset >= next)
    }

    /// Rows that wait; a window counts by its steps, because that is what it weighs.
    pub(super) fn weight(&self) -> usize {
        self.event_rows.len() + self.events.rows() + self.window_steps
    }

    /// Makes what was taken ready to be written.
    pub(super) fn seal(&mut self) -> Result<(), HistoryError> {
        let last = self.last();
        if !self.event_rows.is_empty() {
            self.events.seal(self.event_rows.finish()?, last);
        }
        if !self.window_rows.is_empty() {
            self.windows.seal(self.window_rows.finish()?, last);
        }
        Ok(())
    }

    /// Takes the next record. Returns whether it was refused whole (scoring writes its dead letter).
    pub(super) fn take(&mut self, offset: i64, timestamp_us: i64, value: &[u8]) -> bool {
        self.ingested.clear();
        self.parsed.clear();
        // Refused events are counted by scoring.
        let mut rejections = Rejections::default();
        let head = parse(value, &self.limits, &mut self.parsed, &mut rejections).ok();
        let mut record = Record {
            offset,
            timestamp_us,
            value,
        };
        if self.replay.as_ref().is_some_and(|replay| offset >= replay.next) {
            self.replay = None;
        }
        if let (Some(replay), Some(head)) = (&mut self.replay, &head)
            && !replay.takes(offset, head)
        {
            // Its time counts, what it holds does not.
            record.value = b"";
        }
        let watermark = self.line.watermark().cloned();
        self.line.ingest(&record, &mut self.ingested);
        self.next = Some(offset + 1);
        self.note_sessions(offset, watermark);
        if let Some(head) = &head {
            self.take_rows(head, offset, timestamp_us);
        }
        for ready in self.ingested.ready.drain(..) {
            if ready.offset >= self.windows_from {
                self.window_steps += ready.window.steps.len();
                self.window_rows.push(&ready, self.partition);
            }
            self.line.conclude(ready, None);
        }
        head.is_none()
    }

    /// What to commit once all rows up to here are written: the offset, and what its metadata says.
    pub(super) fn commit(&self) -> Option<(i64, Position)> {
        let next = self.next?;
        let oldest = self.open.values().min_by_key(|(offset, _)| *offset);
        let (low, watermark) = match oldest {
            Some((offset, watermark)) => (*offset, watermark.clone()),
            None => (next, self.line.watermark().cloned()),
        };
        let open = self.open.values().map(|(offset, _)| *offset).collect();
        let position = Position {
            next,
            watermark,
            open: Some(open),
        };
        Some((low, position))
    }

    /// The window rows that were sealed are in the table.
    pub(super) fn windows_written(&mut self) {
        self.windows.written();
        self.window_steps = 0;
    }

    fn last(&self) -> i64 {
        self.next.map_or(-1, |next| next - 1)
    }

    fn note_sessions(&mut self, offset: i64, watermark: Option<Watermark>) {
        for audit in &self.ingested.audits {
            let key = key(&audit.tenant, audit.session.as_deref().unwrap_or_default());
            match audit.action {
                AuditAction::SessionOpened => {
                    self.open.insert(key, (offset, watermark.clone()));
                }
                AuditAction::SessionClosed => {
                    self.open.remove(&key);
                }
                _ => {}
            }
        }
    }

    /// Rows of a batch's events, unless the table has them or the line refused the batch.
    fn take_rows(&mut self, head: &BatchHead<'_>, offset: i64, timestamp_us: i64) {
        let refused = self.ingested.refused.iter().any(|refused| {
            matches!(
                refused.reason,
                RejectReason::RepeatedBatch | RejectReason::TooManySessions
            )
        });
        if refused || self.events.covers(offset) {
            return;
        }
        let source = RowSource {
            partition: self.partition,
            offset,
            ingested_us: Some(timestamp_us),
        };
        self.event_rows.push(head, &self.parsed, &source);
    }
}

/// A partition of the decisions topic.
pub(super) struct Decisions {
    /// The offset after the last record taken.
    next: Option<i64>,
    pub(super) decisions: Waiting,
    rows: DecisionRows,
    latest: Latest,
    /// Records before it are read only to know what was said last.
    from: i64,
}

/// What became of a record of the decisions topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// A row, or the table has it.
    Row,
    /// It repeats a decision that was taken before: whoever lost its place in the group may still have said it.
    Repeat,
    /// It is no decision; the index writes its dead letter.
    Unreadable,
}

impl Decisions {
    /// Rows are made of the records from `from` on; the `repeats_max` before it are to be read as well, see
    /// [`Decisions::read_from`].
    pub(super) fn begin(last: Option<i64>, from: i64, repeats_max: usize) -> Self {
        Self {
            next: None,
            decisions: Waiting::after(last),
            rows: DecisionRows::new(),
            latest: Latest::new(repeats_max),
            from,
        }
    }

    /// Where to read from, so that a repeat is known after a restart as well.
    pub(super) fn read_from(&self) -> i64 {
        self.from.saturating_sub(self.latest.max as i64).max(0)
    }

    /// Takes the next record.
    pub(super) fn take(&mut self, offset: i64, value: &[u8]) -> Taken {
        if self.next.is_some_and(|next| offset < next) {
            return Taken::Row;
        }
        self.next = Some(offset + 1);
        let Ok(decision) = serde_json::from_slice::<Decision>(value) else {
            return Taken::Unreadable;
        };
        let repeat = !self.latest.insert(&decision.id);
        if offset < self.from || self.decisions.covers(offset) {
            return Taken::Row;
        }
        if repeat {
            return Taken::Repeat;
        }
        self.rows.push(&decision);
        Taken::Row
    }

    /// Rows that wait.
    pub(super) fn weight(&self) -> usize {
        self.rows.len() + self.decisions.rows()
    }

    /// Makes what was taken ready to be written.
    pub(super) fn seal(&mut self) -> Result<(), HistoryError> {
        if let (Some(next), false) = (self.next, self.rows.is_empty()) {
            self.decisions.seal(self.rows.finish()?, next - 1);
        }
        Ok(())
    }

    /// The offset to commit once all rows are written.
    pub(super) fn next(&self) -> Option<i64> {
        self.next.map(|next| next.max(self.from))
    }
}

/// A partition of the feedback topic. A word is kept however often it was said: which counts is for whoever reads.
pub(super) struct Words {
    /// The offset after the last record taken.
    next: i64,
    pub(super) feedback: Waiting,
    rows: FeedbackRows,
}

impl Words {
    /// Begins with the record at `from`.
    pub(super) fn begin(last: Option<i64>, from: i64) -> Self {
        Self {
            next: from,
            feedback: Waiting::after(last),
            rows: FeedbackRows::new(),
        }
    }

    /// Takes the next record. A tombstone makes no row: the erasure that wrote it removes rows itself.
    pub(super) fn take(&mut self, offset: i64, value: &[u8]) -> Taken {
        if offset < self.next {
            return Taken::Row;
        }
        self.next = offset + 1;
        if value.is_empty() {
            return Taken::Row;
        }
        let Ok(feedback) = serde_json::from_slice::<Feedback>(value) else {
            return Taken::Unreadable;
        };
        if !self.feedback.covers(offset) {
            self.rows.push(&feedback);
        }
        Taken::Row
    }

    /// Rows that wait.
    pub(super) fn weight(&self) -> usize {
        self.rows.len() + self.feedback.rows()
    }

    /// Makes what was taken ready to be written.
    pub(super) fn seal(&mut self) -> Result<(), HistoryError> {
        if !self.rows.is_empty() {
            self.feedback.seal(self.rows.finish()?, self.next - 1);
        }
        Ok(())
    }

    /// The offset to commit once all rows are written.
    pub(super) fn next(&self) -> i64 {
        self.next
    }
}

/// Ids of the decisions that were said last, at most so many.
struct Latest {
    max: usize,
    ids: HashSet<u128>,
    order: VecDeque<u128>,
}

impl Latest {
    fn new(max: usize) -> Self {
        Self {
            max,
            ids: HashSet::new(),
            order: VecDeque::new(),
        }
    }

    /// Notes an id; returns whether it is new.
    fn insert(&mut self, id: &str) -> bool {
        // Ids are 32 hexadecimal digits; anything else is somebody else's, and no two of those are taken for one.
        let Ok(id) = u128::from_str_radix(id, 16) else {
            return true;
        };
        if !self.ids.insert(id) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > self.max
            && let Some(first) = self.order.pop_front()
        {
            self.ids.remove(&first);
        }
        true
    }
}

/// Rows of one partition for one table, ready to be written, and where the table stands.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Last offset that the table has.
    last: Option<i64>,
    batches: Vec<RecordBatch>,
    /// Last offset that the batches cover.
    sealed: i64,
}

impl Waiting {
    fn after(last: Option<i64>) -> Self {
        Self {
            last,
            batches: Vec::new(),
            sealed: -1,
        }
    }

    /// Whether the table has the rows of the record at `offset`.
    fn covers(&self, offset: i64) -> bool {
        self.last.is_some_and(|last| offset <= last)
    }

    fn seal(&mut self, batch: RecordBatch, last: i64) {
        self.batches.push(batch);
        self.sealed = last;
    }

    fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// The rows (cheap copies), what the table must have before, and what it has after them; `None` if nothing waits.
    pub(super) fn to_write(&self) -> Option<(&[RecordBatch], Option<i64>, i64)> {
        (!self.batches.is_empty()).then_some((&self.batches, self.last, self.sealed))
    }

    /// The table has them now.
    pub(super) fn written(&mut self) {
        if !self.batches.is_empty() {
            self.last = Some(self.sealed);
            self.batches.clear();
        }
    }
}
