//! Making the gateway forget: references of a subject, and the request that a subject vanishes everywhere.
//!
//! Invariants: a receipt is in the database before it is given; references go by tombstones that Kafka acknowledged, on
//! every partition, since the stream alone knows on which they stand; what lies in history and in Elasticsearch is not
//! reached from here, and the receipt says so until the batch side has done it.

use super::Gateway;
use super::access::Caller;
use super::audit::Told;
use super::input::Path;
use super::keys::problem;
use super::openapi::{ProblemDetails, Refused};
use super::people::People;
use super::problem::Problem;
use super::publisher::Publisher;
use super::question::{self, Whose};
use crate::accounts::now_ms;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ductus_accounts::{Erasure, ErasureState, Scope, Tenants};
use ductus_dynamics::compare::ReferenceKey;
use ductus_dynamics::wire::AuditAction;
use ductus_scorer::probe::Held;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// What a receipt says when this gateway has done its part.
const REFERENCES_GONE: &str = "references removed; history, session states and documents wait for the batch side";

/// Removes references from Kafka.
pub(super) struct Eraser {
    publisher: Publisher,
    timeout: Duration,
}

impl Eraser {
    /// `publisher` writes to the references topic.
    pub(super) fn new(publisher: Publisher, timeout: Duration) -> Self {
        Self { publisher, timeout }
    }

    /// Ends these sets of a subject on each of these partitions.
    async fn end(&self, tenant: &str, subject: &str, sets: &[Held], partitions: &[i32]) -> Result<(), Problem> {
        let mut sent = Vec::new();
        for held in sets {
            let key = ReferenceKey {
                tenant: tenant.to_owned(),
                subject: subject.to_owned(),
                modality: held.modality,
                device: held.device.clone(),
                model_sha256: held.model.sha256.clone(),
            };
            for partition in partitions {
                let tombstone = self.publisher.end(&key.record_key(), *partition);
                sent.push(tombstone.map_err(|_| UNAVAILABLE)?);
            }
        }
        let acknowledged = async {
            for tombstone in sent {
                tombstone.acknowledged().await.map_err(|_| UNAVAILABLE)?;
            }
            Ok(())
        };
        tokio::time::timeout(self.timeout, acknowledged)
            .await
            .unwrap_or(Err(UNAVAILABLE))
    }
}

const UNAVAILABLE: Problem = Problem {
    status: StatusCode::SERVICE_UNAVAILABLE,
    reason: "unavailable",
    title: "references could not be removed in time, ask again",
    retry_after_s: Some(1),
};

/// What has become of an erasure.
#[derive(Serialize, ToSchema)]
pub(super) struct Receipt {
    /// Its id.
    receipt: String,
    /// Whom it is about.
    subject: String,
    /// `asked`, `running`, `done` or `failed`.
    #[schema(value_type = String)]
    state: ErasureState,
    /// When it was asked for, ms since 1970.
    asked_at_ms: i64,
    /// When its state last changed.
    changed_at_ms: i64,
    /// What was done, and what is left.
    detail: String,
}

impl From<Erasure> for Receipt {
    fn from(erasure: Erasure) -> Self {
        Self {
            receipt: erasure.receipt,
            subject: erasure.subject,
            state: erasure.state,
            asked_at_ms: erasure.asked_ms,
            changed_at_ms: erasure.changed_ms,
            detail: erasure.detail,
        }
    }
}

/// Starts the erasure of a subject.
///
/// References are removed at once, so that nobody is compared with this subject any more. History, session states and
/// documents are for the batch side; the receipt tells how far it is. Asked again before it is done, it gives the same receipt.
#[utoipa::path(
    delete,
    path = "/v1/subjects/{subject}",
    operation_id = "eraseSubject",
    tag = "subjects",
    params(("subject" = String, Path, description = "the subject"), Whose),
    responses(
        (status = 202, description = "the receipt", body = Receipt),
        (status = 400, description = "no tenant is named, or the subject is no id", content_type = "application/problem+json", body = ProblemDetails),
        (status = 404, description = "this gateway keeps no receipts: it has no database, or answers no questions about people", content_type = "application/problem+json", body = ProblemDetails),
        Refused,
    )
)]
pub(super) async fn erase(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(subject): Path<String>,
    whose: Result<Query<Whose>, QueryRejection>,
) -> Result<Response, Problem> {
    caller.may(Scope::Admin)?;
    let (tenants, people) = (tenants(&gateway)?, question::people(&gateway)?);
    let tenant = question::tenant(&caller, whose)?;
    let erasure = begin(&gateway, &caller, tenants, people, (&tenant, &subject)).await?;
    Ok((StatusCode::ACCEPTED, Json(Receipt::from(erasure))).into_response())
}

/// Writes the receipt, then ends the references.
async fn begin(
    gateway: &Gateway,
    caller: &Caller,
    tenants: &Tenants,
    people: &People,
    (tenant, subject): (&str, &str),
) -> Result<Erasure, Problem> {
    let held = people.subject(tenant, subject).ok_or(question::NOT_READY)?;
    let asked = tenants.ask_erasure(tenant, subject, caller.name(), now_ms()).await;
    let erasure = gateway.audited(caller, asked.map_err(problem)?);
    let partitions = people.partitions();
    gateway.inner.eraser.end(tenant, subject, &held, partitions).await?;
    if let Some(webhooks) = &gateway.inner.webhooks {
        webhooks.forget(tenant, subject).await.map_err(problem)?;
    }
    let moved = tenants.set_erasure(&erasure.receipt, ErasureState::Running, REFERENCES_GONE, now_ms());
    gateway.audited(caller, moved.await.map_err(problem)?);
    let now = tenants.erasure(tenant, &erasure.receipt).await.map_err(problem)?;
    Ok(now.unwrap_or(erasure))
}

/// The same for somebody who removes their account. Where no questions are answered nobody here knows references, and the
/// receipt stays as it is asked for.
pub(super) async fn erase_own(gateway: &Gateway, caller: &Caller, tenant: &str, subject: &str) -> Result<(), Problem> {
    let tenants = tenants(gateway)?;
    if let Ok(people) = question::people(gateway) {
        begin(gateway, caller, tenants, people, (tenant, subject)).await?;
    } else {
        let asked = tenants.ask_erasure(tenant, subject, subject, now_ms()).await;
        gateway.audited(caller, asked.map_err(problem)?);
    }
    Ok(())
}

/// How far an erasure is.
#[utoipa::path(
    get,
    path = "/v1/erasures/{receipt}",
    operation_id = "getErasure",
    tag = "subjects",
    params(("receipt" = String, Path, description = "id of the receipt"), Whose),
    responses(
        (status = 200, description = "the receipt", body = Receipt),
        (status = 400, description = "no tenant is named", content_type = "application/problem+json", body = ProblemDetails),
        (status = 404, description = "the tenant has no such receipt", content_type = "application/problem+json", body = ProblemDetails),
        Refused,
    )
)]
pub(super) async fn receipt(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(receipt): Path<String>,
    whose: Result<Query<Whose>, QueryRejection>,
) -> Result<Response, Problem> {
    caller.may(Scope::Admin)?;
    let tenants = tenants(&gateway)?;
    let tenant = question::tenant(&caller, whose)?;
    let erasure = tenants.erasure(&tenant, &receipt).await.map_err(problem)?;
    let erasure = erasure.ok_or(Problem::NOT_FOUND)?;
    Ok(Json(Receipt::from(erasure)).into_response())
}

/// Removes the references of a subject for one modality and device class, of every model.
#[utoipa::path(
    delete,
    path = "/v1/subjects/{subject}/references/{modality}/{device}",
    operation_id = "removeReferences",
    tag = "subjects",
    params(
        ("subject" = String, Path, description = "the subject"),
        ("modality" = String, Path, description = "`keystroke` or `pointer`"),
        ("device" = String, Path, description = "the device class, as `GET /v1/subjects/{subject}` names it"),
        Whose,
    ),
    responses(
        (status = 202, description = "they are ended; the stream follows within a checkpoint"),
        (status = 400, description = "no tenant is named", content_type = "application/problem+json", body = ProblemDetails),
        (status = 404, description = "there are none", content_type = "application/problem+json", body = ProblemDetails),
        Refused,
    )
)]
pub(super) async fn remove_references(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path((subject, modality, device)): Path<(String, String, String)>,
    whose: Result<Query<Whose>, QueryRejection>,
) -> Result<Response, Problem> {
    caller.may(Scope::Admin)?;
    let people: &People = question::people(&gateway)?;
    let tenant = question::tenant(&caller, whose)?;
    let mut held = people.subject(&tenant, &subject).ok_or(question::NOT_READY)?;
    held.retain(|held| held.modality.name() == modality && held.device == device);
    if held.is_empty() {
        return Err(Problem::NOT_FOUND);
    }
    gateway
        .inner
        .eraser
        .end(&tenant, &subject, &held, people.partitions())
        .await?;
    let object = format!("{modality}/{device}");
    let told = Told {
        subject: Some(&subject),
        object: Some(&object),
        ..Told::default()
    };
    let audit = &gateway.inner.audit;
    audit.done(AuditAction::ReferenceRemoved, &caller, &tenant, &told);
    Ok(StatusCode::ACCEPTED.into_response())
}

fn tenants(gateway: &Gateway) -> Result<&Tenants, Problem> {
    gateway.inner.tenants.as_ref().ok_or(Problem::NOT_FOUND)
}
