//! What comes with a request besides its credential: the names in its path, and its body.
//!
//! Invariants: a body has a bound in bytes and one in time, from its first byte to its last, and says that it is JSON, which a
//! form of a foreign page cannot; whatever is wrong with either is one of our problems, which repeats nothing of it.

use super::Gateway;
use super::openapi::problems;
use super::problem::Problem;
use axum::body::{Bytes, HttpBody};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response};

/// Longest body that says what somebody wishes, bytes: what an authenticator says of itself is the longest.
const WISH_BYTES_MAX: usize = 64 * 1024;

/// The names in a path. Nothing is where a name is no text, or has a byte in it that a database takes for an end.
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Gateway> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Problem> {
        if parts.uri.path().contains("%00") {
            return Err(Problem::NOT_FOUND);
        }
        let named = axum::extract::Path::from_request_parts(parts, gateway).await;
        let axum::extract::Path(names) = named.map_err(|_| Problem::NOT_FOUND)?;
        Ok(Self(names))
    }
}

/// A body of JSON that says what is wished.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Gateway> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, Problem> {
        let body = read(request, gateway, WISH_BYTES_MAX).await?;
        serde_json::from_slice(&body).map(Self).map_err(|_| Problem::BAD_BODY)
    }
}

/// The same, where nothing need be wished: an empty body is none, and needs to say nothing of itself.
pub(super) struct MaybeBody<T>(pub(super) Option<T>);

impl<T: DeserializeOwned> FromRequest<Gateway> for MaybeBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, Problem> {
        if !request.headers().contains_key(header::CONTENT_TYPE) && request.body().is_end_stream() {
            return Ok(Self(None));
        }
        let Body(wish) = Body::from_request(request, gateway).await?;
        Ok(Self(wish))
    }
}

/// A body of JSON with samples of input, as it came.
pub(super) struct Samples(pub(super) Bytes);

impl FromRequest<Gateway> for Samples {
    type Rejection = Problem;

    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, Problem> {
        let most = gateway.inner.body_bytes_max;
        read(request, gateway, most).await.map(Self)
    }
}

async fn read(request: Request, gateway: &Gateway, most: usize) -> Result<Bytes, Problem> {
    if !says_json(request.headers()) {
        return Err(Problem::NOT_JSON);
    }
    let read = axum::body::to_bytes(request.into_body(), most);
    let read = tokio::time::timeout(gateway.inner.body_timeout, read).await;
    read.map_err(|_| Problem::SLOW)?.map_err(|_| Problem::OVERSIZE)
}

/// Whether a body says that it is JSON.
pub(super) fn says_json(headers: &HeaderMap) -> bool {
    let said = headers.get(header::CONTENT_TYPE).and_then(|said| said.to_str().ok());
    let essence = said.and_then(|said| said.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// What any route may answer that takes a body.
pub(super) struct Untaken;

impl IntoResponses for Untaken {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            ("400", "the body or a value in it cannot be"),
            ("408", "the body did not come in time"),
            ("413", "the body is too long"),
            ("415", "the body is no JSON"),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn json_is_told_from_what_a_form_can_send() {
        for (said, expected) in [
            (Some("application/json"), true),
            (Some("Application/JSON; charset=utf-8"), true),
            (Some("application/x-www-form-urlencoded"), false),
            (Some("multipart/form-data; boundary=application/json"), false),
            (Some("text/plain"), false),
            (Some("text/plain;application/json"), false),
            (Some(""), false),
            (None, false),
        ] {
            let said = said.map(|said| (header::CONTENT_TYPE, HeaderValue::from_static(said)));
            assert_eq!(says_json(&said.into_iter().collect()), expected);
        }
    }
}
