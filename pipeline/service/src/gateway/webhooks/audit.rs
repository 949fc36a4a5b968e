//! STUB, replaced when `gateway::audit` is merged: each function becomes `audit.done(AuditAction::…, …)` with
//! `Told { object: Some(webhook), .. }`. Nobody asks where a delivery is given up: there is no caller, only a tenant.

use crate::gateway::access::Caller;

/// `AuditAction::WebhookAdded`.
pub(super) fn added(_: &Caller, _tenant: &str, webhook: &str) {
    tracing::info!(webhook, "webhook added");
}

/// `AuditAction::WebhookRemoved`.
pub(super) fn removed(_: &Caller, _tenant: &str, webhook: &str) {
    tracing::info!(webhook, "webhook removed");
}

/// `AuditAction::WebhookGaveUp`; `reason` is the code of the last failure.
pub(super) fn gave_up(_tenant: &str, webhook: &str, delivery: &str, reason: &str) {
    tracing::warn!(webhook, delivery, reason, "a delivery to a webhook is given up");
}
