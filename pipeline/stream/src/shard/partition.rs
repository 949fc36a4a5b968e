//! One assigned partition: its line, where it stands in the log, and what its references are known to be.
//!
//! Invariants: below `live_from` the partition is silent, it rebuilds state and produces nothing; what a silent window taught
//! its references is undone at once, because the references topic holds it already; only live events are counted.

use crate::compacted::Kept;
use crate::metrics::ReferenceEvent;
use crate::source::Position;
use ductus_dynamics::compare::ReferenceKey;
use ductus_dynamics::line::{Accounting, Line, LineConfig};
use ductus_dynamics::reject::{RejectReason, Rejections};
use ductus_dynamics::wire::{Reference, VERSION};
use std::collections::HashMap;
use std::sync::Arc;

pub(super) struct Partition {
    // PROPERTIES
    pub(super) number: i32,
    /// Records below it were decided about by an earlier owner.
    live_from: i64,
    // STATES
    pub(super) line: Line,
    pub(super) live: bool,
    /// The offset after the last record that was taken.
    pub(super) next_offset: Option<i64>,
    pub(super) last_timestamp_us: Option<i64>,
    /// What was committed last: (low, high).
    pub(super) committed: Option<(i64, i64)>,
    /// Version of every reference set, by record key: tells news from our own writes.
    versions: HashMap<String, u32>,
    /// The stored references, while the partition is silent.
    stored: HashMap<String, Reference>,
    /// What was counted already.
    counted: Accounting,
}

impl Partition {
    pub(super) fn new(config: Arc<LineConfig>, topic: &str, position: &Position) -> Self {
        Self {
            number: position.partition,
            live_from: position.high,
            line: Line::new(config, topic, position.partition),
            live: position.low.is_none_or(|low| low >= position.high),
            next_offset: position.low,
            last_timestamp_us: None,
            committed: position.low.map(|low| (low, position.high)),
            versions: HashMap::new(),
            stored: HashMap::new(),
            counted: Accounting::default(),
        }
    }

    /// Takes a record of the references topic, unless it is one of our own writes coming back.
    pub(super) fn take_stored(&mut self, kept: Kept<'_>) -> Option<ReferenceEvent> {
        let Some(value) = kept.value else {
            let key = String::from_utf8_lossy(kept.key).into_owned();
            self.line.remove_reference(&key);
            self.versions.remove(&key);
            self.stored.remove(&key);
            return Some(ReferenceEvent::Erased);
        };
        let reference: Reference = match serde_json::from_slice(value) {
            Ok(reference) => reference,
            Err(error) => {
                tracing::error!(partition = kept.partition, offset = kept.offset, %error, "stored reference is refused");
                return Some(ReferenceEvent::Refused);
            }
        };
        if reference.v != VERSION {
            tracing::error!(
                partition = kept.partition,
                offset = kept.offset,
                version = reference.v,
                "stored reference is refused, its document version is unknown to this build"
            );
            return Some(ReferenceEvent::Refused);
        }
        let key = ReferenceKey::of(&reference).record_key();
        if self.versions.get(&key).is_some_and(|known| reference.version <= *known) {
            return None;
        }
        self.versions.insert(key.clone(), reference.version);
        if !self.live {
            self.stored.insert(key, reference.clone());
        }
        self.line.put_reference(reference);
        Some(ReferenceEvent::Read)
    }

    /// Notes a set that we write ourselves; gives the key of its record.
    pub(super) fn wrote(&mut self, reference: &Reference) -> String {
        let key = ReferenceKey::of(reference).record_key();
        self.versions.insert(key.clone(), reference.version);
        key
    }

    /// Undoes what a silent window taught a set.
    pub(super) fn restore(&mut self, taught: &Reference) {
        let key = ReferenceKey::of(taught).record_key();
        match self.stored.get(&key) {
            Some(stored) => self.line.put_reference(stored.clone()),
            None => self.line.remove_reference(&key),
        }
    }

    /// Whether the record at `offset` is the first that is decided about here.
    pub(super) fn goes_live_at(&self, offset: i64) -> bool {
        !self.live && offset >= self.live_from
    }

    /// From now on this partition produces and counts.
    pub(super) fn go_live(&mut self) {
        self.live = true;
        self.stored = HashMap::new();
        self.counted = self.line.accounting().clone();
    }

    /// What a commit says of this partition: (low, high); `None` while nothing is known.
    pub(super) fn position(&self) -> Option<(i64, i64)> {
        let next = self.next_offset?;
        Some((self.line.low_offset().unwrap_or(next), next.max(self.live_from)))
    }

    /// What was counted since the last call, if anything was.
    pub(super) fn uncounted(&mut self) -> Option<Accounting> {
        let now = self.line.accounting();
        if !self.live || *now == self.counted {
            return None;
        }
        let new = difference(now, &self.counted);
        self.counted = now.clone();
        Some(new)
    }
}

/// What `now` has more than `before`.
fn difference(now: &Accounting, before: &Accounting) -> Accounting {
    let rejections = |now: &Rejections, before: &Rejections| {
        let mut more = Rejections::default();
        for reason in RejectReason::ALL {
            more.add(reason, now.of(reason) - before.of(reason));
        }
        more
    };
    Accounting {
        batches: now.batches - before.batches,
        events: now.events - before.events,
        windowed: now.windowed - before.windowed,
        late: now.late - before.late,
        duplicate: now.duplicate - before.duplicate,
        rejected: rejections(&now.rejected, &before.rejected),
        batches_rejected: rejections(&now.batches_rejected, &before.batches_rejected),
        gaps: now.gaps - before.gaps,
    }
}
