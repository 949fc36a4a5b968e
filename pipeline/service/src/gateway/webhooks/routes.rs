//! `/v1/webhooks`: who is told, and what became of it; `/v1/jwks.json`.
//!
//! Invariants: only keys with the scope `admin` come here, and only to webhooks of their own tenant; a secret is shown once;
//! where there is no accounts database there is nothing here.

use super::Desk;
use super::message::{self, Facts};
use crate::accounts::now_ms;
use crate::gateway::access::Caller;
use crate::gateway::audit::Told;
use crate::gateway::input::{Body, Path, Untaken};
use crate::gateway::keys::problem;
use crate::gateway::openapi::{ProblemDetails, Refused};
use crate::gateway::problem::Problem;
use crate::gateway::{Gateway, drawn_id};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use ductus_accounts::{
    DeliveryState, DeliveryView, Enqueued, NewDelivery, NewWebhook, Scope, Webhook, WebhookEvent, WebhookFormat,
    delivery_id,
};
use ductus_dynamics::wire::{Action, AuditAction};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Most deliveries that one answer lists.
const DELIVERIES_MAX: u32 = 1_000;

/// What a webhook shall be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::gateway) struct WebhookWish {
    /// Where it listens: `https://…`.
    url: String,
    /// `standard` (JSON, Standard Webhooks) or `set` (security event tokens).
    #[schema(value_type = String)]
    format: WebhookFormat,
    /// Some of `step_up`, `terminate`, `allow`.
    #[schema(value_type = Vec<String>)]
    events: Vec<WebhookEvent>,
}

/// A webhook that was added.
#[derive(Serialize, ToSchema)]
pub(in crate::gateway) struct WebhookMade {
    /// Its id.
    id: String,
    /// What its messages are signed with, shown once; none of a `set`, whose tokens are checked with `/v1/jwks.json`.
    secret: Option<String>,
}

/// A webhook without its secret.
#[derive(Serialize, ToSchema)]
pub(in crate::gateway) struct WebhookListed {
    /// Its id.
    id: String,
    /// Where it listens.
    url: String,
    /// `standard` or `set`.
    #[schema(value_type = String)]
    format: WebhookFormat,
    /// What it is told.
    #[schema(value_type = Vec<String>)]
    events: Vec<WebhookEvent>,
    /// When it was added, ms since 1970.
    created_at_ms: i64,
    /// Since when it is off, because its receiver answered 410.
    off_at_ms: Option<i64>,
}

impl From<Webhook> for WebhookListed {
    fn from(webhook: Webhook) -> Self {
        Self {
            id: webhook.id,
            url: webhook.url,
            format: webhook.format,
            events: webhook.events,
            created_at_ms: webhook.created_ms,
            off_at_ms: webhook.off_ms,
        }
    }
}

/// Adds a webhook for the caller's tenant. Its secret is shown once.
#[utoipa::path(
    post,
    path = "/v1/webhooks",
    operation_id = "addWebhook",
    tag = "webhooks",
    request_body = WebhookWish,
    responses(
        (status = 201, description = "it is told from now on", body = WebhookMade),
        (status = 404, description = "there are no webhooks here", content_type = "application/problem+json", body = ProblemDetails),
        Untaken,
        Refused,
    )
)]
pub(in crate::gateway) async fn add(
    State(gateway): State<Gateway>,
    caller: Caller,
    body: Result<Body<WebhookWish>, Problem>,
) -> Result<Response, Problem> {
    let (desk, tenant) = administer(&gateway, &caller)?;
    let Body(wish) = body?;
    desk.reach.check(&wish.url).map_err(Problem::bad_value)?;
    let new = NewWebhook {
        tenant,
        url: &wish.url,
        format: wish.format,
        events: &wish.events,
    };
    let webhook = desk.webhooks.create(&new, now_ms()).await.map_err(problem)?;
    let told = Told {
        object: Some(&webhook.id),
        ..Told::default()
    };
    desk.audit.done(AuditAction::WebhookAdded, &caller, tenant, &told);
    let secret = match webhook.format {
        WebhookFormat::Standard => desk.secrets.of(&webhook.id).first().map(message::show),
        WebhookFormat::Set => None,
    };
    let made = WebhookMade { id: webhook.id, secret };
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

/// The webhooks of the caller's tenant, newest first.
#[utoipa::path(
    get,
    path = "/v1/webhooks",
    operation_id = "listWebhooks",
    tag = "webhooks",
    responses(
        (status = 200, description = "webhooks", body = Vec<WebhookListed>),
        (status = 404, description = "there are no webhooks here", content_type = "application/problem+json", body = ProblemDetails),
        Refused,
    )
)]
pub(in crate::gateway) async fn list(State(gateway): State<Gateway>, caller: Caller) -> Result<Response, Problem> {
    let (desk, tenant) = administer(&gateway, &caller)?;
    let webhooks = desk.webhooks.list(tenant).await.map_err(problem)?;
    let webhooks: Vec<WebhookListed> = webhooks.into_iter().map(Into::into).collect();
    Ok(Json(webhooks).into_response())
}

/// Removes a webhook with all that waits for it.
#[utoipa::path(
    delete,
    path = "/v1/webhooks/{webhook}",
    operation_id = "removeWebhook",
    tag = "webhooks",
    params(("webhook" = String, Path, description = "id of the webhook")),
    responses(
        (status = 204, description = "it is removed"),
        (status = 404, description = "the tenant has no such webhook", content_type = "application/problem+json", body = ProblemDetails),
        Refused,
    )
)]
pub(in crate::gateway) async fn remove(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(webhook): Path<String>,
) -> Result<Response, Problem> {
    let (desk, tenant) = administer(&gateway, &caller)?;
    if !desk.webhooks.remove(tenant, &webhook).await.map_err(problem)? {
        return Err(Problem::NOT_FOUND);
    }
    let told = Told {
        object: Some(&webhook),
        ..Told::default()
    };
    desk.audit.done(AuditAction::WebhookRemoved, &caller, tenant, &told);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A delivery that is on its way.
#[derive(Serialize, ToSchema)]
pub(in crate::gateway) struct DeliveryAsked {
    /// Its id, which the receiver sees.
    delivery: String,
}

/// Sends a webhook a test message, once.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{webhook}/test",
    operation_id = "testWebhook",
    tag = "webhooks",
    params(("webhook" = String, Path, description = "id of the webhook")),
    responses(
        (status = 202, description = "it is on its way; its deliveries say what became of it", body = DeliveryAsked),
        (status = 400, description = "the webhook is off", content_type = "application/problem+json", body = ProblemDetails),
        (status = 404, description = "the tenant has no such webhook", content_type = "application/problem+json", body = ProblemDetails),
        (status = 429, description = "too many deliveries wait for it", content_type = "application/problem+json", body = ProblemDetails),
        Refused,
    )
)]
pub(in crate::gateway) async fn test(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(webhook): Path<String>,
) -> Result<Response, Problem> {
    let (desk, tenant) = administer(&gateway, &caller)?;
    let found = desk.webhooks.get(tenant, &webhook).await.map_err(problem)?;
    let webhook = found.ok_or(Problem::NOT_FOUND)?;
    let now_ms = now_ms();
    let facts = Facts {
        at_ms: now_ms,
        tenant: tenant.to_owned(),
        asked: None,
        before: Action::Allow,
    };
    // Each test is one of its own.
    let delivery = delivery_id(&webhook.id, &format!("test {}", drawn_id()));
    let new = NewDelivery {
        id: &delivery,
        webhook: &webhook.id,
        tenant,
        subject: None,
        session: None,
        decision: None,
        event: WebhookEvent::Test,
        // Facts are texts and numbers.
        body: &serde_json::to_string(&facts).unwrap_or_default(),
    };
    match desk.deliveries.enqueue(&new, now_ms).await.map_err(problem)? {
        Enqueued::New | Enqueued::Known => desk.wake.notify_one(),
        Enqueued::NoWebhook => return Err(Problem::bad_value("the webhook is off: its receiver answered 410")),
        Enqueued::Full => return Err(Problem::busy(gateway.inner.retry_after_s)),
    }
    Ok((StatusCode::ACCEPTED, Json(DeliveryAsked { delivery })).into_response())
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::gateway) struct Wanted {
    /// `waiting`, `done` or `dead`; all where nothing is said.
    #[param(value_type = Option<String>)]
    state: Option<DeliveryState>,
    /// Most deliveries wanted, up to 1,000.
    limit: Option<u32>,
}

/// A delivery.
#[derive(Serialize, ToSchema)]
pub(in crate::gateway) struct DeliveryListed {
    /// Its id, which the receiver sees.
    delivery: String,
    /// `step_up`, `terminate`, `allow` or `test`.
    #[schema(value_type = String)]
    event: WebhookEvent,
    /// The decision that it tells of; none of a test.
    decision: Option<String>,
    /// How often it was tried since it was put in, or since somebody asked for another round.
    attempts: i64,
    /// Status of the last answer.
    last_status: Option<i64>,
    /// What was wrong last: `status`, `redirect`, `gone`, `timeout`, `unreachable`, `broken_off`, `address_refused`,
    /// `switched_off`, `unwritable`.
    last_error: Option<String>,
    /// When it is tried next, ms since 1970.
    next_at_ms: Option<i64>,
    /// When it was put in, ms since 1970.
    created_at_ms: i64,
    /// `waiting`, `done` or `dead`.
    #[schema(value_type = String)]
    state: DeliveryState,
}

impl From<DeliveryView> for DeliveryListed {
    fn from(view: DeliveryView) -> Self {
        Self {
            delivery: view.id,
            event: view.event,
            decision: view.decision,
            attempts: view.attempts,
            last_status: view.last_status,
            last_error: view.last_error,
            next_at_ms: view.next_ms,
            created_at_ms: view.created_ms,
            state: view.state,
        }
    }
}

/// The deliveries of a webhook, those that changed last first.
#[utoipa::path(
    get,
    path = "/v1/webhooks/{webhook}/deliveries",
    operation_id = "listDeliveries",
    tag = "webhooks",
    params(("webhook" = String, Path, description = "id of the webhook"), Wanted),
    responses(
        (status = 200, description = "deliveries", body = Vec<DeliveryListed>),
        (status = 400, description = "the query cannot be read", content_type = "application/problem+json", body = ProblemDetails),
        (status = 404, description = "the tenant has no such webhook", content_type = "application/problem+json", body = ProblemDetails),
        Refused,
    )
)]
pub(in crate::gateway) async fn deliveries(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(webhook): Path<String>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Problem> {
    let (desk, tenant) = administer(&gateway, &caller)?;
    let Query(wanted) =
        wanted.map_err(|_| Problem::bad_value("state must be waiting, done or dead, limit a number"))?;
    let found = desk.webhooks.get(tenant, &webhook).await.map_err(problem)?;
    let webhook = found.ok_or(Problem::NOT_FOUND)?;
    let limit = wanted.limit.unwrap_or(DELIVERIES_MAX).min(DELIVERIES_MAX);
    let listed = desk.deliveries.list(tenant, &webhook.id, wanted.state, limit).await;
    let listed: Vec<DeliveryListed> = listed.map_err(problem)?.into_iter().map(Into::into).collect();
    Ok(Json(listed).into_response())
}

/// Gives a dead delivery another round, under its own id.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{webhook}/deliveries/{delivery}/retry",
    operation_id = "retryDelivery",
    tag = "webhooks",
    params(
        ("webhook" = String, Path, description = "id of the webhook"),
        ("delivery" = String, Path, description = "id of the delivery"),
    ),
    responses(
        (status = 202, description = "it is on its way", body = DeliveryAsked),
        (status = 404, description = "the tenant has no such dead delivery, or the webhook is off", content_type = "application/problem+json", body = ProblemDetails),
        Refused,
    )
)]
pub(in crate::gateway) async fn retry(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path((webhook, delivery)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (desk, tenant) = administer(&gateway, &caller)?;
    let retried = desk.deliveries.retry(tenant, &webhook, &delivery, now_ms()).await;
    if !retried.map_err(problem)? {
        return Err(Problem::NOT_FOUND);
    }
    desk.wake.notify_one();
    Ok((StatusCode::ACCEPTED, Json(DeliveryAsked { delivery })).into_response())
}

/// The public keys that security event tokens are checked with (RFC 7517). No credential is asked for.
#[utoipa::path(
    get,
    path = "/v1/jwks.json",
    operation_id = "getKeySet",
    tag = "webhooks",
    responses(
        (status = 200, description = "the key set", content_type = "application/jwk-set+json"),
        (status = 404, description = "there are no webhooks here", content_type = "application/problem+json", body = ProblemDetails),
    )
)]
pub(in crate::gateway) async fn jwks(State(gateway): State<Gateway>) -> Result<Response, Problem> {
    let desk = gateway.inner.webhooks.as_deref().ok_or(Problem::NOT_FOUND)?;
    let headers = [
        (header::CONTENT_TYPE, "application/jwk-set+json"),
        (header::CACHE_CONTROL, "public, max-age=300"),
    ];
    Ok((headers, desk.issuer.key_set().to_owned()).into_response())
}

fn administer<'a>(gateway: &'a Gateway, caller: &'a Caller) -> Result<(&'a Desk, &'a str), Problem> {
    let desk = gateway.inner.webhooks.as_deref().ok_or(Problem::NOT_FOUND)?;
    caller.may(Scope::Admin)?;
    Ok((desk, caller.tenant().ok_or(Problem::NOT_FOUND)?))
}
