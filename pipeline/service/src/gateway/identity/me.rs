//! One's own account.
//!
//! Invariant: whoever shows an access token is asked for in the database first: a sign-in that has ended shows and changes
//! nothing, and while risk asks for a second proof nothing that protects the account is changed. Whoever wants to be learned
//! instead of guarded, or the account gone, has given that proof within the last minutes.

use super::super::Gateway;
use super::super::access::Caller;
use super::super::erasures::erase_own;
use super::super::input::Untaken;
use super::super::openapi::{ProblemDetails, Refused};
use super::super::problem::Problem;
use super::answers::{Absent, FactorsView, NOT_SIGNED_IN, WRONG_PASSWORD, bad_password, too_often};
use super::request::{Person, Told, secret};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ductus_accounts::{LoginAnswer, Me, Mode, PasswordAnswer, Secret};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An account, as its owner sees it.
#[derive(Serialize, ToSchema)]
pub(super) struct MeView {
    /// The user, who is the subject of their events.
    user: String,
    /// The tenant that their events name.
    tenant: String,
    /// E-mail address.
    email: String,
    /// `train`: what they type is learned, send it with the purpose `enrol`; `auth`: it is watched.
    #[schema(value_type = String)]
    mode: Mode,
    /// What this sign-in must prove before it goes on.
    step_up: Option<StepUpView>,
    /// Since when the account exists, ms since 1970.
    created_at_ms: i64,
}

/// A second proof that risk asks for.
#[derive(Serialize, ToSchema)]
struct StepUpView {
    /// Since when, ms since 1970.
    since_ms: i64,
    /// The decision that asked.
    why: String,
}

impl MeView {
    fn of(me: Me, tenant: &str) -> Self {
        Self {
            user: me.user,
            tenant: tenant.to_owned(),
            email: me.email,
            mode: me.mode,
            step_up: me.step_up.map(|step_up| StepUpView {
                since_ms: step_up.since_ms,
                why: step_up.why,
            }),
            created_at_ms: me.created_ms,
        }
    }
}

/// Who is signed in.
#[utoipa::path(
    get,
    path = "/v1/me",
    operation_id = "getMe",
    tag = "me",
    responses((status = 200, description = "the account", body = MeView), Refused, Absent)
)]
pub(super) async fn view(person: Person) -> Result<Response, Problem> {
    let me = person.me().await?;
    Ok(Json(MeView::of(me, &person.token.tenant)).into_response())
}

/// Removes the account, and asks for the erasure of what was learned of its owner.
///
/// 403 `step_up` where the sign-in gave no second proof within the last minutes: `POST /v1/me/step-up` asks for one.
#[utoipa::path(
    delete,
    path = "/v1/me",
    operation_id = "removeMe",
    tag = "me",
    responses((status = 204, description = "it is gone"), Refused, Absent)
)]
pub(super) async fn remove(
    State(gateway): State<Gateway>,
    caller: Caller,
    person: Person,
) -> Result<Response, Problem> {
    person.proved().await?;
    let (visitor, token) = (&person.visitor, &person.token);
    // First what can be repeated: with the account its owner could no longer ask.
    erase_own(&gateway, &caller, &token.tenant, &token.user).await?;
    let removed = visitor
        .accounts()
        .delete_user(&token.tenant, &token.user, visitor.now_ms);
    gateway.note(removed.await)?;
    Ok(visitor.without_cookie(StatusCode::NO_CONTENT))
}

/// What shall be done with what a user types.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ModeWish {
    /// `train` or `auth`.
    #[schema(value_type = String)]
    mode: Mode,
}

/// Has oneself learned, or guarded.
///
/// From `auth` to `train`, 403 `step_up` where the sign-in gave no second proof within the last minutes.
#[utoipa::path(
    post,
    path = "/v1/me/mode",
    operation_id = "setMode",
    tag = "me",
    request_body = ModeWish,
    responses((status = 200, description = "the account", body = MeView), Untaken, Refused, Absent)
)]
pub(super) async fn set_mode(
    State(gateway): State<Gateway>,
    person: Person,
    Told(wish): Told<ModeWish>,
) -> Result<Response, Problem> {
    let me = person.settled().await?;
    if (me.mode, wish.mode) == (Mode::Auth, Mode::Train) {
        person.proved().await?;
    }
    let visitor = &person.visitor;
    let visit = visitor.visit();
    let set = visitor.accounts().set_mode(&visit, &person.token, wish.mode);
    if !gateway.note(set.await)? {
        // It ended, or was asked for a proof, a moment ago.
        return Err(NOT_SIGNED_IN);
    }
    view(person).await
}

/// Asks for a code to prove oneself again in this sign-in.
///
/// The answer goes to `/v1/auth/confirm`, or a passkey's to `/v1/auth/passkey/confirm`.
#[utoipa::path(
    post,
    path = "/v1/me/step-up",
    operation_id = "stepUp",
    tag = "me",
    responses(
        (status = 202, description = "a second factor is wanted", body = FactorsView),
        (status = 429, description = "too many attempts: again after `Retry-After`", content_type = "application/problem+json", body = ProblemDetails),
        Refused,
        Absent,
    )
)]
pub(super) async fn step_up(State(gateway): State<Gateway>, person: Person) -> Result<Response, Problem> {
    let visitor = &person.visitor;
    let visit = visitor.visit();
    let asked = visitor.accounts().begin_step_up(&visit, &person.token);
    match gateway.note(asked.await)? {
        LoginAnswer::CodeSent(challenge) => visitor.asked(challenge).await,
        LoginAnswer::Throttled { retry_after_ms } => Err(too_often(retry_after_ms)),
        LoginAnswer::Refused | LoginAnswer::SignedIn(_) => Err(NOT_SIGNED_IN),
    }
}

/// A password in the place of another.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordWish {
    /// The one that holds.
    #[serde(deserialize_with = "secret")]
    #[schema(value_type = String, format = Password)]
    old: Secret,
    /// The one that shall hold.
    #[serde(deserialize_with = "secret")]
    #[schema(value_type = String, format = Password)]
    new: Secret,
}

/// Changes the password, and ends all other sign-ins.
#[utoipa::path(
    post,
    path = "/v1/me/password",
    operation_id = "changePassword",
    tag = "me",
    request_body = PasswordWish,
    responses(
        (status = 204, description = "the new one holds"),
        (status = 429, description = "too many attempts: again after `Retry-After`", content_type = "application/problem+json", body = ProblemDetails),
        Untaken,
        Refused,
        Absent,
    )
)]
pub(super) async fn change_password(
    State(gateway): State<Gateway>,
    person: Person,
    Told(wish): Told<PasswordWish>,
) -> Result<Response, Problem> {
    person.settled().await?;
    let visitor = &person.visitor;
    let visit = visitor.visit();
    let changed = visitor
        .accounts()
        .change_password(&visit, &person.token, &wish.old, &wish.new);
    match gateway.note(changed.await)? {
        PasswordAnswer::Changed => Ok(StatusCode::NO_CONTENT.into_response()),
        PasswordAnswer::Refused(refusal) => Err(bad_password(refusal)),
        PasswordAnswer::WrongPassword => Err(WRONG_PASSWORD),
        PasswordAnswer::Throttled { retry_after_ms } => Err(too_often(retry_after_ms)),
    }
}
