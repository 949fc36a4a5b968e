//! Refusals as `application/problem+json` (RFC 9457).
//!
//! Invariant: nothing of the request stands in the answer, only codes and sentences of ours.

use super::ingest::Refusal;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ductus_dynamics::reject::RejectReason;
use serde_json::json;

/// An answer that says what is wrong and, where it helps, when to come again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    /// Code for programs.
    pub(super) reason: &'static str,
    /// Sentence for people.
    pub(super) title: &'static str,
    pub(super) retry_after_s: Option<u32>,
}

impl Problem {
    /// What a refused batch is answered with.
    pub(super) fn of(refusal: Refusal, retry_after_s: u32) -> Self {
        let (status, title) = match refusal {
            Refusal::Rejected(RejectReason::OversizeBatch) => {
                (StatusCode::PAYLOAD_TOO_LARGE, "the batch has more bytes than the limit")
            }
            Refusal::Rejected(reason) => (StatusCode::BAD_REQUEST, title(reason)),
            Refusal::Busy => (StatusCode::TOO_MANY_REQUESTS, "too many batches wait already"),
            Refusal::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "the batch could not be stored in time"),
        };
        let again = matches!(refusal, Refusal::Busy | Refusal::Unavailable);
        Self {
            status,
            reason: refusal.code(),
            title,
            retry_after_s: again.then_some(retry_after_s),
        }
    }

    /// Too many connections.
    pub(super) fn crowded(retry_after_s: u32) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            reason: "too_many_connections",
            title: "too many connections are open",
            retry_after_s: Some(retry_after_s),
        }
    }

    /// A page of another origin.
    pub(super) const FOREIGN: Self = Self {
        status: StatusCode::FORBIDDEN,
        reason: "foreign_origin",
        title: "pages of this origin may not send events, see gateway.cors_origins",
        retry_after_s: None,
    };

    /// The credential is good for something else.
    pub(super) const FORBIDDEN: Self = Self {
        status: StatusCode::FORBIDDEN,
        reason: "forbidden",
        title: "this credential does not give that right",
        retry_after_s: None,
    };

    /// The id of the last event is none of ours.
    pub(super) const BAD_EVENT_ID: Self = Self {
        status: StatusCode::BAD_REQUEST,
        reason: "bad_event_id",
        title: "the last event id is none that this stream gave",
        retry_after_s: None,
    };

    /// Nothing is there.
    pub(super) const NOT_FOUND: Self = Self {
        status: StatusCode::NOT_FOUND,
        reason: "not_found",
        title: "nothing is here",
        retry_after_s: None,
    };
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "type": format!("urn:ductus:problem:{}", self.reason),
            "title": self.title,
            "status": self.status.as_u16(),
            "reason": self.reason,
        });
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(retry_after_s) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, retry_after_s.into());
        }
        response
    }
}

fn title(reason: RejectReason) -> &'static str {
    match reason {
        RejectReason::Malformed => "the body is not an event batch",
        RejectReason::UnsupportedVersion => "this version of the event batch is not known",
        RejectReason::UnknownField => "a field is not in the contract",
        RejectReason::ContentField => "a field may hold what was typed",
        RejectReason::UnknownValue => "a value is not one of its list",
        RejectReason::InvalidId => "tenant, subject or session is no valid id",
        RejectReason::NoConsent => "the person did not consent",
        RejectReason::TooManyEvents => "the batch has more events than the limit",
        RejectReason::AbsurdClock => "the clock cannot be right",
        RejectReason::FinerThanAllowed => "the key detail is finer than this deployment allows",
        _ => "the batch is refused",
    }
}
