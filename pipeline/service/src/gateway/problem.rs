//! Refusals as `application/problem+json` (RFC 9457).
//!
//! Invariant: nothing of the request stands in the answer, only codes and sentences of ours.

use super::ingest::Refusal;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ductus_dynamics::reject::RejectReason;
use serde_json::{Map, Value};

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
            Refusal::OtherPurpose => (
                StatusCode::BAD_REQUEST,
                "the batch is for another purpose than this route",
            ),
            Refusal::Guarded => (
                StatusCode::FORBIDDEN,
                "the mode is auth, or a second proof is asked for: nothing is learned, see POST /v1/me/mode",
            ),
            Refusal::Forged(_) => (
                StatusCode::FORBIDDEN,
                "the batch names a tenant, subject or session that this credential may not speak for",
            ),
            Refusal::TooOften(_) => (
                StatusCode::TOO_MANY_REQUESTS,
                "this subject or this credential sends too many batches",
            ),
            Refusal::Busy => (StatusCode::TOO_MANY_REQUESTS, "too many batches wait already"),
            Refusal::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "the batch could not be stored in time"),
        };
        let again_s = match refusal {
            Refusal::TooOften(again_s) => again_s,
            _ => retry_after_s,
        };
        Self {
            status,
            reason: refusal.code(),
            title,
            retry_after_s: refusal.is_for_now().then_some(again_s),
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

    /// Too many connections of one session, or one person.
    pub(super) fn too_many_own(retry_after_s: u32) -> Self {
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            reason: "too_many_own_connections",
            title: "this session, or this person, has too many connections open",
            retry_after_s: Some(retry_after_s),
        }
    }

    /// No WebSocket is asked for.
    pub(super) const NO_SOCKET: Self = Self {
        status: StatusCode::BAD_REQUEST,
        reason: "no_socket",
        title: "this is a WebSocket: ask for it as RFC 6455 says",
        retry_after_s: None,
    };

    /// Too many questions at once.
    pub(super) fn busy(retry_after_s: u32) -> Self {
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            reason: "busy",
            title: "too many questions are being answered already",
            retry_after_s: Some(retry_after_s),
        }
    }

    /// Something of ours failed.
    pub(super) const BROKEN: Self = Self {
        status: StatusCode::SERVICE_UNAVAILABLE,
        reason: "broken",
        title: "the question could not be answered, try again",
        retry_after_s: Some(1),
    };

    /// A page of another origin.
    pub(super) const FOREIGN: Self = Self {
        status: StatusCode::FORBIDDEN,
        reason: "foreign_origin",
        title: "pages of this origin may not send events, see gateway.cors_origins",
        retry_after_s: None,
    };

    /// No credential, or none that holds; which of both is nobody's business.
    pub(super) const UNAUTHENTICATED: Self = Self {
        status: StatusCode::UNAUTHORIZED,
        reason: "unauthenticated",
        title: "show an application key or a session token that holds",
        retry_after_s: None,
    };

    /// The accounts database does not answer.
    pub(super) const NO_DATABASE: Self = Self {
        status: StatusCode::SERVICE_UNAVAILABLE,
        reason: "no_database",
        title: "credentials cannot be looked up for now",
        retry_after_s: Some(1),
    };

    /// The body is not what this route takes.
    pub(super) const BAD_BODY: Self = Self {
        status: StatusCode::BAD_REQUEST,
        reason: "bad_body",
        title: "the body is not the JSON that this route takes, see the OpenAPI document",
        retry_after_s: None,
    };

    /// The query is not what this route takes.
    pub(super) const BAD_QUERY: Self = Self {
        status: StatusCode::BAD_REQUEST,
        reason: "bad_query",
        title: "the query is not the one that this route takes, see the OpenAPI document",
        retry_after_s: None,
    };

    /// What must be audited could not be.
    pub(super) const UNAUDITED: Self = Self {
        status: StatusCode::SERVICE_UNAVAILABLE,
        reason: "unaudited",
        title: "this must be audited, which is not possible for now",
        retry_after_s: Some(1),
    };

    /// The tenant has not switched identification on.
    pub(super) const IDENTIFY_OFF: Self = Self {
        status: StatusCode::FORBIDDEN,
        reason: "identify_off",
        title: "identification among many is off for this tenant; PUT /v1/settings switches it on, with a reason",
        retry_after_s: None,
    };

    /// A value that cannot be; `title` says which.
    pub(super) fn bad_value(title: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            reason: "bad_value",
            title,
            retry_after_s: None,
        }
    }

    /// The credential is good for something else.
    pub(super) const FORBIDDEN: Self = Self {
        status: StatusCode::FORBIDDEN,
        reason: "forbidden",
        title: "this credential does not give that right",
        retry_after_s: None,
    };

    /// The body is something else than JSON.
    pub(super) const WRONG_TYPE: Self = Self {
        status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
        reason: "wrong_content_type",
        title: "send application/json, or application/x-ndjson with a batch a line, packed with gzip, zstd or not at all",
        retry_after_s: None,
    };

    /// A form, or nothing that says what it is.
    pub(super) const NOT_JSON: Self = Self {
        status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
        reason: "wrong_content_type",
        title: "send application/json",
        retry_after_s: None,
    };

    /// The body came too slowly.
    pub(super) const SLOW: Self = Self {
        status: StatusCode::REQUEST_TIMEOUT,
        reason: "slow_body",
        title: "the body did not come in time",
        retry_after_s: None,
    };

    /// More than one request may hold.
    pub(super) const OVERSIZE: Self = Self {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        reason: "oversize_body",
        title: "the body has more bytes or more batches than one request may have",
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

impl Problem {
    /// The answer, with what more there is to say.
    pub(super) fn with(self, more: Map<String, Value>) -> Response {
        let mut body = more;
        body.insert("type".to_owned(), format!("urn:ductus:problem:{}", self.reason).into());
        body.insert("title".to_owned(), self.title.into());
        body.insert("status".to_owned(), self.status.as_u16().into());
        body.insert("reason".to_owned(), self.reason.into());
        let mut response = (self.status, Value::from(body).to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(retry_after_s) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, retry_after_s.into());
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.with(Map::new())
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
