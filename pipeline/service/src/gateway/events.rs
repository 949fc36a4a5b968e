//! `/v1/events`: batches by POST, or as text frames of a WebSocket.
//!
//! Invariants: 202 (`ok: true`) only after Kafka acknowledged; a socket's frames are taken one after the other, so that a
//! slow Kafka slows the sender; pages of foreign origins are refused unless they are listed.

use super::Gateway;
use super::ingest::Refusal;
use super::problem::Problem;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ductus_dynamics::reject::RejectReason;
use serde_json::json;

pub(super) async fn post(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let inner = &gateway.inner;
    if !origin_allowed(&headers, &inner.origins) {
        return Problem::FOREIGN.into_response();
    }
    let taken = match body {
        Ok(body) => inner.ingest.take(&body).await,
        Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            inner.metrics.batches.with_label_values(&["oversize_batch"]).inc();
            Err(Refusal::Rejected(RejectReason::OversizeBatch))
        }
        // The client went away, or sent less than it announced.
        Err(_) => Err(Refusal::Rejected(RejectReason::Malformed)),
    };
    match taken {
        Ok(accepted) => {
            let body = json!({ "accepted": accepted.events, "rejected": accepted.rejected });
            (StatusCode::ACCEPTED, Json(body)).into_response()
        }
        Err(refusal) => Problem::of(refusal, inner.retry_after_s).into_response(),
    }
}

pub(super) async fn websocket(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if !origin_allowed(&headers, &gateway.inner.origins) {
        return Problem::FOREIGN.into_response();
    }
    let Ok(permit) = gateway.inner.connections.clone().try_acquire_owned() else {
        return Problem::crowded(gateway.inner.retry_after_s).into_response();
    };
    // One byte more than is taken, so that a batch over the limit is answered and not cut off.
    let bytes_max = gateway.inner.batch_bytes_max + 1;
    upgrade
        .max_message_size(bytes_max)
        .max_frame_size(bytes_max)
        .on_upgrade(move |socket| async move {
            gateway.inner.metrics.connections.inc();
            converse(&gateway, socket).await;
            gateway.inner.metrics.connections.dec();
            drop(permit);
        })
}

/// Answers each frame until either side ends.
async fn converse(gateway: &Gateway, mut socket: WebSocket) {
    loop {
        let message = tokio::select! {
            message = socket.recv() => message,
            () = gateway.inner.shutdown.requested() => {
                let away = CloseFrame { code: close_code::AWAY, reason: "the gateway ends".into() };
                let _ = socket.send(Message::Close(Some(away))).await;
                return;
            }
        };
        let answer = match message {
            Some(Ok(Message::Text(text))) => answer(gateway, text.as_bytes()).await,
            Some(Ok(Message::Binary(bytes))) => answer(gateway, &bytes).await,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Ok(Message::Close(_)) | Err(_)) | None => return,
        };
        if socket.send(Message::Text(answer.into())).await.is_err() {
            return;
        }
    }
}

async fn answer(gateway: &Gateway, value: &[u8]) -> String {
    let answer = match gateway.inner.ingest.take(value).await {
        Ok(accepted) => json!({ "seq": accepted.seq, "ok": true }),
        // The number of a batch that cannot be read is not known.
        Err(Refusal::Rejected(reason)) => json!({ "seq": null, "ok": false, "reason": reason.code() }),
        Err(refusal) => json!({
            "seq": null,
            "ok": false,
            "reason": refusal.code(),
            "retry_after_s": gateway.inner.retry_after_s,
        }),
    };
    answer.to_string()
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
