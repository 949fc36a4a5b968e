//! The command `keys`: application keys from the command line; how a tenant gets its first one.
//!
//! Invariant: a secret goes to standard output once, and nowhere else.

use crate::accounts::{now_ms, open_store};
use crate::cli::KeysCommand;
use crate::config::Config;
use crate::output;
use anyhow::{Context, bail};
use ductus_accounts::{ApplicationKeys, CreatedKey, KeyPolicy, NewKey, Scopes};
use serde_json::json;

/// Most keys that one call lists.
const KEYS_MAX: u32 = 10_000;

/// Does what was asked; prints one JSON object, or one a key.
///
/// # Errors
/// The database cannot be reached, or refuses.
pub fn run(config: &Config, command: &KeysCommand) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(carry_out(config, command))
}

async fn carry_out(config: &Config, command: &KeysCommand) -> anyhow::Result<()> {
    let keys = ApplicationKeys::new(open_store(config).await?, KeyPolicy::default());
    match command {
        KeysCommand::Create { tenant, scopes, label } => {
            let scopes: Scopes = scopes.replace(',', " ").parse()?;
            let new = NewKey {
                tenant,
                label,
                scopes,
                expires_ms: None,
            };
            show(&keys.create(&new, now_ms()).await?.answer)
        }
        KeysCommand::Rotate { tenant, key, grace_s } => {
            let grace_ms = i64::from(*grace_s) * 1000;
            let rotated = keys.rotate(tenant, key, grace_ms, now_ms()).await?.answer;
            show(&rotated.context(NO_KEY)?)
        }
        KeysCommand::Revoke { tenant, key } => {
            if !keys.revoke(tenant, key, now_ms()).await?.answer {
                bail!(NO_KEY);
            }
            Ok(output::json(&json!({ "id": key, "revoked": true }))?)
        }
        KeysCommand::List { tenant } => {
            for key in keys.list(tenant, KEYS_MAX).await? {
                output::json(&json!({
                    "id": key.id,
                    "label": key.label,
                    "scopes": key.scopes,
                    "created_at_ms": key.created_ms,
                    "expires_at_ms": key.expires_ms,
                    "revoked_at_ms": key.revoked_ms,
                }))?;
            }
            Ok(())
        }
    }
}

const NO_KEY: &str = "the tenant has no such key in force; `ductus keys list` shows them";

fn show(created: &CreatedKey) -> anyhow::Result<()> {
    Ok(output::json(&json!({ "id": created.id, "key": created.key.expose() }))?)
}
