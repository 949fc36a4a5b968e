//! `/v1/keys` and `/v1/tokens`: what gets other requests in.
//!
//! Invariants: only an application key makes tokens and manages keys, those of its own tenant; nothing gives away more than
//! it has; a secret is shown once.

use super::Gateway;
use super::access::{Caller, Checks};
use super::input::{Body, MaybeBody, Path, Untaken};
use super::openapi::{ProblemDetails, Refused};
use super::problem::Problem;
use crate::accounts::now_ms;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ductus_accounts::{
    AccountsError, CreatedKey, KeyView, MintRefusal, NewKey, Principal, Scope, Scopes, TokenRequest,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Most keys that one answer lists.
const KEYS_MAX: u32 = 1000;
/// How long a rotated key's old secret stays valid where nothing else is said, s.
const GRACE_S: i64 = 24 * 3600;

/// What a token shall be for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenWish {
    /// Pseudonym of who types; left out while nobody is claimed.
    subject: Option<String>,
    /// In which session.
    session: String,
    /// `ingest`, `monitor`, or both.
    #[schema(value_type = Vec<String>)]
    scopes: Scopes,
    /// Whether the page may also send what is to be learned (the purposes `enrol` and `collect`): say so only while you know by other means
    /// who sits there.
    #[serde(default)]
    enrol: bool,
    /// How long it lives, 60 to 3,600 s; 900 where nothing is said.
    ttl_s: Option<u32>,
}

/// A token for a page.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenMade {
    /// The token.
    token: String,
    /// Whose data it reaches: the tenant that batches name.
    tenant: String,
    /// When it ends, ms since 1970.
    expires_at_ms: i64,
}

/// Makes a session token for a page.
///
/// Short-lived, for one session, good for `ingest`, `monitor` or both, never for more than the application key that asks; what comes
/// with it is judged, and learned only where the token says so.
#[utoipa::path(
    post,
    path = "/v1/tokens",
    operation_id = "makeToken",
    tag = "keys",
    request_body = TokenWish,
    responses(
        (status = 201, description = "the token", body = TokenMade),
        (status = 404, description = "access is open: no token is needed", content_type = "application/problem+json", body = ProblemDetails),
        Untaken,
        Refused,
    )
)]
pub(super) async fn mint(
    State(gateway): State<Gateway>,
    caller: Caller,
    body: Result<Body<TokenWish>, Problem>,
) -> Result<Response, Problem> {
    let (checks, by) = checks(&gateway, &caller)?;
    let Body(wish) = body?;
    let request = TokenRequest {
        subject: wish.subject.as_deref(),
        session: &wish.session,
        scopes: wish.scopes,
        enrol: wish.enrol,
        ttl_ms: wish.ttl_s.map(|ttl_s| i64::from(ttl_s) * 1000),
    };
    let minted = checks.tokens.mint(by, &request, now_ms()).map_err(problem)?;
    let minted = gateway.audited(&caller, minted).map_err(|refusal| match refusal {
        MintRefusal::BeyondKey => caller.forbidden("beyond_key"),
        MintRefusal::NotForTokens => Problem::bad_value("a token is good for ingest, monitor, or both"),
        MintRefusal::Ttl => Problem::bad_value("ttl_s must be from 60 to 3600"),
        MintRefusal::KeyEnds => Problem::UNAUTHENTICATED,
    })?;
    let body = TokenMade {
        token: minted.token.expose().to_owned(),
        tenant: by.tenant.clone(),
        expires_at_ms: minted.expires_ms,
    };
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// What a key shall be for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyWish {
    /// What people call it.
    label: String,
    /// Some of `ingest`, `verify`, `monitor`, `admin`; none that the asking key lacks.
    #[schema(value_type = Vec<String>)]
    scopes: Scopes,
    /// When it ends, ms since 1970; never where nothing is said.
    expires_at_ms: Option<i64>,
}

/// A key, shown once.
#[derive(Serialize, ToSchema)]
pub(super) struct KeyMade {
    /// Its id.
    id: String,
    /// The key itself.
    key: String,
}

impl From<CreatedKey> for KeyMade {
    fn from(created: CreatedKey) -> Self {
        Self {
            key: created.key.expose().to_owned(),
            id: created.id,
        }
    }
}

/// A key without its secret.
#[derive(Serialize, ToSchema)]
pub(super) struct KeyListed {
    /// Its id.
    id: String,
    /// What people call it.
    label: String,
    /// What it may do.
    #[schema(value_type = Vec<String>)]
    scopes: Scopes,
    /// When it was made, ms since 1970.
    created_at_ms: i64,
    /// When it last got a new secret.
    rotated_at_ms: Option<i64>,
    /// Until when the secret before that is valid too.
    old_secret_until_ms: Option<i64>,
    /// When it ends.
    expires_at_ms: Option<i64>,
    /// When it was ended.
    revoked_at_ms: Option<i64>,
}

impl From<KeyView> for KeyListed {
    fn from(key: KeyView) -> Self {
        Self {
            id: key.id,
            label: key.label,
            scopes: key.scopes,
            created_at_ms: key.created_ms,
            rotated_at_ms: key.rotated_ms,
            old_secret_until_ms: key.previous_until_ms,
            expires_at_ms: key.expires_ms,
            revoked_at_ms: key.revoked_ms,
        }
    }
}

/// Makes an application key for the caller's tenant. The key is shown once.
#[utoipa::path(
    post,
    path = "/v1/keys",
    operation_id = "makeKey",
    tag = "keys",
    request_body = KeyWish,
    responses(
        (status = 201, description = "the key", body = KeyMade),
        (status = 404, description = "access is open: there are no keys", content_type = "application/problem+json", body = ProblemDetails),
        Untaken,
        Refused,
    )
)]
pub(super) async fn create(
    State(gateway): State<Gateway>,
    caller: Caller,
    body: Result<Body<KeyWish>, Problem>,
) -> Result<Response, Problem> {
    let (checks, by) = administer(&gateway, &caller)?;
    let Body(wish) = body?;
    if !wish.scopes.within(by.scopes) {
        return Err(caller.forbidden("beyond_key"));
    }
    let new = NewKey {
        tenant: &by.tenant,
        label: &wish.label,
        scopes: wish.scopes,
        expires_ms: wish.expires_at_ms,
    };
    let created = checks.keys.create(&new, now_ms()).await.map_err(problem)?;
    let created = gateway.audited(&caller, created);
    Ok((StatusCode::CREATED, Json(KeyMade::from(created))).into_response())
}

/// The keys of the caller's tenant, newest first, without their secrets.
#[utoipa::path(
    get,
    path = "/v1/keys",
    operation_id = "listKeys",
    tag = "keys",
    responses(
        (status = 200, description = "keys, those that were revoked too", body = Vec<KeyListed>),
        (status = 404, description = "access is open: there are no keys", content_type = "application/problem+json", body = ProblemDetails),
        Refused,
    )
)]
pub(super) async fn list(State(gateway): State<Gateway>, caller: Caller) -> Result<Response, Problem> {
    let (checks, by) = administer(&gateway, &caller)?;
    let keys = checks.keys.list(&by.tenant, KEYS_MAX).await.map_err(problem)?;
    let keys: Vec<KeyListed> = keys.into_iter().map(Into::into).collect();
    Ok(Json(keys).into_response())
}

/// How a key shall be rotated.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateWish {
    /// How long the old secret stays valid, s; a day where nothing is said.
    grace_s: Option<u32>,
}

/// Gives a key a new secret, which is shown once; the old one stays valid for a while.
#[utoipa::path(
    post,
    path = "/v1/keys/{key}/rotate",
    operation_id = "rotateKey",
    tag = "keys",
    params(("key" = String, Path, description = "id of the key")),
    request_body = Option<RotateWish>,
    responses(
        (status = 200, description = "the new key", body = KeyMade),
        (status = 404, description = "the tenant has no such key in force", content_type = "application/problem+json", body = ProblemDetails),
        Untaken,
        Refused,
    )
)]
pub(super) async fn rotate(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(key): Path<String>,
    body: Result<MaybeBody<RotateWish>, Problem>,
) -> Result<Response, Problem> {
    let (checks, by) = administer(&gateway, &caller)?;
    let MaybeBody(wish) = body?;
    let grace_s = wish.unwrap_or_default().grace_s.map_or(GRACE_S, i64::from);
    let rotated = checks.keys.rotate(&by.tenant, &key, grace_s * 1000, now_ms()).await;
    match gateway.audited(&caller, rotated.map_err(problem)?) {
        Some(created) => Ok(Json(KeyMade::from(created)).into_response()),
        None => Err(Problem::NOT_FOUND),
    }
}

/// Ends a key.
#[utoipa::path(
    delete,
    path = "/v1/keys/{key}",
    operation_id = "revokeKey",
    tag = "keys",
    params(("key" = String, Path, description = "id of the key")),
    responses(
        (status = 204, description = "it is ended"),
        (status = 404, description = "the tenant has no such key in force", content_type = "application/problem+json", body = ProblemDetails),
        Refused,
    )
)]
pub(super) async fn revoke(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(key): Path<String>,
) -> Result<Response, Problem> {
    let (checks, by) = administer(&gateway, &caller)?;
    let revoked = checks.keys.revoke(&by.tenant, &key, now_ms()).await;
    match gateway.audited(&caller, revoked.map_err(problem)?) {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => Err(Problem::NOT_FOUND),
    }
}

/// Where access is open there are no keys to manage.
fn checks<'a>(gateway: &'a Gateway, caller: &'a Caller) -> Result<(&'a Checks, &'a Principal), Problem> {
    let checks = gateway.inner.access.checks().ok_or(Problem::NOT_FOUND)?;
    let by = caller.application().ok_or_else(|| caller.forbidden("keys"))?;
    Ok((checks, by))
}

fn administer<'a>(gateway: &'a Gateway, caller: &'a Caller) -> Result<(&'a Checks, &'a Principal), Problem> {
    caller.may(Scope::Admin)?;
    checks(gateway, caller)
}

pub(super) fn problem(error: AccountsError) -> Problem {
    match error {
        AccountsError::Invalid(what) | AccountsError::Limit(what) => Problem::bad_value(what),
        error => {
            tracing::error!(%error, "the accounts database failed");
            Problem::NO_DATABASE
        }
    }
}
