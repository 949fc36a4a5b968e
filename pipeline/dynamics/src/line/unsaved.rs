//! What the checkpoints of a line have still to write.
//!
//! A checkpoint says how everything stood at one point of the log, but is written in slices while the line goes on. A session
//! that is about to change before its slice has come is therefore written ahead, as it stood when the checkpoint was begun.
//!
//! Invariants: a session is written at most once by a checkpoint, and as it stood when that was begun; a session that changes
//! is noted *before* it changes; a line of which nobody takes checkpoints remembers nothing here.

use super::checkpoint::Stored;
use super::departed::Gone;
use super::session::Session;
use crate::state::{self, StateError};
use std::sync::Arc;

/// A session's key and what is written under it: nothing where it is forgotten.
pub(super) type Written = (Arc<str>, Option<Vec<u8>>);

#[derive(Debug)]
pub(super) struct Unsaved {
    // PROPERTIES
    /// Whether checkpoints are taken.
    kept: bool,
    // STATES
    /// Number of the checkpoint that has not begun yet, from 1 on.
    next: u64,
    /// Sessions that it has to write, each once; some may have left meanwhile.
    changed: Vec<Arc<str>>,
    /// Keys of sessions that left, or were forgotten, since the last one was begun.
    left: Vec<Arc<str>>,
    /// Sessions that the checkpoint under way has to write, unless they were written ahead.
    pending: Vec<Arc<str>>,
    /// What it hands out next.
    ahead: Vec<Result<Written, StateError>>,
}

impl Unsaved {
    pub(super) fn new(kept: bool) -> Self {
        Self {
            kept,
            next: 1,
            changed: Vec::new(),
            left: Vec::new(),
            pending: Vec::new(),
            ahead: Vec::new(),
        }
    }

    /// A session is about to change.
    pub(super) fn note(&mut self, session: &mut Session) {
        if !self.kept || session.unsaved == Some(self.next) {
            return;
        }
        if session.unsaved.is_some() {
            let state = state::seal(&Stored::open(session), Vec::new());
            self.ahead
                .push(state.map(|state| (Arc::clone(&session.key), Some(state))));
        }
        session.unsaved = Some(self.next);
        self.changed.push(Arc::clone(&session.key));
    }

    /// A session left, or what was left of it is forgotten.
    pub(super) fn note_left(&mut self, key: Arc<str>) {
        if self.kept {
            self.left.push(key);
        }
    }

    /// Begins a checkpoint of how everything stands now. `gone` tells what is left of a session; none of one that is open.
    pub(super) fn begin(&mut self, gone: impl Fn(&str) -> Option<Option<Gone>>) {
        debug_assert!(self.is_through(), "one checkpoint at a time");
        self.next += 1;
        std::mem::swap(&mut self.changed, &mut self.pending);
        // One that left and came back and left again stands here twice.
        self.left.sort_unstable();
        self.left.dedup();
        for key in self.left.drain(..) {
            let Some(gone) = gone(&key) else {
                continue;
            };
            let state = gone.map(|gone| state::seal(&Stored::Gone(gone), Vec::new()));
            self.ahead.push(state.transpose().map(|state| (key, state)));
        }
    }

    /// What the checkpoint under way hands out next.
    pub(super) fn take_ahead(&mut self) -> std::vec::Drain<'_, Result<Written, StateError>> {
        self.ahead.drain(..)
    }

    /// The next session that the checkpoint under way has to write, unless [`Unsaved::is_due`] denies it.
    pub(super) fn take_pending(&mut self) -> Option<Arc<str>> {
        self.pending.pop()
    }

    /// Whether the checkpoint under way has not written the session yet.
    pub(super) fn is_due(&self, session: &Session) -> bool {
        session.unsaved.is_some_and(|number| number < self.next)
    }

    /// Whether it has written everything.
    pub(super) fn is_through(&self) -> bool {
        self.pending.is_empty() && self.ahead.is_empty()
    }
}
