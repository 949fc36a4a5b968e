//! Analysts: people whom an OpenID Connect provider vouches for, by access tokens that it signed.
//!
//! Invariants: the algorithm is the key's and never the token's word (RFC 8725 §3.1), and a key is RSA or P-256, so that no
//! public key passes for a shared one; issuer, audience and end must be there and right; the provider is asked for its keys at
//! most once in `oidc.refresh_interval_ms`, whatever tokens name, and by nobody whose going away could stop it; a provider that
//! does not answer changes nothing about the keys that it gave.

mod source;

use crate::config;
use ductus_accounts::{Scope, Scopes};
use ductus_dynamics::parse::is_id;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation};
use serde_json::Value;
use source::{Key, Keys, Source};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// What the provider says of an analyst.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Analyst {
    /// Who it is, in the provider's words.
    pub(super) name: String,
    /// Whose data they see.
    pub(super) tenant: String,
    /// What they may do.
    pub(super) scopes: Scopes,
    /// When the token ends, ms since 1970.
    pub(super) expires_ms: i64,
}

/// Reads tokens of one provider.
pub(super) struct Oidc {
    // PROPERTIES
    rules: Rules,
    interval: Duration,
    keys_age_max: Duration,
    source: Arc<Source>,
    // STATES
    keys: Arc<RwLock<Arc<Keys>>>,
    /// When the provider was asked last; held while it is.
    asked: Arc<Mutex<Option<Instant>>>,
}

impl Oidc {
    /// None where no provider is named.
    ///
    /// # Errors
    /// Its certificate authority cannot be read.
    pub(super) fn new(config: &config::Oidc) -> anyhow::Result<Option<Self>> {
        if config.issuer.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            rules: Rules {
                issuer: config.issuer.clone(),
                audience: config.audience.clone(),
                tenant: config.tenant.clone(),
                tenant_claim: config.tenant_claim.clone(),
                scopes_claim: config.scopes_claim.clone(),
                scopes_prefix: config.scopes_prefix.clone(),
                skew_s: config.clock_skew_ms.div_ceil(1000),
            },
            interval: Duration::from_millis(config.refresh_interval_ms),
            keys_age_max: Duration::from_millis(config.keys_ms),
            source: Arc::new(Source::new(config)?),
            keys: Arc::default(),
            asked: Arc::default(),
        }))
    }

    /// Who shows this token; none where it does not hold.
    pub(super) async fn verify(&self, token: &str) -> Option<Analyst> {
        let read = async {
            let header = jsonwebtoken::decode_header(token).map_err(|_| "form")?;
            if !matches!(header.alg, Algorithm::RS256 | Algorithm::ES256) {
                return Err("algorithm");
            }
            let key = self
                .key(&header.kid.ok_or("no key named")?)
                .await
                .ok_or("unknown key")?;
            self.rules.read(token, &key)
        };
        match read.await {
            Ok(analyst) => Some(analyst),
            Err(refusal) => {
                tracing::debug!(refusal, "a provider's token does not hold");
                None
            }
        }
    }

    /// The key of this name; where it is not known, or not lately, the provider is asked.
    async fn key(&self, name: &str) -> Option<Arc<Key>> {
        let keys = self.keys();
        if let Some(known) = keys.get(name) {
            // Whoever comes while somebody asks goes on with what there was.
            if keys.is_older_than(self.keys_age_max)
                && let Ok(asked) = Arc::clone(&self.asked).try_lock_owned()
            {
                self.ask(asked).await;
                return self.keys().get(name);
            }
            return Some(known);
        }
        let asked = Arc::clone(&self.asked).lock_owned().await;
        if let Some(known) = self.keys().get(name) {
            return Some(known);
        }
        self.ask(asked).await;
        self.keys().get(name)
    }

    /// Asks the provider, unless that was done a moment ago.
    async fn ask(&self, mut asked: tokio::sync::OwnedMutexGuard<Option<Instant>>) {
        if asked.is_some_and(|at| at.elapsed() < self.interval) {
            return;
        }
        *asked = Some(Instant::now());
        let (source, keys) = (Arc::clone(&self.source), Arc::clone(&self.keys));
        // In a task of its own: a client that goes away must not stop what others wait for.
        let task = tokio::spawn(async move {
            let _asked = asked;
            match source.keys().await {
                Ok(found) => *keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(found),
                Err(error) => tracing::warn!(error = format!("{error:#}"), "the provider of [oidc] gives no keys"),
            }
        });
        // It ends within its timeouts; what it panics of was told.
        let _ = task.await;
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What must stand in a token.
struct Rules {
    issuer: String,
    audience: String,
    tenant: String,
    tenant_claim: String,
    scopes_claim: String,
    scopes_prefix: String,
    skew_s: u64,
}

impl Rules {
    /// What a token says that this key signed, or what is wrong with it.
    fn read(&self, token: &str, key: &Key) -> Result<Analyst, &'static str> {
        let mut rules = Validation::new(key.algorithm);
        rules.leeway = self.skew_s;
        rules.validate_nbf = true;
        rules.set_audience(&[&self.audience]);
        rules.set_issuer(&[&self.issuer]);
        rules.set_required_spec_claims(&["exp", "aud", "iss"]);
        let claims = match jsonwebtoken::decode::<Value>(token, &key.decoding, &rules) {
            Ok(token) => token.claims,
            Err(error) => return Err(refusal(error.kind())),
        };
        let tenant = match self.tenant_claim.as_str() {
            "" => Some(self.tenant.as_str()),
            name => claim(&claims, name).and_then(Value::as_str),
        };
        let tenant = tenant.filter(|tenant| is_id(tenant)).ok_or("tenant")?;
        let end_s = claims["exp"].as_f64().ok_or("end")?;
        Ok(Analyst {
            name: claims["sub"].as_str().unwrap_or_default().to_owned(),
            tenant: tenant.to_owned(),
            scopes: scopes(claim(&claims, &self.scopes_claim), &self.scopes_prefix),
            expires_ms: (end_s * 1000.0) as i64,
        })
    }
}

/// A claim by its name or, with a slash before it, by its place.
fn claim<'a>(claims: &'a Value, name: &str) -> Option<&'a Value> {
    match name.starts_with('/') {
        true => claims.pointer(name),
        false => claims.get(name),
    }
}

/// Those of our scopes that a claim names.
fn scopes(claim: Option<&Value>, prefix: &str) -> Scopes {
    let words: Vec<&str> = match claim {
        Some(Value::String(words)) => words.split_ascii_whitespace().collect(),
        Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let ours = words.into_iter().filter_map(|word| word.strip_prefix(prefix));
    let ours: Vec<Scope> = ours
        .filter_map(|word| Scope::ALL.into_iter().find(|scope| scope.word() == word))
        .collect();
    Scopes::of(&ours)
}

/// Nothing of the token: only which rule it broke.
fn refusal(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidSignature => "signature",
        ErrorKind::InvalidAlgorithm => "algorithm",
        ErrorKind::InvalidAudience => "audience",
        ErrorKind::InvalidIssuer => "issuer",
        ErrorKind::ExpiredSignature => "end",
        ErrorKind::ImmatureSignature => "begin",
        ErrorKind::MissingRequiredClaim(_) => "claims",
        _ => "form",
    }
}

#[cfg(test)]
pub(super) mod tests;
