//! The whole line of one partition without its I/O: records in, windows to embed, decisions out. The stream, the archive,
//! the demo and the oracle of the tests run this same state machine.
//!
//! Invariants:
//! - The result is a function of the records and their order; no clock is read. The watermark comes from record timestamps,
//!   and believes none for itself ([`Watermark`]).
//! - What the watermark closes is counted from where it stood at the session's latest record, so that a recording of last
//!   year, or a producer whose clock is wrong, is cut into windows like any other.
//! - Every event is counted exactly once: events = windowed + late + duplicate + rejected ([`Accounting::balances`]).
//! - A bad record changes nothing but the counts and leaves a dead letter.
//! - Windows of a session are concluded in the order in which they became ready.
//! - No two windows have the same id, also where batches are repeated after their session was forgotten, as long as
//!   [`LineConfig::repeat_us`] says.

mod accounting;
mod checkpoint;
mod conclude;
mod departed;
mod session;
mod unsaved;
mod watermark;

pub use accounting::Accounting;
pub use checkpoint::LineState;
pub use conclude::{Embedded, Outcome, Recorded};
pub use session::SessionId;
pub use watermark::Watermark;

use crate::compare::{ReferenceKey, ReferencePolicy, ReferenceSet};
use crate::decide::{DecisionPolicy, Thresholds};
use crate::event::{InputEvent, Modality};
use crate::evidence::EvidencePolicy;
use crate::feature::FeatureWindow;
use crate::id;
use crate::liveness::{LivenessPolicy, Watch};
use crate::parse::{BatchHead, ParseLimits, parse};
use crate::reason::Measures;
use crate::reject::{RejectReason, Rejections};
use crate::replay::ReplayPolicy;
use crate::window::{Window, WindowConfig};
use crate::wire::{self, AuditAction, AuditRecord, Closed, Device, Purpose, Reference, Source};
use departed::{Departed, Gone};
use session::{Session, Standing};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock};
use unsaved::Unsaved;
use watermark::Bounds;

/// Everything that the line's result depends on, besides records, models and references.
#[derive(Clone, Debug, PartialEq)]
pub struct LineConfig {
    /// Bounds on one batch.
    pub parse: ParseLimits,
    /// How keystrokes are cut into windows.
    pub keystroke: WindowConfig,
    /// How pointer events are cut into windows.
    pub pointer: WindowConfig,
    /// A session without records for this long, by the partition's watermark, is closed and forgotten, µs.
    pub idle_us: i64,
    /// How far the watermark stays behind the latest record timestamp, µs.
    pub lateness_us: i64,
    /// Furthest that one record may move the watermark, µs: less than a pause, so that no single odd timestamp closes
    /// anybody's windows.
    pub watermark_step_us_max: i64,
    /// Most sessions open at once in a partition.
    pub sessions_max: usize,
    /// How long a session that was forgotten is remembered by its batch number, so that a batch that is repeated late opens no
    /// second session under its name, µs by the watermark.
    pub repeat_us: i64,
    /// Most sessions remembered so, or none with 0; the one that was forgotten first gives way.
    pub repeat_sessions_max: usize,
    /// How evidence accumulates.
    pub evidence: EvidencePolicy,
    /// Where the lines are.
    pub decision: DecisionPolicy,
    /// Where they are for some tenants and subjects.
    pub thresholds: Thresholds,
    /// Bounds on references.
    pub references: ReferencePolicy,
    /// What counts as no person.
    pub liveness: LivenessPolicy,
    /// What counts as a replay.
    pub replay: ReplayPolicy,
}

impl Default for LineConfig {
    fn default() -> Self {
        Self {
            parse: ParseLimits::default(),
            keystroke: WindowConfig::KEYSTROKE,
            pointer: WindowConfig::POINTER,
            idle_us: 1_800_000_000,
            lateness_us: 2_000_000,
            watermark_step_us_max: 10_000_000,
            sessions_max: 100_000,
            repeat_us: 86_400_000_000,
            repeat_sessions_max: 100_000,
            evidence: EvidencePolicy::default(),
            decision: DecisionPolicy::default(),
            thresholds: Thresholds::default(),
            references: ReferencePolicy::default(),
            liveness: LivenessPolicy::default(),
            replay: ReplayPolicy::default(),
        }
    }
}

impl LineConfig {
    /// How windows of `modality` are cut.
    pub fn window(&self, modality: Modality) -> &WindowConfig {
        match modality {
            Modality::Keystroke => &self.keystroke,
            Modality::Pointer => &self.pointer,
        }
    }
}

/// One record of the events topic.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Offset within the partition.
    pub offset: i64,
    /// Timestamp of the record, µs since the Unix epoch.
    pub timestamp_us: i64,
    /// Value.
    pub value: &'a [u8],
}

/// A closed window that waits for its embedding.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Whose it is.
    pub id: Arc<SessionId>,
    /// What its events may be used for.
    pub purpose: Purpose,
    /// Device class of the batch that closed it.
    pub device: Device,
    /// The window.
    pub window: Window,
    /// Offset of the record that closed it.
    pub offset: i64,
    /// Where its session stands with the subject.
    standing: Arc<Mutex<Standing>>,
    /// What its session's windows looked like so far.
    watch: Arc<Mutex<Watch>>,
    /// What follows from the window, made when it is first asked for: a window that is compared with nothing needs neither.
    features: OnceLock<FeatureWindow>,
    measures: OnceLock<Measures>,
}

impl Ready {
    /// Its features, `[len × FEATURES]`.
    pub fn features(&self) -> &FeatureWindow {
        self.features.get_or_init(|| FeatureWindow::of(&self.window))
    }

    /// Its measures in human units.
    pub fn measures(&self) -> &Measures {
        self.measures.get_or_init(|| Measures::of(&self.window))
    }

    /// The id of the decision about it.
    pub fn decision_id(&self) -> String {
        id::decision_id(
            &self.id.tenant,
            &self.id.session,
            self.window.modality,
            self.window.sequence,
        )
    }

    /// A window of a session about which nothing has been concluded yet.
    pub fn first(id: Arc<SessionId>, purpose: Purpose, device: Device, window: Window, offset: i64) -> Self {
        Self {
            id,
            purpose,
            device,
            window,
            offset,
            standing: Arc::default(),
            watch: Arc::default(),
            features: OnceLock::new(),
            measures: OnceLock::new(),
        }
    }
}

/// A refused record, or a part of one; the stream adds hash and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub reason: RejectReason,
    /// Whether parsing proved that the value holds no content.
    pub contentless: bool,
}

/// What one record gave; the caller keeps it and clears it, so that its buffers are used again.
#[derive(Debug, Default)]
pub struct Ingested {
    /// Windows to embed and conclude, in order.
    pub ready: Vec<Ready>,
    /// Audit records.
    pub audits: Vec<AuditRecord>,
    /// Dead letters to write for this record.
    pub refused: Vec<Refused>,
}

impl Ingested {
    /// Empties it, keeping its buffers.
    pub fn clear(&mut self) {
        self.ready.clear();
        self.audits.clear();
        self.refused.clear();
    }
}

/// The state machine of one partition.
#[derive(Debug)]
pub struct Line {
    // PROPERTIES
    config: Arc<LineConfig>,
    topic: String,
    partition: i32,
    // STATES
    sessions: HashMap<Arc<str>, Session>,
    /// The watermark at which a session's next pause or expiry is due, or an earlier one: (due, key). A batch that puts it off
    /// leaves the list alone; whoever comes to the entry lists it anew.
    due: BTreeSet<(i64, Arc<str>)>,
    departed: Departed,
    unsaved: Unsaved,
    references: HashMap<ReferenceKey, ReferenceSet>,
    /// Reference sets that changed since the last checkpoint.
    taught: HashSet<ReferenceKey>,
    /// None while nothing was read.
    watermark: Option<Watermark>,
    accounting: Accounting,
    /// Buffers used again for each record.
    events: Vec<InputEvent>,
    windows: Vec<Window>,
    key: String,
}

impl Line {
    /// An empty line for one partition of the events topic, of which no checkpoints are taken.
    pub fn new(config: Arc<LineConfig>, topic: &str, partition: i32) -> Self {
        Self::open(config, topic, partition, false)
    }

    /// The same with checkpoints: it remembers what they have to write.
    pub fn checkpointed(config: Arc<LineConfig>, topic: &str, partition: i32) -> Self {
        Self::open(config, topic, partition, true)
    }

    fn open(config: Arc<LineConfig>, topic: &str, partition: i32, kept: bool) -> Self {
        Self {
            config,
            topic: topic.to_owned(),
            partition,
            sessions: HashMap::new(),
            due: BTreeSet::new(),
            departed: Departed::default(),
            unsaved: Unsaved::new(kept),
            references: HashMap::new(),
            taught: HashSet::new(),
            watermark: None,
            accounting: Accounting::default(),
            events: Vec::new(),
            windows: Vec::new(),
            key: String::new(),
        }
    }

    /// Takes one record; what it gives is appended to `out`.
    pub fn ingest(&mut self, record: &Record<'_>, out: &mut Ingested) {
        let mut events = std::mem::take(&mut self.events);
        events.clear();
        let mut rejections = Rejections::default();
        match parse(record.value, &self.config.parse, &mut events, &mut rejections) {
            Ok(head) => self.ingest_parsed(&head, &events, &rejections, record, out),
            Err(refusal) => {
                self.move_watermark(record.timestamp_us);
                self.accounting.batches += 1;
                self.accounting.events += refusal.events;
                self.accounting.rejected.add(refusal.reason, refusal.events);
                self.accounting.batches_rejected.add(refusal.reason, 1);
                out.refused.push(Refused {
                    reason: refusal.reason,
                    contentless: refusal.contentless,
                });
                self.close_due(record.offset, out);
            }
        }
        self.events = events;
    }

    /// Takes one record that the caller has parsed, and may have judged: [`parse`] gave `head`, `events` and `rejections`.
    pub fn ingest_parsed(
        &mut self,
        head: &BatchHead<'_>,
        events: &[InputEvent],
        rejections: &Rejections,
        record: &Record<'_>,
        out: &mut Ingested,
    ) {
        self.move_watermark(record.timestamp_us);
        self.take_batch(head, events, rejections, record, out);
        self.close_due(record.offset, out);
    }

    /// Closes every session, as if all had ended: for recordings and tests, whose input has an end.
    pub fn finish(&mut self, out: &mut Ingested) {
        let mut keys: Vec<Arc<str>> = self.sessions.keys().cloned().collect();
        keys.sort_unstable();
        for key in keys {
            let offset = self.sessions.get(&key).map_or(0, |session| session.last_offset);
            self.expire(&key, offset, out);
        }
    }

    /// Stores a reference set that was read from the references topic.
    pub fn put_reference(&mut self, reference: Reference) {
        self.put_reference_set(ReferenceSet::from_stored(reference));
    }

    /// The same, of a set that was taken into use elsewhere.
    pub fn put_reference_set(&mut self, set: ReferenceSet) {
        let key = set.key();
        self.taught.remove(&key);
        self.references.insert(key, set);
    }

    /// Hands a reference set out with the next changed ones, although it did not change.
    pub fn rewrite_reference(&mut self, key: ReferenceKey) {
        self.taught.insert(key);
    }

    /// The version of a reference set, if there is one.
    pub fn reference_version(&self, key: &ReferenceKey) -> Option<u32> {
        let set = self.references.get(key)?;
        Some(set.summary(&self.config.references).version)
    }

    /// Forgets a reference set (its record became a tombstone).
    pub fn remove_reference(&mut self, record_key: &str) {
        self.references.retain(|key, _| key.record_key() != record_key);
        self.taught.retain(|key| key.record_key() != record_key);
    }

    /// Event counts so far.
    pub fn accounting(&self) -> &Accounting {
        &self.accounting
    }

    /// Sessions that are open.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// How far event time has come for sure, µs since the Unix epoch by the clock that moved it last; `None` while nothing was
    /// read: the partition is idle.
    pub fn watermark_us(&self) -> Option<i64> {
        self.watermark.as_ref().map(Watermark::leader_us)
    }

    /// The watermark and its clocks.
    pub fn watermark(&self) -> Option<&Watermark> {
        self.watermark.as_ref()
    }

    /// How far event time has come by the partition's own time, µs.
    fn time_us(&self) -> i64 {
        self.watermark.as_ref().map_or(i64::MIN, Watermark::time_us)
    }

    fn take_batch(
        &mut self,
        head: &BatchHead<'_>,
        events: &[InputEvent],
        rejections: &Rejections,
        record: &Record<'_>,
        out: &mut Ingested,
    ) {
        let time_us = self.time_us();
        self.accounting.batches += 1;
        self.accounting.events += head.events;
        self.key.clear();
        self.key.extend([head.tenant, "/", head.session]);
        let open = self.sessions.get_mut(self.key.as_str());
        let (session, open) = match open {
            Some(session) => (session, true),
            None => {
                if let Some(reason) = self.refusal(head) {
                    out.refused.push(Refused {
                        reason,
                        contentless: true,
                    });
                    return;
                }
                self.departed.remove(&self.key);
                let session = Session::open(&self.key, head, record, time_us, &self.config);
                let key = Arc::clone(&session.key);
                (self.sessions.entry(key).insert_entry(session).into_mut(), false)
            }
        };
        self.unsaved.note(session);
        if !open {
            let mut audit = audit(AuditAction::SessionOpened, &session.id, record.timestamp_us);
            audit.source = Some(Source {
                topic: self.topic.clone(),
                partition: self.partition,
                offset: record.offset,
            });
            out.audits.push(audit);
        }
        if open && head.seq < session.seq_next {
            // Its windows have gone on without it; whether it was ever here before decides what it is called.
            let (count, reason) = if session.missing.remove(&head.seq) {
                (&mut self.accounting.late, RejectReason::LateEvents)
            } else {
                (&mut self.accounting.duplicate, RejectReason::RepeatedBatch)
            };
            *count += head.events;
            out.refused.push(Refused {
                reason,
                contentless: true,
            });
            return;
        }
        if open && head.seq > session.seq_next {
            self.accounting.gaps += u64::from(head.seq - session.seq_next);
            session.note_missing(head.seq);
            out.refused.push(Refused {
                reason: RejectReason::MissingBatches,
                contentless: true,
            });
        }
        let fates = session.take(head, events, record.offset, time_us, &mut self.windows, &mut out.ready);
        self.accounting.windowed += fates.windowed;
        self.accounting.late += fates.late;
        for rejected in [rejections, &fates.rejected] {
            // Nearly always: that much is worth not looking at every reason.
            if rejected.is_empty() {
                continue;
            }
            self.accounting.rejected.merge(rejected);
            out.refused.extend(rejected.iter().map(|(reason, _)| Refused {
                reason,
                contentless: true,
            }));
        }
        if fates.late > 0 {
            out.refused.push(Refused {
                reason: RejectReason::LateEvents,
                contentless: true,
            });
        }
        session.hand_over(&mut self.windows, record.offset, &mut out.ready);
        session.list(&mut self.due, &self.config);
    }

    /// Why a session that is not open is not opened with this batch, if so; its events are counted then.
    fn refusal(&mut self, head: &BatchHead<'_>) -> Option<RejectReason> {
        let gone = self.departed.get(&self.key);
        if gone.is_some_and(|gone| head.seq < gone.seq_next) {
            self.accounting.duplicate += head.events;
            return Some(RejectReason::RepeatedBatch);
        }
        if self.sessions.len() >= self.config.sessions_max {
            self.accounting.rejected.add(RejectReason::TooManySessions, head.events);
            self.accounting.batches_rejected.add(RejectReason::TooManySessions, 1);
            return Some(RejectReason::TooManySessions);
        }
        None
    }

    fn move_watermark(&mut self, timestamp_us: i64) {
        let bounds = Bounds {
            lateness_us: self.config.lateness_us,
            step_us: self.config.watermark_step_us_max,
            behind_us: self.config.idle_us,
        };
        match &mut self.watermark {
            Some(watermark) => self.accounting.odd_timestamps += u64::from(watermark.take(timestamp_us, bounds)),
            None => self.watermark = Some(Watermark::begin(timestamp_us, bounds)),
        }
    }

    /// Closes what pauses and expiries are due by the watermark.
    fn close_due(&mut self, offset: i64, out: &mut Ingested) {
        let time_us = self.time_us();
        while let Some(key) = self.departed.expire(time_us) {
            self.unsaved.note_left(key.into());
        }
        while self.due.first().is_some_and(|(due_us, _)| *due_us < time_us) {
            let Some((due_us, key)) = self.due.pop_first() else {
                return;
            };
            let Some(session) = self.sessions.get_mut(&key) else {
                continue;
            };
            session.listed_us = None;
            // Put off meanwhile: closings come in the order in which they are due.
            if session.due_us(&self.config) > due_us {
                session.list(&mut self.due, &self.config);
            } else if session.expires_us(&self.config) < time_us {
                self.expire(&key, offset, out);
            } else {
                self.unsaved.note(session);
                session.pause(&mut self.windows);
                session.hand_over(&mut self.windows, offset, &mut out.ready);
                session.list(&mut self.due, &self.config);
            }
        }
    }

    /// Closes a session for good. Its last windows carry what they need to be concluded.
    fn expire(&mut self, key: &str, offset: i64, out: &mut Ingested) {
        let Some(mut session) = self.sessions.remove(key) else {
            return;
        };
        self.unsaved.note(&mut session);
        self.unsaved.note_left(Arc::clone(&session.key));
        session.unlist(&mut self.due);
        session.close(Closed::End, &mut self.windows);
        session.hand_over(&mut self.windows, offset, &mut out.ready);
        out.audits
            .push(audit(AuditAction::SessionClosed, &session.id, session.last_us));
        let gone = Gone {
            seq_next: session.seq_next,
            until_us: self.time_us().saturating_add(self.config.repeat_us),
        };
        let most = self.config.repeat_sessions_max;
        if let Some(forgotten) = self.departed.insert(key.into(), gone, most) {
            self.unsaved.note_left(forgotten.into());
        }
    }
}

/// An audit record about a session. Its id follows from its cause: kind, session and time.
fn audit(action: AuditAction, session: &SessionId, time_us: i64) -> AuditRecord {
    let kind = format!("{action:?}");
    AuditRecord {
        v: wire::VERSION,
        id: id::id(&["audit", &kind, &session.tenant, &session.session, &time_us.to_string()]),
        action,
        tenant: session.tenant.clone(),
        subject: session.subject.clone(),
        session: Some(session.session.clone()),
        decision: None,
        model: None,
        reference: None,
        source: None,
        access: None,
        time_us,
    }
}

#[cfg(test)]
mod tests;
