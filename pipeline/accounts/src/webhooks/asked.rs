//! What was last asked of each session.
//!
//! Invariants: where nothing stands, nothing but "go on" was asked; what was asked later in the log is not overwritten by what
//! was asked before it, so that a decision that is read again changes nothing.

use crate::error::Result;
use crate::store::Store;

/// What was asked of a session, and by which decision.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Asked {
    /// The word of the action.
    pub action: String,
    /// The decision's id.
    pub decision: String,
    /// The partition of the decisions topic that it stands in.
    #[sqlx(rename = "log_partition")]
    pub partition: i64,
    /// Where in it.
    #[sqlx(rename = "log_offset")]
    pub offset: i64,
    /// When, in ms.
    pub at_ms: i64,
}

/// The table of it.
#[derive(Debug, Clone)]
pub struct SessionActions {
    store: Store,
}

impl SessionActions {
    /// Of this database.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// What was last asked of a session.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn last(&self, tenant: &str, session: &str) -> Result<Option<Asked>> {
        let asked = sqlx::query_as(
            "SELECT action, decision, log_partition, log_offset, at_ms FROM session_actions
             WHERE tenant = $1 AND session = $2",
        )
        .bind(tenant)
        .bind(session)
        .fetch_optional(&self.store.pool)
        .await?;
        Ok(asked)
    }

    /// Notes what is asked. False: what stands there was asked later, or is this.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn note(&self, tenant: &str, session: &str, asked: &Asked) -> Result<bool> {
        let noted = sqlx::query(
            "INSERT INTO session_actions (tenant, session, action, decision, log_partition, log_offset, at_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (tenant, session) DO UPDATE SET action = excluded.action, decision = excluded.decision,
                 log_partition = excluded.log_partition, log_offset = excluded.log_offset, at_ms = excluded.at_ms
             WHERE session_actions.log_partition <> excluded.log_partition
                OR session_actions.log_offset < excluded.log_offset",
        )
        .bind(tenant)
        .bind(session)
        .bind(&asked.action)
        .bind(&asked.decision)
        .bind(asked.partition)
        .bind(asked.offset)
        .bind(asked.at_ms)
        .execute(&self.store.pool)
        .await?;
        Ok(noted.rows_affected() > 0)
    }

    /// Forgets sessions of which nothing else was asked since `before_ms`; how many.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn purge(&self, before_ms: i64) -> Result<u64> {
        let purged = sqlx::query("DELETE FROM session_actions WHERE at_ms < $1")
            .bind(before_ms)
            .execute(&self.store.pool)
            .await?;
        Ok(purged.rows_affected())
    }
}
