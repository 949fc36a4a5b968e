//! Application keys: what a back end shows with every request, `dk_<id>_<secret>`.
//!
//! Invariants: the secret is returned once, when it is made, and only its hash is kept; whoever presents a key that does not
//! hold learns nothing about why, after the same work; a key belongs to one tenant, and nobody reaches it through another.

use serde::Serialize;

use crate::error::{AccountsError, Result};
use crate::event::{AccountEvent, Action, Audited};
use crate::names;
use crate::scope::Scopes;
use crate::secret::{self, Secret};
use crate::store::Store;

/// What every key begins with: scanners for leaked secrets look for such a word.
const PREFIX: &str = "dk_";
/// Longest text that is looked at as a key, in bytes. Ours have 92.
const PRESENTED_LEN_MAX: usize = 128;
/// Compared with where no key is found, so that the comparison happens all the same.
const NO_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Limits of application keys.
#[derive(Debug, Clone)]
pub struct KeyPolicy {
    /// Keys of one tenant that are not revoked. Default 100.
    pub keys_per_tenant_max: i64,
    /// Longest time that the old secret stays valid beside the new one, in ms. Default 7 days.
    pub grace_ms_max: i64,
}

impl Default for KeyPolicy {
    fn default() -> Self {
        Self {
            keys_per_tenant_max: 100,
            grace_ms_max: 7 * 24 * 3_600_000,
        }
    }
}

/// Who asks, once an application key held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The only tenant whose data may be seen.
    pub tenant: String,
    /// The key's id, for the audit and for limits a key.
    pub key: String,
    /// What may be asked.
    pub scopes: Scopes,
    /// When the key ends, in ms; tokens minted with it end no later.
    pub expires_ms: Option<i64>,
}

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewKey<'a> {
    /// Whose data it reaches.
    pub tenant: &'a str,
    /// What people call it.
    pub label: &'a str,
    /// What it may do; not nothing.
    pub scopes: Scopes,
    /// When it ends, in ms; none: when it is revoked.
    pub expires_ms: Option<i64>,
}

/// A key with its secret, which nobody can show again.
#[derive(Debug, Clone)]
pub struct CreatedKey {
    /// Its id, which is no secret.
    pub id: String,
    /// The whole key, as it is presented.
    pub key: Secret,
}

/// A key as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyView {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub label: String,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was made, in ms.
    pub created_ms: i64,
    /// When its secret was replaced last, in ms.
    pub rotated_ms: Option<i64>,
    /// Until when the secret before is valid too, in ms.
    pub previous_until_ms: Option<i64>,
    /// When it ends, in ms.
    pub expires_ms: Option<i64>,
    /// When it was revoked, in ms.
    pub revoked_ms: Option<i64>,
}

/// Why a key did not hold; for the audit only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyRefusal {
    /// Not of the form of a key.
    Malformed,
    /// No key has this id.
    Unknown,
    /// The id exists, the secret is another.
    WrongSecret,
    /// The secret before the last rotation, after its grace.
    OldSecret,
    /// Right, but past its end.
    Expired,
    /// Right, but revoked.
    Revoked,
}

/// Makes, checks, rotates and revokes keys.
#[derive(Debug, Clone)]
pub struct ApplicationKeys {
    store: Store,
    policy: KeyPolicy,
}

#[derive(sqlx::FromRow)]
struct KeyRow {
    tenant: String,
    scopes: String,
    secret_hash: String,
    previous_hash: Option<String>,
    previous_until_ms: Option<i64>,
    expires_ms: Option<i64>,
    revoked_ms: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct ListRow {
    id: String,
    label: String,
    scopes: String,
    created_ms: i64,
    rotated_ms: Option<i64>,
    previous_until_ms: Option<i64>,
    expires_ms: Option<i64>,
    revoked_ms: Option<i64>,
}

impl ApplicationKeys {
    /// Keys of this database.
    #[must_use]
    pub fn new(store: Store, policy: KeyPolicy) -> Self {
        Self { store, policy }
    }

    /// Whose key this is. None for whatever does not hold; why stands in the event. A key that holds makes no event.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn authenticate(&self, presented: &str, now_ms: i64) -> Result<Audited<Option<Principal>>> {
        let (id, secret) = parse(presented).unzip();
        // What has no form is looked up as well: the same work for whatever is presented.
        let row: Option<KeyRow> = sqlx::query_as(
            "SELECT tenant, scopes, secret_hash, previous_hash, previous_until_ms, expires_ms, revoked_ms
             FROM application_keys WHERE id = $1",
        )
        .bind(id.unwrap_or_default())
        .fetch_optional(&self.store.pool)
        .await?;
        let hash = secret::hash(secret.unwrap_or_default());
        let current = row.as_ref().map_or(NO_HASH, |row| &row.secret_hash);
        let previous = row.as_ref().and_then(|row| row.previous_hash.as_deref());
        let is_current = secret::same(&hash, current);
        let is_previous = secret::same(&hash, previous.unwrap_or(NO_HASH));
        let refusal = match &row {
            _ if id.is_none() => KeyRefusal::Malformed,
            None => KeyRefusal::Unknown,
            Some(_) if !is_current && !is_previous => KeyRefusal::WrongSecret,
            Some(row) if row.revoked_ms.is_some() => KeyRefusal::Revoked,
            Some(row) if row.expires_ms.is_some_and(|end| end <= now_ms) => KeyRefusal::Expired,
            Some(row) if !is_current && row.previous_until_ms.is_none_or(|end| end <= now_ms) => KeyRefusal::OldSecret,
            Some(row) => {
                let principal = Principal {
                    tenant: row.tenant.clone(),
                    key: id.unwrap_or_default().to_owned(),
                    scopes: row.scopes.parse()?,
                    expires_ms: row.expires_ms,
                };
                return Ok(Audited::quiet(Some(principal)));
            }
        };
        let tenant = row.map(|row| row.tenant);
        let action = Action::KeyRefused {
            // An id of nobody is whatever somebody sent: it stays out of the audit.
            key: tenant.is_some().then(|| id.unwrap_or_default().to_owned()),
            reason: refusal,
        };
        Ok(Audited::with(
            None,
            AccountEvent::new(now_ms, tenant.as_deref(), action),
        ))
    }

    /// Makes a key.
    ///
    /// # Errors
    /// Where a name is refused, no scope is given, the end has passed, or the tenant has as many keys as it may have.
    pub async fn create(&self, new: &NewKey<'_>, now_ms: i64) -> Result<Audited<CreatedKey>> {
        names::check_id(new.tenant)?;
        names::check_label(new.label)?;
        if new.scopes.is_empty() {
            return Err(AccountsError::Invalid(
                "a key without scopes may do nothing: name at least one",
            ));
        }
        if new.expires_ms.is_some_and(|end| end <= now_ms) {
            return Err(AccountsError::Invalid("the key would have expired already"));
        }
        let created = CreatedKey::draw(secret::id()?)?;
        let made = sqlx::query(
            "INSERT INTO application_keys (id, tenant, label, scopes, secret_hash, created_ms, expires_ms)
             SELECT $1, $2, $3, $4, $5, $6, $7
             WHERE (SELECT count(*) FROM application_keys WHERE tenant = $2 AND revoked_ms IS NULL) < $8",
        )
        .bind(&created.id)
        .bind(new.tenant)
        .bind(new.label)
        .bind(new.scopes.to_string())
        .bind(created.hash())
        .bind(now_ms)
        .bind(new.expires_ms)
        .bind(self.policy.keys_per_tenant_max)
        .execute(&self.store.pool)
        .await?;
        if made.rows_affected() == 0 {
            return Err(AccountsError::Limit(
                "the tenant has as many keys as it may have: revoke one",
            ));
        }
        let action = Action::KeyCreated {
            key: created.id.clone(),
            scopes: new.scopes,
        };
        Ok(Audited::with(
            created,
            AccountEvent::new(now_ms, Some(new.tenant), action),
        ))
    }

    /// Gives a key a new secret; the old one stays valid for `grace_ms` (at most the policy's). None: the tenant has no such
    /// key, or it is revoked or expired.
    ///
    /// # Errors
    /// Where the grace is negative or longer than allowed, or the database fails.
    pub async fn rotate(
        &self,
        tenant: &str,
        id: &str,
        grace_ms: i64,
        now_ms: i64,
    ) -> Result<Audited<Option<CreatedKey>>> {
        if !(0..=self.policy.grace_ms_max).contains(&grace_ms) {
            return Err(AccountsError::Invalid("the grace is negative or longer than allowed"));
        }
        let (fresh, until_ms) = (CreatedKey::draw(id.to_owned())?, now_ms + grace_ms);
        let rotated = sqlx::query(
            "UPDATE application_keys
             SET previous_hash = secret_hash, previous_until_ms = $1, secret_hash = $2, rotated_ms = $3
             WHERE id = $4 AND tenant = $5 AND revoked_ms IS NULL AND (expires_ms IS NULL OR expires_ms > $3)",
        )
        .bind(until_ms)
        .bind(fresh.hash())
        .bind(now_ms)
        .bind(id)
        .bind(tenant)
        .execute(&self.store.pool)
        .await?;
        if rotated.rows_affected() == 0 {
            return Ok(Audited::quiet(None));
        }
        let action = Action::KeyRotated {
            key: id.to_owned(),
            old_until_ms: until_ms,
        };
        Ok(Audited::with(
            Some(fresh),
            AccountEvent::new(now_ms, Some(tenant), action),
        ))
    }

    /// Ends a key now. False: the tenant has no such key, or it was revoked before.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn revoke(&self, tenant: &str, id: &str, now_ms: i64) -> Result<Audited<bool>> {
        let revoked = sqlx::query(
            "UPDATE application_keys SET revoked_ms = $1 WHERE id = $2 AND tenant = $3 AND revoked_ms IS NULL",
        )
        .bind(now_ms)
        .bind(id)
        .bind(tenant)
        .execute(&self.store.pool)
        .await?;
        if revoked.rows_affected() == 0 {
            return Ok(Audited::quiet(false));
        }
        let action = Action::KeyRevoked { key: id.to_owned() };
        Ok(Audited::with(true, AccountEvent::new(now_ms, Some(tenant), action)))
    }

    /// The tenant's keys, newest first, revoked ones included; at most `limit`.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn list(&self, tenant: &str, limit: u32) -> Result<Vec<KeyView>> {
        let rows: Vec<ListRow> = sqlx::query_as(
            "SELECT id, label, scopes, created_ms, rotated_ms, previous_until_ms, expires_ms, revoked_ms
             FROM application_keys WHERE tenant = $1 ORDER BY created_ms DESC, id LIMIT $2",
        )
        .bind(tenant)
        .bind(i64::from(limit))
        .fetch_all(&self.store.pool)
        .await?;
        rows.into_iter().map(ListRow::view).collect()
    }

    /// Removes keys that were revoked, or that ended, before `before_ms`; how many.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn purge(&self, before_ms: i64) -> Result<u64> {
        let purged = sqlx::query("DELETE FROM application_keys WHERE revoked_ms < $1 OR expires_ms < $1")
            .bind(before_ms)
            .execute(&self.store.pool)
            .await?;
        Ok(purged.rows_affected())
    }
}

impl CreatedKey {
    fn draw(id: String) -> Result<Self> {
        let key = Secret::new(format!("{PREFIX}{id}_{}", Secret::random()?.expose()));
        Ok(Self { id, key })
    }

    fn hash(&self) -> String {
        secret::hash(parse(self.key.expose()).map_or("", |(_, secret)| secret))
    }
}

impl ListRow {
    fn view(self) -> Result<KeyView> {
        Ok(KeyView {
            scopes: self.scopes.parse()?,
            id: self.id,
            label: self.label,
            created_ms: self.created_ms,
            rotated_ms: self.rotated_ms,
            previous_until_ms: self.previous_until_ms,
            expires_ms: self.expires_ms,
            revoked_ms: self.revoked_ms,
        })
    }
}

/// Id and secret of something that has the form of a key.
fn parse(presented: &str) -> Option<(&str, &str)> {
    if presented.len() > PRESENTED_LEN_MAX {
        return None;
    }
    let (id, secret) = presented.strip_prefix(PREFIX)?.split_once('_')?;
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (id.len() == 24 && secret.len() == 64 && is_hex(id) && is_hex(secret)).then_some((id, secret))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_drawn_key_has_the_form_of_a_key() {
        let created = CreatedKey::draw(secret::id().unwrap()).unwrap();
        let (id, secret) = parse(created.key.expose()).unwrap();
        assert_eq!(id, created.id);
        assert_eq!(created.hash(), secret::hash(secret));
        assert!(!format!("{created:?}").contains(secret));
    }

    #[test]
    fn other_forms_are_refused() {
        let created = CreatedKey::draw(secret::id().unwrap()).unwrap();
        let key = created.key.expose();
        for wrong in [
            "",
            "dk_",
            "dk__",
            &key[3..],
            &key[..key.len() - 1],
            &format!("{key}0"),
            &key.to_uppercase(),
            &key.replace("dk_", "pk_"),
            &format!("{key}{}", "f".repeat(200)),
            "dk_'; DROP TABLE application_keys; --_0",
        ] {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = parse(&text);
        }
    }
}
