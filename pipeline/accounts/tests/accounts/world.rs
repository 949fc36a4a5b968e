//! A database for one test.

use std::sync::atomic::{AtomicU64, Ordering};

use ductus_accounts::{Engine, PoolPolicy, Store};
use sqlx::{AssertSqlSafe, Connection, Executor};
use tempfile::TempDir;

/// Some moment, in ms.
pub(crate) const NOW: i64 = 1_800_000_000_000;
pub(crate) const SECOND: i64 = 1_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// An empty database with its tables, and what it takes to open it again.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) url: String,
    _folder: Option<TempDir>,
}

impl World {
    pub(crate) async fn new(engine: Engine) -> Self {
        let (url, folder) = match engine {
            Engine::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                (
                    format!("sqlite:{}", folder.path().join("accounts.db").display()),
                    Some(folder),
                )
            }
            Engine::PostgreSql => (schema().await, None),
        };
        let store = Store::open(&url, &pool()).await.unwrap();
        Self {
            store,
            url,
            _folder: folder,
        }
    }
}

pub(crate) fn pool() -> PoolPolicy {
    PoolPolicy {
        connections_max: 4,
        // The machine may be busy: no test is about these.
        acquire_timeout_ms: 60_000,
        statement_timeout_ms: 60_000,
    }
}

/// A new schema on the server, as the URL of a database whose tables lie there.
async fn schema() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let server = std::env::var("DUCTUS_TEST_POSTGRES").unwrap_or_else(|_| {
        panic!("DUCTUS_TEST_POSTGRES is not set: run `cargo xtask test`, which starts the services")
    });
    let name = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let mut connection = sqlx::PgConnection::connect(&server)
        .await
        .expect("the server of DUCTUS_TEST_POSTGRES answers");
    // An earlier process may have had our id.
    let sql = format!("DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name};");
    connection.execute(AssertSqlSafe(sql)).await.unwrap();
    connection.close().await.unwrap();
    let joint = if server.contains('?') { '&' } else { '?' };
    format!("{server}{joint}options[search_path]={name}")
}

/// A test, once on each database.
macro_rules! on_both {
    ($(async fn $name:ident($world:ident) $body:block)*) => {
        $(mod $name {
            use super::*;

            async fn test($world: World) $body

            #[tokio::test]
            async fn sqlite() {
                test(World::new(ductus_accounts::Engine::Sqlite).await).await;
            }

            #[tokio::test]
            async fn postgresql() {
                test(World::new(ductus_accounts::Engine::PostgreSql).await).await;
            }
        })*
    };
}
pub(crate) use on_both;
