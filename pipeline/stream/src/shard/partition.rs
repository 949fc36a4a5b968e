//! One assigned partition: its line, where it stands in the log, and what is known of earlier owners.
//!
//! Invariants: what comes from outside (models, references of others) takes effect with a checkpoint and only behind the
//! frontier; until the frontier is passed every decision that an earlier owner recorded is kept to be adopted, and the next
//! owner is told to look for them from where this one did; everything but decisions waits for the next checkpoint.

use crate::embed::LiveModel;
use crate::error::StreamError;
use crate::log::{CHECKPOINT_HEADER, Kept, Position, Put, Written};
use crate::marker::{MARKER_KEY, Marker};
use crate::metrics::{ReferenceEvent, StreamMetrics};
use ductus_dynamics::compare::{ReferenceKey, read_reference};
use ductus_dynamics::event::Modality;
use ductus_dynamics::line::{Accounting, Line, LineConfig, Recorded};
use ductus_dynamics::wire::Reference;
use std::collections::HashMap;
use std::sync::Arc;

pub(super) struct Partition {
    // PROPERTIES
    pub(super) number: i32,
    /// The end of the partition when it was assigned: no earlier owner decided about a record behind it.
    frontier: i64,
    // STATES
    /// Nobody decided about anything yet, or the models of then are gone: what comes from outside may take effect at once.
    anew: bool,
    /// Something took effect that the next checkpoint is to say.
    renewed: bool,
    pub(super) line: Line,
    /// The models in use, by modality.
    pub(super) models: [Option<Arc<LiveModel>>; Modality::ALL.len()],
    /// The offset after the last record that was taken.
    pub(super) next_offset: i64,
    pub(super) last_timestamp_us: Option<i64>,
    /// Number and next offset of the last checkpoint; 0 where there is none yet.
    pub(super) checkpoint: (u64, i64),
    /// The marker that it was taken up from, until the frontier is passed: (D, end of the decisions then).
    decisions: (i64, i64),
    /// References of others from there on have not taken effect.
    references_next: i64,
    /// What an earlier owner decided, by id of the decision.
    recorded: HashMap<String, Recorded>,
    /// References of others that wait for a checkpoint.
    outside: Vec<Outside>,
    /// Keys of references that others erased, which the next checkpoint erases as well.
    erased: Vec<String>,
    /// Records that wait for a checkpoint.
    kept: Vec<Put>,
    pub(super) kept_bytes: usize,
    /// What was counted already.
    counted: Accounting,
}

/// A change of references that somebody else made.
struct Outside {
    offset: i64,
    key: String,
    /// None where they were erased.
    reference: Option<Box<Reference>>,
}

impl Partition {
    pub(super) fn new(config: Arc<LineConfig>, topic: &str, position: &Position) -> Self {
        Self {
            number: position.partition,
            frontier: position.end,
            anew: true,
            renewed: false,
            line: Line::checkpointed(config, topic, position.partition),
            models: [None, None],
            next_offset: position.start,
            last_timestamp_us: None,
            checkpoint: (0, position.start),
            decisions: (0, 0),
            references_next: 0,
            recorded: HashMap::new(),
            outside: Vec::new(),
            erased: Vec::new(),
            kept: Vec::new(),
            kept_bytes: 0,
            counted: Accounting::default(),
        }
    }

    /// Takes up what the marker says, all but the models.
    pub(super) fn restore(&mut self, marker: &Marker) {
        self.anew = false;
        self.line.restore(&marker.line);
        self.next_offset = marker.events_next;
        self.last_timestamp_us = marker.timestamp_us;
        self.checkpoint = (marker.number, marker.events_next);
        self.decisions = (marker.decisions_from, marker.decisions_from);
        self.references_next = marker.references_next;
        self.counted = marker.line.accounting.clone();
    }

    /// Where the decisions are to be read from.
    pub(super) fn decisions_from(&self) -> i64 {
        self.decisions.0
    }

    /// Notes where they ended.
    pub(super) fn decisions_end(&mut self, end: i64) {
        self.decisions.1 = end;
    }

    /// Notes what an earlier owner decided.
    pub(super) fn record(&mut self, id: String, recorded: Recorded) {
        self.recorded.insert(id, recorded);
    }

    /// Takes out what an earlier owner decided about a window, whose id is asked for only where it matters.
    pub(super) fn recorded(&mut self, id: impl FnOnce() -> String) -> Option<Recorded> {
        if self.recorded.is_empty() {
            return None;
        }
        self.recorded.remove(&id())
    }

    /// Whether what comes from outside may take effect: no earlier owner can have decided about what comes next.
    pub(super) fn takes_outside(&self) -> bool {
        self.anew || self.next_offset >= self.frontier
    }

    /// Whether it has no checkpoint that it could go on from as it is.
    pub(super) fn is_anew(&self) -> bool {
        self.anew
    }

    /// The models that the checkpoint names are gone.
    pub(super) fn begin_anew(&mut self) {
        self.anew = true;
    }

    /// Forgets what nobody can ask for any more, once nothing before the frontier waits to be concluded; says so once.
    pub(super) fn passed_frontier(&mut self) -> bool {
        let passed = self.next_offset >= self.frontier && self.frontier != i64::MIN;
        if passed {
            self.frontier = i64::MIN;
            self.recorded = HashMap::new();
        }
        passed
    }

    /// Takes a record of the references topic. Those of checkpoints are taken at once while the partition is loaded, and are
    /// our own writes coming back afterwards. Those of others wait; what had taken effect before stands in a checkpoint.
    pub(super) fn take_reference(&mut self, kept: Kept<'_>, loading: bool) -> Option<ReferenceEvent> {
        let ours = kept.checkpoint.is_some();
        if (ours && !loading) || (!ours && kept.offset < self.references_next) {
            return None;
        }
        let key = String::from_utf8_lossy(kept.key).into_owned();
        let reference = match kept.value.map(read_reference).transpose() {
            Ok(reference) => reference.map(Box::new),
            Err(error) => {
                let (partition, offset) = (kept.partition, kept.offset);
                tracing::error!(partition, offset, %error, "stored reference is refused");
                return Some(ReferenceEvent::Refused);
            }
        };
        let event = match &reference {
            Some(_) => ReferenceEvent::Read,
            None => ReferenceEvent::Erased,
        };
        match reference {
            Some(reference) if ours => self.line.put_reference(*reference),
            None if ours => self.line.remove_reference(&key),
            reference => self.outside.push(Outside {
                offset: kept.offset,
                key,
                reference,
            }),
        }
        Some(event)
    }

    /// How many changes of others wait.
    pub(super) fn waiting_outside(&self) -> usize {
        self.outside.len()
    }

    /// Lets what others did take effect. The next checkpoint writes it again: what it writes is the whole truth, and comes
    /// after whatever an earlier checkpoint wrote while this was waiting.
    pub(super) fn take_outside(&mut self) {
        self.renewed = true;
        for outside in std::mem::take(&mut self.outside) {
            self.references_next = self.references_next.max(outside.offset + 1);
            match outside.reference {
                Some(reference) => self.put(*reference),
                None => {
                    self.line.remove_reference(&outside.key);
                    self.erased.push(outside.key);
                }
            }
        }
    }

    fn put(&mut self, reference: Reference) {
        let key = ReferenceKey::of(&reference);
        let known = self.line.reference_version(&key);
        // What was learned here meanwhile goes before what somebody wrote who did not know of it.
        if known.is_none_or(|known| reference.version > known) {
            self.line.put_reference(reference);
        }
        self.line.rewrite_reference(key);
    }

    /// Keeps a record for the next checkpoint.
    pub(super) fn keep(&mut self, put: Put) {
        self.kept_bytes += put.bytes();
        self.kept.push(put);
    }

    /// Whether a checkpoint would say anything new.
    pub(super) fn has_news(&self) -> bool {
        self.renewed || self.checkpoint.0 == 0 || self.has_unsaved()
    }

    /// Whether it was read further than a checkpoint says.
    pub(super) fn has_unsaved(&self) -> bool {
        self.checkpoint.1 != self.next_offset || !self.kept.is_empty()
    }

    /// Begins the next checkpoint, of how everything stands now; nothing waits to be concluded. Appends its records, all but the
    /// sessions', which [`Partition::save_sessions`] gives. `said` is the offset after the last acknowledged decision.
    pub(super) fn begin_checkpoint(
        &mut self,
        said: Option<i64>,
        records: &mut Vec<Put>,
        metrics: &StreamMetrics,
    ) -> Result<(i32, i64, u64), StreamError> {
        let number = self.checkpoint.0 + 1;
        if self.frontier == i64::MIN {
            let (from, end) = self.decisions;
            self.decisions.0 = from.max(end).max(said.unwrap_or(0));
        }
        let partition = Some(self.number);
        self.line.begin_checkpoint();
        let reference = |key: String, value: Option<Vec<u8>>| Put {
            topic: Written::References,
            partition,
            key: Some(key.into_bytes()),
            value,
            headers: vec![(CHECKPOINT_HEADER, number.to_string())],
        };
        records.extend(self.erased.drain(..).map(|key| reference(key, None)));
        for changed in self.line.changed_references() {
            let key = ReferenceKey::of(&changed).record_key();
            records.push(reference(key, Some(serde_json::to_vec(&changed)?)));
            metrics.reference(ReferenceEvent::Written);
        }
        records.append(&mut self.kept);
        self.kept_bytes = 0;
        let marker = Marker {
            number,
            events_next: self.next_offset,
            decisions_from: self.decisions.0,
            references_next: self.references_next,
            timestamp_us: self.last_timestamp_us,
            models: std::array::from_fn(|index| self.models[index].as_ref().map(|live| (&live.model).into())),
            line: self.line.state(),
        };
        records.push(session_state(self.number, MARKER_KEY, Some(&marker.to_bytes()?)));
        self.checkpoint = (number, self.next_offset);
        (self.anew, self.renewed) = (false, false);
        Ok((self.number, self.next_offset, number))
    }

    /// Appends at most so many session states of the checkpoint that was begun; returns whether these were the last.
    pub(super) fn save_sessions(&mut self, most: usize, records: &mut Vec<Put>) -> Result<bool, StreamError> {
        let number = self.number;
        self.line.save_sessions(most, |key, state| {
            records.push(session_state(number, key.as_bytes(), state));
            Ok(())
        })
    }

    /// What was counted since the last call, if anything was.
    pub(super) fn uncounted(&mut self) -> Option<Accounting> {
        let now = self.line.accounting();
        if *now == self.counted {
            return None;
        }
        let new = now.since(&self.counted);
        self.counted = now.clone();
        Some(new)
    }
}

/// A record of the session states.
fn session_state(partition: i32, key: &[u8], value: Option<&[u8]>) -> Put {
    Put {
        topic: Written::SessionState,
        partition: Some(partition),
        key: Some(key.to_vec()),
        value: value.map(<[u8]>::to_vec),
        headers: Vec::new(),
    }
}
