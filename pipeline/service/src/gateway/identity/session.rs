//! A sign-in that goes on, or ends.
//!
//! Invariant: what acts on the cookie was sent by a page of ours, and whatever comes of it leaves a new cookie or none.

use super::super::Gateway;
use super::super::openapi::{ProblemDetails, Refused};
use super::super::problem::Problem;
use super::answers::{Absent, DOES_NOT_HOLD, SignedInView};
use super::cookie;
use super::request::{OwnPage, Person, Visitor};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

/// Gives a new access token for the cookie, and a new cookie.
///
/// A cookie works once: one that is shown twice ends the sign-in, because two have it.
#[utoipa::path(
    post,
    path = "/v1/auth/refresh",
    operation_id = "refresh",
    tag = "identity",
    security(("refresh_cookie" = [])),
    responses(
        (status = 200, description = "still signed in; sets the cookie `ductus_refresh`", body = SignedInView),
        (status = 401, description = "no cookie, or none that holds", content_type = "application/problem+json", body = ProblemDetails),
        (status = 403, description = "the page is of another origin", content_type = "application/problem+json", body = ProblemDetails),
        (status = 415, description = "the header `content-type: application/json` is missing", content_type = "application/problem+json", body = ProblemDetails),
        (status = 503, description = "try again after `Retry-After`", content_type = "application/problem+json", body = ProblemDetails),
        Absent,
    )
)]
pub(super) async fn refresh(
    State(gateway): State<Gateway>,
    visitor: Visitor,
    _page: OwnPage,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Some(token) = cookie::read(&headers) else {
        return Err(DOES_NOT_HOLD);
    };
    let refreshed = visitor.accounts().refresh(&visitor.visit(), &token).await;
    Ok(match gateway.note(refreshed)? {
        Some(signed_in) => visitor.signed_in(signed_in),
        None => visitor.without_cookie(DOES_NOT_HOLD),
    })
}

/// Signs out here.
#[utoipa::path(
    post,
    path = "/v1/auth/logout",
    operation_id = "logOut",
    tag = "identity",
    security(("refresh_cookie" = [])),
    responses(
        (status = 204, description = "signed out, or never in"),
        (status = 415, description = "the header `content-type: application/json` is missing", content_type = "application/problem+json", body = ProblemDetails),
        (status = 403, description = "the page is of another origin", content_type = "application/problem+json", body = ProblemDetails),
        (status = 503, description = "try again after `Retry-After`", content_type = "application/problem+json", body = ProblemDetails),
        Absent,
    )
)]
pub(super) async fn log_out(
    State(gateway): State<Gateway>,
    visitor: Visitor,
    _page: OwnPage,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if let Some(token) = cookie::read(&headers) {
        gateway.note(visitor.accounts().log_out(&visitor.visit(), &token).await)?;
    }
    Ok(visitor.without_cookie(StatusCode::NO_CONTENT))
}

/// Ends all sign-ins of whoever is signed in.
///
/// Their access tokens hold for the rest of their minutes where they alone are asked for.
#[utoipa::path(
    post,
    path = "/v1/auth/logout-everywhere",
    operation_id = "logOutEverywhere",
    tag = "identity",
    responses((status = 204, description = "signed out everywhere"), Refused, Absent)
)]
pub(super) async fn log_out_everywhere(State(gateway): State<Gateway>, person: Person) -> Result<Response, Problem> {
    let visitor = &person.visitor;
    let visit = visitor.visit();
    let ended = visitor.accounts().log_out_everywhere(&visit, &person.token);
    gateway.note(ended.await)?;
    Ok(visitor.without_cookie(StatusCode::NO_CONTENT))
}
