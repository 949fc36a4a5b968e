//! What the gateway tells auditors: who was let in, who was not, and who asked what about whom.
//!
//! Invariants: no credential and nothing that was sent stands in a record; refusals of one kind are told once and then counted
//! together every `gateway.audit_sum_ms`, so that a flood of them is a few records; at most `gateway.audit_in_flight_max`
//! records wait for Kafka, and one that finds no room is counted; what must not happen unseen waits until Kafka has it.

mod account_events;
mod sums;

use super::access::Caller;
use super::problem::Problem;
use super::publisher::{OnItsWay, Publisher};
use crate::accounts::now_ms;
use crate::config::Config;
use crate::metrics::GatewayMetrics;
use crate::shutdown::Shutdown;
use account_events::Read;
use ductus_accounts::AccountEvent;
use ductus_dynamics::wire::{AuditAccess, AuditAction, AuditRecord, Outcome, VERSION};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use sums::{Kind, Sums};
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// The tenant of what concerns nobody's: nobody was recognised.
const NO_TENANT: &str = "-";

/// Something to be told.
#[derive(Clone, Debug, Default)]
pub(super) struct Told<'a> {
    pub(super) subject: Option<&'a str>,
    pub(super) session: Option<&'a str>,
    pub(super) decision: Option<&'a str>,
    /// Id of what else it is about.
    pub(super) object: Option<&'a str>,
    /// The reason that was given.
    pub(super) reason: Option<&'a str>,
}

/// Writes audit records.
pub(super) struct Audit {
    publisher: Publisher,
    places: Arc<Semaphore>,
    sums: Sums,
    sum_every: Duration,
    timeout: Duration,
    metrics: GatewayMetrics,
}

impl Audit {
    /// `publisher` writes to the audit topic.
    pub(super) fn new(config: &Config, publisher: Publisher, metrics: GatewayMetrics) -> Self {
        let gateway = &config.gateway;
        Self {
            publisher,
            places: Arc::new(Semaphore::new(gateway.audit_in_flight_max)),
            sums: Sums::new(gateway.audit_kinds_max),
            sum_every: Duration::from_millis(gateway.audit_sum_ms),
            timeout: Duration::from_millis(gateway.produce_timeout_ms),
            metrics,
        }
    }

    /// Tells what somebody did.
    pub(super) fn done(&self, action: AuditAction, caller: &Caller, tenant: &str, told: &Told<'_>) {
        self.send(&done(action, caller, tenant, told));
    }

    /// The same, and waits until Kafka has it.
    ///
    /// # Errors
    /// It has not: what was asked for must not be done.
    pub(super) async fn must(
        &self,
        action: AuditAction,
        caller: &Caller,
        tenant: &str,
        told: &Told<'_>,
    ) -> Result<(), Problem> {
        let record = done(action, caller, tenant, told);
        let sent = self.publish(&record).ok_or(Problem::UNAUDITED)?;
        sent.acknowledged_within(self.timeout).await.map_err(|_| {
            self.metrics.audit_lost.inc();
            Problem::UNAUDITED
        })?;
        Ok(())
    }

    /// Tells what went wrong with a thing of a tenant's, without anybody asking.
    pub(super) fn failed(&self, action: AuditAction, tenant: &str, object: &str, reason: &str) {
        self.send(&AuditRecord {
            access: Some(AuditAccess {
                outcome: Outcome::Failure,
                by: None,
                address: None,
                reason: Some(reason.to_owned()),
                object: Some(object.to_owned()),
                count: 1,
            }),
            ..record(action, Some(tenant), now_ms())
        });
    }

    /// Tells that somebody was refused; together with others of the kind.
    pub(super) fn refused(&self, action: AuditAction, caller: Option<&Caller>, address: Option<IpAddr>, reason: &str) {
        self.sum(Kind {
            action,
            tenant: caller.and_then(Caller::tenant).map(str::to_owned),
            by: caller.and_then(Caller::credential).map(str::to_owned),
            address,
            reason: reason.to_owned(),
        });
    }

    /// Tells what happened to keys and accounts.
    pub(super) fn accounts(&self, events: Vec<AccountEvent>) {
        for event in events {
            match account_events::read(event) {
                Read::Done(record) => self.send(&record),
                Read::Refused(kind) => self.sum(kind),
            }
        }
    }

    /// The same, where the events do not say themselves who asked and from where.
    pub(super) fn accounts_of(&self, caller: &Caller, events: Vec<AccountEvent>) {
        for event in events {
            let address = event.address.or(Some(caller.address()));
            match account_events::read(AccountEvent { address, ..event }) {
                Read::Done(mut record) => {
                    if let Some(access) = &mut record.access {
                        access.by = access.by.take().or_else(|| caller.credential().map(str::to_owned));
                    }
                    self.send(&record);
                }
                Read::Refused(kind) => self.sum(kind),
            }
        }
    }

    /// Tells sums until `shutdown`, then what is left.
    pub(super) async fn run(self: Arc<Self>, shutdown: Shutdown) {
        let mut turn = tokio::time::interval_at(Instant::now() + self.sum_every, self.sum_every);
        loop {
            tokio::select! {
                _ = turn.tick() => {}
                () = shutdown.requested() => break,
            }
            for (kind, count) in self.sums.turn() {
                self.send(&refusal(kind, count));
            }
        }
        for (kind, count) in self.sums.turn() {
            self.send(&refusal(kind, count));
        }
    }

    /// Waits until everything is acknowledged or given up.
    pub(super) fn flush(&self) {
        if self.publisher.flush(self.timeout).is_err() {
            tracing::error!("audit records were not acknowledged before the end");
        }
    }

    fn sum(&self, kind: Kind) {
        if let Some(first) = self.sums.one_more(kind) {
            self.send(&refusal(first, 1));
        }
    }

    fn send(&self, record: &AuditRecord) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.metrics.audit_lost.inc();
            return;
        };
        let Some(sent) = self.publish(record) else {
            return;
        };
        let lost = self.metrics.audit_lost.clone();
        tokio::spawn(async move {
            let _place = place;
            if let Err(error) = sent.acknowledged().await {
                lost.inc();
                tracing::error!(%error, "an audit record was not acknowledged");
            }
        });
    }

    fn publish(&self, record: &AuditRecord) -> Option<OnItsWay> {
        // As the events where it is about somebody, else with others of its tenant.
        let key = record.subject.as_ref().or(record.session.as_ref());
        let key = key.unwrap_or(&record.tenant);
        // A record is texts and numbers.
        let value = serde_json::to_vec(record).unwrap_or_default();
        match self.publisher.send(Some(key), &value, None) {
            Ok(sent) => Some(sent),
            Err(error) => {
                self.metrics.audit_lost.inc();
                tracing::error!(%error, "an audit record finds no room");
                None
            }
        }
    }
}

fn done(action: AuditAction, caller: &Caller, tenant: &str, told: &Told<'_>) -> AuditRecord {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    AuditRecord {
        subject: owned(told.subject),
        session: owned(told.session),
        decision: owned(told.decision),
        access: Some(AuditAccess {
            outcome: Outcome::Success,
            by: owned(caller.credential()),
            address: Some(caller.address()),
            reason: owned(told.reason),
            object: owned(told.object),
            count: 1,
        }),
        ..record(action, Some(tenant), now_ms())
    }
}

fn refusal(kind: Kind, count: u64) -> AuditRecord {
    AuditRecord {
        access: Some(AuditAccess {
            outcome: Outcome::Failure,
            by: kind.by,
            address: kind.address,
            reason: Some(kind.reason),
            object: None,
            count,
        }),
        ..record(kind.action, kind.tenant.as_deref(), now_ms())
    }
}

/// A record about nothing in particular yet.
fn record(action: AuditAction, tenant: Option<&str>, at_ms: i64) -> AuditRecord {
    AuditRecord {
        v: VERSION,
        id: super::drawn_id(),
        action,
        tenant: tenant.unwrap_or(NO_TENANT).to_owned(),
        subject: None,
        session: None,
        decision: None,
        model: None,
        reference: None,
        source: None,
        access: None,
        time_us: at_ms * 1000,
    }
}
