//! The passkeys of one's own account.

use super::super::Gateway;
use super::super::input::{Path, Untaken};
use super::super::openapi::{ProblemDetails, Refused};
use super::super::problem::Problem;
use super::answers::{Absent, CeremonyView, NOT_SIGNED_IN, failed};
use super::request::{Person, Told};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ductus_accounts::PasskeyView;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A passkey.
#[derive(Serialize, ToSchema)]
pub(super) struct PasskeyListed {
    /// Its id.
    id: String,
    /// What its owner calls it.
    label: String,
    /// Since when, ms since 1970.
    created_at_ms: i64,
    /// When it was used last.
    used_at_ms: Option<i64>,
}

impl From<PasskeyView> for PasskeyListed {
    fn from(passkey: PasskeyView) -> Self {
        Self {
            id: passkey.id,
            label: passkey.label,
            created_at_ms: passkey.created_ms,
            used_at_ms: passkey.used_ms,
        }
    }
}

/// One's passkeys, the newest first.
#[utoipa::path(
    get,
    path = "/v1/me/passkeys",
    operation_id = "listPasskeys",
    tag = "me",
    responses((status = 200, description = "the passkeys", body = Vec<PasskeyListed>), Refused, Absent)
)]
pub(super) async fn list(person: Person) -> Result<Response, Problem> {
    person.me().await?;
    let passkeys = person.visitor.passkeys()?.list(&person.token).await.map_err(failed)?;
    let passkeys: Vec<PasskeyListed> = passkeys.into_iter().map(Into::into).collect();
    Ok(Json(passkeys).into_response())
}

/// Begins to add a passkey.
///
/// 403 `step_up` where the sign-in gave no second proof within the last minutes: `POST /v1/me/step-up` asks for one.
#[utoipa::path(
    post,
    path = "/v1/me/passkeys/begin",
    operation_id = "beginAddingPasskey",
    tag = "me",
    responses(
        (status = 200, description = "for `navigator.credentials.create`", body = CeremonyView),
        (status = 409, description = "there are as many as there may be", content_type = "application/problem+json", body = ProblemDetails),
        Refused,
        Absent,
    )
)]
pub(super) async fn begin(person: Person) -> Result<Response, Problem> {
    person.proved().await?;
    let visitor = &person.visitor;
    let visit = visitor.visit();
    let begun = visitor.passkeys()?.begin_register(&visit, &person.token);
    let ceremony = begun.await.map_err(failed)?.ok_or(NOT_SIGNED_IN)?;
    Ok(Json(CeremonyView::from(ceremony)).into_response())
}

/// A passkey that was made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPasskey {
    /// The ceremony that it was made in.
    ceremony: String,
    /// What its owner calls it.
    label: String,
    /// What `navigator.credentials.create` gave, as JSON.
    #[schema(value_type = Object)]
    answer: Value,
}

/// Adds a passkey.
#[utoipa::path(
    post,
    path = "/v1/me/passkeys",
    operation_id = "addPasskey",
    tag = "me",
    request_body = NewPasskey,
    responses((status = 201, description = "it is added", body = PasskeyListed), Untaken, Refused, Absent)
)]
pub(super) async fn add(
    State(gateway): State<Gateway>,
    person: Person,
    Told(made): Told<NewPasskey>,
) -> Result<Response, Problem> {
    person.settled().await?;
    let visitor = &person.visitor;
    let (ceremony, label) = (&made.ceremony, &made.label);
    let passkeys = visitor.passkeys()?;
    let visit = visitor.visit();
    let added = passkeys.finish_register(&visit, &person.token, ceremony, label, &made.answer);
    if !gateway.note(added.await)? {
        return Err(Problem::bad_value(
            "this passkey does not answer that ceremony, or not any more",
        ));
    }
    let newest = passkeys.list(&person.token).await.map_err(failed)?.into_iter().next();
    let newest = newest.map(PasskeyListed::from).ok_or(Problem::NOT_FOUND)?;
    Ok((StatusCode::CREATED, Json(newest)).into_response())
}

/// Removes a passkey.
#[utoipa::path(
    delete,
    path = "/v1/me/passkeys/{passkey}",
    operation_id = "removePasskey",
    tag = "me",
    params(("passkey" = String, Path, description = "id of the passkey")),
    responses((status = 204, description = "it is gone"), Refused, Absent)
)]
pub(super) async fn remove(
    State(gateway): State<Gateway>,
    person: Person,
    Path(passkey): Path<String>,
) -> Result<Response, Problem> {
    person.proved().await?;
    let visitor = &person.visitor;
    let visit = visitor.visit();
    let removed = visitor.passkeys()?.remove(&visit, &person.token, &passkey);
    match gateway.note(removed.await)? {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => Err(Problem::NOT_FOUND),
    }
}
