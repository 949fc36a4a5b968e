//! `GET /v1/sessions/{session}/monitor`: a session's risk as it changes, as server-sent events or as frames of a WebSocket.
//!
//! Invariants: an event's id is the decision's place in its topic; a reader that comes back with the last id that it had
//! gets every decision after it, once and in order, from the board, or from Kafka where the board no longer has them; one
//! that lags is caught up in the same way and never holds back others. What retention took is told as `missed`.

use super::Gateway;
use super::access::{Caller, Scope, agree};
use super::board::{Placed, Since};
use super::catch_up::{CatchUpError, Found};
use super::place::Place;
use super::problem::Problem;
use super::stream::Counted;
use axum::Json;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use ductus_dynamics::wire::{Action, Reason};
use futures::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::{self, error::RecvError};

/// Proxies cut connections on which nothing is said.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Whoever only listens has little to say.
const SAID_BYTES_MAX: usize = 1024;
const LAST_EVENT_ID: &str = "last-event-id";

/// A session's risk after a decision.
#[derive(Debug, Serialize)]
pub(super) struct Risk<'a> {
    session: &'a str,
    subject: Option<&'a str>,
    risk: f32,
    confidence: f32,
    action: Action,
    reasons: &'a [Reason],
    /// Id of the decision.
    decision: &'a str,
    /// Event time of the window's end, µs.
    time_us: i64,
    /// Where to go on after a break.
    event_id: String,
}

impl<'a> Risk<'a> {
    fn of(placed: &'a Placed) -> Self {
        let decision = &placed.decision;
        Self {
            session: &decision.session,
            subject: decision.subject.as_deref(),
            risk: decision.risk,
            confidence: decision.confidence,
            action: decision.action,
            reasons: &decision.reasons,
            decision: &decision.id,
            time_us: decision.time_us,
            event_id: placed.place.to_string(),
        }
    }
}

/// `GET /v1/sessions/{session}/risk`: the same, once.
pub(super) async fn risk(State(gateway): State<Gateway>, caller: Caller, Path(session): Path<String>) -> Response {
    if let Err(problem) = caller.may_see(&session) {
        return problem.into_response();
    }
    match gateway.inner.board.latest(caller.tenant(), &session) {
        Some(latest) => Json(Risk::of(&latest)).into_response(),
        None => Problem::NOT_FOUND.into_response(),
    }
}

#[derive(Deserialize)]
pub(super) struct Resume {
    /// For WebSockets, which browsers let set no header.
    last_event_id: Option<String>,
}

pub(super) async fn monitor(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(session): Path<String>,
    Query(resume): Query<Resume>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    if let Err(problem) = caller.may(Scope::Monitor).and_then(|()| caller.may_see(&session)) {
        return problem.into_response();
    }
    let header = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
    let after = match header.or(resume.last_event_id.as_deref()).map(str::parse) {
        Some(Ok(place)) => Some(place),
        Some(Err(_)) => return Problem::BAD_EVENT_ID.into_response(),
        None => None,
    };
    let Some(counted) = Counted::new(&gateway) else {
        return Problem::crowded(gateway.inner.retry_after_s).into_response();
    };
    let follow = Follow::new(gateway.clone(), caller.tenant(), &session, after);
    match upgrade {
        Ok(upgrade) => agree(upgrade)
            .max_message_size(SAID_BYTES_MAX)
            .on_upgrade(move |socket| async move {
                let _counted = counted;
                send_frames(&gateway, socket, follow).await;
            }),
        Err(_) => send_events(&gateway, counted, follow).into_response(),
    }
}

fn send_events(
    gateway: &Gateway,
    counted: Counted,
    follow: Follow,
) -> Sse<impl Stream<Item = Result<Event, Infallible>> + use<>> {
    let events = follow.stream().map(move |next| {
        // Kept as long as the stream is.
        let _ = &counted;
        Ok(match next {
            Told::Risk(placed) => Event::default()
                .event("risk")
                .id(placed.place.to_string())
                .json_data(Risk::of(&placed))
                // Plain data without maps: it always can be written.
                .unwrap_or_default(),
            Told::Missed => Event::default().event("missed").data("{}"),
        })
    });
    // The page waits for this to know that it is connected: a comment goes out at once.
    let opening = futures::stream::once(std::future::ready(Ok(Event::default().comment("open"))));
    Sse::new(opening.chain(events.take_until(Box::pin(gateway.end_of_streams()))))
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

async fn send_frames(gateway: &Gateway, mut socket: WebSocket, follow: Follow) {
    let mut told = std::pin::pin!(follow.stream());
    let mut end = std::pin::pin!(gateway.end_of_streams());
    let mut alive = tokio::time::interval(KEEP_ALIVE);
    loop {
        let frame = tokio::select! {
            () = &mut end => {
                let away = CloseFrame { code: close_code::AWAY, reason: "the gateway ends".into() };
                let _ = socket.send(Message::Close(Some(away))).await;
                return;
            }
            next = told.next() => match next {
                Some(Told::Risk(placed)) => match serde_json::to_string(&Risk::of(&placed)) {
                    Ok(text) => Message::Text(text.into()),
                    Err(_) => continue,
                },
                Some(Told::Missed) => Message::Text(r#"{"missed":true}"#.into()),
                None => return,
            },
            _ = alive.tick() => Message::Ping(Default::default()),
            said = socket.recv() => match said {
                // A monitor only listens.
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
        };
        if socket.send(frame).await.is_err() {
            return;
        }
    }
}

/// What a reader is told.
#[derive(Debug)]
enum Told {
    Risk(Arc<Placed>),
    /// Some decisions are not to be had any more.
    Missed,
}

/// One reader of one session.
struct Follow {
    // PROPERTIES
    gateway: Gateway,
    tenant: Option<String>,
    session: String,
    // PARTS
    live: broadcast::Receiver<Arc<Placed>>,
    // STATES
    /// How far the reader came.
    seen: Option<Place>,
    /// What it is told next.
    waiting: VecDeque<Told>,
    /// Whether decisions may lie between `seen` and what comes live.
    behind: bool,
}

impl Follow {
    fn new(gateway: Gateway, tenant: Option<&str>, session: &str, after: Option<Place>) -> Self {
        // From here on nothing escapes: what is made while the past is looked up comes twice, and is told once.
        let live = gateway.inner.board.subscribe();
        let mut waiting = VecDeque::new();
        // A reader without a past is told how things stand.
        if after.is_none() {
            waiting.extend(gateway.inner.board.latest(tenant, session).map(Told::Risk));
        }
        Self {
            gateway,
            tenant: tenant.map(str::to_owned),
            session: session.to_owned(),
            live,
            seen: after,
            waiting,
            behind: after.is_some(),
        }
    }

    fn stream(self) -> impl Stream<Item = Told> + use<> {
        futures::stream::unfold(self, |mut follow| async move {
            let told = follow.next().await?;
            Some((told, follow))
        })
    }

    /// The next that the reader has not had; none where it has to come again.
    async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some(told) = self.waiting.pop_front() {
                match &told {
                    Told::Risk(placed) if !self.is_news(placed) => continue,
                    Told::Risk(placed) => self.seen = Some(placed.place),
                    Told::Missed => {}
                }
                return Some(told);
            }
            if self.behind {
                if let Err(error) = self.catch_up().await {
                    // Ended without a word the reader would wait for ever; it comes again with its last id.
                    tracing::warn!(%error, "a monitor cannot be caught up and is closed");
                    return None;
                }
                continue;
            }
            match self.live.recv().await {
                Ok(placed) if placed.is_of(self.tenant.as_deref(), &self.session) => {
                    self.waiting.push_back(Told::Risk(placed));
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => self.behind = true,
                Err(RecvError::Closed) => return None,
            }
        }
    }

    fn is_news(&self, placed: &Placed) -> bool {
        self.seen.is_none_or(|seen| placed.place.is_news_after(seen))
    }

    async fn catch_up(&mut self) -> Result<(), CatchUpError> {
        self.behind = false;
        let inner = &self.gateway.inner;
        let tenant = self.tenant.as_deref();
        let whole = |decisions| Found { decisions, lost: false };
        let found = match self.seen {
            // It had nothing because there was nothing: what is there now is new.
            None => whole(inner.board.decisions(tenant, &self.session).unwrap_or_default()),
            Some(seen) => match inner.board.since(tenant, &self.session, seen) {
                Since::All(decisions) => whole(decisions),
                Since::Gone => inner.catch_up.after(seen, tenant, &self.session).await?,
            },
        };
        if found.lost {
            inner.metrics.decisions_missed.inc();
            self.waiting.push_back(Told::Missed);
        }
        self.waiting.extend(found.decisions.into_iter().map(Told::Risk));
        Ok(())
    }
}
