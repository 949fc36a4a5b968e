//! What one-time questions about people have in common: samples, whose people are meant, and asking without holding others up.
//!
//! Invariants: the batches of a sample are not copied; at most `questions.in_flight_max` questions are answered at once, on
//! threads that may wait; a caller reaches the people of its tenant only.

use super::Gateway;
use super::access::Caller;
use super::people::People;
use super::problem::Problem;
use axum::body::Bytes;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::{IntoResponse, Response};
use ductus_scorer::probe::{MissingSteps, ProbeError};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, json};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Samples of input.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Sample<'a> {
    /// Event batches of one session.
    #[serde(borrow)]
    #[schema(value_type = Vec<Object>)]
    pub(super) batches: Vec<&'a RawValue>,
}

/// Whose people.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Whose {
    /// The tenant, where access is open; a key has its own.
    pub(super) tenant: Option<String>,
}

/// More of the same sample that is needed.
#[derive(Serialize, ToSchema)]
pub(super) struct NeededSteps {
    /// `keystroke` or `pointer`.
    modality: &'static str,
    /// Key presses or pointer events, in one stretch.
    steps: usize,
}

impl From<MissingSteps> for NeededSteps {
    fn from(missing: MissingSteps) -> Self {
        Self {
            modality: missing.modality.name(),
            steps: missing.steps,
        }
    }
}

/// References, or the models, were not read yet.
pub(super) const NOT_READY: Problem = Problem {
    status: axum::http::StatusCode::SERVICE_UNAVAILABLE,
    reason: "not_ready",
    title: "references are still being read",
    retry_after_s: Some(1),
};

fn refuse(error: &ProbeError) -> Response {
    match error {
        ProbeError::Empty => Problem::BAD_BODY.into_response(),
        ProbeError::TooMany { .. } => Problem::OVERSIZE.into_response(),
        ProbeError::Refused(refusals) => {
            let refused = refusals
                .iter()
                .map(|refusal| json!({ "batch": refusal.batch, "reason": refusal.reason.code() }));
            let more = Map::from_iter([("batches".to_owned(), refused.collect())]);
            Problem::bad_value("a batch cannot be used").with(more)
        }
        ProbeError::NotReady => NOT_READY.into_response(),
        ProbeError::Engine(error) => {
            tracing::error!(error, "a question cannot be answered");
            Problem::BROKEN.into_response()
        }
    }
}

/// Who answers; nobody where the gateway answers no questions.
pub(super) fn people(gateway: &Gateway) -> Result<&Arc<People>, Problem> {
    gateway.inner.people.as_ref().ok_or(Problem::NOT_FOUND)
}

/// Asks on a thread that may wait, if there is a place; a question without an answer is told as the response.
pub(super) async fn ask<T: Send + 'static>(
    gateway: &Gateway,
    caller: &Caller,
    question: impl FnOnce(&People) -> Result<T, ProbeError> + Send + 'static,
) -> Result<Result<T, Response>, Problem> {
    let people = Arc::clone(people(gateway)?);
    if !people.is_ready() {
        return Err(NOT_READY);
    }
    let Ok(place) = Arc::clone(&people.places).try_acquire_owned() else {
        caller.limited("questions");
        return Err(Problem::busy(gateway.inner.retry_after_s));
    };
    let asked = tokio::task::spawn_blocking(move || {
        let _place = place;
        question(&people)
    });
    match asked.await {
        Ok(answer) => Ok(answer.map_err(|error| refuse(&error))),
        Err(_) => Err(Problem::BROKEN),
    }
}

/// The batches of a body, as they came; they are not looked at yet.
pub(super) fn batches(gateway: &Gateway, body: &Bytes) -> Result<Vec<Bytes>, Problem> {
    let sample: Sample<'_> = serde_json::from_slice(body).map_err(|_| Problem::BAD_BODY)?;
    slices(gateway, body, &sample.batches)
}

/// The same of a body that was read already.
pub(super) fn slices(gateway: &Gateway, body: &Bytes, batches: &[&RawValue]) -> Result<Vec<Bytes>, Problem> {
    if batches.len() > gateway.inner.body_batches_max {
        return Err(Problem::OVERSIZE);
    }
    let batches = batches.iter();
    Ok(batches.map(|batch| body.slice_ref(batch.get().as_bytes())).collect())
}

/// The tenant that is meant: the caller's, or the one that is named where access is open.
pub(super) fn tenant(caller: &Caller, whose: Result<Query<Whose>, QueryRejection>) -> Result<String, Problem> {
    let Query(whose) = whose.map_err(|_| Problem::BAD_QUERY)?;
    caller.tenant_named(whose.tenant)
}
