//! Network addresses that a user trusts, and the links that make them trusted.
//!
//! Invariants: a link that is followed changes nothing, because programs that look into mails follow links too; it is used up by
//! the answer to it. Whoever follows one with a browser sees a page that asks, of our own words but for the network.

use super::super::Gateway;
use super::super::input::{Path, Untaken};
use super::super::openapi::{ProblemDetails, Refused};
use super::super::problem::Problem;
use super::answers::{Absent, NOT_SIGNED_IN, failed, too_often};
use super::request::{Person, Told, Visitor};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use ductus_accounts::{TrustAnswer, TrustedAddress};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use utoipa::{IntoParams, ToSchema};

const NO_NETWORK: Problem = Problem {
    status: StatusCode::BAD_REQUEST,
    reason: "bad_value",
    title: "the prefix is no network as 192.0.2.0/24, and no address",
    retry_after_s: None,
};

/// A network that is trusted.
#[derive(Serialize, ToSchema)]
pub(super) struct AddressView {
    /// The network; one host with IPv4.
    #[schema(value_type = String)]
    prefix: IpNet,
    /// Since when, ms since 1970.
    added_at_ms: i64,
    /// Until when.
    expires_at_ms: i64,
}

impl From<TrustedAddress> for AddressView {
    fn from(address: TrustedAddress) -> Self {
        Self {
            prefix: address.prefix,
            added_at_ms: address.added_ms,
            expires_at_ms: address.expires_ms,
        }
    }
}

/// The networks that one trusts, the newest first: from them a password is enough.
#[utoipa::path(
    get,
    path = "/v1/me/addresses",
    operation_id = "listAddresses",
    tag = "me",
    responses((status = 200, description = "the networks", body = Vec<AddressView>), Refused, Absent)
)]
pub(super) async fn list(person: Person) -> Result<Response, Problem> {
    person.me().await?;
    let visitor = &person.visitor;
    let addresses = visitor.accounts().addresses(&person.token, visitor.now_ms).await;
    let addresses: Vec<AddressView> = addresses.map_err(failed)?.into_iter().map(Into::into).collect();
    Ok(Json(addresses).into_response())
}

/// Which network.
#[derive(Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AddressWish {
    /// A network as `192.0.2.0/24`, or an address.
    prefix: String,
}

impl AddressWish {
    fn read(&self) -> Result<IpNet, Problem> {
        let network = self.prefix.parse().ok();
        let network = network.or_else(|| self.prefix.parse::<IpAddr>().ok().map(IpNet::from));
        network.ok_or(NO_NETWORK)
    }
}

/// Asks by mail whether a network shall be trusted.
#[utoipa::path(
    post,
    path = "/v1/me/addresses",
    operation_id = "askForAddress",
    tag = "me",
    request_body = AddressWish,
    responses(
        (status = 202, description = "there is mail with a link", body = NetworkView),
        (status = 429, description = "too many mails: again after `Retry-After`", content_type = "application/problem+json", body = ProblemDetails),
        Untaken,
        Refused,
        Absent,
    )
)]
pub(super) async fn ask(
    State(gateway): State<Gateway>,
    person: Person,
    Told(network): Told<AddressWish>,
) -> Result<Response, Problem> {
    person.settled().await?;
    let (visitor, prefix) = (&person.visitor, network.read()?.trunc());
    let visit = visitor.visit();
    let asked = visitor.accounts().ask_trust(&visit, &person.token, prefix);
    match gateway.note(asked.await)? {
        TrustAnswer::LinkSent => Ok((StatusCode::ACCEPTED, Json(NetworkView { prefix })).into_response()),
        TrustAnswer::Throttled { retry_after_ms } => Err(too_often(retry_after_ms)),
        TrustAnswer::Refused => Err(NOT_SIGNED_IN),
    }
}

/// Trusts a network no more.
#[utoipa::path(
    delete,
    path = "/v1/me/addresses",
    operation_id = "forgetAddress",
    tag = "me",
    params(AddressWish),
    responses(
        (status = 204, description = "it is not trusted any more"),
        (status = 400, description = "that is no network", content_type = "application/problem+json", body = ProblemDetails),
        Refused,
        Absent,
    )
)]
pub(super) async fn forget(
    State(gateway): State<Gateway>,
    person: Person,
    network: Result<Query<AddressWish>, QueryRejection>,
) -> Result<Response, Problem> {
    person.settled().await?;
    let Query(network) = network.map_err(|_| NO_NETWORK)?;
    let visitor = &person.visitor;
    let visit = visitor.visit();
    let forgotten = visitor
        .accounts()
        .forget_address(&visit, &person.token, network.read()?);
    match gateway.note(forgotten.await)? {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => Err(Problem::NOT_FOUND),
    }
}

/// What a link would have trusted.
#[derive(Serialize, ToSchema)]
pub(super) struct ApprovalView {
    /// The network.
    #[schema(value_type = String)]
    prefix: IpNet,
    /// When the link ends, ms since 1970.
    expires_at_ms: i64,
}

/// What is trusted now, or may be once the mailbox has answered.
#[derive(Serialize, ToSchema)]
pub(super) struct NetworkView {
    /// The network.
    #[schema(value_type = String)]
    prefix: IpNet,
}

/// What a mailed link would have trusted; for browsers, a page that asks.
#[utoipa::path(
    get,
    path = "/v1/auth/approvals/{token}",
    operation_id = "getApproval",
    tag = "identity",
    params(("token" = String, Path, description = "from the mail")),
    responses(
        (status = 200, description = "nothing has changed yet", body = ApprovalView),
        (status = 503, description = "try again after `Retry-After`", content_type = "application/problem+json", body = ProblemDetails),
        Absent,
    )
)]
pub(super) async fn approval(
    visitor: Visitor,
    headers: HeaderMap,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    let found = visitor
        .accounts()
        .approval(&token, visitor.now_ms)
        .await
        .map_err(failed)?;
    let page = wants_page(&headers);
    Ok(match found {
        Some(approval) if page => Html(ask_page(approval.prefix)).into_response(),
        Some(approval) => Json(ApprovalView {
            prefix: approval.prefix,
            expires_at_ms: approval.expires_ms,
        })
        .into_response(),
        None => gone(page),
    })
}

/// Trusts what a mailed link says, and uses it up.
#[utoipa::path(
    post,
    path = "/v1/auth/approvals/{token}",
    operation_id = "approve",
    tag = "identity",
    params(("token" = String, Path, description = "from the mail")),
    responses(
        (status = 200, description = "it is trusted now", body = NetworkView),
        (status = 503, description = "try again after `Retry-After`", content_type = "application/problem+json", body = ProblemDetails),
        Absent,
    )
)]
pub(super) async fn approve(
    State(gateway): State<Gateway>,
    visitor: Visitor,
    headers: HeaderMap,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    // No page of another origin has the token, so that a form may send this.
    let approved = visitor.accounts().approve(&visitor.visit(), &token).await;
    let page = wants_page(&headers);
    Ok(match gateway.note(approved)? {
        Some(prefix) if page => Html(in_page(&format!("<p>{prefix} is trusted now.</p>"))).into_response(),
        Some(prefix) => Json(NetworkView { prefix }).into_response(),
        None => gone(page),
    })
}

/// Whether a browser follows the link itself.
fn wants_page(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|accepted| accepted.to_str().ok());
    accepted.is_some_and(|accepted| accepted.contains("text/html"))
}

fn gone(page: bool) -> Response {
    match page {
        true => (
            StatusCode::NOT_FOUND,
            Html(in_page("<p>This link does not hold, or not any more.</p>")),
        )
            .into_response(),
        false => Problem::NOT_FOUND.into_response(),
    }
}

fn ask_page(prefix: IpNet) -> String {
    // Without an action a form goes to the address of its own page.
    in_page(&format!(
        "<p>Shall your password be enough when you sign in from {prefix}?</p>\
         <form method=\"post\"><button>Trust this address</button></form>\
         <p>If it was not you who signed in from there, close this page and choose a new password.</p>"
    ))
}

/// Without styles: the content security policy lets none stand in a page.
fn in_page(text: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Ductus</title><h1>Ductus</h1>{text}</html>"
    )
}
