//! What happened to keys, tokens and accounts, as audit records.
//!
//! Invariants: a user's id is their subject; who was refused is counted with others of the kind, everything else is told by
//! itself.

use super::{Kind, record};
use ductus_accounts::{AccountEvent, Action};
use ductus_dynamics::wire::{AuditAccess, AuditAction, AuditRecord, Outcome};
use serde::Serialize;

/// How an event is told.
pub(super) enum Read {
    Done(Box<AuditRecord>),
    Refused(Kind),
}

/// What an event says, besides when, whose and from where.
struct Said {
    action: AuditAction,
    subject: Option<String>,
    by: Option<String>,
    object: Option<String>,
    reason: Option<String>,
    decision: Option<String>,
    session: Option<String>,
}

pub(super) fn read(event: AccountEvent) -> Read {
    let said = match said(event.action) {
        Ok(said) => said,
        Err((action, by, reason)) => {
            return Read::Refused(Kind {
                action,
                tenant: event.tenant,
                by,
                address: event.address,
                reason,
            });
        }
    };
    Read::Done(Box::new(AuditRecord {
        subject: said.subject,
        session: said.session,
        decision: said.decision,
        access: Some(AuditAccess {
            outcome: Outcome::Success,
            by: said.by,
            address: event.address,
            reason: said.reason,
            object: said.object,
            count: 1,
        }),
        ..record(said.action, event.tenant.as_deref(), event.at_ms)
    }))
}

/// A refusal: of what, whose, and why.
type Refusal = (AuditAction, Option<String>, String);

fn said(action: Action) -> Result<Said, Refusal> {
    use AuditAction as A;
    Ok(match action {
        Action::KeyRefused { key, reason } => return Err((A::CredentialRefused, key, word(&reason))),
        Action::TokenRefused { reason } => return Err((A::CredentialRefused, None, word(&reason))),
        Action::Throttled { account, scope, .. } => return Err((A::RateLimited, account, word(&scope))),
        Action::LoginRefused { account, reason } => return Err((A::LoginRefused, Some(account), word(&reason))),
        Action::CodeRefused { account, reason } => return Err((A::CodeRefused, account, word(&reason))),
        Action::RefreshRefused { user, reason, .. } => return Err((A::RefreshRefused, user, word(&reason))),
        Action::ApprovalRefused => return Err((A::ApprovalRefused, None, "unknown".to_owned())),
        Action::PasskeyRefused { user } => return Err((A::PasskeyRefused, user, "unknown".to_owned())),

        Action::KeyCreated { key, scopes } => Said::about(A::KeyCreated, key).why(scopes.to_string()),
        Action::KeyRotated { key, .. } => Said::about(A::KeyRotated, key),
        Action::KeyRevoked { key } => Said::about(A::KeyRevoked, key),
        Action::TokenMinted {
            key,
            token,
            session,
            scopes,
            ..
        } => Said {
            session: Some(session),
            ..Said::about(A::TokenMinted, token).by(key).why(scopes.to_string())
        },
        Action::IdentifySet { on, reason, by } => {
            let state = if on { "on" } else { "off" };
            Said {
                reason,
                ..Said::about(A::IdentifySet, state.to_owned()).by(by)
            }
        }
        Action::ErasureAsked { receipt, subject, by } => Said::about(A::ErasureAsked, receipt).by(by).of(subject),
        Action::ErasureChanged { receipt, state } => Said::about(A::ErasureChanged, receipt).why(word(&state)),
        Action::CodeSent {
            account,
            purpose,
            account_exists,
        } => {
            let said = Said::new(A::CodeSent).why(word(&purpose));
            if account_exists {
                said.of(account)
            } else {
                said.by(account)
            }
        }
        Action::Registered { user } => Said::new(A::Registered).of(user),
        Action::SignedIn {
            user,
            sign_in,
            second_factor,
        } => {
            let said = Said::about(A::SignedIn, sign_in).of(user);
            said.why(if second_factor { "second_factor" } else { "password" }.to_owned())
        }
        Action::Refreshed { user, sign_in } => Said::about(A::Refreshed, sign_in).of(user),
        Action::LoggedOut { user, sign_in } => Said::about(A::LoggedOut, sign_in).of(user),
        Action::LoggedOutEverywhere { user, .. } => Said::new(A::LoggedOutEverywhere).of(user),
        Action::PasswordChanged { user } => Said::new(A::PasswordChanged).of(user),
        Action::ModeSet { user, mode } => Said::new(A::ModeSet).of(user).why(word(&mode)),
        Action::StepUpRaised { user, why } => Said {
            decision: Some(why),
            ..Said::new(A::StepUpRaised).of(user)
        },
        Action::StepUpLowered { user, sign_in } => Said::about(A::StepUpLowered, sign_in).of(user),
        Action::ApprovalSent { user, prefix } => Said::about(A::ApprovalSent, prefix.to_string()).of(user),
        Action::AddressTrusted { user, prefix } => Said::about(A::AddressTrusted, prefix.to_string()).of(user),
        Action::AddressForgotten { user, prefix } => Said::about(A::AddressForgotten, prefix.to_string()).of(user),
        Action::PasskeyAdded { user, passkey } => Said::about(A::PasskeyAdded, passkey).of(user),
        Action::PasskeyRemoved { user, passkey } => Said::about(A::PasskeyRemoved, passkey).of(user),
        Action::UserDeleted { user } => Said::new(A::UserDeleted).of(user),
    })
}

impl Said {
    fn new(action: AuditAction) -> Self {
        Self {
            action,
            subject: None,
            by: None,
            object: None,
            reason: None,
            decision: None,
            session: None,
        }
    }

    fn about(action: AuditAction, object: String) -> Self {
        Self {
            object: Some(object),
            ..Self::new(action)
        }
    }

    fn by(self, by: String) -> Self {
        Self { by: Some(by), ..self }
    }

    /// Somebody's own doing: who, and about whom, are the same.
    fn of(self, subject: String) -> Self {
        Self {
            by: self.by.or_else(|| Some(subject.clone())),
            subject: Some(subject),
            ..self
        }
    }

    fn why(self, reason: String) -> Self {
        Self {
            reason: Some(reason),
            ..self
        }
    }
}

/// The code that serde writes for it.
fn word(code: &impl Serialize) -> String {
    let value = serde_json::to_value(code).unwrap_or_default();
    value.as_str().unwrap_or("unknown").to_owned()
}
