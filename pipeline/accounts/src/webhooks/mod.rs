//! Webhooks: who is told when something else is asked of a session, what is on its way to them, and what was last asked.
//!
//! Invariants: a tenant's webhooks and deliveries are reached with its name only; no secret is stored, as the one of a webhook
//! is a keyed hash of its id ([`WebhookSecrets`]); a delivery is one row under one id however often it is put in, and of two
//! that claim it at once one gets it; rows are bounded by [`WebhookPolicy`]. Whoever adds or removes a webhook, or gives a
//! delivery up, audits it: that is the gateway, which knows who asked.

mod asked;
mod deliveries;

pub use asked::{Asked, SessionActions};
pub use deliveries::{Claimed, Deliveries, DeliveryState, DeliveryView, Enqueued, Failure, NewDelivery, delivery_id};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::{AccountsError, Result};
use crate::names;
use crate::secret::{self, Pepper};
use crate::store::Store;

/// Longest address, in bytes.
const URL_LEN_MAX: usize = 2_048;
/// Keys that secrets are made from at once: the newest and those before, which receivers may still verify with.
const SECRET_KEYS_MAX: usize = 4;

/// Limits of webhooks and of what waits for them.
#[derive(Debug, Clone)]
pub struct WebhookPolicy {
    /// Webhooks of one tenant. Default 20.
    pub webhooks_per_tenant_max: i64,
    /// Deliveries that wait for one webhook, and dead ones that are kept of it. Default 10,000.
    pub deliveries_per_webhook_max: i64,
}

impl Default for WebhookPolicy {
    fn default() -> Self {
        Self {
            webhooks_per_tenant_max: 20,
            deliveries_per_webhook_max: 10_000,
        }
    }
}

/// What a receiver understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookFormat {
    /// JSON, signed by the Standard Webhooks convention.
    Standard,
    /// A security event token (RFC 8417).
    Set,
}

impl WebhookFormat {
    const ALL: [Self; 2] = [Self::Standard, Self::Set];

    fn word(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Set => "set",
        }
    }
}

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookEvent {
    /// A second proof of identity is asked for.
    StepUp,
    /// The session shall be ended.
    Terminate,
    /// Back to normal.
    Allow,
    /// Somebody tries the webhook out. Not to be asked for.
    Test,
}

impl WebhookEvent {
    const ALL: [Self; 4] = [Self::StepUp, Self::Terminate, Self::Allow, Self::Test];

    /// As it is stored and as the API says it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::StepUp => "step_up",
            Self::Terminate => "terminate",
            Self::Allow => "allow",
            Self::Test => "test",
        }
    }

    fn read(word: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|event| event.word() == word);
        known.ok_or(AccountsError::Internal(
            "a webhook's event is none that this program knows",
        ))
    }
}

/// A webhook to be made.
#[derive(Debug, Clone)]
pub struct NewWebhook<'a> {
    /// Whose sessions it hears of.
    pub tenant: &'a str,
    /// Where it listens; the gateway has looked at it.
    pub url: &'a str,
    /// What it understands.
    pub format: WebhookFormat,
    /// What it wants to hear.
    pub events: &'a [WebhookEvent],
}

/// A webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: String,
    /// Whose sessions it hears of.
    pub tenant: String,
    /// Where it listens.
    pub url: String,
    /// What it understands.
    pub format: WebhookFormat,
    /// What it wants to hear.
    pub events: Vec<WebhookEvent>,
    /// When it was made, in ms.
    pub created_ms: i64,
    /// When its receiver said that it is gone, in ms: nothing is sent any more.
    pub off_ms: Option<i64>,
}

/// Makes, lists and removes webhooks.
#[derive(Debug, Clone)]
pub struct Webhooks {
    store: Store,
    policy: WebhookPolicy,
}

#[derive(sqlx::FromRow)]
struct WebhookRow {
    id: String,
    tenant: String,
    url: String,
    format: String,
    events: String,
    created_ms: i64,
    off_ms: Option<i64>,
}

impl Webhooks {
    /// Of this database.
    #[must_use]
    pub fn new(store: Store, policy: WebhookPolicy) -> Self {
        Self { store, policy }
    }

    /// Makes one.
    ///
    /// # Errors
    /// Where a name, the address or the events are refused, or the tenant has as many as it may have.
    pub async fn create(&self, new: &NewWebhook<'_>, now_ms: i64) -> Result<Webhook> {
        names::check_id(new.tenant)?;
        if new.url.is_empty() || new.url.len() > URL_LEN_MAX || new.url.chars().any(char::is_control) {
            return Err(AccountsError::Invalid("an address has 1 to 2,048 bytes on one line"));
        }
        let mut events = new.events.to_vec();
        events.sort_unstable();
        events.dedup();
        if events.is_empty() || events.contains(&WebhookEvent::Test) {
            return Err(AccountsError::Invalid("name at least one of step_up, terminate, allow"));
        }
        let words: Vec<&str> = events.iter().map(|event| event.word()).collect();
        let id = secret::id()?;
        let made = sqlx::query(
            "INSERT INTO webhooks (id, tenant, url, format, events, created_ms)
             SELECT $1, $2, $3, $4, $5, $6
             WHERE (SELECT count(*) FROM webhooks WHERE tenant = $2) < $7",
        )
        .bind(&id)
        .bind(new.tenant)
        .bind(new.url)
        .bind(new.format.word())
        .bind(words.join(" "))
        .bind(now_ms)
        .bind(self.policy.webhooks_per_tenant_max)
        .execute(&self.store.pool)
        .await?;
        if made.rows_affected() == 0 {
            return Err(AccountsError::Limit(
                "the tenant has as many webhooks as it may have: remove one",
            ));
        }
        Ok(Webhook {
            id,
            tenant: new.tenant.to_owned(),
            url: new.url.to_owned(),
            format: new.format,
            events,
            created_ms: now_ms,
            off_ms: None,
        })
    }

    /// Removes one with all that waits for it. False: the tenant has no such webhook.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn remove(&self, tenant: &str, id: &str) -> Result<bool> {
        let removed = sqlx::query("DELETE FROM webhooks WHERE id = $1 AND tenant = $2")
            .bind(id)
            .bind(tenant)
            .execute(&self.store.pool)
            .await?;
        Ok(removed.rows_affected() > 0)
    }

    /// The tenant's webhooks, newest first.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn list(&self, tenant: &str) -> Result<Vec<Webhook>> {
        let rows: Vec<WebhookRow> = sqlx::query_as(
            "SELECT id, tenant, url, format, events, created_ms, off_ms FROM webhooks
             WHERE tenant = $1 ORDER BY created_ms DESC, id",
        )
        .bind(tenant)
        .fetch_all(&self.store.pool)
        .await?;
        rows.into_iter().map(WebhookRow::read).collect()
    }

    /// One, if it is this tenant's.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn get(&self, tenant: &str, id: &str) -> Result<Option<Webhook>> {
        let row: Option<WebhookRow> = sqlx::query_as(
            "SELECT id, tenant, url, format, events, created_ms, off_ms FROM webhooks WHERE id = $1 AND tenant = $2",
        )
        .bind(id)
        .bind(tenant)
        .fetch_optional(&self.store.pool)
        .await?;
        row.map(WebhookRow::read).transpose()
    }

    /// Those for which a delivery is due, the one that waits longest first; at most `limit`.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn due(&self, now_ms: i64, limit: u32) -> Result<Vec<Webhook>> {
        let rows: Vec<WebhookRow> = sqlx::query_as(
            "SELECT id, tenant, url, format, events, created_ms, off_ms FROM webhooks
             JOIN (SELECT webhook, min(next_ms) AS since_ms FROM deliveries
                   WHERE state = 'waiting' AND next_ms <= $1 GROUP BY webhook) AS due ON due.webhook = webhooks.id
             WHERE off_ms IS NULL ORDER BY due.since_ms, id LIMIT $2",
        )
        .bind(now_ms)
        .bind(i64::from(limit))
        .fetch_all(&self.store.pool)
        .await?;
        rows.into_iter().map(WebhookRow::read).collect()
    }

    /// Sends nothing any more: its receiver is gone. What waits for it is dead. False: it was off already.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn switch_off(&self, id: &str, now_ms: i64) -> Result<bool> {
        let off = sqlx::query("UPDATE webhooks SET off_ms = $1 WHERE id = $2 AND off_ms IS NULL")
            .bind(now_ms)
            .bind(id)
            .execute(&self.store.pool)
            .await?;
        // Also where it was off: whoever switched it may have stopped between the two.
        sqlx::query(
            "UPDATE deliveries SET state = 'dead', last_error = 'switched_off', changed_ms = $1
             WHERE webhook = $2 AND state = 'waiting'",
        )
        .bind(now_ms)
        .bind(id)
        .execute(&self.store.pool)
        .await?;
        Ok(off.rows_affected() > 0)
    }
}

impl WebhookRow {
    fn read(self) -> Result<Webhook> {
        let format = WebhookFormat::ALL
            .into_iter()
            .find(|format| format.word() == self.format)
            .ok_or(AccountsError::Internal(
                "a webhook's format is none that this program knows",
            ))?;
        let events: Result<Vec<_>> = self.events.split(' ').map(WebhookEvent::read).collect();
        Ok(Webhook {
            id: self.id,
            tenant: self.tenant,
            url: self.url,
            format,
            events: events?,
            created_ms: self.created_ms,
            off_ms: self.off_ms,
        })
    }
}

/// What the secrets of webhooks are made from; they are in no database. A secret is the HMAC of the webhook's id, so that
/// whoever has the database alone signs nothing, and nothing has to be decrypted.
#[derive(Debug, Clone)]
pub struct WebhookSecrets(Vec<Pepper>);

/// The secret of one webhook.
pub type WebhookKey = Zeroizing<[u8; 32]>;

impl WebhookSecrets {
    /// Takes the keys, the newest first. Messages are signed with the secrets of all, so that a receiver may go over from one
    /// to the next in its own time.
    ///
    /// # Errors
    /// Where there is none or there are more than four.
    pub fn new(newest_first: Vec<Pepper>) -> Result<Self> {
        if newest_first.is_empty() || newest_first.len() > SECRET_KEYS_MAX {
            return Err(AccountsError::Setting(format!(
                "{} keys for webhooks are given; give 1 to {SECRET_KEYS_MAX}, the newest first",
                newest_first.len()
            )));
        }
        Ok(Self(newest_first))
    }

    /// The secrets of a webhook, the newest first; never none.
    #[must_use]
    pub fn of(&self, webhook: &str) -> Vec<WebhookKey> {
        let key = |pepper: &Pepper| Zeroizing::new(pepper.mac("webhook", &[webhook]));
        self.0.iter().map(key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_of_one_webhook_and_stay() {
        let (old, new) = (Pepper::new(&[1; 32]).unwrap(), Pepper::new(&[2; 32]).unwrap());
        let before = WebhookSecrets::new(vec![old.clone()]).unwrap();
        let after = WebhookSecrets::new(vec![new, old]).unwrap();
        assert_eq!(before.of("a")[0], after.of("a")[1]);
        assert_ne!(after.of("a")[0], after.of("a")[1]);
        assert_ne!(before.of("a")[0], before.of("b")[0]);
        assert_eq!(format!("{before:?}"), "WebhookSecrets([Pepper(…)])");
        assert!(WebhookSecrets::new(Vec::new()).is_err());
    }
}
