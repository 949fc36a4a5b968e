//! `/v1/decisions`: searching what was decided lately, and one decision with what people said of it.
//!
//! Invariants: a caller finds the decisions of its tenant only; a search sees what is kept in memory, and says since when
//! that is everything: what is older is in Elasticsearch and in the tables.

use super::Gateway;
use super::access::Caller;
use super::board::Wanted;
use super::feedback::FeedbackView;
use super::input::Path;
use super::openapi::{ProblemDetails, Refused};
use super::problem::Problem;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use ductus_dynamics::event::Modality;
use ductus_dynamics::wire::{Action, Decision};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Decisions in an answer where nothing is said, and at most.
const LIMIT: usize = 50;
const LIMIT_MAX: usize = 500;

/// Which decisions.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Search {
    /// Of this tenant, where access is open.
    tenant: Option<String>,
    /// Of this subject.
    subject: Option<String>,
    /// Of this session.
    session: Option<String>,
    /// `allow`, `step_up`, `terminate` or `insufficient_data`.
    #[param(value_type = Option<String>)]
    action: Option<Action>,
    /// `keystroke` or `pointer`.
    #[param(value_type = Option<String>)]
    modality: Option<Modality>,
    /// Lowest risk, 0 to 100.
    risk_min: Option<f32>,
    /// Highest risk, 0 to 100.
    risk_max: Option<f32>,
    /// Event time from, ms since 1970.
    since_ms: Option<i64>,
    /// Event time to, ms since 1970.
    until_ms: Option<i64>,
    /// `next` of the answer before.
    after: Option<u64>,
    /// Most decisions wanted, up to 500; 50 where nothing is said.
    limit: Option<usize>,
}

/// Decisions that were found.
#[derive(Serialize, ToSchema)]
struct FoundDecisions<'a> {
    /// The latest first. Fewer than were wanted do not mean that there are no more: see `next`.
    #[schema(value_type = Vec<Object>)]
    decisions: Vec<&'a Decision>,
    /// What to give as `after` to go on; null where everything was looked at.
    next: Option<String>,
    /// Since when the search sees every decision (event time of the oldest that is kept), ms since 1970.
    complete_since_ms: Option<i64>,
}

/// Searches the latest decisions.
#[utoipa::path(
    get,
    path = "/v1/decisions",
    operation_id = "searchDecisions",
    tag = "decisions",
    params(Search),
    responses(
        (status = 200, description = "what was found", body = FoundDecisions),
        (status = 400, description = "the query cannot be read", content_type = "application/problem+json", body = ProblemDetails),
        Refused,
    )
)]
pub(super) async fn search(
    State(gateway): State<Gateway>,
    caller: Caller,
    query: Result<Query<Search>, QueryRejection>,
) -> Result<Response, Problem> {
    caller.may_see_all()?;
    let Query(search) = query.map_err(|_| Problem::BAD_QUERY)?;
    let tenant = match caller.tenant() {
        Some(_) => Some(caller.tenant_named(search.tenant)?),
        None => search.tenant,
    };
    let us = |ms: i64| ms.saturating_mul(1000);
    let wanted = Wanted {
        tenant,
        subject: search.subject,
        session: search.session,
        action: search.action,
        modality: search.modality,
        risk: (search.risk_min, search.risk_max),
        time_us: (search.since_ms.map(us), search.until_ms.map(us)),
    };
    let most = search.limit.unwrap_or(LIMIT).min(LIMIT_MAX);
    let found = gateway.board().search(&wanted, search.after, most);
    let body = FoundDecisions {
        decisions: found.decisions.iter().map(|placed| &placed.decision).collect(),
        next: found.next.map(|turn| turn.to_string()),
        complete_since_ms: found.complete_since_us.map(|us| us / 1000),
    };
    Ok(Json(body).into_response())
}

/// A decision, and what was said of it.
#[derive(Serialize, ToSchema)]
struct DecisionView<'a> {
    #[serde(flatten)]
    #[schema(value_type = Object)]
    decision: &'a Decision,
    /// What people who looked into it said, the latest word of each.
    feedback: Vec<FeedbackView>,
}

/// One of the latest decisions, and what was said of it.
#[utoipa::path(
    get,
    path = "/v1/decisions/{decision}",
    operation_id = "getDecision",
    tag = "decisions",
    params(("decision" = String, Path, description = "id of the decision")),
    responses(
        (status = 200, description = "the decision", body = DecisionView),
        (status = 404, description = "no such decision is kept in memory", content_type = "application/problem+json", body = ProblemDetails),
        Refused,
    )
)]
pub(super) async fn view(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(decision): Path<String>,
) -> Result<Response, Problem> {
    caller.may_see_all()?;
    let placed = gateway.board().decision(caller.tenant(), &decision);
    let placed = placed.ok_or(Problem::NOT_FOUND)?;
    let feedback = gateway.inner.feedback.of(&decision);
    let view = DecisionView {
        decision: &placed.decision,
        feedback: feedback.into_iter().map(Into::into).collect(),
    };
    Ok(Json(view).into_response())
}
