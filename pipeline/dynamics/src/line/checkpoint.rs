//! What a checkpoint keeps of a line: one sealed state a session, and what belongs to no session.
//!
//! Invariants: a line that was taken up again from its states, its references and the records after them gives the same
//! windows, decisions and counts as one that was never interrupted; only what changed since the last time is written; nothing
//! is written while windows wait to be concluded, because they are in no state.

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
enum Stored {
    Open(Box<SessionState>),
    /// Closed and remembered, so that a repeated batch is known as one.
    Gone(Gone),
}

impl Line {
    /// What belongs to no session.
    pub fn state(&self) -> LineState {
        LineState {
            watermark: self.watermark.clone(),
            accounting: self.accounting.clone(),
        }
    }

    /// Hands out every session that changed since the last call: its key, `tenant/session`, and its sealed state, or nothing
    /// where it is forgotten.
    ///
    /// # Errors
    ///
    /// What `each` fails with. Then the sessions count as unchanged all the same: the line is to be dropped.
    pub fn changed_sessions<E: From<StateError>>(
        &mut self,
        mut each: impl FnMut(&str, Option<&[u8]>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut bytes = Vec::new();
        let mut changed = std::mem::take(&mut self.changed);
        // In an order of their own, so that checkpoints are reproducible.
        changed.sort_unstable();
        changed.dedup();
        for key in changed.drain(..) {
            let stored = match (self.sessions.get_mut(&key), self.departed.get(&key)) {
                (Some(session), _) => {
                    session.changed = false;
                    Stored::Open(Box::new(session.state()))
                }
                (None, Some(gone)) => Stored::Gone(*gone),
                (None, None) => {
                    each(&key, None)?;
                    continue;
                }
            };
            bytes.clear();
            bytes = state::seal(&stored, bytes)?;
            each(&key, Some(&bytes))?;
        }
        self.changed = changed;
        Ok(())
    }

    /// Hands a session out with the next changed ones, although it did not change.
    pub fn rewrite_session(&mut self, key: &str) {
        self.changed.push(key.into());
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

    /// Takes up a session as [`Line::changed_sessions`] gave it.
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
