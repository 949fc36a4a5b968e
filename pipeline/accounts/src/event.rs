//! What must be audited: every operation hands its events back, and the gateway writes them to the audit topic.
//!
//! Invariant: no event holds a secret, a code, a hash of one, or an e-mail address. An account that exists is named by its id;
//! one that does not by a keyed hash, so that attempts on the same name can be counted.

use std::net::IpAddr;

use serde::Serialize;

use crate::keys::KeyRefusal;
use crate::scope::Scopes;
use crate::tokens::TokenRefusal;

/// An answer, and what must be audited about how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "the events belong into the audit"]
pub struct Audited<T> {
    /// What the caller asked for.
    pub answer: T,
    /// What happened, in order.
    pub events: Vec<AccountEvent>,
}

impl<T> Audited<T> {
    pub(crate) fn quiet(answer: T) -> Self {
        Self {
            answer,
            events: Vec::new(),
        }
    }

    pub(crate) fn with(answer: T, event: AccountEvent) -> Self {
        Self {
            answer,
            events: vec![event],
        }
    }
}

/// Something that happened to a key, a token or an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountEvent {
    /// When, in ms.
    pub at_ms: i64,
    /// Whose; none where nobody was recognised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The network address that asked, where the operation was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// What.
    #[serde(flatten)]
    pub action: Action,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// An application key was made.
    KeyCreated {
        /// Its id.
        key: String,
        /// What it may do.
        scopes: Scopes,
    },
    /// It has a new secret.
    KeyRotated {
        /// Its id.
        key: String,
        /// Until when the old secret is valid too, in ms.
        old_until_ms: i64,
    },
    /// It was ended.
    KeyRevoked {
        /// Its id.
        key: String,
    },
    /// Something was presented as a key and did not hold.
    KeyRefused {
        /// The key's id, where one exists.
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        /// Why; the caller is not told.
        reason: KeyRefusal,
    },
    /// A session token was made.
    TokenMinted {
        /// With which key.
        key: String,
        /// The token's id.
        token: String,
        /// For which session.
        session: String,
        /// What it may do.
        scopes: Scopes,
        /// When it ends, in ms.
        expires_ms: i64,
    },
    /// Something was presented as a token and did not hold.
    TokenRefused {
        /// Why; the caller is not told.
        reason: TokenRefusal,
    },
    /// Identification among many was switched on or off for a tenant.
    IdentifySet {
        /// On?
        on: bool,
        /// Why; whoever switches it on must say.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Who did it.
        by: String,
    },
    /// The erasure of a subject was asked for.
    ErasureAsked {
        /// The receipt.
        receipt: String,
        /// The subject.
        subject: String,
        /// Who asked.
        by: String,
    },
    /// It went on.
    ErasureChanged {
        /// The receipt.
        receipt: String,
        /// What has become of it.
        state: crate::tenants::ErasureState,
    },
}

impl AccountEvent {
    pub(crate) fn new(at_ms: i64, tenant: Option<&str>, action: Action) -> Self {
        Self {
            at_ms,
            tenant: tenant.map(str::to_owned),
            address: None,
            action,
        }
    }

    /// Of a token that did not hold, for the caller of [`crate::SessionTokens::verify`].
    #[must_use]
    pub fn token_refused(reason: TokenRefusal, address: Option<IpAddr>, now_ms: i64) -> Self {
        let event = Self::new(now_ms, None, Action::TokenRefused { reason });
        Self { address, ..event }
    }
}
