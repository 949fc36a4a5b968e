//! `GET /v1/users`: a tenant's users, for its administrator.

use super::super::access::Caller;
use super::super::openapi::{ProblemDetails, Refused};
use super::super::problem::Problem;
use super::answers::{Absent, failed};
use super::request::Visitor;
use axum::Json;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::{IntoResponse, Response};
use ductus_accounts::{Mode, Scope, UserView};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Most users that one answer lists.
const USERS_MAX: u32 = 1000;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// The last user of the page before.
    after: Option<String>,
    /// Most users wanted, up to 1,000.
    limit: Option<u32>,
}

/// A user.
#[derive(Serialize, ToSchema)]
pub(super) struct UserListed {
    /// The user, who is the subject of their events.
    user: String,
    /// E-mail address.
    email: String,
    /// `train` or `auth`.
    #[schema(value_type = String)]
    mode: Mode,
    /// Since when the account exists, ms since 1970.
    created_at_ms: i64,
}

impl From<UserView> for UserListed {
    fn from(user: UserView) -> Self {
        Self {
            user: user.user,
            email: user.email,
            mode: user.mode,
            created_at_ms: user.created_ms,
        }
    }
}

/// The users of the caller's tenant, by their ids.
#[utoipa::path(
    get,
    path = "/v1/users",
    operation_id = "listUsers",
    tag = "identity",
    params(Page),
    responses(
        (status = 200, description = "users", body = Vec<UserListed>),
        (status = 400, description = "the query cannot be read", content_type = "application/problem+json", body = ProblemDetails),
        Refused,
        Absent,
    )
)]
pub(super) async fn list(
    visitor: Visitor,
    caller: Caller,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Response, Problem> {
    caller.may(Scope::Admin)?;
    let Query(page) = page.map_err(|_| Problem::bad_value("say ?after=USER&limit=NUMBER"))?;
    let tenant = caller.tenant().unwrap_or(&visitor.identity.tenant);
    let most = page.limit.unwrap_or(USERS_MAX).min(USERS_MAX);
    let users = visitor.accounts().users(tenant, page.after.as_deref(), most).await;
    let users: Vec<UserListed> = users.map_err(failed)?.into_iter().map(Into::into).collect();
    Ok(Json(users).into_response())
}
