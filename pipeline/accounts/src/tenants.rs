//! What a tenant has switched on, and the receipts of its erasures.
//!
//! Invariants: identification among many is off until somebody switches it on and says why; a receipt is known to its tenant
//! only; an erasure moves forward only, from asked to running to done or failed, and a failed one may run again.

use serde::Serialize;

use crate::error::{AccountsError, Result};
use crate::event::{AccountEvent, Action, Audited};
use crate::names;
use crate::secret;
use crate::store::Store;

/// Longest note on an erasure, in bytes.
const DETAIL_LEN_MAX: usize = 2_000;

/// What a tenant has switched on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct TenantSettings {
    /// Whether `POST /v1/identify` answers.
    pub identify: bool,
    /// Why it was switched on.
    pub identify_reason: Option<String>,
}

/// How far an erasure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErasureState {
    /// Asked for, not begun.
    Asked,
    /// At work.
    Running,
    /// Nothing of the subject is left, but what the detail names.
    Done,
    /// It stopped; the detail says where. It may run again.
    Failed,
}

/// The receipt of an erasure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Erasure {
    /// Its id.
    pub receipt: String,
    /// Whose subject.
    pub tenant: String,
    /// Who vanishes.
    pub subject: String,
    /// When it was asked for, in ms.
    pub asked_ms: i64,
    /// How far it is.
    pub state: ErasureState,
    /// What was done or went wrong, in words or JSON; empty at first.
    pub detail: String,
    /// When the state changed last, in ms.
    pub changed_ms: i64,
}

/// Settings and erasures of tenants.
#[derive(Debug, Clone)]
pub struct Tenants {
    store: Store,
}

#[derive(sqlx::FromRow)]
struct ErasureRow {
    receipt: String,
    tenant: String,
    subject: String,
    asked_ms: i64,
    state: String,
    detail: String,
    changed_ms: i64,
}

impl Tenants {
    /// Of this database.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// What the tenant has switched on; nothing, where nobody ever did.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn settings(&self, tenant: &str) -> Result<TenantSettings> {
        let row: Option<(i64, Option<String>)> =
            sqlx::query_as("SELECT identify, identify_reason FROM tenant_settings WHERE tenant = $1")
                .bind(tenant)
                .fetch_optional(&self.store.pool)
                .await?;
        Ok(
            row.map_or_else(TenantSettings::default, |(identify, identify_reason)| TenantSettings {
                identify: identify != 0,
                identify_reason,
            }),
        )
    }

    /// Switches identification among many on, with the reason, or off (none).
    ///
    /// # Errors
    /// Where a name or the reason is refused, or the database fails.
    pub async fn set_identify(&self, tenant: &str, reason: Option<&str>, by: &str, now_ms: i64) -> Result<Audited<()>> {
        names::check_id(tenant)?;
        reason.map_or(Ok(()), names::check_label)?;
        sqlx::query(
            "INSERT INTO tenant_settings (tenant, identify, identify_reason, changed_by, changed_ms)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (tenant) DO UPDATE SET identify = excluded.identify,
                 identify_reason = excluded.identify_reason, changed_by = excluded.changed_by,
                 changed_ms = excluded.changed_ms",
        )
        .bind(tenant)
        .bind(i64::from(reason.is_some()))
        .bind(reason)
        .bind(by)
        .bind(now_ms)
        .execute(&self.store.pool)
        .await?;
        let action = Action::IdentifySet {
            on: reason.is_some(),
            reason: reason.map(str::to_owned),
            by: by.to_owned(),
        };
        Ok(Audited::with((), AccountEvent::new(now_ms, Some(tenant), action)))
    }

    /// Notes that a subject shall vanish, and gives the receipt. Asked again before it is done, it gives the same one.
    ///
    /// # Errors
    /// Where a name is refused or the database fails.
    pub async fn ask_erasure(&self, tenant: &str, subject: &str, by: &str, now_ms: i64) -> Result<Audited<Erasure>> {
        names::check_id(tenant)?;
        names::check_id(subject)?;
        let receipt = secret::id()?;
        let asked = sqlx::query(
            "INSERT INTO erasures (receipt, tenant, subject, asked_by, asked_ms, state, detail, changed_ms)
             VALUES ($1, $2, $3, $4, $5, 'asked', '', $5)
             ON CONFLICT (tenant, subject) WHERE state <> 'done' DO NOTHING",
        )
        .bind(&receipt)
        .bind(tenant)
        .bind(subject)
        .bind(by)
        .bind(now_ms)
        .execute(&self.store.pool)
        .await?;
        let row: ErasureRow = sqlx::query_as(
            "SELECT receipt, tenant, subject, asked_ms, state, detail, changed_ms FROM erasures
             WHERE tenant = $1 AND subject = $2 ORDER BY CASE state WHEN 'done' THEN 1 ELSE 0 END, asked_ms DESC LIMIT 1",
        )
        .bind(tenant)
        .bind(subject)
        .fetch_one(&self.store.pool)
        .await?;
        let erasure = row.read()?;
        if asked.rows_affected() == 0 {
            return Ok(Audited::quiet(erasure));
        }
        let action = Action::ErasureAsked {
            receipt,
            subject: subject.to_owned(),
            by: by.to_owned(),
        };
        Ok(Audited::with(erasure, AccountEvent::new(now_ms, Some(tenant), action)))
    }

    /// The receipt, if it is this tenant's.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn erasure(&self, tenant: &str, receipt: &str) -> Result<Option<Erasure>> {
        let row: Option<ErasureRow> = sqlx::query_as(
            "SELECT receipt, tenant, subject, asked_ms, state, detail, changed_ms FROM erasures
             WHERE receipt = $1 AND tenant = $2",
        )
        .bind(receipt)
        .bind(tenant)
        .fetch_optional(&self.store.pool)
        .await?;
        row.map(ErasureRow::read).transpose()
    }

    /// Erasures that are not done, the oldest first; at most `limit`: what is left to do after a restart.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn open_erasures(&self, limit: u32) -> Result<Vec<Erasure>> {
        let rows: Vec<ErasureRow> = sqlx::query_as(
            "SELECT receipt, tenant, subject, asked_ms, state, detail, changed_ms FROM erasures
             WHERE state <> 'done' ORDER BY asked_ms, receipt LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(&self.store.pool)
        .await?;
        rows.into_iter().map(ErasureRow::read).collect()
    }

    /// Moves an erasure on. False: there is none, it is done already, or its state is that one (then nothing changed).
    ///
    /// # Errors
    /// Where the detail is too long, the new state is `Asked`, or the database fails.
    pub async fn set_erasure(
        &self,
        receipt: &str,
        state: ErasureState,
        detail: &str,
        now_ms: i64,
    ) -> Result<Audited<bool>> {
        if state == ErasureState::Asked {
            return Err(AccountsError::Invalid(
                "an erasure that was asked for cannot be asked for again",
            ));
        }
        if detail.len() > DETAIL_LEN_MAX {
            return Err(AccountsError::Invalid("the note on an erasure has at most 2,000 bytes"));
        }
        let tenant: Option<(String,)> = sqlx::query_as(
            "UPDATE erasures SET state = $1, detail = $2, changed_ms = $3
             WHERE receipt = $4 AND state <> 'done' AND state <> $1 RETURNING tenant",
        )
        .bind(state.word())
        .bind(detail)
        .bind(now_ms)
        .bind(receipt)
        .fetch_optional(&self.store.pool)
        .await?;
        let Some((tenant,)) = tenant else {
            return Ok(Audited::quiet(false));
        };
        let action = Action::ErasureChanged {
            receipt: receipt.to_owned(),
            state,
        };
        Ok(Audited::with(true, AccountEvent::new(now_ms, Some(&tenant), action)))
    }
}

impl ErasureState {
    fn word(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

impl ErasureRow {
    fn read(self) -> Result<Erasure> {
        use ErasureState::{Asked, Done, Failed, Running};
        let state = [Asked, Running, Done, Failed]
            .into_iter()
            .find(|state| state.word() == self.state)
            .ok_or(AccountsError::Internal(
                "an erasure has a state that this program does not know",
            ))?;
        Ok(Erasure {
            receipt: self.receipt,
            tenant: self.tenant,
            subject: self.subject,
            asked_ms: self.asked_ms,
            state,
            detail: self.detail,
            changed_ms: self.changed_ms,
        })
    }
}
