//! `/v1/identify`: who of the enrolled is it.
//!
//! Invariants: nobody is looked for unless the tenant has switched it on, with a reason; each use is audited before it
//! happens, and does not happen where it cannot be; nothing of the sample is kept.

use super::Gateway;
use super::access::Caller;
use super::audit::Told;
use super::input::Samples;
use super::keys::problem;
use super::openapi::{ProblemDetails, Refused};
use super::problem::Problem;
use super::question::{self, NeededSteps, Whose};
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use ductus_accounts::Scope;
use ductus_dynamics::wire::{AuditAction, Reason};
use ductus_scorer::probe::{Crowd, Identification};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// Candidates in an answer where nothing is said.
const CANDIDATES: usize = 5;

/// Samples of input of somebody unknown.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Unknown<'a> {
    /// Event batches of one session. What subject they claim is not looked at.
    #[serde(borrow)]
    #[schema(value_type = Vec<Object>)]
    batches: Vec<&'a RawValue>,
    /// Of whom it may be; of everybody whom the tenant has enrolled, where nothing is said.
    pool: Option<Pool>,
    /// Most candidates wanted, up to 50; 5 where nothing is said.
    candidates_max: Option<usize>,
}

/// Of whom a sample may be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Pool {
    /// These subjects, up to 10,000. Who is not enrolled is left out.
    subjects: Vec<String>,
}

/// Who it may be.
#[derive(Serialize, ToSchema)]
struct Ranked {
    /// 1 for the most likely.
    rank: usize,
    /// Who.
    subject: String,
    /// Natural log-likelihood ratio of this person against somebody else; higher is more alike.
    score: f32,
    /// Probability that it is this person and nobody else, 0 to 1.
    probability: f64,
}

/// The answer to an identification.
#[derive(Serialize, ToSchema)]
pub(super) struct Identified {
    /// Most likely first; none where too little was there, or nobody to compare with.
    candidates: Vec<Ranked>,
    /// Probability that it is none of those who were compared, 0 to 1.
    nobody: f64,
    /// Subjects who were compared.
    searched: usize,
    /// More of the same sample that is needed; of one of these is enough.
    needed: Vec<NeededSteps>,
    /// What speaks against a person having made the sample; it moves no candidate.
    #[schema(value_type = Vec<Object>)]
    findings: Vec<Reason>,
}

impl From<Identification> for Identified {
    fn from(identification: Identification) -> Self {
        let candidates = (1..).zip(identification.candidates);
        Self {
            candidates: candidates
                .map(|(rank, candidate)| Ranked {
                    rank,
                    subject: candidate.subject,
                    score: candidate.llr,
                    probability: candidate.posterior,
                })
                .collect(),
            nobody: identification.nobody,
            searched: identification.subjects,
            needed: identification.needed.into_iter().map(Into::into).collect(),
            findings: identification.findings,
        }
    }
}

/// Who of these people is it?
///
/// Off until the tenant switches it on (`PUT /v1/settings`); each use is audited. Every enrolled subject of the pool is
/// compared, none is left out by an index.
#[utoipa::path(
    post,
    path = "/v1/identify",
    operation_id = "identify",
    tag = "subjects",
    params(Whose),
    request_body = Unknown,
    responses(
        (status = 200, description = "candidates; too little data is an answer as well", body = Identified),
        (status = 400, description = "the body or a batch breaks the contract, or no tenant is named", content_type = "application/problem+json", body = ProblemDetails),
        (status = 404, description = "this gateway answers no questions about people", content_type = "application/problem+json", body = ProblemDetails),
        (status = 408, description = "the body did not come in time", content_type = "application/problem+json", body = ProblemDetails),
        (status = 413, description = "more bytes, batches, events or subjects than one question may have", content_type = "application/problem+json", body = ProblemDetails),
        (status = 415, description = "the body is no JSON", content_type = "application/problem+json", body = ProblemDetails),
        (status = 429, description = "too many questions at once: again after `Retry-After`", content_type = "application/problem+json", body = ProblemDetails),
        Refused,
    )
)]
pub(super) async fn identify(
    State(gateway): State<Gateway>,
    caller: Caller,
    whose: Result<Query<Whose>, QueryRejection>,
    body: Result<Samples, Problem>,
) -> Result<Response, Problem> {
    caller.may(Scope::Verify)?;
    question::people(&gateway)?;
    let tenant = question::tenant(&caller, whose)?;
    let reason = reason(&gateway, &caller, &tenant).await?;
    let Samples(body) = body?;
    let unknown: Unknown<'_> = serde_json::from_slice(&body).map_err(|_| Problem::BAD_BODY)?;
    let batches = question::slices(&gateway, &body, &unknown.batches)?;
    let told = Told {
        reason: reason.as_deref(),
        object: Some(if unknown.pool.is_some() { "a list" } else { "everybody" }),
        ..Told::default()
    };
    let audit = &gateway.inner.audit;
    audit.must(AuditAction::Identified, &caller, &tenant, &told).await?;
    let (pool, most) = (unknown.pool, unknown.candidates_max.unwrap_or(CANDIDATES));
    let asked = question::ask(&gateway, &caller, move |people| {
        let batches: Vec<&[u8]> = batches.iter().map(Bytes::as_ref).collect();
        let among: Option<Vec<&str>> = pool
            .as_ref()
            .map(|pool| pool.subjects.iter().map(String::as_str).collect());
        let crowd = Crowd {
            tenant: &tenant,
            among: among.as_deref(),
            candidates: most,
        };
        people.prober.identify(&people.pool, crowd, &batches)
    });
    Ok(match asked.await? {
        Ok(identification) => Json(Identified::from(identification)).into_response(),
        Err(refused) => refused,
    })
}

/// Why the tenant has it switched on.
async fn reason(gateway: &Gateway, caller: &Caller, tenant: &str) -> Result<Option<String>, Problem> {
    let settings = match &gateway.inner.tenants {
        Some(tenants) => tenants.settings(tenant).await.map_err(problem)?,
        None => ductus_accounts::TenantSettings::default(),
    };
    if !settings.identify {
        // Somebody looked for somebody where nobody may: auditors want to know.
        caller.forbidden("identify_off");
        return Err(Problem::IDENTIFY_OFF);
    }
    Ok(settings.identify_reason)
}
