//! `GET /v1/sessions/{session}/monitor`: a session's risk as it changes, as server-sent events or as frames of a WebSocket.
//!
//! Invariants: an event's id is the decision's place in its topic; a reader that comes back with the last id that it had
//! gets every decision after it, once and in order, from the board, or from Kafka where the board no longer has them; one
//! that lags is caught up in the same way and never holds back others. What retention took is told as `missed`.

use super::Gateway;
use super::access::{Caller, Sight, agree};
use super::board::{Board, Placed, Since};
use super::catch_up::{CatchUpError, Found};
use super::connections::{Counted, Crowded, close, send};
use super::input::Path;
use super::openapi::{ProblemDetails, Refused};
use super::place::Place;
use super::problem::Problem;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use ductus_accounts::Scope;
use ductus_dynamics::wire::{Action, Reason};
use futures::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::{self, error::RecvError};
use utoipa::{IntoParams, ToSchema};

/// Proxies cut connections on which nothing is said.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Whoever only listens has little to say.
const SAID_BYTES_MAX: usize = 1024;
const LAST_EVENT_ID: &str = "last-event-id";

/// A session's risk after a decision.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Risk<'a> {
    /// Session.
    session: &'a str,
    /// Pseudonym of whom it claims to be, if anybody.
    subject: Option<&'a str>,
    /// 0 to 100.
    risk: f32,
    /// 0 to 1.
    confidence: f32,
    /// What is asked for.
    #[schema(value_type = String)]
    action: Action,
    /// Why, in human units.
    #[schema(value_type = Vec<Object>)]
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

/// The latest risk of a session.
#[utoipa::path(
    get,
    path = "/v1/sessions/{session}/risk",
    operation_id = "getRisk",
    tag = "sessions",
    params(("session" = String, Path, description = "the session")),
    responses(
        (status = 200, description = "as of its latest decision", body = Risk),
        (status = 404, description = "nothing was decided about it yet, or not lately", content_type = "application/problem+json", body = ProblemDetails),
        Refused,
    )
)]
pub(super) async fn risk(State(gateway): State<Gateway>, caller: Caller, Path(session): Path<String>) -> Response {
    if let Err(problem) = caller.may_see(&session) {
        return problem.into_response();
    }
    match latest(&gateway.inner.board, &caller.sight(), &session) {
        Some(latest) => Json(Risk::of(&latest)).into_response(),
        None => Problem::NOT_FOUND.into_response(),
    }
}

/// The latest decision of a session among those that are seen.
fn latest(board: &Board, sight: &Sight, session: &str) -> Option<Arc<Placed>> {
    let tenant = sight.tenant.as_deref();
    let latest = board.latest(tenant, session)?;
    if sight.takes_in(&latest.decision) {
        return Some(latest);
    }
    let mut placed = board.decisions(tenant, session)?.into_iter().rev();
    placed.find(|placed| sight.takes_in(&placed.decision))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Resume {
    /// The same as the header `Last-Event-ID`; for WebSockets, which browsers let set no header.
    last_event_id: Option<String>,
}

/// A session's risk as it changes.
///
/// Server-sent events `risk`, or frames of a WebSocket; both carry the same object. Whoever comes back with the last event's
/// id gets all that came after it, once and in order; `missed` says that some was deleted meanwhile.
#[utoipa::path(
    get,
    path = "/v1/sessions/{session}/monitor",
    operation_id = "monitorSession",
    tag = "sessions",
    params(
        ("session" = String, Path, description = "the session"),
        ("last-event-id" = Option<String>, Header, description = "where to go on"),
        Resume,
    ),
    responses(
        (status = 101, description = "the socket is open"),
        (status = 200, description = "the stream", content_type = "text/event-stream", body = Risk),
        (status = 400, description = "the event id is none that this stream gave, or the query cannot be read", content_type = "application/problem+json", body = ProblemDetails),
        (status = 404, description = "no session can have this name", content_type = "application/problem+json", body = ProblemDetails),
        Crowded,
        Refused,
    )
)]
pub(super) async fn monitor(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(session): Path<String>,
    resume: Result<Query<Resume>, QueryRejection>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    caller.may(Scope::Monitor)?;
    caller.may_see(&session)?;
    let Query(resume) = resume.map_err(|_| Problem::BAD_QUERY)?;
    let header = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
    let after = match header.or(resume.last_event_id.as_deref()).map(str::parse) {
        Some(Ok(place)) => Some(place),
        Some(Err(_)) => return Err(Problem::BAD_EVENT_ID),
        None => None,
    };
    let counted = Counted::new(&gateway, &caller)?;
    let follow = Follow::new(gateway.clone(), caller.sight(), &session, after);
    let expired = caller.expired();
    Ok(match upgrade {
        Ok(upgrade) => agree(upgrade)
            .max_message_size(SAID_BYTES_MAX)
            .on_upgrade(move |socket| async move {
                let _counted = counted;
                send_frames(&gateway, socket, follow, expired).await;
            }),
        Err(_) => send_events(&gateway, counted, follow, expired).into_response(),
    })
}

fn send_events<F: Future<Output = ()> + Send + 'static>(
    gateway: &Gateway,
    counted: Counted,
    follow: Follow,
    expired: F,
) -> Sse<impl Stream<Item = Result<Event, Infallible>> + use<F>> {
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
    let end = futures::future::select(Box::pin(gateway.end_of_streams()), Box::pin(expired));
    Sse::new(opening.chain(events.take_until(end))).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

async fn send_frames(gateway: &Gateway, mut socket: WebSocket, follow: Follow, expired: impl Future<Output = ()>) {
    let mut told = std::pin::pin!(follow.stream());
    let mut end = std::pin::pin!(gateway.end_of_streams());
    let mut expired = std::pin::pin!(expired);
    let mut alive = tokio::time::interval(KEEP_ALIVE);
    loop {
        let frame = tokio::select! {
            () = &mut end => return close(gateway, socket, close_code::AWAY, "the gateway ends").await,
            () = &mut expired => return close(gateway, socket, close_code::POLICY, "the credential has expired").await,
            next = told.next() => match next {
                Some(Told::Risk(placed)) => match serde_json::to_string(&Risk::of(&placed)) {
                    Ok(text) => Message::Text(text.into()),
                    // Plain data without maps: it always can be written.
                    Err(_) => continue,
                },
                Some(Told::Missed) => Message::Text(r#"{"missed":true}"#.into()),
                None => return close(gateway, socket, close_code::AGAIN, "come again with the last event id").await,
            },
            _ = alive.tick() => Message::Ping(Bytes::new()),
            said = socket.recv() => match said {
                // A monitor only listens.
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
        };
        if !send(gateway, &mut socket, frame).await {
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
    sight: Sight,
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
    fn new(gateway: Gateway, sight: Sight, session: &str, after: Option<Place>) -> Self {
        // From here on nothing escapes: what is made while the past is looked up comes twice, and is told once.
        let live = gateway.inner.board.subscribe();
        let mut waiting = VecDeque::new();
        // A reader without a past is told how things stand.
        if after.is_none() {
            waiting.extend(latest(&gateway.inner.board, &sight, session).map(Told::Risk));
        }
        Self {
            gateway,
            sight,
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
                    Told::Risk(placed) if !self.is_news(placed) || !self.sight.takes_in(&placed.decision) => continue,
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
                Ok(placed) if placed.is_of(self.sight.tenant.as_deref(), &self.session) => {
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
        let tenant = self.sight.tenant.as_deref();
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
