//! What a checkpoint keeps of a line: one sealed state a session, and what belongs to no session.
//!
//! Invariants: a line that was taken up again from its states, its references and the records after them gives the same
//! windows, decisions and counts as one that was never interrupted; only what changed since the last time is written; no
//! checkpoint is begun while windows wait to be concluded, because they are in no state.

use super::departed::Gone;
use super::session::{self, Session, SessionState};
use super::{Accounting, Line, Watermark};
use crate::compare::ReferenceKey;
use crate::state::{self, StateError};
use crate::wire::Reference;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What belongs to no session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LineState {
    /// The watermark; none where nothing was read yet.
    pub watermark: Option<Watermark>,
    /// Event counts.
    pub accounting: Accounting,
}

impl LineState {
    /// Refuses counts that no log can have given: what was read from outside is asked before it is used.
    ///
    /// # Errors
    ///
    /// [`StateError::Contradiction`]
    pub fn check(&self) -> Result<(), StateError> {
        if self.accounting.is_sound() {
            Ok(())
        } else {
            Err(StateError::Contradiction("counts of events that do not add up"))
        }
    }
}

/// What is written under a session's key.
#[derive(Serialize, Deserialize)]
pub(super) enum Stored {
    Open(Box<SessionState>),
    /// Closed and remembered, so that a repeated batch is known as one.
    Gone(Gone),
}

impl Stored {
    pub(super) fn open(session: &Session) -> Self {
        Self::Open(Box::new(session.state()))
    }
}

impl Line {
    /// What belongs to no session.
    pub fn state(&self) -> LineState {
        LineState {
            watermark: self.watermark.clone(),
            accounting: self.accounting.clone(),
        }
    }

    /// Begins a checkpoint of how everything stands now: of its sessions, [`Line::save_sessions`] hands out those that changed
    /// since the one before was begun. That one is through.
    pub fn begin_checkpoint(&mut self) {
        let (sessions, departed) = (&self.sessions, &self.departed);
        self.unsaved
            .begin(|key| (!sessions.contains_key(key)).then(|| departed.get(key).copied()));
    }

    /// Hands out sessions of the checkpoint that was begun, as they stood then, whatever was ingested since: the key,
    /// `tenant/session`, and the sealed state, or nothing where the session is forgotten. Seals at most so many; returns whether
    /// there are no more.
    ///
    /// # Errors
    ///
    /// What `each` fails with, or [`StateError`]. Then some sessions count as written all the same: the line is to be dropped.
    pub fn save_sessions<E: From<StateError>>(
        &mut self,
        most: usize,
        mut each: impl FnMut(&str, Option<&[u8]>) -> Result<(), E>,
    ) -> Result<bool, E> {
        for written in self.unsaved.take_ahead() {
            let (key, state) = written?;
            each(&key, state.as_deref())?;
        }
        let mut bytes = Vec::new();
        for _ in 0..most {
            let Some(key) = self.unsaved.take_pending() else {
                break;
            };
            // It may have left, or was written before it changed.
            let session = self
                .sessions
                .get_mut(&key)
                .filter(|session| self.unsaved.is_due(session));
            if let Some(session) = session {
                session.unsaved = None;
                bytes.clear();
                bytes = state::seal(&Stored::open(session), bytes)?;
                each(&key, Some(&bytes))?;
            }
        }
        Ok(self.unsaved.is_through())
    }

    /// Lets the next checkpoint write a session, although it did not change.
    pub fn rewrite_session(&mut self, key: &str) {
        match self.sessions.get_mut(key) {
            Some(session) => self.unsaved.note(session),
            None => self.unsaved.note_left(key.into()),
        }
    }

    /// Every reference set that windows changed since the last call, in the order of their keys.
    pub fn changed_references(&mut self) -> Vec<Reference> {
        let keys = std::mem::take(&mut self.taught);
        let sets = keys.iter().filter_map(|key| self.references.get(key));
        let mut changed: Vec<Reference> = sets.map(|set| set.stored()).collect();
        changed.sort_by_cached_key(|reference| ReferenceKey::of(reference).record_key());
        changed
    }

    /// Takes up what belongs to no session, as [`Line::state`] gave it.
    pub fn restore(&mut self, state: &LineState) {
        self.watermark = state.watermark.clone();
        self.accounting = state.accounting.clone();
    }

    /// Takes up a session as [`Line::save_sessions`] gave it.
    ///
    /// # Errors
    ///
    /// [`StateError`]; the line is as it was.
    pub fn restore_session(&mut self, key: &str, bytes: Option<&[u8]>) -> Result<(), StateError> {
        let stored = match bytes.map(state::open::<Stored>).transpose()? {
            Some(Stored::Open(state)) => Some(Ok(Session::from_state(key, *state, &self.config)?)),
            Some(Stored::Gone(gone)) => session::names(key).map(|_| Some(Err(gone)))?,
            None => None,
        };
        if let Some(mut session) = self.sessions.remove(key) {
            session.unlist(&mut self.due);
        }
        self.departed.remove(key);
        match stored {
            Some(Ok(mut session)) => {
                session.list(&mut self.due, &self.config);
                self.sessions.insert(Arc::clone(&session.key), session);
            }
            Some(Err(gone)) => {
                self.departed.insert(key.into(), gone, self.config.repeat_sessions_max);
            }
            None => {}
        }
        Ok(())
    }
}
