//! The read side: sessions, their decisions, totals, and the demo's scenario.

use super::Gateway;
use super::board::SessionSummary;
use super::problem::Problem;
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use ductus_dynamics::wire::Decision;
use serde::Serialize;
use std::sync::Arc;

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

pub(super) async fn list(State(gateway): State<Gateway>) -> Json<Vec<SessionSummary>> {
    Json(gateway.board().sessions())
}

pub(super) async fn decisions(State(gateway): State<Gateway>, Path(session): Path<String>) -> Response {
    match gateway.board().decisions(&session) {
        Some(decisions) => {
            let decisions: Vec<&Decision> = decisions.iter().map(Arc::as_ref).collect();
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
