//! Opening: migrations run once, twice, and by several at once.

use ductus_accounts::{AccountsError, PoolPolicy, Store};

use crate::world::{World, on_both, pool};

on_both! {
    async fn opening_again_changes_nothing(world) {
        let again = Store::open(&world.url, &pool()).await.unwrap();
        again.ping().await.unwrap();
        assert_eq!(again.engine(), world.store.engine());
    }

    async fn several_open_at_once(world) {
        let opened = futures::future::join_all((0..4).map(|_| async {
            Store::open(&world.url, &pool()).await.map(drop)
        })).await;
        assert!(opened.iter().all(Result::is_ok), "{opened:?}");
    }

    async fn a_closed_store_fails_and_does_not_wait(world) {
        world.store.close().await;
        assert!(matches!(world.store.ping().await, Err(AccountsError::Database(_))));
    }
}

#[tokio::test]
async fn memory_is_one_database_for_all() {
    let store = Store::open("sqlite::memory:", &PoolPolicy::default()).await.unwrap();
    let keys = ductus_accounts::ApplicationKeys::new(store, ductus_accounts::KeyPolicy::default());
    assert!(keys.list("acme", 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_error_does_not_repeat_the_password() {
    for url in [
        "mysql://root:hunter2@h/db",
        "postgres://root:hunter2@127.0.0.1:1/db",
        "postgres://root:hunter2@h:port/db",
    ] {
        let error = Store::open(url, &PoolPolicy::default()).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}
