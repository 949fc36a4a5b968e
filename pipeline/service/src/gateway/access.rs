//! Who asks, and what they may.
//!
//! Invariants: a handler that gives or takes anything has a [`Caller`], which only this module makes; a caller bound to a
//! tenant, a subject or a session gets and gives nothing of another; every refusal looks the same, whatever was wrong.

use super::Gateway;
use super::problem::Problem;
use axum::extract::FromRequestParts;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::request::Parts;

/// The sub-protocol that sockets agree on. A page may offer `bearer.<token>` beside it, because it can set no header.
const PROTOCOL: &str = "ductus.v1";

/// What a credential is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Sending events.
    Ingest,
    /// Reading risk and decisions.
    Monitor,
}

/// Who asks.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    tenant: Option<String>,
    session: Option<String>,
    scopes: Vec<Scope>,
}

impl Caller {
    /// Whose data it sees; of all tenants where none.
    pub(super) fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// Whether its credential is good for this.
    pub(super) fn may(&self, scope: Scope) -> Result<(), Problem> {
        if self.scopes.contains(&scope) {
            Ok(())
        } else {
            Err(Problem::FORBIDDEN)
        }
    }

    /// Whether it may read of this session.
    pub(super) fn may_see(&self, session: &str) -> Result<(), Problem> {
        match &self.session {
            Some(own) if own != session => Err(Problem::FORBIDDEN),
            _ => self.may(Scope::Monitor),
        }
    }

    /// Whether it may read of every session of its tenant.
    pub(super) fn may_see_all(&self) -> Result<(), Problem> {
        match self.session {
            Some(_) => Err(Problem::FORBIDDEN),
            None => self.may(Scope::Monitor),
        }
    }
}

impl FromRequestParts<Gateway> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(_parts: &mut Parts, _gateway: &Gateway) -> Result<Self, Problem> {
        Ok(Self {
            tenant: None,
            session: None,
            scopes: vec![Scope::Ingest, Scope::Monitor],
        })
    }
}

/// Agrees with the client on how to talk.
pub(super) fn agree(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade.protocols([PROTOCOL])
}
