//! `/v1/events`: batches by POST, one or many, or as text frames of a WebSocket.
//!
//! Invariants: 202 (`ok: true`) only after Kafka acknowledged; what is sent again changes nothing, because the stream knows
//! tenant, session and number of a batch; a socket's frames are taken one after the other, so that a slow Kafka slows the
//! sender; pages of foreign origins are refused unless they are listed; a body has bounds in bytes, batches and time.

use super::Gateway;
use super::access::{Caller, agree};
use super::connections::{Counted, Crowded, close, send};
use super::ingest::{Accepted, Refusal};
use super::monitor::KEEP_ALIVE;
use super::openapi::{ProblemDetails, Refused};
use super::problem::Problem;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ductus_accounts::Scope;
use ductus_dynamics::reject::RejectReason;
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use utoipa::ToSchema;

/// Whether a body is one batch, or one a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    One,
    Lines,
}

/// What became of a request.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the answer")]
pub(super) struct Taken {
    /// Events that will be used.
    accepted: u64,
    /// Events that were refused one by one; the stream notes them as dead letters.
    rejected: u64,
    /// Of many batches, what became of each, in their order.
    batches: Option<Vec<BatchTaken>>,
}

/// What became of a batch; also the answer to a frame of a socket.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the answer")]
pub(super) struct BatchTaken {
    /// Its number; null where it was refused.
    seq: Option<u32>,
    /// Whether Kafka has it.
    ok: bool,
    /// Why not.
    reason: Option<String>,
}

/// Sends event batches.
///
/// One batch as JSON, or one a line as NDJSON; gzip and zstd are understood. The answer comes after Kafka acknowledged. What
/// is sent again (same tenant, session and number) changes nothing, so that a request without an answer can be repeated
/// whole. Of many batches, none is sent after one that has to come again.
#[utoipa::path(
    post,
    path = "/v1/events",
    operation_id = "sendEvents",
    tag = "events",
    request_body(
        content(
            (ref("#/components/schemas/EventBatch") = "application/json"),
            (String = "application/x-ndjson"),
        ),
    ),
    responses(
        (status = 202, description = "in Kafka, acknowledged", body = Taken),
        (status = 400, description = "it breaks the contract: sending it again is of no use", content_type = "application/problem+json", body = ProblemDetails),
        (status = 408, description = "the body did not come in time", content_type = "application/problem+json", body = ProblemDetails),
        (status = 413, description = "more bytes, events or batches than one request may have", content_type = "application/problem+json", body = ProblemDetails),
        (status = 415, description = "neither JSON nor NDJSON, or packed in another way", content_type = "application/problem+json", body = ProblemDetails),
        (status = 429, description = "too much at once: again after `Retry-After`", content_type = "application/problem+json", body = ProblemDetails),
        Refused,
    )
)]
pub(super) async fn post(State(gateway): State<Gateway>, caller: Caller, headers: HeaderMap, body: Body) -> Response {
    let inner = &gateway.inner;
    if !origin_allowed(&headers, &inner.origins) {
        return Problem::FOREIGN.into_response();
    }
    if let Err(problem) = caller.may(Scope::Ingest) {
        return problem.into_response();
    }
    let Some(form) = form(&headers).filter(|_| is_unpacked(&headers)) else {
        return Problem::WRONG_TYPE.into_response();
    };
    let most = match form {
        Form::One => inner.batch_bytes_max,
        Form::Lines => inner.body_bytes_max,
    };
    let body = match tokio::time::timeout(inner.body_timeout, axum::body::to_bytes(body, most)).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => return unreadable(&gateway, form, &error).into_response(),
        Err(_) => return Problem::SLOW.into_response(),
    };
    match form {
        Form::One => match inner.ingest.take(&caller, &body).await {
            Ok(taken) => {
                let body = json!({ "accepted": taken.events, "rejected": taken.rejected });
                (StatusCode::ACCEPTED, Json(body)).into_response()
            }
            Err(refusal) => Problem::of(refusal, inner.retry_after_s).into_response(),
        },
        Form::Lines => take_lines(&gateway, &caller, &body).await,
    }
}

/// What the body is; none where it is nothing that is taken.
fn form(headers: &HeaderMap) -> Option<Form> {
    let named = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let essence = named.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        Some(Form::One)
    } else if essence.eq_ignore_ascii_case("application/x-ndjson") {
        Some(Form::Lines)
    } else {
        None
    }
}

/// Whether nothing is left to unpack: what is understood was taken off the headers with what it did.
fn is_unpacked(headers: &HeaderMap) -> bool {
    let packed = headers.get(header::CONTENT_ENCODING);
    packed.is_none_or(|packed| packed.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// A body that ended early, holds too much, or is not compressed as it says.
fn unreadable(gateway: &Gateway, form: Form, error: &axum::Error) -> Problem {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.is::<http_body_util::LengthLimitError>() {
            let refusal = Refusal::Rejected(RejectReason::OversizeBatch);
            gateway.inner.metrics.batches.with_label_values(&[refusal.code()]).inc();
            return match form {
                Form::One => Problem::of(refusal, 0),
                Form::Lines => Problem::OVERSIZE,
            };
        }
        cause = error.source();
    }
    Problem::of(Refusal::Rejected(RejectReason::Malformed), 0)
}

/// Many batches: taken where any was, refused where none was, and to be sent again whole where one has to come again.
async fn take_lines(gateway: &Gateway, caller: &Caller, body: &[u8]) -> Response {
    let inner = &gateway.inner;
    let lines = || {
        body.split(|byte| *byte == b'\n')
            .filter(|line| !line.trim_ascii().is_empty())
    };
    if lines().nth(inner.body_batches_max).is_some() {
        return Problem::OVERSIZE.into_response();
    }
    tell(gateway, &inner.ingest.take_all(caller, lines()).await)
}

/// The answer to many batches.
pub(super) fn tell(gateway: &Gateway, outcomes: &[Result<Accepted, Refusal>]) -> Response {
    let batches: Vec<Value> = outcomes.iter().map(outcome).collect();
    let taken = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok());
    let (accepted, rejected) = taken.clone().fold((0, 0), |(accepted, rejected), batch| {
        (accepted + batch.events, rejected + batch.rejected)
    });
    let mut refusals = outcomes.iter().filter_map(|outcome| outcome.as_ref().err().copied());
    let again = refusals.clone().find(|refusal| refusal.is_for_now());
    let refused = match taken.count() {
        0 => Some(refusals.next().unwrap_or(Refusal::Rejected(RejectReason::Malformed))),
        _ => None,
    };
    if let Some(refusal) = again.or(refused) {
        let more = Map::from_iter([("batches".to_owned(), Value::from(batches))]);
        return Problem::of(refusal, gateway.inner.retry_after_s).with(more);
    }
    let body = json!({ "accepted": accepted, "rejected": rejected, "batches": batches });
    (StatusCode::ACCEPTED, Json(body)).into_response()
}

/// Sends event batches as frames of a WebSocket.
///
/// Each text or binary frame is a batch, each answer `{seq, ok}`, with `reason` and `retry_after_s` where it was not taken.
/// Offer the sub-protocol `ductus.v1`, and beside it `bearer.<token>`.
#[utoipa::path(
    get,
    path = "/v1/events",
    operation_id = "openEventSocket",
    tag = "events",
    responses(
        (status = 101, description = "the socket is open"),
        (status = 400, description = "no WebSocket", content_type = "application/problem+json", body = ProblemDetails),
        Crowded,
        Refused,
    )
)]
pub(super) async fn websocket(
    State(gateway): State<Gateway>,
    caller: Caller,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    if !origin_allowed(&headers, &gateway.inner.origins) {
        return Err(Problem::FOREIGN);
    }
    caller.may(Scope::Ingest)?;
    let upgrade = upgrade.map_err(|_| Problem::NO_SOCKET)?;
    let counted = Counted::new(&gateway, &caller)?;
    // One byte more than is taken, so that a batch over the limit is answered and not cut off.
    let bytes_max = gateway.inner.batch_bytes_max + 1;
    let opened = agree(upgrade)
        .max_message_size(bytes_max)
        .max_frame_size(bytes_max)
        .on_upgrade(move |socket| async move {
            let _counted = counted;
            converse(&gateway, &caller, socket).await;
        });
    Ok(opened)
}

/// Answers each frame until either side ends, or the credential does.
async fn converse(gateway: &Gateway, caller: &Caller, mut socket: WebSocket) {
    let mut expired = std::pin::pin!(caller.expired());
    let mut alive = tokio::time::interval_at(Instant::now() + KEEP_ALIVE, KEEP_ALIVE);
    loop {
        let message = tokio::select! {
            message = socket.recv() => message,
            () = gateway.inner.shutdown.requested() => {
                return close(gateway, socket, close_code::AWAY, "the gateway ends").await;
            }
            () = &mut expired => {
                return close(gateway, socket, close_code::POLICY, "the credential has expired").await;
            }
            // Who does not take it is gone.
            _ = alive.tick() => match send(gateway, &mut socket, Message::Ping(Bytes::new())).await {
                true => continue,
                false => return,
            },
        };
        let bytes: Bytes = match message {
            Some(Ok(Message::Text(text))) => text.into(),
            Some(Ok(Message::Binary(bytes))) => bytes,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Ok(Message::Close(_)) | Err(_)) | None => return,
        };
        let taken = gateway.inner.ingest.take(caller, &bytes).await;
        let mut answer = outcome(&taken);
        if let Err(refusal) = taken
            && let Some(retry_after_s) = Problem::of(refusal, gateway.inner.retry_after_s).retry_after_s
        {
            answer["retry_after_s"] = retry_after_s.into();
        }
        if !send(gateway, &mut socket, Message::Text(answer.to_string().into())).await {
            return;
        }
    }
}

/// What became of one of many batches. The number of one that cannot be read is not known.
fn outcome(outcome: &Result<Accepted, Refusal>) -> Value {
    match outcome {
        Ok(accepted) => json!({ "seq": accepted.seq, "ok": true }),
        Err(refusal) => json!({ "seq": null, "ok": false, "reason": refusal.code() }),
    }
}

/// Browsers name the page's origin; a page of another site must not feed sessions here.
pub(super) fn origin_allowed(headers: &HeaderMap, allowed: &[String]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let same = origin.split_once("://").is_some_and(|(_, rest)| Some(rest) == host);
    same || allowed.iter().any(|known| known == origin)
}
