//! What the gateway knows of sessions: the latest decision of each and some before it, in memory.
//!
//! Invariants: at most `gateway.board_sessions_max` sessions, `gateway.board_decisions_max` decisions of each, and
//! `gateway.board_decisions_total_max` beside each session's latest; the session longest without a decision gives way; a
//! decision that comes again (same id) changes nothing; sessions of two tenants never meet, whatever they are called; a search
//! looks at the latest `gateway.board_decisions_total_max` decisions, and never holds the others up for long.

use super::place::Place;
use crate::config;
use ductus_dynamics::event::Modality;
use ductus_dynamics::wire::{Action, Decision};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;
use utoipa::ToSchema;

/// Decisions that one search looks at: under the lock, some microseconds each hundred.
const SEARCHED_MAX: usize = 20_000;

/// A decision, and where it stands.
#[derive(Debug)]
pub struct Placed {
    /// Its place in the topic.
    pub place: Place,
    /// What it says.
    pub decision: Decision,
}

impl Placed {
    /// Whether it is about this session; of any tenant where none is asked for.
    pub fn is_of(&self, tenant: Option<&str>, session: &str) -> bool {
        self.decision.session == session && tenant.is_none_or(|tenant| self.decision.tenant == tenant)
    }
}

/// The latest of a session: an element of `GET /v1/sessions`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct SessionSummary {
    /// Session.
    pub session: String,
    /// Tenant.
    pub tenant: String,
    /// Subject, if one is claimed.
    pub subject: Option<String>,
    /// Modality of the latest window.
    #[schema(value_type = String)]
    pub modality: Modality,
    /// Risk after the latest window.
    pub risk: f32,
    /// Confidence in it.
    pub confidence: f32,
    /// What was asked for.
    #[schema(value_type = String)]
    pub action: Action,
    /// Windows decided about since this process watches.
    pub windows: u64,
    /// Event time of the latest window's end, µs.
    pub last_us: i64,
}

/// Which decisions are looked for; what is none is not asked.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Tenant.
    pub tenant: Option<String>,
    /// Subject that was claimed.
    pub subject: Option<String>,
    /// Session.
    pub session: Option<String>,
    /// What was asked for.
    pub action: Option<Action>,
    /// Modality of the window.
    pub modality: Option<Modality>,
    /// Risk, from and to.
    pub risk: (Option<f32>, Option<f32>),
    /// Event time in µs, from and to.
    pub time_us: (Option<i64>, Option<i64>),
}

/// What a search found.
#[derive(Debug)]
pub struct Found {
    /// The latest first.
    pub decisions: Vec<Arc<Placed>>,
    /// Where to go on; none where everything was looked at.
    pub next: Option<u64>,
    /// Event time of the oldest decision that a search can see, µs.
    pub complete_since_us: Option<i64>,
}

impl Wanted {
    fn is(&self, decision: &Decision) -> bool {
        let is =
            |wanted: &Option<String>, has: Option<&str>| wanted.as_deref().is_none_or(|wanted| has == Some(wanted));
        let (risk, time_us) = (decision.risk, decision.time_us);
        is(&self.tenant, Some(&decision.tenant))
            && is(&self.subject, decision.subject.as_deref())
            && is(&self.session, Some(&decision.session))
            && self.action.is_none_or(|action| decision.action == action)
            && self
                .modality
                .is_none_or(|modality| decision.window.modality == modality)
            && self.risk.0.is_none_or(|from| risk >= from)
            && self.risk.1.is_none_or(|to| risk <= to)
            && self.time_us.0.is_none_or(|from| time_us >= from)
            && self.time_us.1.is_none_or(|to| time_us <= to)
    }
}

/// What the board has of a session since some place.
#[derive(Debug)]
pub enum Since {
    /// All of it, oldest first.
    All(Vec<Arc<Placed>>),
    /// Some of it may have given way, or came before the board began to look: the topic has it.
    Gone,
}

/// The latest sessions.
pub struct Board {
    // PROPERTIES
    bounds: Bounds,
    readers: broadcast::Sender<Arc<Placed>>,
    // STATES
    state: Mutex<State>,
}

#[derive(Clone, Copy)]
struct Bounds {
    sessions: usize,
    of_session: usize,
    total: usize,
}

/// Session and tenant, in this order: who looks for a session of any tenant finds it.
type Key = (Arc<str>, Arc<str>);

#[derive(Default)]
struct State {
    sessions: BTreeMap<Key, Session>,
    /// Sessions by when they last had a decision: a running number.
    by_turn: BTreeMap<u64, Key>,
    /// All decisions in the order in which they came: the oldest of all gives way first.
    order: VecDeque<(u64, Arc<Placed>)>,
    /// Those of `order` by their ids.
    ids: HashMap<Box<str>, Arc<Placed>>,
    /// From which offset on the board has every session of a partition, but for what gave way within a session.
    whole_from: HashMap<i32, i64>,
    turn: u64,
    decisions: u64,
}

#[derive(Default)]
struct Session {
    /// Each with the turn in which it came.
    decisions: VecDeque<(u64, Arc<Placed>)>,
    /// The latest that gave way.
    forgotten: Option<Place>,
    windows: u64,
}

impl Board {
    /// An empty one.
    pub fn new(config: &config::Gateway) -> Self {
        Self {
            bounds: Bounds {
                sessions: config.board_sessions_max,
                of_session: config.board_decisions_max,
                total: config.board_decisions_total_max,
            },
            readers: broadcast::Sender::new(config.stream_lag_max),
            state: Mutex::default(),
        }
    }

    /// Takes a decision. Returns whether it was new.
    pub fn put(&self, placed: Placed) -> bool {
        let placed = Arc::new(placed);
        if !self.lock().put(&placed, self.bounds) {
            return false;
        }
        // Nobody reading is no error.
        let _ = self.readers.send(placed);
        true
    }

    /// Decisions from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Placed>> {
        self.readers.subscribe()
    }

    /// The latest of every session of `tenant`, or of all, the one with the latest decision first; at most `most`.
    pub fn sessions(&self, tenant: Option<&str>, most: usize) -> Vec<SessionSummary> {
        let state = self.lock();
        let turns = state.by_turn.values().rev();
        turns
            .filter(|(_, of)| tenant.is_none_or(|tenant| **of == *tenant))
            .filter_map(|key| state.sessions.get(key))
            .filter_map(Session::summary)
            .take(most)
            .collect()
    }

    /// The latest of a session; none if it is not known.
    pub fn latest(&self, tenant: Option<&str>, session: &str) -> Option<Arc<Placed>> {
        let state = self.lock();
        let (_, latest) = state.find(tenant, session)?.decisions.back()?;
        Some(Arc::clone(latest))
    }

    /// The decisions kept of a session, oldest first; none if it is not known.
    pub fn decisions(&self, tenant: Option<&str>, session: &str) -> Option<Vec<Arc<Placed>>> {
        let state = self.lock();
        let session = state.find(tenant, session)?;
        Some(session.decisions.iter().map(|(_, placed)| Arc::clone(placed)).collect())
    }

    /// A decision of `tenant`, or of any, by its id.
    pub fn decision(&self, tenant: Option<&str>, id: &str) -> Option<Arc<Placed>> {
        let found = self.lock().ids.get(id).map(Arc::clone)?;
        tenant
            .is_none_or(|tenant| found.decision.tenant == tenant)
            .then_some(found)
    }

    /// The latest decisions that are wanted, at most `most`, before the turn at which a search before ended.
    pub fn search(&self, wanted: &Wanted, before: Option<u64>, most: usize) -> Found {
        let state = self.lock();
        let end = match before {
            Some(turn) => state.order.partition_point(|(other, _)| *other < turn),
            None => state.order.len(),
        };
        let mut found = Found {
            decisions: Vec::new(),
            next: None,
            complete_since_us: state.order.front().map(|(_, oldest)| oldest.decision.time_us),
        };
        let mut looked_at = 0;
        for (turn, placed) in state.order.range(..end).rev() {
            if found.decisions.len() == most || looked_at == SEARCHED_MAX {
                break;
            }
            looked_at += 1;
            found.next = Some(*turn);
            if wanted.is(&placed.decision) {
                found.decisions.push(Arc::clone(placed));
            }
        }
        if looked_at == end {
            found.next = None;
        }
        found
    }

    /// What came of a session after `place`.
    pub fn since(&self, tenant: Option<&str>, session: &str, place: Place) -> Since {
        let state = self.lock();
        let whole = state.whole_from.get(&place.partition);
        if whole.is_none_or(|from| *from > place.offset + 1) {
            return Since::Gone;
        }
        let session = state.find(tenant, session);
        let forgotten = session.and_then(|session| session.forgotten);
        if forgotten.is_some_and(|forgotten| forgotten.is_news_after(place)) {
            return Since::Gone;
        }
        let kept = session.into_iter().flat_map(|session| &session.decisions);
        let news = kept.filter(|(_, placed)| placed.place.is_news_after(place));
        Since::All(news.map(|(_, placed)| Arc::clone(placed)).collect())
    }

    /// How many decisions were taken.
    pub fn taken(&self) -> u64 {
        self.lock().decisions
    }

    /// Takes these sessions off the board: the demo starts a new round.
    pub fn forget(&self, wanted: impl Fn(&str) -> bool) {
        let mut state = self.lock();
        let State {
            sessions,
            by_turn,
            order,
            ids,
            ..
        } = &mut *state;
        order.retain(|(_, placed)| !wanted(&placed.decision.session));
        ids.retain(|_, placed| !wanted(&placed.decision.session));
        by_turn.retain(|_, (session, _)| !wanted(session));
        sessions.retain(|(session, _), _| !wanted(session));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn put(&mut self, placed: &Arc<Placed>, bounds: Bounds) -> bool {
        let (place, decision) = (placed.place, &placed.decision);
        self.whole_from.entry(place.partition).or_insert(place.offset);
        if self.ids.contains_key(decision.id.as_str()) {
            return false;
        }
        let key = key(decision);
        let session = self.sessions.entry(key.clone()).or_default();
        self.turn += 1;
        if let Some((turn, _)) = session.decisions.back() {
            self.by_turn.remove(turn);
        }
        session.windows += 1;
        session.decisions.push_back((self.turn, Arc::clone(placed)));
        if session.decisions.len() > bounds.of_session {
            session.forget_oldest();
        }
        self.by_turn.insert(self.turn, key);
        self.order.push_back((self.turn, Arc::clone(placed)));
        self.ids.insert(decision.id.as_str().into(), Arc::clone(placed));
        self.decisions += 1;
        self.make_room(bounds);
        true
    }

    fn make_room(&mut self, bounds: Bounds) {
        while self.sessions.len() > bounds.sessions {
            let Some((_, silent)) = self.by_turn.pop_first() else {
                break;
            };
            let gone = self.sessions.remove(&silent);
            if let Some((_, last)) = gone.as_ref().and_then(|gone| gone.decisions.back()) {
                let from = self.whole_from.entry(last.place.partition).or_default();
                *from = (*from).max(last.place.offset + 1);
            }
        }
        while self.order.len() > bounds.total {
            let Some((turn, oldest)) = self.order.pop_front() else {
                break;
            };
            self.ids.remove(oldest.decision.id.as_str());
            let key = key(&oldest.decision);
            // What gave way within its session already, or with it, is not there; a session's latest stays.
            let session = self.sessions.get_mut(&key);
            if let Some(session) = session.filter(|session| session.decisions.len() > 1)
                && session.decisions.front().is_some_and(|(oldest, _)| *oldest == turn)
            {
                session.forget_oldest();
            }
        }
    }

    fn find(&self, tenant: Option<&str>, session: &str) -> Option<&Session> {
        match tenant {
            Some(tenant) => self.sessions.get(&(Arc::from(session), Arc::from(tenant))),
            None => {
                let first = (Arc::from(session), Arc::from(""));
                let (key, found) = self.sessions.range(first..).next()?;
                (*key.0 == *session).then_some(found)
            }
        }
    }
}

fn key(decision: &Decision) -> Key {
    (decision.session.as_str().into(), decision.tenant.as_str().into())
}

impl Session {
    fn forget_oldest(&mut self) {
        if let Some((_, oldest)) = self.decisions.pop_front() {
            self.forgotten = Some(oldest.place);
        }
    }

    fn summary(&self) -> Option<SessionSummary> {
        let (_, last) = self.decisions.back()?;
        let last = &last.decision;
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
