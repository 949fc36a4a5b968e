//! `GET /v1/demo/mailbox`: where the demo's mails end.
//!
//! Invariant: outside the demo there is none: mails go to a mail server and are kept nowhere.

use super::super::Gateway;
use super::super::openapi::ProblemDetails;
use super::super::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use ductus_accounts::Mail;
use serde::Serialize;
use utoipa::ToSchema;

/// A mail.
#[derive(Serialize, ToSchema)]
pub(super) struct MailView {
    /// To whom.
    to: String,
    /// What about.
    subject: &'static str,
    /// What it says.
    text: String,
    /// When it was written, ms since 1970.
    sent_at_ms: i64,
}

impl From<Mail> for MailView {
    fn from(mail: Mail) -> Self {
        Self {
            to: mail.recipient().to_owned(),
            subject: mail.subject,
            text: mail.text,
            sent_at_ms: mail.at_ms,
        }
    }
}

/// The demo's mails, the newest first; nothing outside the demo.
#[utoipa::path(
    get,
    path = "/v1/demo/mailbox",
    operation_id = "getMailbox",
    tag = "about",
    responses(
        (status = 200, description = "mails", body = Vec<MailView>),
        (status = 404, description = "this is no demo", content_type = "application/problem+json", body = ProblemDetails),
    )
)]
pub(super) async fn list(State(gateway): State<Gateway>) -> Result<Response, Problem> {
    let identity = gateway.inner.identity.as_ref();
    let mailbox = identity
        .and_then(|identity| identity.mailbox.as_ref())
        .ok_or(Problem::NOT_FOUND)?;
    let mails: Vec<MailView> = mailbox.mails().into_iter().map(Into::into).collect();
    Ok(Json(mails).into_response())
}
