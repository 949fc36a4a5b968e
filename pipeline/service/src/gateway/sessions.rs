//! The read side: sessions, their decisions, totals, and the demo's scenario.

use super::Gateway;
use super::access::Caller;
use super::problem::Problem;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use ductus_dynamics::wire::Decision;
use serde::{Deserialize, Serialize};

/// The body of `GET /v1/stats`. What only scoring knows is null where it runs in another process.
#[derive(Debug, Serialize)]
struct Stats {
    events: u64,
    windows: u64,
    decisions: u64,
    rejected: u64,
    late: Option<u64>,
    duplicates: Option<u64>,
    uptime_ms: u64,
}

/// Most sessions that one answer lists.
const SESSIONS_MAX: usize = 1000;

#[derive(Deserialize)]
pub(super) struct Page {
    limit: Option<usize>,
}

pub(super) async fn list(State(gateway): State<Gateway>, caller: Caller, Query(page): Query<Page>) -> Response {
    if let Err(problem) = caller.may_see_all() {
        return problem.into_response();
    }
    let most = page.limit.unwrap_or(SESSIONS_MAX).min(SESSIONS_MAX);
    Json(gateway.board().sessions(caller.tenant(), most)).into_response()
}

pub(super) async fn decisions(State(gateway): State<Gateway>, caller: Caller, Path(session): Path<String>) -> Response {
    if let Err(problem) = caller.may_see(&session) {
        return problem.into_response();
    }
    match gateway.board().decisions(caller.tenant(), &session) {
        Some(placed) => {
            let decisions: Vec<&Decision> = placed.iter().map(|placed| &placed.decision).collect();
            Json(decisions).into_response()
        }
        None => Problem::NOT_FOUND.into_response(),
    }
}

pub(super) async fn stats(State(gateway): State<Gateway>) -> Response {
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

pub(super) async fn demo(State(gateway): State<Gateway>) -> Response {
    match gateway.inner.extra.scenario() {
        Some(scenario) => Json(scenario).into_response(),
        None => Problem::NOT_FOUND.into_response(),
    }
}
