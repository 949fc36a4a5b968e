//! The read side: sessions, their decisions, totals, and the demo's scenario.

use super::Gateway;
use super::access::Caller;
use super::board::SessionSummary;
use super::input::Path;
use super::openapi::{ProblemDetails, Refused};
use super::problem::Problem;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use ductus_dynamics::wire::Decision;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Totals. What only scoring knows is null where it runs in another process.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Stats {
    /// Events taken.
    events: u64,
    /// Windows closed.
    windows: u64,
    /// Decisions made.
    decisions: u64,
    /// Events refused.
    rejected: u64,
    /// Events that came too late.
    late: Option<u64>,
    /// Events that came again.
    duplicates: Option<u64>,
    /// How long this process runs, ms.
    uptime_ms: u64,
}

/// Most sessions that one answer lists.
const SESSIONS_MAX: usize = 1000;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// Most sessions wanted, up to 1,000.
    limit: Option<usize>,
}

/// The latest sessions, the one with the latest decision first.
#[utoipa::path(
    get,
    path = "/v1/sessions",
    operation_id = "listSessions",
    tag = "sessions",
    params(Page),
    responses(
        (status = 200, description = "sessions with their latest risk", body = Vec<SessionSummary>),
        (status = 400, description = "the query cannot be read", content_type = "application/problem+json", body = ProblemDetails),
        Refused,
    )
)]
pub(super) async fn list(
    State(gateway): State<Gateway>,
    caller: Caller,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Response, Problem> {
    caller.may_see_all()?;
    let Query(page) = page.map_err(|_| Problem::BAD_QUERY)?;
    let most = page.limit.unwrap_or(SESSIONS_MAX).min(SESSIONS_MAX);
    Ok(Json(gateway.board().sessions(caller.tenant(), most)).into_response())
}

/// The latest decisions of a session, oldest first.
#[utoipa::path(
    get,
    path = "/v1/sessions/{session}/decisions",
    operation_id = "listSessionDecisions",
    tag = "sessions",
    params(("session" = String, Path, description = "the session")),
    responses(
        (status = 200, description = "what is kept of it in memory", body = Vec<Object>),
        (status = 404, description = "nothing was decided about it yet, or not lately", content_type = "application/problem+json", body = ProblemDetails),
        Refused,
    )
)]
pub(super) async fn decisions(State(gateway): State<Gateway>, caller: Caller, Path(session): Path<String>) -> Response {
    if let Err(problem) = caller.may_see(&session) {
        return problem.into_response();
    }
    let sight = caller.sight();
    let placed = gateway.board().decisions(caller.tenant(), &session).unwrap_or_default();
    let seen = placed.iter().map(|placed| &placed.decision);
    let decisions: Vec<&Decision> = seen.filter(|decision| sight.takes_in(decision)).collect();
    match decisions.is_empty() {
        true => Problem::NOT_FOUND.into_response(),
        false => Json(decisions).into_response(),
    }
}

/// Totals since this gateway started.
#[utoipa::path(
    get,
    path = "/v1/stats",
    operation_id = "getStats",
    tag = "about",
    responses((status = 200, description = "totals", body = Stats), Refused)
)]
pub(super) async fn stats(State(gateway): State<Gateway>, caller: Caller) -> Response {
    if let Err(problem) = caller.may_see_all() {
        return problem.into_response();
    }
    let inner = &gateway.inner;
    let decisions = inner.board.taken();
    let uptime_ms = inner.started.elapsed().as_millis() as u64;
    let stats = match inner.extra.accounting() {
        Some(accounting) => Stats {
            events: accounting.events,
            windows: decisions,
            decisions,
            rejected: accounting.rejected.total(),
            late: Some(accounting.late),
            duplicates: Some(accounting.duplicate),
            uptime_ms,
        },
        None => Stats {
            events: inner.metrics.events.get(),
            windows: decisions,
            decisions,
            rejected: inner.metrics.events_rejected.get(),
            late: None,
            duplicates: None,
            uptime_ms,
        },
    };
    Json(stats).into_response()
}

/// The demo's scenario; nothing outside the demo.
#[utoipa::path(
    get,
    path = "/v1/demo",
    operation_id = "getDemo",
    tag = "about",
    responses(
        (status = 200, description = "who plays what", body = Object),
        (status = 404, description = "this is no demo", content_type = "application/problem+json", body = ProblemDetails),
    )
)]
pub(super) async fn demo(State(gateway): State<Gateway>) -> Response {
    match gateway.inner.extra.scenario() {
        Some(scenario) => Json(scenario).into_response(),
        None => Problem::NOT_FOUND.into_response(),
    }
}
