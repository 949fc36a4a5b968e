//! Who asks, and what they may.
//!
//! | who | shows |
//! |---|---|
//! | a back end | an application key, `Authorization: Bearer dk_…` |
//! | a page | a session token: the same header, or beside the sub-protocol `ductus.v1` one named `bearer.<token>` |
//!
//! Invariants: a handler that gives or takes anything has a [`Caller`], which only this module makes; a caller bound to a
//! tenant, a subject or a session gets and gives nothing of another; every refusal looks the same, whatever was wrong; no
//! credential reaches a log line. A key that was revoked works for at most `access.cache_ms` more.

use super::Gateway;
use super::ingest::Refusal;
use super::problem::Problem;
use crate::accounts::{self, now_ms};
use crate::config::{AccessMode, Config};
use crate::metrics::GatewayMetrics;
use axum::extract::FromRequestParts;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use ductus_accounts::{
    ApplicationKeys, Forgery, KeyPolicy, Principal, Scope, Scopes, SessionToken, SessionTokens, Store,
};
use ductus_dynamics::parse::BatchHead;
use ductus_dynamics::wire::Purpose;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// The sub-protocol that sockets agree on.
const PROTOCOL: &str = "ductus.v1";
/// Before a token among the sub-protocols that a page offers: it can set no header.
const BEARER: &str = "bearer.";
/// Longest credential that is looked at, bytes.
const CREDENTIAL_BYTES_MAX: usize = 4096;

/// Checks credentials.
pub(super) struct Access {
    /// None where everybody may do everything.
    checks: Option<Checks>,
    metrics: GatewayMetrics,
}

/// What credentials are checked with.
pub(super) struct Checks {
    pub(super) keys: ApplicationKeys,
    pub(super) tokens: SessionTokens,
    /// Keys that held a moment ago, by the hash of what was shown: the database is not asked for every batch.
    known: moka::sync::Cache<[u8; 32], Principal>,
}

impl Access {
    /// As the configuration says; keys are those of `store`, of which there is one unless access is open.
    pub(super) fn new(config: &Config, store: Option<&Store>, metrics: GatewayMetrics) -> anyhow::Result<Self> {
        let checks = match (config.access.mode, store) {
            (AccessMode::Open, _) | (AccessMode::Keys, None) => None,
            (AccessMode::Keys, Some(store)) => Some(Checks {
                keys: ApplicationKeys::new(store.clone(), KeyPolicy::default()),
                tokens: accounts::session_tokens(&config.access)?,
                known: moka::sync::Cache::builder()
                    .max_capacity(config.access.cache_keys_max)
                    .time_to_live(Duration::from_millis(config.access.cache_ms))
                    .build(),
            }),
        };
        Ok(Self { checks, metrics })
    }

    /// What keys and tokens are made with; none where none are asked for.
    pub(super) fn checks(&self) -> Option<&Checks> {
        self.checks.as_ref()
    }

    async fn admit(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let Some(checks) = &self.checks else {
            return Ok(Caller::new(Who::Anybody));
        };
        let credential = credential(headers).filter(|credential| credential.len() <= CREDENTIAL_BYTES_MAX);
        let Some(credential) = credential else {
            return Err(self.refuse("no_credential", Problem::UNAUTHENTICATED));
        };
        if credential.starts_with("dk_") {
            let principal = checks.principal(credential).await.map_err(|error| {
                tracing::error!(error = %error, "keys cannot be looked up");
                Problem::NO_DATABASE
            })?;
            let principal = principal.filter(|principal| principal.expires_ms.is_none_or(|end| end > now_ms()));
            return match principal {
                Some(principal) => Ok(Caller::new(Who::Application(Arc::new(principal)))),
                None => Err(self.refuse("key", Problem::UNAUTHENTICATED)),
            };
        }
        match checks.tokens.verify(credential, now_ms()) {
            Ok(token) => Ok(Caller::new(Who::Page(Arc::new(token)))),
            Err(_) => Err(self.refuse("token", Problem::UNAUTHENTICATED)),
        }
    }

    fn refuse(&self, what: &str, problem: Problem) -> Problem {
        self.metrics.refused.with_label_values(&[what]).inc();
        problem
    }
}

impl Checks {
    async fn principal(&self, key: &str) -> ductus_accounts::Result<Option<Principal>> {
        let hash: [u8; 32] = Sha256::digest(key).into();
        if let Some(known) = self.known.get(&hash) {
            return Ok(Some(known));
        }
        let found = self.keys.authenticate(key, now_ms()).await?.answer;
        if let Some(principal) = &found {
            self.known.insert(hash, principal.clone());
        }
        Ok(found)
    }
}

/// What was shown, from the header or from among the sub-protocols.
fn credential(headers: &HeaderMap) -> Option<&str> {
    if let Some(shown) = headers.get(header::AUTHORIZATION) {
        let (scheme, credential) = shown.to_str().ok()?.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| credential.trim());
    }
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let mut names = offered
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','));
    names.find_map(|name| name.trim().strip_prefix(BEARER))
}

/// Who asks.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    who: Who,
    /// What it says on this route, where the route says it.
    about: Option<(String, Purpose)>,
}

#[derive(Clone, Debug)]
enum Who {
    /// Access is open.
    Anybody,
    Application(Arc<Principal>),
    Page(Arc<SessionToken>),
}

impl Caller {
    fn new(who: Who) -> Self {
        Self { who, about: None }
    }

    /// The same, sending batches about one subject and for one purpose only.
    pub(super) fn about(mut self, subject: &str, purpose: Purpose) -> Self {
        self.about = Some((subject.to_owned(), purpose));
        self
    }

    /// Whose data it sees; of all tenants where none.
    pub(super) fn tenant(&self) -> Option<&str> {
        match &self.who {
            Who::Anybody => None,
            Who::Application(principal) => Some(&principal.tenant),
            Who::Page(token) => Some(&token.tenant),
        }
    }

    /// The application key behind it, for rates: what a page sends counts for the key that let it in.
    pub(super) fn credential(&self) -> Option<&str> {
        match &self.who {
            Who::Anybody => None,
            Who::Application(principal) => Some(&principal.key),
            Who::Page(token) => Some(&token.key),
        }
    }

    /// The application key itself.
    pub(super) fn application(&self) -> Option<&Principal> {
        match &self.who {
            Who::Application(principal) => Some(principal),
            Who::Anybody | Who::Page(_) => None,
        }
    }

    fn scopes(&self) -> Scopes {
        match &self.who {
            Who::Anybody => Scopes::of(&Scope::ALL),
            Who::Application(principal) => principal.scopes,
            Who::Page(token) => token.scopes,
        }
    }

    /// Whether its credential is good for this.
    pub(super) fn may(&self, scope: Scope) -> Result<(), Problem> {
        if self.scopes().allow(scope) {
            Ok(())
        } else {
            Err(Problem::FORBIDDEN)
        }
    }

    /// Whether it may send this batch.
    pub(super) fn may_say(&self, head: &BatchHead<'_>) -> Result<(), Refusal> {
        if let Some((subject, purpose)) = &self.about {
            if head.subject != Some(subject) {
                return Err(Refusal::Forged(Forgery::ForgedSubject));
            }
            if head.purpose != *purpose {
                return Err(Refusal::OtherPurpose);
            }
        }
        match &self.who {
            Who::Application(principal) if principal.tenant != head.tenant => {
                Err(Refusal::Forged(Forgery::ForgedTenant))
            }
            Who::Anybody | Who::Application(_) => Ok(()),
            Who::Page(token) => token
                .covers(head.tenant, head.subject, head.session)
                .map_err(Refusal::Forged),
        }
    }

    /// Whether it may read of this session.
    pub(super) fn may_see(&self, session: &str) -> Result<(), Problem> {
        match &self.who {
            Who::Page(token) if token.session != session => Err(Problem::FORBIDDEN),
            _ => self.may(Scope::Monitor),
        }
    }

    /// Whether it may read of every session of its tenant.
    pub(super) fn may_see_all(&self) -> Result<(), Problem> {
        match &self.who {
            Who::Page(_) => Err(Problem::FORBIDDEN),
            _ => self.may(Scope::Monitor),
        }
    }

    /// Comes when its credential ends: what stays open must not outlive it.
    pub(super) fn expired(&self) -> impl Future<Output = ()> + Send + use<> {
        let end_ms = match &self.who {
            Who::Anybody => None,
            Who::Application(principal) => principal.expires_ms,
            Who::Page(token) => Some(token.expires_ms),
        };
        async move {
            match end_ms {
                Some(end_ms) => {
                    let left_ms = u64::try_from(end_ms - now_ms()).unwrap_or(0);
                    tokio::time::sleep(Duration::from_millis(left_ms)).await;
                }
                None => std::future::pending().await,
            }
        }
    }
}

impl FromRequestParts<Gateway> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Problem> {
        gateway.inner.access.admit(&parts.headers).await
    }
}

/// Agrees with the client on how to talk.
pub(super) fn agree(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade.protocols([PROTOCOL])
}
