//! The provider's keys, as it publishes them (OpenID Connect Discovery 1.0; RFC 7517).
//!
//! Invariants: only keys that sign with RS256 or ES256 are taken, the rest is left out; what is read is bounded in bytes, keys
//! and time; a provider that gives itself another name than the configured one is none.

use crate::config::{self, reachable};
use anyhow::{Context, ensure};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest document that is read, bytes.
const DOCUMENT_BYTES_MAX: usize = 256 * 1024;
/// Most keys that are taken.
const KEYS_MAX: usize = 100;

/// A public key, and what it signs with.
pub(super) struct Key {
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
}

/// The keys of a provider by their names.
#[derive(Default)]
pub(super) struct Keys {
    by_name: HashMap<String, Arc<Key>>,
    /// None where it was never asked.
    since: Option<Instant>,
}

impl Keys {
    pub(super) fn get(&self, name: &str) -> Option<Arc<Key>> {
        self.by_name.get(name).cloned()
    }

    pub(super) fn is_older_than(&self, age: Duration) -> bool {
        self.since.is_none_or(|since| since.elapsed() > age)
    }

    /// Out of a key set; what is no key of ours is left out.
    fn of(document: &Value) -> anyhow::Result<Self> {
        let listed = document["keys"].as_array().context("the document holds no keys")?;
        let keys = listed.iter().take(KEYS_MAX).filter_map(|key| {
            let jwk: Jwk = serde_json::from_value(key.clone()).ok()?;
            Some((jwk.common.key_id.clone()?, Arc::new(key_of(&jwk)?)))
        });
        Ok(Self {
            by_name: keys.collect(),
            since: Some(Instant::now()),
        })
    }
}

fn key_of(jwk: &Jwk) -> Option<Key> {
    let (algorithm, name) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        _ => return None,
    };
    let common = &jwk.common;
    let signs = common
        .public_key_use
        .as_ref()
        .is_none_or(|used| *used == PublicKeyUse::Signature);
    let agrees = common.key_algorithm.is_none_or(|named| named == name);
    let decoding = DecodingKey::from_jwk(jwk).ok().filter(|_| signs && agrees)?;
    Some(Key { algorithm, decoding })
}

/// Where the keys come from.
pub(super) struct Source {
    client: reqwest::Client,
    issuer: String,
    /// Empty: as the provider's own description says.
    jwks_url: String,
}

impl Source {
    pub(super) fn new(config: &config::Oidc) -> anyhow::Result<Self> {
        let mut client = reqwest::Client::builder()
            .timeout(Duration::from_millis(config.request_timeout_ms))
            .redirect(reqwest::redirect::Policy::none());
        if let Some(path) = &config.ca_certificate {
            let pem = std::fs::read(path)
                .with_context(|| format!("oidc.ca_certificate {} cannot be read", path.display()))?;
            let certificate = reqwest::Certificate::from_pem(&pem)
                .with_context(|| format!("oidc.ca_certificate {} holds no certificate", path.display()))?;
            client = client.add_root_certificate(certificate);
        }
        Ok(Self {
            client: client.build()?,
            issuer: config.issuer.clone(),
            jwks_url: config.jwks_url.clone(),
        })
    }

    /// Asks for the keys.
    pub(super) async fn keys(&self) -> anyhow::Result<Keys> {
        let url = match self.jwks_url.as_str() {
            "" => self.discover().await.context("its description")?,
            url => url.to_owned(),
        };
        Keys::of(&self.get(&url).await?)
    }

    async fn discover(&self) -> anyhow::Result<String> {
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let description = self.get(&url).await?;
        ensure!(
            description["issuer"].as_str() == Some(&self.issuer),
            "it gives itself another name than oidc.issuer"
        );
        let url = description["jwks_uri"].as_str().context("it names no jwks_uri")?;
        ensure!(reachable(url), "its jwks_uri is neither https nor on this machine");
        Ok(url.to_owned())
    }

    async fn get(&self, url: &str) -> anyhow::Result<Value> {
        let mut response = self.client.get(url).send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            ensure!(
                body.len() + chunk.len() <= DOCUMENT_BYTES_MAX,
                "the document has more than {DOCUMENT_BYTES_MAX} bytes"
            );
            body.extend_from_slice(&chunk);
        }
        Ok(serde_json::from_slice(&body)?)
    }
}
