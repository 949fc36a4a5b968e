//! `GET /v1/decisions/stream`: decisions as they are made, as server-sent events.
//!
//! Invariant: a reader that lags further behind than `gateway.stream_lag_max` loses decisions, which is counted and told
//! to it; it never holds back the others.

use super::Gateway;
use super::access::Caller;
use super::board::Placed;
use super::connections::{Counted, Crowded};
use super::monitor::KEEP_ALIVE;
use super::openapi::{ProblemDetails, Refused};
use super::problem::Problem;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use ductus_accounts::Scope;
use futures::StreamExt;
use serde::Deserialize;
use std::convert::Infallible;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;
use utoipa::IntoParams;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Only of this session.
    session: Option<String>,
}

/// Decisions as they are made, as server-sent events `decision`.
///
/// A reader that lags too far behind hears `missed` with how many.
#[utoipa::path(
    get,
    path = "/v1/decisions/stream",
    operation_id = "streamDecisions",
    tag = "decisions",
    params(Filter),
    responses(
        (status = 200, description = "the stream", content_type = "text/event-stream", body = String),
        (status = 400, description = "the query cannot be read", content_type = "application/problem+json", body = ProblemDetails),
        Crowded,
        Refused,
    )
)]
pub(super) async fn decisions(
    State(gateway): State<Gateway>,
    caller: Caller,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Response, Problem> {
    let inner = &gateway.inner;
    caller.may(Scope::Monitor)?;
    let Query(filter) = filter.map_err(|_| Problem::BAD_QUERY)?;
    match &filter.session {
        Some(session) => caller.may_see(session),
        None => caller.may_see_all(),
    }?;
    let counted = Counted::new(&gateway, &caller)?;
    let metrics = inner.metrics.clone();
    let (expired, sight) = (caller.expired(), caller.sight());
    let wanted = move |placed: &Placed| {
        sight.takes_in(&placed.decision)
            && filter
                .session
                .as_ref()
                .is_none_or(|session| placed.decision.session == *session)
    };
    let events = BroadcastStream::new(inner.board.subscribe())
        .filter_map(move |next| {
            // Kept as long as the stream is.
            let _ = &counted;
            let event = match next {
                Ok(placed) if wanted(&placed) => Some(
                    Event::default()
                        .event("decision")
                        .id(placed.decision.id.as_str())
                        .json_data(&placed.decision)
                        // Plain data without maps: it always can be written.
                        .unwrap_or_default(),
                ),
                Ok(_) => None,
                Err(BroadcastStreamRecvError::Lagged(missed)) => {
                    metrics.decisions_missed.inc_by(missed);
                    Some(Event::default().event("missed").data(missed.to_string()))
                }
            };
            std::future::ready(event.map(Ok::<_, Infallible>))
        })
        .take_until(futures::future::select(
            Box::pin(gateway.end_of_streams()),
            Box::pin(expired),
        ));
    // The page waits for this to know that it is connected: a comment goes out at once.
    let opening = futures::stream::once(std::future::ready(Ok(Event::default().comment("open"))));
    let stream = Sse::new(opening.chain(events)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    Ok(stream.into_response())
}
