//! The accounts database, the signing keys and the pepper, as the configuration names them.
//!
//! Invariant: a gateway whose tokens would die with it says so.

use crate::config::{self, Config, Secret};
use anyhow::{Context, bail};
use ductus_accounts::{ApplicationKeys, KeyPolicy, Pepper, PoolPolicy, SigningKey, SigningKeys, Store, WebhookSecrets};
use std::time::{SystemTime, UNIX_EPOCH};

/// Now, in milliseconds since 1970.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as i64
}

/// The configured database, which is made or brought up to date.
///
/// # Errors
/// It cannot be reached or is of a later version.
pub async fn open_store(config: &Config) -> anyhow::Result<Store> {
    Store::open(config.access.database.reveal(), &PoolPolicy::default())
        .await
        .context("the accounts database cannot be opened; see access.database")
}

/// The application keys in the configured database.
///
/// # Errors
/// It cannot be reached or is of a later version.
pub async fn open_keys(config: &Config) -> anyhow::Result<ApplicationKeys> {
    Ok(ApplicationKeys::new(open_store(config).await?, KeyPolicy::default()))
}

/// What session tokens and access tokens are signed and checked with.
///
/// # Errors
/// A signing key is not written as `name:hexadecimal digits`, or is too short.
pub fn signing_keys(config: &Config) -> anyhow::Result<SigningKeys> {
    let mut keys = Vec::new();
    for key in config.access.signing_keys.reveal().split(',').map(str::trim) {
        if key.is_empty() {
            continue;
        }
        let Some((name, bytes)) = key
            .split_once(':')
            .and_then(|(name, digits)| Some((name, unhex(digits)?)))
        else {
            bail!("access.signing_keys: write each key as NAME:HEX, with commas between them, the newest first");
        };
        keys.push(SigningKey::new(name, &bytes).context("access.signing_keys")?);
    }
    if keys.is_empty() {
        if outlives_us(&config.access.database) {
            tracing::warn!(
                "access.signing_keys is empty: tokens end with this process, and no other gateway knows them"
            );
        }
        keys.push(SigningKey::generate()?);
    }
    SigningKeys::new(keys).context("access.signing_keys")
}

/// What codes and refresh tokens are made with.
///
/// # Errors
/// It is too short.
pub fn pepper(config: &Config) -> anyhow::Result<Pepper> {
    let pepper = &config.identity.pepper;
    if pepper.is_empty() {
        if outlives_us(&config.access.database) {
            tracing::warn!("identity.pepper is empty: everybody is signed out when this process ends");
        }
        return Ok(Pepper::generate()?);
    }
    let bytes = unhex(pepper.reveal()).context("identity.pepper: must be hexadecimal digits")?;
    Pepper::new(&bytes).context("identity.pepper")
}

/// Whether the database is still there when this process is not: otherwise nothing else has to be.
fn outlives_us(database: &Secret) -> bool {
    !database.reveal().contains(":memory:")
}

/// What the secrets of webhooks are made from.
///
/// # Errors
/// A key is not written in hexadecimal digits, or is too short.
pub fn webhook_secrets(webhooks: &config::Webhooks) -> anyhow::Result<WebhookSecrets> {
    let mut keys = Vec::new();
    for digits in webhooks.secret_keys.reveal().split(',').map(str::trim) {
        if digits.is_empty() {
            continue;
        }
        let bytes = unhex(digits).context("webhooks.secret_keys: write each key as HEX, the newest first")?;
        keys.push(Pepper::new(&bytes).context("webhooks.secret_keys")?);
    }
    if keys.is_empty() {
        tracing::warn!(
            "webhooks.secret_keys is empty: the secrets of webhooks end with this process, and no other gateway knows them"
        );
        keys.push(Pepper::generate()?);
    }
    WebhookSecrets::new(keys).context("webhooks.secret_keys")
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    let byte = |pair: &[u8; 2]| Some((nibble(pair[0])? * 16 + nibble(pair[1])?) as u8);
    pairs.iter().map(byte).collect()
}
