//! `/v1/subjects/{subject}`: what is known of a person, enrolling them, and asking whether somebody is them.
//!
//! Invariants: enrolment goes the way of all events, through Kafka and the stream, so that references are made in one place;
//! verification keeps nothing; a caller reaches the subjects of its tenant only.

use super::Gateway;
use super::access::Caller;
use super::events::{Taken, tell};
use super::openapi::{ProblemDetails, Refused};
use super::people::People;
use super::problem::Problem;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use ductus_accounts::Scope;
use ductus_dynamics::wire::{Action, Purpose, Reason};
use ductus_scorer::probe::{Claim, Held, MissingReferences, MissingSteps, ProbeError, Verification};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, json};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Samples of input.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Sample<'a> {
    /// Event batches of one session.
    #[serde(borrow)]
    #[schema(value_type = Vec<Object>)]
    batches: Vec<&'a RawValue>,
}

#[derive(Deserialize, IntoParams)]
pub(super) struct Whose {
    /// The tenant, where access is open; a key has its own.
    tenant: Option<String>,
}

/// What there is of a subject for one modality and device class.
#[derive(Serialize, ToSchema)]
struct ReferenceSet {
    /// `keystroke` or `pointer`.
    modality: &'static str,
    /// Device class.
    device: String,
    /// The model whose embeddings they are.
    model: String,
    /// Counts every change.
    version: u32,
    /// How complete, 0 to 100.
    maturity: u8,
    /// Whether it is compared with.
    mature: bool,
    /// Windows that it was learned from and keeps.
    windows: usize,
    /// Windows still to be learned until it is compared with.
    windows_missing: usize,
    /// Event time of the last change, µs since 1970.
    updated_us: i64,
}

impl From<Held> for ReferenceSet {
    fn from(held: Held) -> Self {
        Self {
            modality: held.modality.name(),
            device: held.device,
            model: held.model.version,
            version: held.version,
            maturity: held.maturity,
            mature: held.mature,
            windows: held.windows,
            windows_missing: held.windows_missing,
            updated_us: held.updated_us,
        }
    }
}

/// A subject.
#[derive(Serialize, ToSchema)]
pub(super) struct SubjectView {
    /// Pseudonym.
    subject: String,
    /// References by modality, device class and model.
    references: Vec<ReferenceSet>,
}

/// What is known of a subject: references by modality and device class, with their maturity.
#[utoipa::path(
    get,
    path = "/v1/subjects/{subject}",
    operation_id = "getSubject",
    tag = "subjects",
    params(("subject" = String, Path, description = "the subject"), Whose),
    responses(
        (status = 200, description = "its references; none where nobody enrolled", body = SubjectView),
        (status = 400, description = "no tenant is named", content_type = "application/problem+json", body = ProblemDetails),
        (status = 404, description = "this gateway answers no questions about people", content_type = "application/problem+json", body = ProblemDetails),
        Refused,
    )
)]
pub(super) async fn view(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(subject): Path<String>,
    whose: Result<Query<Whose>, QueryRejection>,
) -> Result<Response, Problem> {
    caller.may(Scope::Verify)?;
    let people = people(&gateway)?;
    let tenant = tenant(&caller, whose)?;
    let references = people.subject(&tenant, &subject).ok_or(NOT_READY)?;
    let references = references.into_iter().map(Into::into).collect();
    Ok(Json(SubjectView { subject, references }).into_response())
}

/// Enrols a subject with samples of theirs.
///
/// The batches name the subject and the purpose `enrol`, and the person's consent. They take the way of all events: the
/// references are there once the stream has read them, which `GET /v1/subjects/{subject}` shows.
#[utoipa::path(
    post,
    path = "/v1/subjects/{subject}/enrolments",
    operation_id = "enrol",
    tag = "subjects",
    params(("subject" = String, Path, description = "the subject")),
    request_body = Sample,
    responses(
        (status = 202, description = "in Kafka, acknowledged", body = Taken),
        (status = 400, description = "the body, or every batch, breaks the contract", content_type = "application/problem+json", body = ProblemDetails),
        (status = 413, description = "more bytes or batches than one request may have", content_type = "application/problem+json", body = ProblemDetails),
        (status = 429, description = "too much at once: again after `Retry-After`", content_type = "application/problem+json", body = ProblemDetails),
        Refused,
    )
)]
pub(super) async fn enrol(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(subject): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    caller.may(Scope::Verify)?;
    let body = body.map_err(|_| Problem::OVERSIZE)?;
    let sample = sample(&gateway, &body)?;
    let caller = caller.about(&subject, Purpose::Enrol);
    let batches = sample.batches.iter().map(|batch| batch.get().as_bytes());
    let outcomes = gateway.inner.ingest.take_all(&caller, batches).await;
    Ok(tell(&gateway, &outcomes))
}

/// The answer to a verification.
#[derive(Serialize, ToSchema)]
pub(super) struct Verdict {
    /// `same`, `different` or `insufficient_data`.
    decision: &'static str,
    /// Natural log-likelihood ratio of the subject against others; higher is more alike. Null where nothing was compared.
    score: Option<f32>,
    /// Risk that it is somebody else, 0 to 100.
    risk: Option<f32>,
    /// How much stands behind it, 0 to 1.
    confidence: Option<f32>,
    /// What a session would be asked for.
    #[schema(value_type = Option<String>)]
    action: Option<Action>,
    /// Why, in human units, strongest first.
    #[schema(value_type = Vec<Object>)]
    reasons: Vec<Reason>,
    /// What is missing for an answer, where there is none.
    needed: Needed,
}

/// What is missing for an answer.
#[derive(Serialize, ToSchema)]
struct Needed {
    /// References to be learned first.
    references: Vec<NeededReferences>,
    /// More of the same sample; of one of these is enough.
    sample: Vec<NeededSteps>,
}

#[derive(Serialize, ToSchema)]
struct NeededReferences {
    /// `keystroke` or `pointer`.
    modality: &'static str,
    /// Device class.
    device: String,
    /// Reference windows that there are.
    have: usize,
    /// Reference windows that are needed.
    need: usize,
    /// Key presses or pointer events of enrolment that give those that are missing.
    steps: usize,
}

#[derive(Serialize, ToSchema)]
struct NeededSteps {
    /// `keystroke` or `pointer`.
    modality: &'static str,
    /// Key presses or pointer events, in one stretch.
    steps: usize,
}

impl From<MissingReferences> for NeededReferences {
    fn from(missing: MissingReferences) -> Self {
        Self {
            modality: missing.instrument.modality.name(),
            device: missing.instrument.device,
            have: missing.have,
            need: missing.need,
            steps: missing.steps,
        }
    }
}

impl From<MissingSteps> for NeededSteps {
    fn from(missing: MissingSteps) -> Self {
        Self {
            modality: missing.modality.name(),
            steps: missing.steps,
        }
    }
}

impl From<Verification> for Verdict {
    fn from(verification: Verification) -> Self {
        let numbers = verification.numbers;
        Self {
            decision: verification.answer.code(),
            score: numbers.map(|numbers| numbers.score),
            risk: numbers.map(|numbers| numbers.risk),
            confidence: numbers.map(|numbers| numbers.confidence),
            action: numbers.map(|numbers| numbers.action),
            reasons: verification.reasons,
            needed: Needed {
                references: verification.needed.references.into_iter().map(Into::into).collect(),
                sample: verification.needed.steps.into_iter().map(Into::into).collect(),
            },
        }
    }
}

/// Is it this subject? Once, from samples; nothing of them is kept.
#[utoipa::path(
    post,
    path = "/v1/subjects/{subject}/verify",
    operation_id = "verify",
    tag = "subjects",
    params(("subject" = String, Path, description = "the subject"), Whose),
    request_body = Sample,
    responses(
        (status = 200, description = "the answer; too little data is one as well", body = Verdict),
        (status = 400, description = "the body or a batch breaks the contract, or no tenant is named", content_type = "application/problem+json", body = ProblemDetails),
        (status = 404, description = "this gateway answers no questions about people", content_type = "application/problem+json", body = ProblemDetails),
        (status = 413, description = "more bytes, batches or events than one question may have", content_type = "application/problem+json", body = ProblemDetails),
        (status = 429, description = "too many questions at once: again after `Retry-After`", content_type = "application/problem+json", body = ProblemDetails),
        Refused,
    )
)]
pub(super) async fn verify(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(subject): Path<String>,
    whose: Result<Query<Whose>, QueryRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    caller.may(Scope::Verify)?;
    let people = people(&gateway)?;
    let tenant = tenant(&caller, whose)?;
    let body = body.map_err(|_| Problem::OVERSIZE)?;
    sample(&gateway, &body)?;
    if !people.is_ready() {
        return Err(NOT_READY);
    }
    let place = Arc::clone(&people.places).try_acquire_owned();
    let place = place.map_err(|_| Problem::busy(gateway.inner.retry_after_s))?;
    let people = Arc::clone(people);
    let asked = tokio::task::spawn_blocking(move || {
        let _place = place;
        let sample: Sample<'_> = serde_json::from_slice(&body).map_err(|_| ProbeError::Empty)?;
        let batches: Vec<&[u8]> = sample.batches.iter().map(|batch| batch.get().as_bytes()).collect();
        let claim = Claim {
            tenant: &tenant,
            subject: &subject,
        };
        people.prober.verify(&people.pool, claim, &batches)
    });
    match asked.await {
        Ok(Ok(verification)) => Ok(Json(Verdict::from(verification)).into_response()),
        Ok(Err(error)) => Ok(refuse(&error)),
        Err(_) => Err(Problem::BROKEN),
    }
}

/// References, or the models, were not read yet.
const NOT_READY: Problem = Problem {
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

fn people(gateway: &Gateway) -> Result<&Arc<People>, Problem> {
    gateway.inner.people.as_ref().ok_or(Problem::NOT_FOUND)
}

/// Reads the body; its batches are not looked at yet.
fn sample<'a>(gateway: &Gateway, body: &'a [u8]) -> Result<Sample<'a>, Problem> {
    let sample: Sample<'_> = serde_json::from_slice(body).map_err(|_| Problem::BAD_BODY)?;
    if sample.batches.len() > gateway.inner.body_batches_max {
        return Err(Problem::OVERSIZE);
    }
    Ok(sample)
}

fn tenant(caller: &Caller, whose: Result<Query<Whose>, QueryRejection>) -> Result<String, Problem> {
    let Query(whose) = whose.map_err(|_| Problem::BAD_BODY)?;
    match (caller.tenant(), whose.tenant) {
        (Some(own), None) => Ok(own.to_owned()),
        (Some(own), Some(named)) if own == named => Ok(named),
        (Some(_), Some(_)) => Err(Problem::FORBIDDEN),
        (None, Some(named)) => Ok(named),
        (None, None) => Err(Problem::bad_value("say ?tenant=…: access is open, so no key tells it")),
    }
}
