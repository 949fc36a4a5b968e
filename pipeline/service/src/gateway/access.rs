//! Who asks, and what they may.
//!
//! | who | shows |
//! |---|---|
//! | a back end | an application key, `Authorization: Bearer dk_…` |
//! | a page | a session token: the same header, or beside the sub-protocol `ductus.v1` one named `bearer.<token>` |
//! | a person | an access token, as after `POST /v1/auth/login`, shown like a session token |
//! | an analyst | a token of the provider that `[oidc]` names, shown like a key |
//!
//! Invariants: a handler that gives or takes anything has a [`Caller`], which only this module makes; a caller bound to a
//! tenant, a subject or a session gets and gives nothing of another; every refusal looks the same, whatever was wrong, and
//! is told to auditors, with what was wrong; no credential reaches a log line. A key that was revoked works for at most
//! `access.cache_ms` more. Where access is open, a person is still who they are.

use super::Gateway;
use super::audit::Audit;
use super::connections::Holder;
use super::ingest::Refusal;
use super::oidc::{Analyst, Oidc};
use super::problem::Problem;
use crate::accounts::now_ms;
use crate::config::{AccessMode, Config};
use crate::metrics::GatewayMetrics;
use axum::extract::FromRequestParts;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use ductus_accounts::{
    AccessToken, AccountEvent, Accounts, ApplicationKeys, Forgery, KeyPolicy, Principal, Scope, Scopes, SessionToken,
    SessionTokens, SigningKeys, Store, TokenPolicy, TokenRefusal,
};
use ductus_dynamics::parse::{BatchHead, is_id};
use ductus_dynamics::wire::{AuditAction, Decision, Purpose};
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// The sub-protocol that sockets agree on.
const PROTOCOL: &str = "ductus.v1";
/// Before a token among the sub-protocols that a page offers: it can set no header.
const BEARER: &str = "bearer.";
/// Longest credential that is looked at, bytes: providers put much into a token.
const CREDENTIAL_BYTES_MAX: usize = 8192;

/// What is read of a socket at once. All of it is written to before each read, so that every socket has it for as long as it is
/// open, used or not; a larger frame gets the room that it needs for as long as it lasts.
const SOCKET_READ_BYTES: usize = 4 * 1024;

/// Who it was, where no credential says so.
pub(super) const ANYBODY: &str = "anybody";

/// Checks credentials.
pub(super) struct Access {
    /// None where everybody may do everything.
    checks: Option<Checks>,
    /// Who makes access tokens; none where nobody signs in here.
    accounts: Option<Accounts>,
    /// Whose data is meant where access is open and nobody says: the tenant that people sign in to.
    home: Option<Arc<str>>,
    audit: Arc<Audit>,
    metrics: GatewayMetrics,
}

/// What credentials are checked with.
pub(super) struct Checks {
    pub(super) keys: ApplicationKeys,
    pub(super) tokens: SessionTokens,
    /// Keys that held a moment ago, by the hash of what was shown: the database is not asked for every batch.
    known: moka::sync::Cache<[u8; 32], Principal>,
    /// Session tokens that held, likewise: a page shows its own with every request.
    held: moka::sync::Cache<[u8; 32], Arc<SessionToken>>,
    /// None where no provider is named.
    analysts: Option<Oidc>,
}

impl Access {
    /// `vault`: the database and the signing keys, where the configuration asks for them.
    ///
    /// # Errors
    /// The provider of `[oidc]` cannot be one.
    pub(super) fn new(
        config: &Config,
        vault: Option<&(Store, SigningKeys)>,
        accounts: Option<Accounts>,
        audit: Arc<Audit>,
        metrics: GatewayMetrics,
    ) -> anyhow::Result<Self> {
        let checks = match (config.access.mode, vault) {
            (AccessMode::Keys, Some((store, keys))) => Some(Checks {
                keys: ApplicationKeys::new(store.clone(), KeyPolicy::default()),
                tokens: SessionTokens::new(keys.clone(), TokenPolicy::default()),
                known: moka::sync::Cache::builder()
                    .max_capacity(config.access.cache_keys_max)
                    .time_to_live(Duration::from_millis(config.access.cache_ms))
                    .build(),
                held: moka::sync::Cache::new(config.access.cache_sessions_max),
                analysts: Oidc::new(&config.oidc)?,
            }),
            (AccessMode::Keys, None) => anyhow::bail!("application keys need the accounts database"),
            (AccessMode::Open, _) => None,
        };
        Ok(Self {
            checks,
            home: accounts.as_ref().map(|_| config.identity.tenant.as_str().into()),
            accounts,
            audit,
            metrics,
        })
    }

    /// What keys and tokens are made with; none where none are asked for.
    pub(super) fn checks(&self) -> Option<&Checks> {
        self.checks.as_ref()
    }

    /// Who shows these headers. `client`: from where.
    async fn admit(&self, headers: &HeaderMap, client: IpAddr) -> Result<Caller, Problem> {
        let caller = |who| Caller {
            who,
            about: None,
            address: client,
            home: self.home.clone(),
            audit: Arc::clone(&self.audit),
        };
        let credential = credential(headers).filter(|credential| credential.len() <= CREDENTIAL_BYTES_MAX);
        let Some(checks) = &self.checks else {
            let who = credential.map_or(Ok(Who::Anybody), |shown| self.person_or_anybody(shown, client));
            return who.map(caller);
        };
        let Some(credential) = credential else {
            self.audit
                .refused(AuditAction::CredentialRefused, None, Some(client), "no_credential");
            return Err(self.refuse("no_credential"));
        };
        if credential.starts_with("dk_") {
            let principal = checks.principal(credential).await.map_err(|error| {
                tracing::error!(error = %error, "keys cannot be looked up");
                Problem::NO_DATABASE
            })?;
            return match principal {
                Ok(principal) => Ok(caller(Who::Application(Arc::new(principal)))),
                Err(events) => {
                    let told = events.into_iter().map(|event| AccountEvent {
                        address: Some(client),
                        ..event
                    });
                    self.audit.accounts(told.collect());
                    Err(self.refuse("key"))
                }
            };
        }
        let now_ms = now_ms();
        let mut refused = match checks.session(credential, now_ms) {
            Ok(token) => return Ok(caller(Who::Page(token))),
            Err(refusal) => refusal,
        };
        if let Some(accounts) = self.accounts.as_ref().filter(|_| is_elses(refused)) {
            match accounts.verify_access(credential, now_ms) {
                Ok(token) => return Ok(caller(Who::Person(Arc::new(token)))),
                Err(refusal) => refused = refusal,
            }
        }
        if let Some(analysts) = checks.analysts.as_ref().filter(|_| is_elses(refused))
            && let Some(analyst) = analysts.verify(credential).await
        {
            return Ok(caller(Who::Analyst(Arc::new(analyst))));
        }
        Err(self.refuse_token(refused, client))
    }

    /// Where everybody is let in: whoever shows an access token is its owner, and nobody else. One that has ended is told, so
    /// that its page asks for the next.
    fn person_or_anybody(&self, credential: &str, client: IpAddr) -> Result<Who, Problem> {
        let Some(accounts) = &self.accounts else {
            return Ok(Who::Anybody);
        };
        match accounts.verify_access(credential, now_ms()) {
            Ok(token) => Ok(Who::Person(Arc::new(token))),
            Err(refusal) if is_elses(refusal) => Ok(Who::Anybody),
            Err(refusal) => Err(self.refuse_token(refusal, client)),
        }
    }

    fn refuse_token(&self, refusal: TokenRefusal, client: IpAddr) -> Problem {
        let event = AccountEvent::token_refused(refusal, Some(client), now_ms());
        self.audit.accounts(vec![event]);
        self.refuse("token")
    }

    fn refuse(&self, what: &str) -> Problem {
        self.metrics.refused.with_label_values(&[what]).inc();
        Problem::UNAUTHENTICATED
    }
}

/// Whether what was refused may be a token of another kind.
fn is_elses(refusal: TokenRefusal) -> bool {
    matches!(refusal, TokenRefusal::OtherKind | TokenRefusal::Malformed)
}

impl Checks {
    /// What a session token says.
    fn session(&self, token: &str, now_ms: i64) -> Result<Arc<SessionToken>, TokenRefusal> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        let held = self.held.get(&hash);
        if let Some(held) = held.filter(|held| self.tokens.still_holds(held, now_ms)) {
            return Ok(held);
        }
        let token = Arc::new(self.tokens.verify(token, now_ms)?);
        self.held.insert(hash, Arc::clone(&token));
        Ok(token)
    }

    /// Whose key it is, or what there is to tell of one that does not hold.
    async fn principal(&self, key: &str) -> ductus_accounts::Result<Result<Principal, Vec<AccountEvent>>> {
        let hash: [u8; 32] = Sha256::digest(key).into();
        let known = self.known.get(&hash);
        // One that ended since is looked up again, which says so.
        if let Some(known) = known.filter(|known| known.expires_ms.is_none_or(|end| end > now_ms())) {
            return Ok(Ok(known));
        }
        let found = self.keys.authenticate(key, now_ms()).await?;
        Ok(match found.answer {
            Some(principal) => {
                self.known.insert(hash, principal.clone());
                Ok(principal)
            }
            None => Err(found.events),
        })
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
#[derive(Clone)]
pub(super) struct Caller {
    who: Who,
    /// What it says on this route, where the route says it.
    about: Option<(String, Purpose)>,
    address: IpAddr,
    home: Option<Arc<str>>,
    audit: Arc<Audit>,
}

#[derive(Clone)]
enum Who {
    /// Access is open.
    Anybody,
    Application(Arc<Principal>),
    Page(Arc<SessionToken>),
    Person(Arc<AccessToken>),
    Analyst(Arc<Analyst>),
}

/// Which decisions a caller sees.
#[derive(Clone, Debug)]
pub(super) struct Sight {
    /// Of this tenant; of all where none.
    pub(super) tenant: Option<String>,
    /// About this subject; about all where none.
    subject: Option<String>,
}

impl Sight {
    /// Whether this one is among them. A session's name is nobody's own, so that each decision is looked at.
    pub(super) fn takes_in(&self, decision: &Decision) -> bool {
        let tenant = self.tenant.as_ref().is_none_or(|tenant| decision.tenant == *tenant);
        let subject = self.subject.as_deref();
        tenant && subject.is_none_or(|subject| decision.subject.as_deref() == Some(subject))
    }
}

impl Caller {
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
            Who::Person(token) => Some(&token.tenant),
            Who::Analyst(analyst) => Some(&analyst.tenant),
        }
    }

    /// The tenant whose data is asked for: its own, or the one that is named where access is open.
    pub(super) fn tenant_named(&self, named: Option<String>) -> Result<String, Problem> {
        match (self.tenant(), named) {
            (None, Some(named)) if !is_id(&named) => Err(Problem::bad_value("no tenant can have this name")),
            (Some(own), None) => Ok(own.to_owned()),
            (Some(own), Some(named)) if own == named => Ok(named),
            (Some(_), Some(_)) => Err(self.forbidden("other_tenant")),
            (None, Some(named)) => Ok(named),
            (None, None) => match &self.home {
                Some(home) => Ok(home.to_string()),
                None => Err(Problem::bad_value("say ?tenant=…: access is open, so no key tells it")),
            },
        }
    }

    /// Which decisions it sees, of those that it may ask for.
    pub(super) fn sight(&self) -> Sight {
        Sight {
            tenant: self.tenant().map(str::to_owned),
            subject: self.person().map(|token| token.user.clone()),
        }
    }

    /// What its rate is counted by, and what auditors know it by: what a page sends counts for the key that let it in.
    pub(super) fn credential(&self) -> Option<&str> {
        match &self.who {
            Who::Anybody => None,
            Who::Application(principal) => Some(&principal.key),
            Who::Page(token) => Some(&token.key),
            Who::Person(token) => Some(&token.user),
            Who::Analyst(analyst) => Some(&analyst.name),
        }
    }

    /// What it is written down as, where somebody has to be named.
    pub(super) fn name(&self) -> &str {
        self.credential().unwrap_or(ANYBODY)
    }

    /// Whose connections are counted together; none's where only somebody who is trusted with keys opens them.
    pub(super) fn holder(&self) -> Option<Holder> {
        let (tenant, kind, name) = match &self.who {
            Who::Page(token) => (&token.tenant, "session", &token.session),
            Who::Person(token) => (&token.tenant, "person", &token.user),
            Who::Anybody | Who::Application(_) | Who::Analyst(_) => return None,
        };
        Some(Holder {
            tenant: tenant.clone(),
            kind,
            name: name.clone(),
        })
    }

    /// Where it asks from.
    pub(super) fn address(&self) -> IpAddr {
        self.address
    }

    /// The application key itself.
    pub(super) fn application(&self) -> Option<&Principal> {
        match &self.who {
            Who::Application(principal) => Some(principal),
            Who::Anybody | Who::Page(_) | Who::Person(_) | Who::Analyst(_) => None,
        }
    }

    /// The person who signed in.
    pub(super) fn person(&self) -> Option<&AccessToken> {
        match &self.who {
            Who::Person(token) => Some(token),
            Who::Anybody | Who::Application(_) | Who::Page(_) | Who::Analyst(_) => None,
        }
    }

    /// Whether it shows nothing, where nothing has to be shown.
    pub(super) fn is_anybody(&self) -> bool {
        matches!(self.who, Who::Anybody)
    }

    fn scopes(&self) -> Scopes {
        match &self.who {
            Who::Anybody => Scopes::of(&Scope::ALL),
            Who::Application(principal) => principal.scopes,
            Who::Page(token) => token.scopes,
            Who::Person(_) => Scopes::of(&[Scope::Ingest, Scope::Monitor]),
            Who::Analyst(analyst) => analyst.scopes,
        }
    }

    /// Whether its credential is good for this.
    pub(super) fn may(&self, scope: Scope) -> Result<(), Problem> {
        if self.scopes().allow(scope) {
            Ok(())
        } else {
            Err(self.forbidden(scope.word()))
        }
    }

    /// Whether it may know what is known of this subject: people may know it of themselves.
    pub(super) fn may_know(&self, subject: &str) -> Result<(), Problem> {
        match self.person() {
            Some(token) if token.user == subject => Ok(()),
            _ => self.may(Scope::Verify),
        }
    }

    /// Refuses what its credential does not give; `what` says it to auditors.
    pub(super) fn forbidden(&self, what: &str) -> Problem {
        self.audit
            .refused(AuditAction::AccessRefused, Some(self), Some(self.address), what);
        Problem::FORBIDDEN
    }

    /// Tells that it was refused for sending or asking too much.
    pub(super) fn limited(&self, what: &str) {
        self.audit
            .refused(AuditAction::RateLimited, Some(self), Some(self.address), what);
    }

    /// Whether it may send this batch.
    pub(super) fn may_say(&self, head: &BatchHead<'_>) -> Result<(), Refusal> {
        let said = self.says(head);
        if let Err(refusal @ Refusal::Forged(_)) = &said {
            self.audit
                .refused(AuditAction::BatchForged, Some(self), Some(self.address), refusal.code());
        }
        said
    }

    /// Refuses what it sends to be learned while it is guarded.
    pub(super) fn guarded(&self) -> Refusal {
        let refusal = Refusal::Guarded;
        self.audit.refused(
            AuditAction::AccessRefused,
            Some(self),
            Some(self.address),
            refusal.code(),
        );
        refusal
    }

    fn says(&self, head: &BatchHead<'_>) -> Result<(), Refusal> {
        if let Some((subject, purpose)) = &self.about {
            if head.subject != Some(subject) {
                return Err(Refusal::Forged(Forgery::ForgedSubject));
            }
            if head.purpose != *purpose {
                return Err(Refusal::OtherPurpose);
            }
        }
        match &self.who {
            Who::Anybody => Ok(()),
            Who::Application(_) | Who::Analyst(_) if self.tenant() != Some(head.tenant) => {
                Err(Refusal::Forged(Forgery::ForgedTenant))
            }
            Who::Application(_) | Who::Analyst(_) => Ok(()),
            Who::Page(token) => token
                .covers(
                    head.tenant,
                    head.subject,
                    head.session,
                    head.purpose != Purpose::Session,
                )
                .map_err(Refusal::Forged),
            Who::Person(token) if token.tenant != head.tenant => Err(Refusal::Forged(Forgery::ForgedTenant)),
            Who::Person(token) if Some(token.user.as_str()) != head.subject => {
                Err(Refusal::Forged(Forgery::ForgedSubject))
            }
            Who::Person(_) => Ok(()),
        }
    }

    /// Whether it may read of this session, what it sees of it: see [`Self::sight`].
    pub(super) fn may_see(&self, session: &str) -> Result<(), Problem> {
        match &self.who {
            Who::Page(token) if token.session != session => Err(self.forbidden("other_session")),
            _ => self.may(Scope::Monitor),
        }
    }

    /// Whether it may read of every session of its tenant.
    pub(super) fn may_see_all(&self) -> Result<(), Problem> {
        match &self.who {
            Who::Page(_) | Who::Person(_) => Err(self.forbidden("all_sessions")),
            _ => self.may(Scope::Monitor),
        }
    }

    /// Comes when its credential ends: what stays open must not outlive it.
    pub(super) fn expired(&self) -> impl Future<Output = ()> + Send + use<> {
        let end_ms = match &self.who {
            Who::Anybody => None,
            Who::Application(principal) => principal.expires_ms,
            Who::Page(token) => Some(token.expires_ms),
            Who::Person(token) => Some(token.expires_ms),
            Who::Analyst(analyst) => Some(analyst.expires_ms),
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
        let inner = &gateway.inner;
        let client = inner.clients.of(parts);
        inner.access.admit(&parts.headers, client).await
    }
}

/// Agrees with the client on how to talk.
pub(super) fn agree(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade.protocols([PROTOCOL]).read_buffer_size(SOCKET_READ_BYTES)
}
