//! What the gateway shows: the latest sessions and their decisions, in memory.
//!
//! Invariants: at most `gateway.board_sessions_max` sessions and `gateway.board_decisions_max` decisions of each; the
//! session longest without a decision gives way; a decision that comes again (same id) changes nothing.

use crate::config;
use ductus_dynamics::event::Modality;
use ductus_dynamics::wire::{Action, Decision};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;

/// How far back a repeated decision is looked for: one comes again only soon after.
const REPEATS: usize = 128;

/// A decision as readers of the stream get it.
#[derive(Debug)]
pub struct Shown {
    /// Its id.
    pub id: String,
    /// Its session.
    pub session: String,
    /// The document.
    pub json: String,
}

/// The latest of a session: an element of `GET /v1/sessions`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SessionSummary {
    /// Session.
    pub session: String,
    /// Tenant.
    pub tenant: String,
    /// Subject, if one is claimed.
    pub subject: Option<String>,
    /// Modality of the latest window.
    pub modality: Modality,
    /// Risk after the latest window.
    pub risk: f32,
    /// Confidence in it.
    pub confidence: f32,
    /// What was asked for.
    pub action: Action,
    /// Windows decided about since this process watches.
    pub windows: u64,
    /// Event time of the latest window's end, µs.
    pub last_us: i64,
}

/// The latest sessions.
pub struct Board {
    // PROPERTIES
    sessions_max: usize,
    decisions_max: usize,
    readers: broadcast::Sender<Arc<Shown>>,
    // STATES
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sessions: HashMap<String, Session>,
    /// Sessions by when they last had a decision: a running number.
    by_turn: BTreeMap<u64, String>,
    turn: u64,
    decisions: u64,
}

struct Session {
    decisions: VecDeque<Arc<Decision>>,
    windows: u64,
    turn: u64,
}

impl Board {
    /// An empty one.
    pub fn new(config: &config::Gateway) -> Self {
        Self {
            sessions_max: config.board_sessions_max,
            decisions_max: config.board_decisions_max,
            readers: broadcast::Sender::new(config.stream_lag_max),
            state: Mutex::default(),
        }
    }

    /// Takes a decision; `json` is its document. Returns whether it was new.
    pub fn put(&self, decision: Decision, json: &str) -> bool {
        let shown = Arc::new(Shown {
            id: decision.id.clone(),
            session: decision.session.clone(),
            json: json.to_owned(),
        });
        if !self.lock().put(decision, self.sessions_max, self.decisions_max) {
            return false;
        }
        // Nobody reading is no error.
        let _ = self.readers.send(shown);
        true
    }

    /// Decisions from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Shown>> {
        self.readers.subscribe()
    }

    /// The latest of every session, the one with the latest decision first.
    pub fn sessions(&self) -> Vec<SessionSummary> {
        let state = self.lock();
        let turns = state.by_turn.values().rev();
        turns
            .filter_map(|id| state.sessions.get(id))
            .filter_map(|session| session.summary())
            .collect()
    }

    /// The decisions kept of a session, oldest first; none if it is not known.
    pub fn decisions(&self, session: &str) -> Option<Vec<Arc<Decision>>> {
        let state = self.lock();
        Some(state.sessions.get(session)?.decisions.iter().cloned().collect())
    }

    /// How many decisions were taken.
    pub fn taken(&self) -> u64 {
        self.lock().decisions
    }

    /// Takes these sessions off the board: the demo starts a new round.
    pub fn forget(&self, wanted: impl Fn(&str) -> bool) {
        let mut state = self.lock();
        let State { sessions, by_turn, .. } = &mut *state;
        by_turn.retain(|_, id| !wanted(id));
        sessions.retain(|id, _| !wanted(id));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn put(&mut self, decision: Decision, sessions_max: usize, decisions_max: usize) -> bool {
        self.turn += 1;
        let turn = self.turn;
        let session = self
            .sessions
            .entry(decision.session.clone())
            .or_insert_with(|| Session {
                decisions: VecDeque::new(),
                windows: 0,
                turn,
            });
        let mut latest = session.decisions.iter().rev().take(REPEATS);
        if latest.any(|known| known.id == decision.id) {
            return false;
        }
        self.by_turn.remove(&session.turn);
        self.by_turn.insert(turn, decision.session.clone());
        session.turn = turn;
        session.windows += 1;
        if session.decisions.len() == decisions_max {
            session.decisions.pop_front();
        }
        session.decisions.push_back(Arc::new(decision));
        self.decisions += 1;
        while self.sessions.len() > sessions_max {
            let Some((_, silent)) = self.by_turn.pop_first() else {
                break;
            };
            self.sessions.remove(&silent);
        }
        true
    }
}

impl Session {
    fn summary(&self) -> Option<SessionSummary> {
        let last = self.decisions.back()?;
        Some(SessionSummary {
            session: last.session.clone(),
            tenant: last.tenant.clone(),
            subject: last.subject.clone(),
            modality: last.window.modality,
            risk: last.risk,
            confidence: last.confidence,
            action: last.action,
            windows: self.windows,
            last_us: last.time_us,
        })
    }
}

#[cfg(test)]
mod tests;
