//! `/v1/subjects/{subject}`: what is known of a person, enrolling them, and asking whether somebody is them.
//!
//! Invariants: enrolment goes the way of all events, through Kafka and the stream, so that references are made in one place;
//! verification keeps nothing but that it was asked; a caller reaches the subjects of its tenant only.

use super::Gateway;
use super::access::Caller;
use super::audit::Told;
use super::events::{Taken, tell};
use super::input::{Path, Samples};
use super::openapi::{ProblemDetails, Refused};
use super::problem::Problem;
use super::question::{self, NeededSteps, Sample, Whose};
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use ductus_accounts::Scope;
use ductus_dynamics::wire::{Action, AuditAction, Purpose, Reason};
use ductus_scorer::probe::{Claim, Held, MissingReferences, Verification};
use serde::Serialize;
use utoipa::ToSchema;

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
    caller.may_know(&subject)?;
    let people = question::people(&gateway)?;
    let tenant = question::tenant(&caller, whose)?;
    let references = people.subject(&tenant, &subject).ok_or(question::NOT_READY)?;
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
        (status = 404, description = "no subject can have this name", content_type = "application/problem+json", body = ProblemDetails),
        (status = 408, description = "the body did not come in time", content_type = "application/problem+json", body = ProblemDetails),
        (status = 413, description = "more bytes or batches than one request may have", content_type = "application/problem+json", body = ProblemDetails),
        (status = 415, description = "the body is no JSON", content_type = "application/problem+json", body = ProblemDetails),
        (status = 429, description = "too much at once: again after `Retry-After`", content_type = "application/problem+json", body = ProblemDetails),
        Refused,
    )
)]
pub(super) async fn enrol(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(subject): Path<String>,
    body: Result<Samples, Problem>,
) -> Result<Response, Problem> {
    caller.may(Scope::Verify)?;
    let Samples(body) = body?;
    let batches = question::batches(&gateway, &body)?;
    let caller = caller.about(&subject, Purpose::Enrol);
    let outcomes = gateway
        .inner
        .ingest
        .take_all(&caller, batches.iter().map(Bytes::as_ref))
        .await;
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
        (status = 408, description = "the body did not come in time", content_type = "application/problem+json", body = ProblemDetails),
        (status = 413, description = "more bytes, batches or events than one question may have", content_type = "application/problem+json", body = ProblemDetails),
        (status = 415, description = "the body is no JSON", content_type = "application/problem+json", body = ProblemDetails),
        (status = 429, description = "too many questions at once: again after `Retry-After`", content_type = "application/problem+json", body = ProblemDetails),
        Refused,
    )
)]
pub(super) async fn verify(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(subject): Path<String>,
    whose: Result<Query<Whose>, QueryRejection>,
    body: Result<Samples, Problem>,
) -> Result<Response, Problem> {
    caller.may(Scope::Verify)?;
    question::people(&gateway)?;
    let tenant = question::tenant(&caller, whose)?;
    let Samples(body) = body?;
    let batches = question::batches(&gateway, &body)?;
    let claimed = (tenant.clone(), subject.clone());
    let asked = question::ask(&gateway, &caller, move |people| {
        let batches: Vec<&[u8]> = batches.iter().map(Bytes::as_ref).collect();
        let claim = Claim {
            tenant: &claimed.0,
            subject: &claimed.1,
        };
        people.prober.verify(&people.pool, claim, &batches)
    });
    let verification = match asked.await? {
        Ok(verification) => verification,
        Err(refused) => return Ok(refused),
    };
    let told = Told {
        subject: Some(&subject),
        reason: Some(verification.answer.code()),
        ..Told::default()
    };
    gateway.inner.audit.done(AuditAction::Verified, &caller, &tenant, &told);
    Ok(Json(Verdict::from(verification)).into_response())
}
