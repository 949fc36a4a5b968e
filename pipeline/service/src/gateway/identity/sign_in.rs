//! Registering, signing in, and what confirms it.
//!
//! Invariant: none of these routes says whether an address has an account, by status, body, header or the work that it costs.

use super::super::Gateway;
use super::super::input::Untaken;
use super::super::problem::Problem;
use super::answers::{
    Absent, CeremonyView, ChallengeView, DOES_NOT_HOLD, FactorsView, SignedInView, Unproved, bad_password, failed,
    too_often,
};
use super::request::{Told, Visitor, secret};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ductus_accounts::{LoginAnswer, RegisterAnswer, Secret};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

/// An address, and its password or the one that shall be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Credentials {
    /// E-mail address.
    email: String,
    /// At least 15 characters.
    #[serde(deserialize_with = "secret")]
    #[schema(value_type = String, format = Password)]
    password: Secret,
}

/// Asks for an account.
///
/// A code goes to the address, or the word that it has an account already; the answer is the same.
#[utoipa::path(
    post,
    path = "/v1/auth/register",
    operation_id = "register",
    tag = "identity",
    security(()),
    request_body = Credentials,
    responses(
        (status = 202, description = "there is mail; its code goes to `/v1/auth/confirm`", body = ChallengeView),
        Untaken,
        Unproved,
        Absent,
    )
)]
pub(super) async fn register(
    State(gateway): State<Gateway>,
    visitor: Visitor,
    Told(wish): Told<Credentials>,
) -> Result<Response, Problem> {
    let visit = visitor.visit();
    let asked = visitor.accounts().register(&visit, &wish.email, &wish.password);
    mailed(gateway.note(asked.await)?)
}

/// Asks for a new password, where the old one is lost.
///
/// A code goes to the address, or the word that it has no account; the answer is the same. The code makes the new password
/// hold, ends all sign-ins and signs in.
#[utoipa::path(
    post,
    path = "/v1/auth/reset",
    operation_id = "resetPassword",
    tag = "identity",
    security(()),
    request_body = Credentials,
    responses(
        (status = 202, description = "there is mail; its code goes to `/v1/auth/confirm`", body = ChallengeView),
        Untaken,
        Unproved,
        Absent,
    )
)]
pub(super) async fn reset(
    State(gateway): State<Gateway>,
    visitor: Visitor,
    Told(wish): Told<Credentials>,
) -> Result<Response, Problem> {
    let visit = visitor.visit();
    let asked = visitor.accounts().reset(&visit, &wish.email, &wish.password);
    mailed(gateway.note(asked.await)?)
}

fn mailed(answer: RegisterAnswer) -> Result<Response, Problem> {
    match answer {
        RegisterAnswer::Refused(refusal) => Err(bad_password(refusal)),
        RegisterAnswer::Throttled { retry_after_ms } => Err(too_often(retry_after_ms)),
        RegisterAnswer::CodeSent(challenge) => {
            Ok((StatusCode::ACCEPTED, Json(ChallengeView::from(challenge))).into_response())
        }
    }
}

/// Signs in with a password.
///
/// From an address that the user trusts, and while risk asks for nothing, that is enough; otherwise a second factor is asked for.
#[utoipa::path(
    post,
    path = "/v1/auth/login",
    operation_id = "logIn",
    tag = "identity",
    security(()),
    request_body = Credentials,
    responses(
        (status = 200, description = "signed in; sets the cookie `ductus_refresh`", body = SignedInView),
        (status = 202, description = "a second factor is wanted", body = FactorsView),
        Untaken,
        Unproved,
        Absent,
    )
)]
pub(super) async fn log_in(
    State(gateway): State<Gateway>,
    visitor: Visitor,
    Told(shown): Told<Credentials>,
) -> Result<Response, Problem> {
    let visit = visitor.visit();
    let asked = visitor.accounts().log_in(&visit, &shown.email, &shown.password);
    match gateway.note(asked.await)? {
        LoginAnswer::Refused => Err(DOES_NOT_HOLD),
        LoginAnswer::Throttled { retry_after_ms } => Err(too_often(retry_after_ms)),
        LoginAnswer::CodeSent(challenge) => visitor.asked(challenge).await,
        LoginAnswer::SignedIn(signed_in) => Ok(visitor.signed_in(signed_in)),
    }
}

/// A code from the mailbox.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ShownCode {
    /// What it answers.
    challenge: String,
    /// Eight digits; they may be grouped.
    #[serde(deserialize_with = "secret")]
    #[schema(value_type = String)]
    code: Secret,
}

/// Takes a code back, and does what it was sent for.
///
/// Opens the account, signs in, makes a new password hold, or proves a sign-in again. Five tries at one code.
#[utoipa::path(
    post,
    path = "/v1/auth/confirm",
    operation_id = "confirm",
    tag = "identity",
    security(()),
    request_body = ShownCode,
    responses(
        (status = 200, description = "signed in; sets the cookie `ductus_refresh`, but for a step-up", body = SignedInView),
        Untaken,
        Unproved,
        Absent,
    )
)]
pub(super) async fn confirm(
    State(gateway): State<Gateway>,
    visitor: Visitor,
    Told(shown): Told<ShownCode>,
) -> Result<Response, Problem> {
    let visit = visitor.visit();
    let confirmed = visitor
        .accounts()
        .confirm(&visit, &shown.challenge, shown.code.expose());
    visitor.confirmed(gateway.note(confirmed.await)?)
}

/// What a passkey shall answer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasskeyWish {
    /// Of a sign-in or a step-up.
    challenge: String,
}

/// Begins to answer a challenge with a passkey.
#[utoipa::path(
    post,
    path = "/v1/auth/passkey/begin",
    operation_id = "beginPasskey",
    tag = "identity",
    security(()),
    request_body = PasskeyWish,
    responses(
        (status = 200, description = "for `navigator.credentials.get`", body = CeremonyView),
        Untaken,
        Unproved,
        Absent,
    )
)]
pub(super) async fn begin_passkey(visitor: Visitor, Told(wish): Told<PasskeyWish>) -> Result<Response, Problem> {
    let visit = visitor.visit();
    let begun = visitor.passkeys()?.begin_confirm(&visit, &wish.challenge);
    let ceremony = begun.await.map_err(failed)?.ok_or(DOES_NOT_HOLD)?;
    Ok(Json(CeremonyView::from(ceremony)).into_response())
}

/// A passkey's answer to a challenge.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ShownPasskey {
    /// What it answers.
    challenge: String,
    /// What `navigator.credentials.get` gave, as JSON.
    #[schema(value_type = Object)]
    answer: Value,
}

/// Takes a passkey's answer in the place of a code.
#[utoipa::path(
    post,
    path = "/v1/auth/passkey/confirm",
    operation_id = "confirmPasskey",
    tag = "identity",
    security(()),
    request_body = ShownPasskey,
    responses(
        (status = 200, description = "signed in; sets the cookie `ductus_refresh`, but for a step-up", body = SignedInView),
        Untaken,
        Unproved,
        Absent,
    )
)]
pub(super) async fn confirm_passkey(
    State(gateway): State<Gateway>,
    visitor: Visitor,
    Told(shown): Told<ShownPasskey>,
) -> Result<Response, Problem> {
    let passkeys = visitor.passkeys()?;
    let visit = visitor.visit();
    let confirmed = passkeys.confirm(&visit, &shown.challenge, &shown.answer);
    visitor.confirmed(gateway.note(confirmed.await)?)
}
