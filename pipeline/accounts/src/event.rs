//! What must be audited: every operation hands its events back, and the gateway writes them to the audit topic.
//!
//! Invariant: no event holds a secret, a code, a hash of one, or an e-mail address. An account that exists is named by its id;
//! one that does not by a keyed hash, so that attempts on the same name can be counted.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

use crate::keys::KeyRefusal;
use crate::scope::Scopes;
use crate::tenants::ErasureState;
use crate::tokens::TokenRefusal;
use crate::users::{Mode, Visit};

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
        state: ErasureState,
    },
    /// An attempt came too soon.
    Throttled {
        /// The account, where one was named.
        #[serde(skip_serializing_if = "Option::is_none")]
        account: Option<String>,
        /// Whose wait it is.
        scope: ThrottleScope,
        /// How long, in ms.
        wait_ms: i64,
    },
    /// A sign-in failed.
    LoginRefused {
        /// The account.
        account: String,
        /// Why.
        reason: LoginRefusal,
    },
    /// A code, or the word that there is no such account, was mailed.
    CodeSent {
        /// The account.
        account: String,
        /// What for.
        purpose: Purpose,
        /// Whether an account has the address.
        account_exists: bool,
    },
    /// A code was refused.
    CodeRefused {
        /// The account, where a code was awaited.
        #[serde(skip_serializing_if = "Option::is_none")]
        account: Option<String>,
        /// Why.
        reason: CodeRefusal,
    },
    /// An account was opened.
    Registered {
        /// The user.
        user: String,
    },
    /// Somebody signed in.
    SignedIn {
        /// The user.
        user: String,
        /// The sign-in's id.
        sign_in: String,
        /// Whether a second factor was shown.
        second_factor: bool,
    },
    /// A sign-in was prolonged.
    Refreshed {
        /// The user.
        user: String,
        /// The sign-in's id.
        sign_in: String,
    },
    /// It was not.
    RefreshRefused {
        /// The user, where the sign-in is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// The sign-in's id, where we made the token.
        #[serde(skip_serializing_if = "Option::is_none")]
        sign_in: Option<String>,
        /// Why.
        reason: RefreshRefusal,
    },
    /// Somebody signed out.
    LoggedOut {
        /// The user.
        user: String,
        /// The sign-in's id.
        sign_in: String,
    },
    /// Somebody signed out everywhere, or a new password did it.
    LoggedOutEverywhere {
        /// The user.
        user: String,
        /// How many sign-ins ended.
        sign_ins: u64,
    },
    /// A password was replaced.
    PasswordChanged {
        /// The user.
        user: String,
    },
    /// A user learns or guards now.
    ModeSet {
        /// The user.
        user: String,
        /// What now.
        mode: Mode,
    },
    /// Risk asks for a second proof.
    StepUpRaised {
        /// The user.
        user: String,
        /// The decision that asked.
        why: String,
    },
    /// It was given.
    StepUpLowered {
        /// The user.
        user: String,
        /// In which sign-in.
        sign_in: String,
    },
    /// A link was mailed to have a network address trusted.
    ApprovalSent {
        /// The user.
        user: String,
        /// The network.
        prefix: IpNet,
    },
    /// A network address is trusted now.
    AddressTrusted {
        /// The user.
        user: String,
        /// The network.
        prefix: IpNet,
    },
    /// It is not any more.
    AddressForgotten {
        /// The user.
        user: String,
        /// The network.
        prefix: IpNet,
    },
    /// A link did not hold.
    ApprovalRefused,
    /// A passkey was added.
    PasskeyAdded {
        /// The user.
        user: String,
        /// Its id.
        passkey: String,
    },
    /// It was removed.
    PasskeyRemoved {
        /// The user.
        user: String,
        /// Its id.
        passkey: String,
    },
    /// A passkey did not hold: made for something else, too late, or its counter went back.
    PasskeyRefused {
        /// The user, where one was awaited.
        #[serde(skip_serializing_if = "Option::is_none")]
        user: Option<String>,
    },
    /// An account and all that belongs to it was removed.
    UserDeleted {
        /// The user.
        user: String,
    },
}

/// Why a sign-in was refused; the caller hears one word for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LoginRefusal {
    /// No account has this address.
    UnknownAccount,
    /// The account exists, the password is another.
    WrongPassword,
}

/// Why a code was refused; the caller hears one word for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeRefusal {
    /// No code is awaited under this id: never sent, expired, replaced, used, or tried too often.
    NotAwaited,
    /// Another code than the one that was sent.
    Wrong,
    /// The right one, but the account is not as it was when it was sent.
    Overtaken,
}

/// Why a refresh token was refused; the caller hears one word for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RefreshRefusal {
    /// Not of the form of a token, or not made by us.
    Forged,
    /// Used before: somebody has a copy, so the whole sign-in is ended.
    Reused,
    /// The sign-in has ended: logged out, expired, idle for too long, or its account is gone.
    Ended,
}

/// Whose wait an attempt ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ThrottleScope {
    /// One account from one network address.
    Pair,
    /// One network address.
    Address,
    /// Mails to one mailbox.
    Mails,
}

/// What a code is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Open an account.
    Register,
    /// Sign in from an address that is not trusted, or while risk asks for it.
    SignIn,
    /// Prove oneself again within a sign-in.
    StepUp,
    /// Choose a new password.
    Reset,
}

impl AccountEvent {
    /// Of an account: `account` is a user's id, or the keyed hash of an address that has none.
    pub(crate) fn of(visit: &Visit<'_>, action: Action) -> Self {
        let event = Self::new(visit.now_ms, Some(visit.tenant), action);
        let address = Some(visit.address);
        Self { address, ..event }
    }

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
