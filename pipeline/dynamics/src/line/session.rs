//! One open session: its windower, its evidence, and where it stands in the log.
//!
//! Invariants: batches are taken in the order of their numbers; a claimed subject that changes starts the evidence afresh.

use super::{LineConfig, Ready, Record};
use crate::event::InputEvent;
use crate::evidence::Evidence;
use crate::liveness::Watch;
use crate::parse::{BatchHead, is_id};
use crate::reject::Rejections;
use crate::state::StateError;
use crate::window::{Fate, Window, Windower, WindowerState};
use crate::wire::{Action, Closed, Device, Purpose};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Most skipped batch numbers that a session remembers.
const MISSING_MAX: u32 = 64;

/// Whose session it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionId {
    /// Tenant.
    pub tenant: String,
    /// Session.
    pub session: String,
    /// Subject, if one is claimed.
    pub subject: Option<String>,
}

impl SessionId {
    /// The key of the session within its partition.
    pub fn key(&self) -> String {
        format!("{}/{}", self.tenant, self.session)
    }
}

/// How many events met which fate.
#[derive(Debug, Default)]
pub(super) struct Fates {
    pub(super) windowed: u64,
    pub(super) late: u64,
    pub(super) rejected: Rejections,
}

/// Where a session stands with its subject: what its concluded windows have said. Belongs to one claim of one subject.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Standing {
    pub(super) evidence: Evidence,
    /// The last action that was asked for.
    pub(super) action: Action,
}

impl Default for Standing {
    fn default() -> Self {
        Self {
            evidence: Evidence::default(),
            action: Action::Allow,
        }
    }
}

#[derive(Debug)]
pub(super) struct Session {
    /// `tenant/session`.
    pub(super) key: Arc<str>,
    /// Under which watermark it stands in the list of what is due, µs: that of [`Session::due_us`] or an earlier one.
    pub(super) listed_us: Option<i64>,
    /// Number of the checkpoint that has to write it, if it changed since it was written.
    pub(super) unsaved: Option<u64>,
    pub(super) id: Arc<SessionId>,
    /// Shared with its windows that wait for their embedding, so that they outlive the session if need be.
    standing: Arc<Mutex<Standing>>,
    /// Likewise: what the detectors remember of the claim.
    watch: Arc<Mutex<Watch>>,
    /// Offset of its latest record.
    pub(super) last_offset: i64,
    /// The batch number that comes next.
    pub(super) seq_next: u32,
    /// Batch numbers that were skipped, the latest [`MISSING_MAX`] of them.
    pub(super) missing: BTreeSet<u32>,
    /// Latest event time, µs.
    pub(super) last_us: i64,
    windower: Windower,
    purpose: Purpose,
    device: Device,
    clock_origin_us: i64,
    /// The partition's watermark at its latest batch, µs.
    watermark_us: i64,
}

/// A session, as it is written; tenant and session stand in its key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SessionState {
    subject: Option<String>,
    standing: Standing,
    watch: Watch,
    last_offset: i64,
    seq_next: u32,
    missing: Vec<u32>,
    last_us: i64,
    windower: WindowerState,
    purpose: Purpose,
    device: Device,
    clock_origin_us: i64,
    watermark_us: i64,
}

impl Session {
    /// What is to be written of it. Nothing of it waits to be concluded.
    pub(super) fn state(&self) -> SessionState {
        SessionState {
            subject: self.id.subject.clone(),
            standing: *self.standing.lock().unwrap_or_else(PoisonError::into_inner),
            watch: self.watch.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            last_offset: self.last_offset,
            seq_next: self.seq_next,
            missing: self.missing.iter().copied().collect(),
            last_us: self.last_us,
            windower: self.windower.state(),
            purpose: self.purpose,
            device: self.device,
            clock_origin_us: self.clock_origin_us,
            watermark_us: self.watermark_us,
        }
    }

    /// The session of a state under its key.
    pub(super) fn from_state(key: &str, state: SessionState, config: &LineConfig) -> Result<Self, StateError> {
        let (tenant, session) = names(key)?;
        if !state.subject.as_deref().is_none_or(is_id) {
            return Err(StateError::Contradiction("a subject whose id is none"));
        }
        if state.missing.len() > MISSING_MAX as usize {
            return Err(StateError::Contradiction(
                "more batches are missing than are remembered",
            ));
        }
        let in_order = state.missing.is_sorted_by(|one, next| one < next);
        if !in_order || state.missing.last().is_some_and(|last| *last >= state.seq_next) {
            return Err(StateError::Contradiction("missing batches that were not skipped"));
        }
        if !state.standing.evidence.is_sound() {
            return Err(StateError::Contradiction("evidence that no windows can have given"));
        }
        if !state.watch.is_sound() {
            return Err(StateError::Contradiction(
                "remembered input that no windows can have given",
            ));
        }
        Ok(Self {
            key: key.into(),
            listed_us: None,
            unsaved: None,
            id: Arc::new(SessionId {
                tenant: tenant.to_owned(),
                session: session.to_owned(),
                subject: state.subject,
            }),
            standing: Arc::new(Mutex::new(state.standing)),
            watch: Arc::new(Mutex::new(state.watch)),
            last_offset: state.last_offset,
            seq_next: state.seq_next,
            missing: state.missing.into_iter().collect(),
            last_us: state.last_us,
            windower: Windower::from_state(&state.windower, config.keystroke, config.pointer)?,
            purpose: state.purpose,
            device: state.device,
            clock_origin_us: state.clock_origin_us,
            watermark_us: state.watermark_us,
        })
    }

    pub(super) fn open(
        key: &str,
        head: &BatchHead<'_>,
        record: &Record<'_>,
        watermark_us: i64,
        config: &LineConfig,
    ) -> Self {
        // A session that comes back after it was forgotten goes on numbering where no number was used: a batch closes
        // fewer windows than it may hold events.
        let sequence = u64::from(head.seq) * config.parse.batch_events_max as u64;
        Self {
            key: key.into(),
            listed_us: None,
            unsaved: None,
            id: Arc::new(session_id(head)),
            standing: Arc::default(),
            watch: Arc::default(),
            last_offset: record.offset,
            seq_next: head.seq,
            missing: BTreeSet::new(),
            last_us: i64::MIN,
            windower: Windower::new(config.keystroke, config.pointer, sequence),
            purpose: head.purpose,
            device: head.device,
            clock_origin_us: head.clock.origin_us,
            watermark_us,
        }
    }

    /// Takes the events of the next batch; windows that they close are appended to `windows`. What a change of the claim
    /// closes goes to `ready` at once, under the claim that it was made with.
    pub(super) fn take(
        &mut self,
        head: &BatchHead<'_>,
        events: &[InputEvent],
        offset: i64,
        watermark_us: i64,
        windows: &mut Vec<Window>,
        ready: &mut Vec<Ready>,
    ) -> Fates {
        self.seq_next = head.seq.saturating_add(1);
        self.last_offset = offset;
        self.watermark_us = watermark_us;
        if head.clock.origin_us != self.clock_origin_us {
            self.clock_origin_us = head.clock.origin_us;
            self.windower.clock_step(windows);
        }
        if head.subject != self.id.subject.as_deref() {
            self.windower.close(Closed::End, windows);
            self.hand_over(windows, offset, ready);
            self.id = Arc::new(session_id(head));
            self.standing = Arc::default();
            self.watch = Arc::default();
        }
        self.purpose = head.purpose;
        self.device = head.device;
        let mut fates = Fates::default();
        for event in events {
            match self.windower.push(event, windows) {
                Fate::Windowed => fates.windowed += 1,
                Fate::Late => fates.late += 1,
                Fate::Rejected(reason) => fates.rejected.add(reason, 1),
            }
            self.last_us = self.last_us.max(event.t_us);
        }
        fates
    }

    /// Remembers the batch numbers between the one expected and `seq`, so that they are called late when they come.
    pub(super) fn note_missing(&mut self, seq: u32) {
        self.missing
            .extend(self.seq_next.max(seq.saturating_sub(MISSING_MAX))..seq);
        while self.missing.len() > MISSING_MAX as usize {
            self.missing.pop_first();
        }
    }

    /// A pause, by the watermark: nothing came for as long as would close the windows.
    pub(super) fn pause(&mut self, windows: &mut Vec<Window>) {
        self.close(Closed::Pause, windows);
    }

    pub(super) fn close(&mut self, closed: Closed, windows: &mut Vec<Window>) {
        self.windower.close(closed, windows);
    }

    /// Turns closed windows into ready ones.
    pub(super) fn hand_over(&mut self, windows: &mut Vec<Window>, offset: i64, ready: &mut Vec<Ready>) {
        ready.extend(windows.drain(..).map(|window| {
            let first = Ready::first(self.id.clone(), self.purpose, self.device, window, offset);
            Ready {
                standing: self.standing.clone(),
                watch: self.watch.clone(),
                ..first
            }
        }));
    }

    /// Lists it where it is due, unless it is listed for earlier already.
    pub(super) fn list(&mut self, due: &mut BTreeSet<(i64, Arc<str>)>, config: &LineConfig) {
        let due_us = self.due_us(config);
        if self.listed_us.is_none_or(|listed_us| due_us < listed_us) {
            self.unlist(due);
            due.insert((due_us, Arc::clone(&self.key)));
            self.listed_us = Some(due_us);
        }
    }

    /// Takes it off the list.
    pub(super) fn unlist(&mut self, due: &mut BTreeSet<(i64, Arc<str>)>) {
        if let Some(listed_us) = self.listed_us.take() {
            due.remove(&(listed_us, Arc::clone(&self.key)));
        }
    }

    /// The watermark at which something is to be closed here, µs.
    pub(super) fn due_us(&self, config: &LineConfig) -> i64 {
        if self.windower.is_empty() {
            return self.expires_us(config);
        }
        let pause_us = config.keystroke.pause_us.max(config.pointer.pause_us);
        self.watermark_us.saturating_add(pause_us).min(self.expires_us(config))
    }

    /// The watermark at which the session is forgotten, µs.
    pub(super) fn expires_us(&self, config: &LineConfig) -> i64 {
        self.watermark_us.saturating_add(config.idle_us)
    }
}

/// Tenant and session of a key.
pub(super) fn names(key: &str) -> Result<(&str, &str), StateError> {
    key.split_once('/')
        .filter(|(tenant, session)| is_id(tenant) && is_id(session))
        .ok_or(StateError::Contradiction("its key is no session's"))
}

fn session_id(head: &BatchHead<'_>) -> SessionId {
    SessionId {
        tenant: head.tenant.to_owned(),
        session: head.session.to_owned(),
        subject: head.subject.map(str::to_owned),
    }
}
