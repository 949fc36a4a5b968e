//! Connections that stay open: event sockets, decision streams and monitors.
//!
//! Invariants: at most `gateway.connections_max` are open, and of them at most `gateway.connections_each_max` of one page's
//! session or one person, so that no page takes the room of the others; a frame that nobody takes ends its connection.

use super::Gateway;
use super::access::Caller;
use super::openapi::problems;
use super::problem::Problem;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response};

/// Who holds a connection: a session's page, or a person.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Holder {
    pub(super) tenant: String,
    /// Its kind, since a session may be called as a person is.
    pub(super) kind: &'static str,
    pub(super) name: String,
}

/// How many are open.
pub(super) struct Connections {
    places: Arc<Semaphore>,
    each_max: usize,
    held: Mutex<HashMap<Holder, usize>>,
}

impl Connections {
    pub(super) fn new(max: usize, each_max: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(max)),
            each_max,
            held: Mutex::default(),
        }
    }

    /// One more of this holder's; whether it may have it.
    fn hold(&self, holder: &Holder) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(holder.clone()).or_default();
        // Nobody is remembered at none: the least is one.
        let fits = *count < self.each_max;
        if fits {
            *count += 1;
        }
        fits
    }

    fn let_go(&self, holder: &Holder) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(holder) {
            *count -= 1;
            if *count == 0 {
                held.remove(holder);
            }
        }
    }
}

/// Counts a connection for as long as it lives.
pub(super) struct Counted {
    gateway: Gateway,
    holder: Option<Holder>,
    _permit: OwnedSemaphorePermit,
}

impl Counted {
    /// # Errors
    /// As many are open as may be, in all or of this caller.
    pub(super) fn new(gateway: &Gateway, caller: &Caller) -> Result<Self, Problem> {
        let inner = &gateway.inner;
        let places = Arc::clone(&inner.connections.places);
        let permit = places
            .try_acquire_owned()
            .map_err(|_| Problem::crowded(inner.retry_after_s))?;
        let holder = caller.holder();
        if !holder.as_ref().is_none_or(|holder| inner.connections.hold(holder)) {
            caller.limited("connections");
            return Err(Problem::too_many_own(inner.retry_after_s));
        }
        inner.metrics.connections.inc();
        Ok(Self {
            gateway: gateway.clone(),
            holder,
            _permit: permit,
        })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let inner = &self.gateway.inner;
        if let Some(holder) = &self.holder {
            inner.connections.let_go(holder);
        }
        inner.metrics.connections.dec();
    }
}

/// Sends a frame; whether the other side took it in time.
pub(super) async fn send(gateway: &Gateway, socket: &mut WebSocket, frame: Message) -> bool {
    let sent = tokio::time::timeout(gateway.inner.body_timeout, socket.send(frame)).await;
    matches!(sent, Ok(Ok(())))
}

/// Says why, and ends.
pub(super) async fn close(gateway: &Gateway, mut socket: WebSocket, code: u16, reason: &'static str) {
    let frame = CloseFrame {
        code,
        reason: reason.into(),
    };
    // Where the other side is gone already, nobody has to be told.
    let _ = send(gateway, &mut socket, Message::Close(Some(frame))).await;
}

/// What any route may answer whose connection stays open.
pub(super) struct Crowded;

impl IntoResponses for Crowded {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[(
            "429",
            "this session, or this person, has too many connections open: again after `Retry-After`",
        )])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_share_and_gives_it_back() {
        let connections = Connections::new(10, 2);
        let holder = |kind, name: &str| Holder {
            tenant: "t".to_owned(),
            kind,
            name: name.to_owned(),
        };
        let (page, other, person) = (holder("session", "a"), holder("session", "b"), holder("person", "a"));
        let held = [&page, &page, &page, &other, &person].map(|holder| connections.hold(holder));
        assert_eq!(held, [true, true, false, true, true]);
        connections.let_go(&page);
        assert!(connections.hold(&page) && !connections.hold(&page));
        for holder in [&page, &page, &other, &person] {
            connections.let_go(holder);
        }
        assert!(
            connections.held.lock().expect("whole").is_empty(),
            "nobody is remembered"
        );
    }
}
