//! What is on its way to webhooks.
//!
//! ```text
//! waiting ──claim──► waiting, next_ms in the future ──done──► done
//!    ▲                     │ failed: waiting, later           ▲ late, but it arrived
//!    └──────retry──────────┴─dead──► dead ────────────────────┘
//! ```
//!
//! Invariants: a claim that is not answered for lapses, and the delivery is due again; an answer of a lapsed claim changes
//! nothing, unless it is that the delivery arrived.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{WebhookEvent, WebhookPolicy};
use crate::error::{AccountsError, Result};
use crate::secret;
use crate::store::Store;

/// Longest body, in bytes. Ours stay below 4,000.
const BODY_LEN_MAX: usize = 65_536;

/// The id of what a webhook is told about a decision: the same whoever computes it and however often.
#[must_use]
pub fn delivery_id(webhook: &str, decision: &str) -> String {
    let mut hash = Sha256::new();
    for part in ["delivery", webhook, decision] {
        // With lengths, no two pairs give the same bytes.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    secret::hex(&hash.finalize()[..16])
}

/// A delivery to be made.
#[derive(Debug, Clone)]
pub struct NewDelivery<'a> {
    /// Its id, which receivers know it by; 32 hexadecimal digits.
    pub id: &'a str,
    /// To whom.
    pub webhook: &'a str,
    /// Whose webhook.
    pub tenant: &'a str,
    /// About whom, if anybody is claimed.
    pub subject: Option<&'a str>,
    /// About which session; none of a test.
    pub session: Option<&'a str>,
    /// Because of which decision; none of a test.
    pub decision: Option<&'a str>,
    /// What is told.
    pub event: WebhookEvent,
    /// The facts, from which a message is made at each attempt.
    pub body: &'a str,
}

/// What became of a delivery that was put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// It waits.
    New,
    /// It is there already.
    Known,
    /// The webhook is gone or switched off.
    NoWebhook,
    /// Too many wait for this webhook: it is left out.
    Full,
}

/// A delivery that is ours to make, for a while.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Claimed {
    /// Its id.
    pub id: String,
    #[sqlx(rename = "event")]
    event_word: String,
    /// The facts.
    pub body: String,
    /// Which attempt this is, from 1.
    pub attempts: i64,
    /// When it was put in, in ms.
    pub created_ms: i64,
    /// Until when the claim holds, in ms.
    #[sqlx(rename = "next_ms")]
    until_ms: i64,
}

impl Claimed {
    /// What is told.
    ///
    /// # Errors
    /// Where a later program wrote it.
    pub fn event(&self) -> Result<WebhookEvent> {
        WebhookEvent::read(&self.event_word)
    }
}

/// Why an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// Code for programs and people.
    pub error: &'static str,
}

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It will be tried, or is being tried.
    Waiting,
    /// The receiver took it.
    Done,
    /// It was given up; somebody may ask for another round.
    Dead,
}

impl DeliveryState {
    const ALL: [Self; 3] = [Self::Waiting, Self::Done, Self::Dead];

    fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Dead => "dead",
        }
    }
}

/// A delivery as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryView {
    /// Its id.
    pub id: String,
    /// What is told.
    pub event: WebhookEvent,
    /// Because of which decision.
    pub decision: Option<String>,
    /// How far it is.
    pub state: DeliveryState,
    /// How often it was tried since somebody last asked for it.
    pub attempts: i64,
    /// When it is tried next, in ms; none where it is not.
    pub next_ms: Option<i64>,
    /// Status of the last answer.
    pub last_status: Option<i64>,
    /// What was wrong last.
    pub last_error: Option<String>,
    /// When it was put in, in ms.
    pub created_ms: i64,
}

#[derive(sqlx::FromRow)]
struct ViewRow {
    id: String,
    event: String,
    decision: Option<String>,
    state: String,
    attempts: i64,
    next_ms: i64,
    last_status: Option<i64>,
    last_error: Option<String>,
    created_ms: i64,
}

/// The queue of all webhooks.
#[derive(Debug, Clone)]
pub struct Deliveries {
    store: Store,
    policy: WebhookPolicy,
}

impl Deliveries {
    /// Of this database.
    #[must_use]
    pub fn new(store: Store, policy: WebhookPolicy) -> Self {
        Self { store, policy }
    }

    /// Puts a delivery in, due at once.
    ///
    /// # Errors
    /// Where the body is too long or the database fails.
    pub async fn enqueue(&self, new: &NewDelivery<'_>, now_ms: i64) -> Result<Enqueued> {
        if new.body.len() > BODY_LEN_MAX {
            return Err(AccountsError::Internal("the facts of a delivery are too long"));
        }
        let put = sqlx::query(
            "INSERT INTO deliveries (id, webhook, tenant, subject, session, decision, event, body, state, attempts,
                 next_ms, created_ms, changed_ms)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, 'waiting', 0, $9, $9, $9
             WHERE EXISTS (SELECT 1 FROM webhooks WHERE id = $2 AND tenant = $3 AND off_ms IS NULL)
               AND (SELECT count(*) FROM deliveries WHERE webhook = $2 AND state = 'waiting') < $10
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(new.id)
        .bind(new.webhook)
        .bind(new.tenant)
        .bind(new.subject)
        .bind(new.session)
        .bind(new.decision)
        .bind(new.event.word())
        .bind(new.body)
        .bind(now_ms)
        .bind(self.policy.deliveries_per_webhook_max)
        .execute(&self.store.pool)
        .await?;
        if put.rows_affected() > 0 {
            return Ok(Enqueued::New);
        }
        let (known, hears): (i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM deliveries WHERE id = $1),
                    (SELECT count(*) FROM webhooks WHERE id = $2 AND tenant = $3 AND off_ms IS NULL)",
        )
        .bind(new.id)
        .bind(new.webhook)
        .bind(new.tenant)
        .fetch_one(&self.store.pool)
        .await?;
        Ok(match (known, hears) {
            (0, 0) => Enqueued::NoWebhook,
            (0, _) => Enqueued::Full,
            _ => Enqueued::Known,
        })
    }

    /// Claims due deliveries of a webhook until `until_ms`, the oldest first, at most `limit`. Nobody else gets them meanwhile.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn claim(&self, webhook: &str, now_ms: i64, until_ms: i64, limit: u32) -> Result<Vec<Claimed>> {
        // Said twice that they are due: of two that chose the same rows the second finds them changed.
        let claimed = sqlx::query_as(
            "UPDATE deliveries SET next_ms = $1, attempts = attempts + 1
             WHERE state = 'waiting' AND next_ms <= $2 AND id IN (
                 SELECT id FROM deliveries WHERE webhook = $3 AND state = 'waiting' AND next_ms <= $2
                 ORDER BY next_ms, id LIMIT $4)
             RETURNING id, event, body, attempts, created_ms, next_ms",
        )
        .bind(until_ms)
        .bind(now_ms)
        .bind(webhook)
        .bind(i64::from(limit))
        .fetch_all(&self.store.pool)
        .await?;
        Ok(claimed)
    }

    /// The receiver took it.
    ///
    /// # Errors
    /// Where the database fails: it will be sent again, under the same id.
    pub async fn done(&self, claimed: &Claimed, status: u16, now_ms: i64) -> Result<()> {
        sqlx::query(
            "UPDATE deliveries SET state = 'done', last_status = $1, last_error = NULL, changed_ms = $2
             WHERE id = $3 AND state <> 'done'",
        )
        .bind(i64::from(status))
        .bind(now_ms)
        .bind(&claimed.id)
        .execute(&self.store.pool)
        .await?;
        Ok(())
    }

    /// The attempt failed; the next one is at `next_ms`. False: the claim had lapsed.
    ///
    /// # Errors
    /// Where the database fails: it will be tried again once the claim has lapsed.
    pub async fn failed(&self, claimed: &Claimed, failure: Failure, next_ms: i64, now_ms: i64) -> Result<bool> {
        self.conclude(claimed, "waiting", failure, next_ms, now_ms).await
    }

    /// The attempt failed and no other follows. False: the claim had lapsed.
    ///
    /// # Errors
    /// Where the database fails: it will be tried again once the claim has lapsed.
    pub async fn give_up(&self, claimed: &Claimed, failure: Failure, now_ms: i64) -> Result<bool> {
        self.conclude(claimed, "dead", failure, now_ms, now_ms).await
    }

    async fn conclude(
        &self,
        claimed: &Claimed,
        state: &str,
        failure: Failure,
        next_ms: i64,
        now_ms: i64,
    ) -> Result<bool> {
        let concluded = sqlx::query(
            "UPDATE deliveries SET state = $1, next_ms = $2, last_status = $3, last_error = $4, changed_ms = $5
             WHERE id = $6 AND state = 'waiting' AND next_ms = $7 AND attempts = $8",
        )
        .bind(state)
        .bind(next_ms)
        .bind(failure.status.map(i64::from))
        .bind(failure.error)
        .bind(now_ms)
        .bind(&claimed.id)
        .bind(claimed.until_ms)
        .bind(claimed.attempts)
        .execute(&self.store.pool)
        .await?;
        Ok(concluded.rows_affected() > 0)
    }

    /// The deliveries of a webhook, those that changed last first; at most `limit`.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn list(
        &self,
        tenant: &str,
        webhook: &str,
        state: Option<DeliveryState>,
        limit: u32,
    ) -> Result<Vec<DeliveryView>> {
        let rows: Vec<ViewRow> = sqlx::query_as(
            "SELECT id, event, decision, state, attempts, next_ms, last_status, last_error, created_ms FROM deliveries
             WHERE tenant = $1 AND webhook = $2 AND ($3 = '' OR state = $3) ORDER BY changed_ms DESC, id LIMIT $4",
        )
        .bind(tenant)
        .bind(webhook)
        .bind(state.map_or("", DeliveryState::word))
        .bind(i64::from(limit))
        .fetch_all(&self.store.pool)
        .await?;
        rows.into_iter().map(ViewRow::read).collect()
    }

    /// Gives a dead delivery another round, now. False: the tenant has no such dead one, or the webhook is off.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn retry(&self, tenant: &str, webhook: &str, id: &str, now_ms: i64) -> Result<bool> {
        let retried = sqlx::query(
            "UPDATE deliveries SET state = 'waiting', attempts = 0, next_ms = $1, changed_ms = $1
             WHERE id = $2 AND webhook = $3 AND tenant = $4 AND state = 'dead'
               AND EXISTS (SELECT 1 FROM webhooks WHERE id = $3 AND off_ms IS NULL)",
        )
        .bind(now_ms)
        .bind(id)
        .bind(webhook)
        .bind(tenant)
        .execute(&self.store.pool)
        .await?;
        Ok(retried.rows_affected() > 0)
    }

    /// How many wait in all, those that are being tried included.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn waiting(&self) -> Result<i64> {
        let (waiting,) = sqlx::query_as("SELECT count(*) FROM deliveries WHERE state = 'waiting'")
            .fetch_one(&self.store.pool)
            .await?;
        Ok(waiting)
    }

    /// Removes all that is about a subject, whether it was sent or not; how many.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn erase_subject(&self, tenant: &str, subject: &str) -> Result<u64> {
        let erased = sqlx::query("DELETE FROM deliveries WHERE tenant = $1 AND subject = $2")
            .bind(tenant)
            .bind(subject)
            .execute(&self.store.pool)
            .await?;
        Ok(erased.rows_affected())
    }

    /// Removes what was done or given up before `before_ms`, and of each webhook the dead ones beyond what is kept; how many.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn purge(&self, before_ms: i64) -> Result<u64> {
        let old = sqlx::query("DELETE FROM deliveries WHERE state IN ('done', 'dead') AND changed_ms < $1")
            .bind(before_ms)
            .execute(&self.store.pool)
            .await?;
        let mut purged = old.rows_affected();
        let crowded: Vec<(String,)> =
            sqlx::query_as("SELECT webhook FROM deliveries WHERE state = 'dead' GROUP BY webhook HAVING count(*) > $1")
                .bind(self.policy.deliveries_per_webhook_max)
                .fetch_all(&self.store.pool)
                .await?;
        for (webhook,) in crowded {
            let beyond = sqlx::query(
                "DELETE FROM deliveries WHERE webhook = $1 AND state = 'dead' AND changed_ms < (
                     SELECT changed_ms FROM deliveries WHERE webhook = $1 AND state = 'dead'
                     ORDER BY changed_ms DESC, id LIMIT 1 OFFSET $2)",
            )
            .bind(&webhook)
            .bind(self.policy.deliveries_per_webhook_max - 1)
            .execute(&self.store.pool)
            .await?;
            purged += beyond.rows_affected();
        }
        Ok(purged)
    }
}

impl ViewRow {
    fn read(self) -> Result<DeliveryView> {
        let state = DeliveryState::ALL
            .into_iter()
            .find(|state| state.word() == self.state)
            .ok_or(AccountsError::Internal(
                "a delivery has a state that this program does not know",
            ))?;
        Ok(DeliveryView {
            event: WebhookEvent::read(&self.event)?,
            id: self.id,
            decision: self.decision,
            state,
            attempts: self.attempts,
            next_ms: (state == DeliveryState::Waiting).then_some(self.next_ms),
            last_status: self.last_status,
            last_error: self.last_error,
            created_ms: self.created_ms,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_follows_from_webhook_and_decision() {
        let id = delivery_id("hook", "decision");
        assert_eq!(id, delivery_id("hook", "decision"));
        assert_eq!((id.len(), id.bytes().all(|byte| byte.is_ascii_hexdigit())), (32, true));
        for (webhook, decision) in [("hook", "other"), ("other", "decision"), ("hookd", "ecision")] {
            assert_ne!(id, delivery_id(webhook, decision));
        }
    }
}
