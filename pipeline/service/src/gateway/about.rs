//! `/v1/models` and `/v1/policy`: what decisions are made with.
//!
//! Invariant: what is told is what this gateway's own questions are answered with; `score` has the same where it has the same
//! configuration.

use super::Gateway;
use super::access::Caller;
use super::openapi::{ProblemDetails, Refused};
use super::problem::Problem;
use super::question;
use crate::config::Config;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use ductus_dynamics::decide::Thresholds;
use ductus_dynamics::event::Modality;
use ductus_stream::thresholds::ThresholdsFile;
use serde::Serialize;
use utoipa::ToSchema;

/// When something is asked for.
pub(super) struct Policy {
    step_up_risk: f32,
    terminate_risk: f32,
    thresholds: Thresholds,
    budget: Option<String>,
}

impl Policy {
    pub(super) fn new(config: &Config) -> Self {
        // It was read and checked with the configuration; only its words are missing there.
        let file = config.decision.thresholds_file.as_ref();
        let text = file.and_then(|path| std::fs::read(path).ok());
        let file = text.and_then(|text| serde_json::from_slice::<ThresholdsFile>(&text).ok());
        Self {
            step_up_risk: config.decision.step_up_risk,
            terminate_risk: config.decision.terminate_risk,
            thresholds: config.thresholds.clone(),
            budget: file.map(|file| file.budget),
        }
    }
}

/// From which risk on something is asked for.
#[derive(Serialize, ToSchema)]
struct PolicyView {
    /// Second proof: from this risk on, 0 to 100.
    step_up_risk: f32,
    /// End of the session: from this risk on.
    terminate_risk: f32,
    /// What the step-up risk was computed for, in words; null where it is the configured one.
    budget: Option<String>,
    /// Subjects of the tenant with a step-up risk of their own.
    subjects: usize,
}

/// The thresholds in force.
#[utoipa::path(
    get,
    path = "/v1/policy",
    operation_id = "getPolicy",
    tag = "about",
    responses((status = 200, description = "the thresholds", body = PolicyView), Refused)
)]
pub(super) async fn policy(State(gateway): State<Gateway>, caller: Caller) -> Result<Response, Problem> {
    caller.may_see_all()?;
    let policy = &gateway.inner.policy;
    let own = caller.tenant().and_then(|tenant| policy.thresholds.tenants.get(tenant));
    let view = PolicyView {
        step_up_risk: own.map_or(policy.step_up_risk, |own| own.step_up_risk),
        terminate_risk: policy.terminate_risk,
        budget: policy.budget.clone().filter(|_| own.is_some()),
        subjects: own.map_or(0, |own| own.subjects.len()),
    };
    Ok(Json(view).into_response())
}

/// A model that is live.
#[derive(Serialize, ToSchema)]
struct ModelView {
    /// `keystroke` or `pointer`.
    id: &'static str,
    /// Its version.
    version: String,
    /// SHA-256 of its network, hexadecimal.
    sha256: String,
    /// Length of an embedding.
    dimensions: usize,
    /// `class` or `hand`: how finely keys are named.
    #[schema(value_type = String)]
    detail: ductus_dynamics::event::KeyDetail,
    /// Models that went live in this process, this one included.
    turn: u64,
}

/// The models that are live.
#[utoipa::path(
    get,
    path = "/v1/models",
    operation_id = "listModels",
    tag = "about",
    responses(
        (status = 200, description = "one a modality, where there is one", body = Vec<ModelView>),
        (status = 404, description = "this gateway answers no questions about people", content_type = "application/problem+json", body = ProblemDetails),
        Refused,
    )
)]
pub(super) async fn models(State(gateway): State<Gateway>, caller: Caller) -> Result<Response, Problem> {
    caller.may_see_all()?;
    let people = question::people(&gateway)?;
    let live = Modality::ALL.into_iter().filter_map(|modality| {
        let turn = people.model(modality)?;
        let manifest = turn.model.manifest();
        Some(ModelView {
            id: modality.name(),
            version: manifest.version.clone(),
            sha256: manifest.sha256.clone(),
            dimensions: manifest.embedding_dims,
            detail: manifest.detail,
            turn: turn.generation,
        })
    });
    Ok(Json(live.collect::<Vec<_>>()).into_response())
}
