//! The database: SQLite embedded, PostgreSQL in production, the same queries on both.
//!
//! The `Any` driver of sqlx carries them: `$1` placeholders, `ON CONFLICT`, `RETURNING`, and the types i64 and text, which
//! both know by the same names. Booleans are integers and hashes are hex, so that no query needs a second form.
//!
//! Invariants: what may happen once happens in one conditional statement (`UPDATE … WHERE unused … RETURNING`), never in a
//! read and a write; time comes in as an argument; the number of connections and the time of a statement are bounded.

use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyPool, Executor, SqlSafeStr};

use crate::error::{AccountsError, Result};

/// How many connections, and how long anybody waits.
#[derive(Debug, Clone)]
pub struct PoolPolicy {
    /// Connections at once (SQLite: readers beside one writer). Default 8.
    pub connections_max: u32,
    /// How long an operation waits for a connection before it fails, in ms. Default 5,000.
    pub acquire_timeout_ms: u64,
    /// How long a statement may run (PostgreSQL) or wait for another writer (SQLite), in ms. Default 5,000.
    pub statement_timeout_ms: u64,
}

impl Default for PoolPolicy {
    fn default() -> Self {
        Self {
            connections_max: 8,
            acquire_timeout_ms: 5_000,
            statement_timeout_ms: 5_000,
        }
    }
}

/// Which database a URL names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// One file beside the gateway, or memory.
    Sqlite,
    /// A server that several gateways share.
    PostgreSql,
}

/// The database with its tables in place. Clones share the connections.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) pool: AnyPool,
    engine: Engine,
}

impl Store {
    /// Connects and migrates. `url`: `postgres://…`, `sqlite:PATH` (made where it is not there), or `sqlite::memory:`.
    ///
    /// # Errors
    /// Where the URL names no database that we know, nobody answers, or the tables are those of a newer program.
    pub async fn open(url: &str, policy: &PoolPolicy) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let engine = engine_of(url)?;
        let in_memory = engine == Engine::Sqlite && url.contains(":memory:");
        let timeout_ms = policy.statement_timeout_ms;
        let mut options = AnyPoolOptions::new()
            .max_connections(policy.connections_max.max(1))
            .acquire_timeout(Duration::from_millis(policy.acquire_timeout_ms))
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    let settings = match engine {
                        Engine::Sqlite => format!("PRAGMA busy_timeout = {timeout_ms}; PRAGMA journal_mode = WAL;"),
                        Engine::PostgreSql => format!("SET statement_timeout = {timeout_ms}"),
                    };
                    connection.execute(sqlx::AssertSqlSafe(settings)).await.map(drop)
                })
            });
        if in_memory {
            // Each connection would have a memory of its own, and it would go with the connection.
            options = options.max_connections(1).idle_timeout(None).max_lifetime(None);
        }
        let pool = options.connect(&with_defaults(url, engine)).await?;
        migrator().run(&pool).await?;
        Ok(Self { pool, engine })
    }

    /// Which database this is.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Whether the database answers; for readiness.
    ///
    /// # Errors
    /// Where it does not, within the policy's time.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Ends all connections; operations after this fail.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

fn engine_of(url: &str) -> Result<Engine> {
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("sqlite") => Ok(Engine::Sqlite),
        Some("postgres" | "postgresql") => Ok(Engine::PostgreSql),
        // The URL may hold a password, so it is not repeated.
        _ => Err(AccountsError::Setting(
            "the accounts database must be postgres://… or sqlite:PATH".to_owned(),
        )),
    }
}

/// Makes SQLite's file where there is none, unless the URL says what to do.
fn with_defaults(url: &str, engine: Engine) -> String {
    if engine == Engine::PostgreSql || url.contains(":memory:") || url.contains("mode=") {
        return url.to_owned();
    }
    let joint = if url.contains('?') { '&' } else { '?' };
    format!("{url}{joint}mode=rwc")
}

fn migrator() -> Migrator {
    let migration = |version, name: &'static str, sql: &'static str| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(vec![
        migration(
            1,
            "keys and tenants",
            include_str!("../migrations/0001_keys_and_tenants.sql"),
        ),
        migration(2, "users", include_str!("../migrations/0002_users.sql")),
        migration(3, "passkeys", include_str!("../migrations/0003_passkeys.sql")),
        migration(4, "webhooks", include_str!("../migrations/0004_webhooks.sql")),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_told_apart_and_completed() {
        for (url, expected) in [
            ("postgres://u:p@h/db", Some("postgres://u:p@h/db")),
            ("postgresql://h/db?x=1", Some("postgresql://h/db?x=1")),
            ("sqlite:/a/b.db", Some("sqlite:/a/b.db?mode=rwc")),
            (
                "sqlite:/a/b.db?cache=shared",
                Some("sqlite:/a/b.db?cache=shared&mode=rwc"),
            ),
            ("sqlite:/a/b.db?mode=ro", Some("sqlite:/a/b.db?mode=ro")),
            ("sqlite::memory:", Some("sqlite::memory:")),
            ("mysql://h/db", None),
            ("", None),
        ] {
            let completed = engine_of(url).ok().map(|engine| with_defaults(url, engine));
            assert_eq!(completed.as_deref(), expected, "{url}");
        }
    }
}
