//! What is known of one partition, and its rows that wait.
//!
//! Invariants: a record is taken once, in order; rows at or below the tables' transactions are not made again, though the
//! records go through the line to rebuild what was open; every window is concluded at once, so that the line forgets its
//! sessions as scoring's does.

use ductus_dynamics::event::{InputEvent, KeyDetail};
use ductus_dynamics::line::{Ingested, Line, LineConfig, Record};
use ductus_dynamics::parse::{ParseLimits, parse};
use ductus_dynamics::reject::{RejectReason, Rejections};
use ductus_dynamics::wire::{AuditAction, Decision};
use ductus_history::{DecisionRows, EventRows, HistoryError, RecordBatch, RowSource, WindowRows};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the commit of an events partition says besides its offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// Records below this were archived.
    pub(super) next: i64,
    /// Where the watermark stood before the record at the committed offset.
    pub(super) watermark_us: Option<i64>,
}

impl Position {
    /// Reads a commit's metadata; where it says nothing, `committed` is all that is known.
    pub(super) fn parse(metadata: &str, committed: i64) -> Self {
        let value = |name: &str| {
            metadata
                .split(' ')
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
        };
        Self {
            next: value("next").unwrap_or(committed),
            watermark_us: value("watermark_us"),
        }
    }

    /// The commit's metadata.
    pub(super) fn metadata(&self) -> String {
        match self.watermark_us {
            Some(watermark_us) => format!("next={} watermark_us={watermark_us}", self.next),
            None => format!("next={}", self.next),
        }
    }
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
    /// Where the watermark stood before the first record of sessions that may still be open.
    opened: BTreeMap<i64, Option<i64>>,
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
            opened: BTreeMap::new(),
            ingested: Ingested::default(),
            parsed: Vec::new(),
        };
        if let Some(watermark_us) = position.watermark_us {
            // A record without a value moves the watermark and nothing else.
            let record = Record {
                offset: -1,
                timestamp_us: watermark_us.saturating_add(config.lateness_us),
                value: b"",
            };
            begun.line.ingest(&record, &mut begun.ingested);
        }
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
        let watermark_us = self.line.watermark_us();
        let record = Record {
            offset,
            timestamp_us,
            value,
        };
        self.line.ingest(&record, &mut self.ingested);
        self.next = Some(offset + 1);
        if self
            .ingested
            .audits
            .iter()
            .any(|audit| audit.action == AuditAction::SessionOpened)
        {
            self.opened.insert(offset, watermark_us);
        }
        let refused = self.take_rows(&record);
        for ready in self.ingested.ready.drain(..) {
            if ready.offset >= self.windows_from {
                self.window_steps += ready.window.steps.len();
                self.window_rows.push(&ready, self.partition);
            }
            self.line.conclude(ready, None);
        }
        refused
    }

    /// What to commit once all rows up to here are written: the offset, and what its metadata says.
    pub(super) fn commit(&mut self) -> Option<(i64, Position)> {
        let next = self.next?;
        let low = self.line.low_offset().unwrap_or(next);
        self.opened = self.opened.split_off(&low);
        let watermark_us = match self.opened.get(&low) {
            Some(watermark_us) => *watermark_us,
            None => self.line.watermark_us(),
        };
        Some((low, Position { next, watermark_us }))
    }

    /// The window rows that were sealed are in the table.
    pub(super) fn windows_written(&mut self) {
        self.windows.written();
        self.window_steps = 0;
    }

    fn last(&self) -> i64 {
        self.next.map_or(-1, |next| next - 1)
    }

    /// Rows of the record's events, unless the tables have them or the line refused the batch.
    fn take_rows(&mut self, record: &Record<'_>) -> bool {
        let refused_by_line = self.ingested.refused.iter().any(|refused| {
            matches!(
                refused.reason,
                RejectReason::RepeatedBatch | RejectReason::TooManySessions
            )
        });
        self.parsed.clear();
        // Refused events are counted by scoring.
        let mut rejections = Rejections::default();
        let Ok(head) = parse(record.value, &self.limits, &mut self.parsed, &mut rejections) else {
            return true;
        };
        if !refused_by_line && !self.events.covers(record.offset) {
            let source = RowSource {
                partition: self.partition,
                offset: record.offset,
                ingested_us: Some(record.timestamp_us),
            };
            self.event_rows.push(&head, detail(record.value), &self.parsed, &source);
        }
        false
    }
}

/// The key detail that a batch declares. The domain's parser checks it and does not hand it on.
fn detail(value: &[u8]) -> KeyDetail {
    #[derive(Default, Deserialize)]
    struct Declared {
        #[serde(default)]
        detail: KeyDetail,
    }
    serde_json::from_slice::<Declared>(value).unwrap_or_default().detail
}

/// A partition of the decisions topic.
pub(super) struct Decisions {
    /// The offset after the last record taken.
    next: Option<i64>,
    pub(super) decisions: Waiting,
    rows: DecisionRows,
}

impl Decisions {
    pub(super) fn begin(last: Option<i64>) -> Self {
        Self {
            next: None,
            decisions: Waiting::after(last),
            rows: DecisionRows::new(),
        }
    }

    /// Takes the next record. Returns whether it is no decision (the index writes its dead letter).
    pub(super) fn take(&mut self, offset: i64, value: &[u8]) -> bool {
        if self.next.is_some_and(|next| offset < next) {
            return false;
        }
        self.next = Some(offset + 1);
        if self.decisions.covers(offset) {
            return false;
        }
        match serde_json::from_slice::<Decision>(value) {
            Ok(decision) => {
                self.rows.push(&decision);
                false
            }
            Err(_) => true,
        }
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
        self.next
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
