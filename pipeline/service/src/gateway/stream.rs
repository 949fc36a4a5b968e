//! `GET /v1/decisions/stream`: decisions as they are made, as server-sent events.
//!
//! Invariant: a reader that lags further behind than `gateway.stream_lag_max` loses decisions, which is counted and told
//! to it; it never holds back the others.

use super::Gateway;
use super::problem::Problem;
use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use serde::Deserialize;
use std::convert::Infallible;
use std::time::Duration;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

/// Proxies cut connections on which nothing is said.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[derive(Deserialize)]
pub(super) struct Filter {
    session: Option<String>,
}

pub(super) async fn decisions(State(gateway): State<Gateway>, Query(filter): Query<Filter>) -> Response {
    let inner = &gateway.inner;
    let Ok(permit) = inner.connections.clone().try_acquire_owned() else {
        return Problem::crowded(inner.retry_after_s).into_response();
    };
    let metrics = inner.metrics.clone();
    let counted = Counted::new(&gateway, permit);
    let mut round = inner.round.subscribe();
    let shutdown = inner.shutdown.clone();
    let end = async move {
        tokio::select! {
            _ = round.changed() => {}
            () = shutdown.requested() => {}
        }
    };
    let events = BroadcastStream::new(inner.board.subscribe())
        .filter_map(move |next| {
            // Kept as long as the stream is.
            let _ = &counted;
            let event = match next {
                Ok(shown) if filter.session.as_ref().is_none_or(|wanted| *wanted == shown.session) => Some(
                    Event::default()
                        .event("decision")
                        .id(shown.id.as_str())
                        .data(shown.json.as_str()),
                ),
                Ok(_) => None,
                Err(BroadcastStreamRecvError::Lagged(missed)) => {
                    metrics.decisions_missed.inc_by(missed);
                    Some(Event::default().event("missed").data(missed.to_string()))
                }
            };
            std::future::ready(event.map(Ok::<_, Infallible>))
        })
        .take_until(Box::pin(end));
    // The page waits for this to know that it is connected: a comment goes out at once.
    let opening = futures::stream::once(std::future::ready(Ok(Event::default().comment("open"))));
    Sse::new(opening.chain(events))
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response()
}

/// Counts a reader for as long as its stream lives.
struct Counted {
    gateway: Gateway,
    _permit: tokio::sync::OwnedSemaphorePermit,
}

impl Counted {
    fn new(gateway: &Gateway, permit: tokio::sync::OwnedSemaphorePermit) -> Self {
        gateway.inner.metrics.connections.inc();
        Self {
            gateway: gateway.clone(),
            _permit: permit,
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.gateway.inner.metrics.connections.dec();
    }
}
