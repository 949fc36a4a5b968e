//! `/v1/settings`: what a tenant has switched on.
//!
//! Invariant: identification among many is switched on with a reason only, and who did it is audited.

use super::Gateway;
use super::access::Caller;
use super::input::{Body, Untaken};
use super::keys::problem;
use super::openapi::{ProblemDetails, Refused};
use super::problem::Problem;
use super::question::{self, Whose};
use crate::accounts::now_ms;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use ductus_accounts::{Scope, Tenants};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a tenant has switched on.
#[derive(Serialize, ToSchema)]
pub(super) struct Settings {
    /// Whether somebody may be looked for among all who are enrolled.
    identify: bool,
    /// Why.
    identify_reason: Option<String>,
}

/// What it shall be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SettingsWish {
    /// Whether somebody may be looked for among all who are enrolled.
    identify: bool,
    /// Why; whoever switches it on must say.
    reason: Option<String>,
}

/// What the tenant has switched on.
#[utoipa::path(
    get,
    path = "/v1/settings",
    operation_id = "getSettings",
    tag = "keys",
    params(Whose),
    responses(
        (status = 200, description = "the settings", body = Settings),
        (status = 400, description = "no tenant is named", content_type = "application/problem+json", body = ProblemDetails),
        (status = 404, description = "this gateway has no database, so nothing can be switched on", content_type = "application/problem+json", body = ProblemDetails),
        Refused,
    )
)]
pub(super) async fn view(
    State(gateway): State<Gateway>,
    caller: Caller,
    whose: Result<Query<Whose>, QueryRejection>,
) -> Result<Response, Problem> {
    caller.may(Scope::Admin)?;
    let (tenants, tenant) = tenants(&gateway, &caller, whose)?;
    show(tenants, &tenant).await
}

/// Switches identification among many on, with a reason, or off.
#[utoipa::path(
    put,
    path = "/v1/settings",
    operation_id = "putSettings",
    tag = "keys",
    params(Whose),
    request_body = SettingsWish,
    responses(
        (status = 200, description = "the settings as they are now", body = Settings),
        (status = 404, description = "this gateway has no database, so nothing can be switched on", content_type = "application/problem+json", body = ProblemDetails),
        Untaken,
        Refused,
    )
)]
pub(super) async fn put(
    State(gateway): State<Gateway>,
    caller: Caller,
    whose: Result<Query<Whose>, QueryRejection>,
    body: Result<Body<SettingsWish>, Problem>,
) -> Result<Response, Problem> {
    caller.may(Scope::Admin)?;
    let (tenants, tenant) = tenants(&gateway, &caller, whose)?;
    let Body(wish) = body?;
    let reason = wish
        .reason
        .as_deref()
        .map(str::trim)
        .filter(|reason| !reason.is_empty());
    let reason = match (wish.identify, reason) {
        (true, None) => return Err(Problem::bad_value("say why: `reason` is kept, and audited")),
        (true, reason) => reason,
        (false, _) => None,
    };
    let set = tenants.set_identify(&tenant, reason, caller.name(), now_ms()).await;
    gateway.audited(&caller, set.map_err(problem)?);
    show(tenants, &tenant).await
}

async fn show(tenants: &Tenants, tenant: &str) -> Result<Response, Problem> {
    let settings = tenants.settings(tenant).await.map_err(problem)?;
    let settings = Settings {
        identify: settings.identify,
        identify_reason: settings.identify_reason,
    };
    Ok(Json(settings).into_response())
}

fn tenants<'a>(
    gateway: &'a Gateway,
    caller: &Caller,
    whose: Result<Query<Whose>, QueryRejection>,
) -> Result<(&'a Tenants, String), Problem> {
    let tenants = gateway.inner.tenants.as_ref().ok_or(Problem::NOT_FOUND)?;
    Ok((tenants, question::tenant(caller, whose)?))
}
