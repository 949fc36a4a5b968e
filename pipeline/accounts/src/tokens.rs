//! Session tokens: what a page shows instead of an application key, for one session and at most an hour.
//!
//! Invariants: a token never allows more than the key that minted it, nor anything but sending and watching; it lives no longer
//! than the policy's bound and no longer than its key; it stands for one tenant, one session and one subject (or nobody), for
//! what is judged and, only where it says so, for what is learned; what differs from it is a forgery. Nothing is stored: a token of a revoked key lives on until its end, which is why it is short.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::error::Result;
use crate::event::{AccountEvent, Action, Audited};
use crate::keys::Principal;
use crate::names;
use crate::scope::{Scope, Scopes};
use crate::secret::{self, Secret};
use crate::signing::{ISSUER, SigningKeys};

const KIND: &str = "ductus-session+jwt";
const AUDIENCE: &str = "ductus/session";

/// Limits of tokens.
#[derive(Debug, Clone)]
pub struct TokenPolicy {
    /// Life of a token that asks for none, in ms. Default 15 minutes.
    pub ttl_ms: i64,
    /// Shortest life that may be asked for, in ms. Default 1 minute.
    pub ttl_ms_min: i64,
    /// Longest life that may be asked for, in ms. Default 1 hour (OWASP JSON Web Token: short-lived where it cannot be revoked).
    pub ttl_ms_max: i64,
    /// How far two gateways' clocks may differ: a token may be this much older or come from this far ahead, in ms. Default 2 s.
    pub skew_ms: i64,
}

impl Default for TokenPolicy {
    fn default() -> Self {
        Self {
            ttl_ms: 15 * 60_000,
            ttl_ms_min: 60_000,
            ttl_ms_max: 3_600_000,
            skew_ms: 2_000,
        }
    }
}

/// What a token shall be for.
#[derive(Debug, Clone)]
pub struct TokenRequest<'a> {
    /// Who types; none while nobody is claimed.
    pub subject: Option<&'a str>,
    /// In which session.
    pub session: &'a str,
    /// What it may do: some of ingest and monitor, and of what the key may.
    pub scopes: Scopes,
    /// Whether what it sends may be meant to be learned (the purposes `enrol` and `collect`), not only to be judged.
    pub enrol: bool,
    /// How long it lives, in ms.
    pub ttl_ms: Option<i64>,
}

/// A token, as it is handed out.
#[derive(Debug, Clone)]
pub struct MintedToken {
    /// The token itself.
    pub token: Secret,
    /// When it ends, in ms; a whole second.
    pub expires_ms: i64,
}

/// Why no token was made; the caller is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MintRefusal {
    /// The key may not do this itself.
    #[error("the token would allow more than the key that asks for it")]
    BeyondKey,
    /// Only ingest and monitor go into pages.
    #[error("a token allows ingest and monitor only, and at least one of them")]
    NotForTokens,
    /// Shorter or longer than allowed.
    #[error("the life of the token is shorter or longer than allowed")]
    Ttl,
    /// The key ends now.
    #[error("the key ends before the token could be used")]
    KeyEnds,
}

/// Why a token did not hold; for the audit, the caller hears one word for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenRefusal {
    /// Not of the form of a token.
    Malformed,
    /// Signed by a key that we do not have (any more).
    UnknownKey,
    /// Not signed by the key that it names, or changed.
    BadSignature,
    /// A token of ours, for something else.
    OtherKind,
    /// Past its end.
    Expired,
    /// From the future.
    NotYet,
}

/// In what a batch differs from the token that it came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Forgery {
    /// Another tenant's.
    #[error("the batch names another tenant than the token")]
    ForgedTenant,
    /// Somebody else's, or somebody's where the token stands for nobody.
    #[error("the batch names another subject than the token")]
    ForgedSubject,
    /// Another session's.
    #[error("the batch names another session than the token")]
    ForgedSession,
    /// To be learned, with a token for what is judged.
    #[error("the batch is to be learned, and the token is not for that")]
    ForgedPurpose,
}

/// What a token says that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionToken {
    /// The token's id.
    pub id: String,
    /// Whose data it reaches.
    pub tenant: String,
    /// Who types; none while nobody is claimed.
    pub subject: Option<String>,
    /// In which session.
    pub session: String,
    /// What it may do.
    pub scopes: Scopes,
    /// Whether what it sends may be meant to be learned.
    pub enrol: bool,
    /// The key that minted it.
    pub key: String,
    /// When it ends, in ms.
    pub expires_ms: i64,
}

/// Mints and verifies session tokens.
#[derive(Debug, Clone)]
pub struct SessionTokens {
    keys: SigningKeys,
    policy: TokenPolicy,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    jti: String,
    tenant: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    session: String,
    scopes: Scopes,
    #[serde(default)]
    enrol: bool,
    key: String,
    /// Seconds, as RFC 7519 has them.
    iat: i64,
    exp: i64,
}

impl SessionTokens {
    /// Signs and verifies with these keys.
    #[must_use]
    pub fn new(keys: SigningKeys, policy: TokenPolicy) -> Self {
        Self { keys, policy }
    }

    /// Makes a token with an application key that held.
    ///
    /// # Errors
    /// Where a name is refused or the system gives no randomness. What the key may not ask for is an answer.
    pub fn mint(
        &self,
        by: &Principal,
        request: &TokenRequest<'_>,
        now_ms: i64,
    ) -> Result<Audited<std::result::Result<MintedToken, MintRefusal>>> {
        names::check_id(request.session)?;
        request.subject.map_or(Ok(()), names::check_id)?;
        let life = match self.life(by, request, now_ms) {
            Ok(life) => life,
            Err(refusal) => return Ok(Audited::quiet(Err(refusal))),
        };
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            jti: secret::id()?,
            tenant: by.tenant.clone(),
            sub: request.subject.map(str::to_owned),
            session: request.session.to_owned(),
            scopes: request.scopes,
            enrol: request.enrol,
            key: by.key.clone(),
            iat: now_ms.div_euclid(1_000),
            exp: (now_ms + life).div_euclid(1_000),
        };
        let minted = MintedToken {
            token: self.keys.sign(KIND, &claims)?,
            expires_ms: claims.exp * 1_000,
        };
        let action = Action::TokenMinted {
            key: claims.key,
            token: claims.jti,
            session: claims.session,
            scopes: claims.scopes,
            expires_ms: minted.expires_ms,
        };
        Ok(Audited::with(
            Ok(minted),
            AccountEvent::new(now_ms, Some(&by.tenant), action),
        ))
    }

    /// What a token says, if it holds now. Whoever refuses audits [`AccountEvent::token_refused`].
    ///
    /// # Errors
    /// Where it does not hold; why is not for the caller.
    pub fn verify(&self, token: &str, now_ms: i64) -> std::result::Result<SessionToken, TokenRefusal> {
        let claims: Claims = self.keys.verify(KIND, AUDIENCE, token)?;
        check_times(claims.iat, claims.exp, self.policy.skew_ms, now_ms)?;
        Ok(SessionToken {
            id: claims.jti,
            tenant: claims.tenant,
            subject: claims.sub,
            session: claims.session,
            scopes: claims.scopes,
            enrol: claims.enrol,
            key: claims.key,
            expires_ms: claims.exp.saturating_mul(1_000),
        })
    }

    /// Whether a token that held has not ended since: all that can change about it.
    #[must_use]
    pub fn still_holds(&self, token: &SessionToken, now_ms: i64) -> bool {
        now_ms < token.expires_ms.saturating_add(self.policy.skew_ms)
    }

    /// How long the token will live, in ms.
    fn life(&self, by: &Principal, request: &TokenRequest<'_>, now_ms: i64) -> std::result::Result<i64, MintRefusal> {
        if request.scopes.is_empty() || !request.scopes.within(Scopes::of(&[Scope::Ingest, Scope::Monitor])) {
            return Err(MintRefusal::NotForTokens);
        }
        if !request.scopes.within(by.scopes) {
            return Err(MintRefusal::BeyondKey);
        }
        let life = request.ttl_ms.unwrap_or(self.policy.ttl_ms);
        if !(self.policy.ttl_ms_min..=self.policy.ttl_ms_max).contains(&life) {
            return Err(MintRefusal::Ttl);
        }
        let life = by.expires_ms.map_or(life, |end| life.min(end.saturating_sub(now_ms)));
        if life < 1_000 {
            return Err(MintRefusal::KeyEnds);
        }
        Ok(life)
    }
}

impl SessionToken {
    /// Whether something of this tenant, subject and session, to be `learned` or only judged, may come with the token.
    ///
    /// # Errors
    /// In what it differs. A token for nobody lets nobody be named.
    pub fn covers(
        &self,
        tenant: &str,
        subject: Option<&str>,
        session: &str,
        learned: bool,
    ) -> std::result::Result<(), Forgery> {
        if self.tenant != tenant {
            return Err(Forgery::ForgedTenant);
        }
        if self.subject.as_deref() != subject {
            return Err(Forgery::ForgedSubject);
        }
        if self.session != session {
            return Err(Forgery::ForgedSession);
        }
        if learned && !self.enrol {
            return Err(Forgery::ForgedPurpose);
        }
        Ok(())
    }
}

/// Whether now lies within a token's life. `iat` and `exp` are seconds.
pub(crate) fn check_times(iat: i64, exp: i64, skew_ms: i64, now_ms: i64) -> std::result::Result<(), TokenRefusal> {
    if exp.saturating_mul(1_000).saturating_add(skew_ms) <= now_ms {
        return Err(TokenRefusal::Expired);
    }
    if iat.saturating_mul(1_000) > now_ms.saturating_add(skew_ms) {
        return Err(TokenRefusal::NotYet);
    }
    Ok(())
}
