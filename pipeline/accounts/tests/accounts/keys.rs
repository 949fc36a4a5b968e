//! Application keys from their making to their end.

use ductus_accounts::{
    AccountsError, Action, ApplicationKeys, Audited, CreatedKey, KeyPolicy, KeyRefusal, NewKey, Principal, Scope,
    Scopes,
};

use crate::world::{DAY, HOUR, NOW, World, on_both};

fn keys(world: &World) -> ApplicationKeys {
    ApplicationKeys::new(world.store.clone(), KeyPolicy::default())
}

fn new(tenant: &str) -> NewKey<'_> {
    NewKey {
        tenant,
        label: "back end",
        scopes: Scopes::of(&[Scope::Ingest, Scope::Verify]),
        expires_ms: None,
    }
}

async fn make(keys: &ApplicationKeys, new: &NewKey<'_>) -> CreatedKey {
    keys.create(new, NOW).await.unwrap().answer
}

/// Why a key was refused; none where it holds.
async fn refusal(keys: &ApplicationKeys, presented: &str, now_ms: i64) -> Option<KeyRefusal> {
    let Audited { answer, events } = keys.authenticate(presented, now_ms).await.unwrap();
    assert_eq!(
        answer.is_none(),
        !events.is_empty(),
        "a refusal, and nothing else, is audited"
    );
    events.first().map(|event| match &event.action {
        Action::KeyRefused { reason, .. } => *reason,
        other => panic!("{other:?}"),
    })
}

on_both! {
    async fn a_key_says_whose_it_is(world) {
        let keys = keys(&world);
        let created = make(&keys, &NewKey { expires_ms: Some(NOW + DAY), ..new("acme") }).await;
        let expected = Principal {
            tenant: "acme".to_owned(),
            key: created.id.clone(),
            scopes: "ingest verify".parse().unwrap(),
            expires_ms: Some(NOW + DAY),
        };
        let authenticated = keys.authenticate(created.key.expose(), NOW).await.unwrap();
        assert_eq!(authenticated.answer, Some(expected));
    }

    async fn what_does_not_hold_is_one_answer_and_many_reasons(world) {
        let keys = keys(&world);
        let (one, other) = (make(&keys, &new("acme")).await, make(&keys, &new("acme")).await);
        let ending = make(&keys, &NewKey { expires_ms: Some(NOW + HOUR), ..new("acme") }).await;
        let revoked = make(&keys, &new("acme")).await;
        assert!(keys.revoke("acme", &revoked.id, NOW).await.unwrap().answer);
        let crossed = one.key.expose().replace(&one.id, &other.id);
        let nobody = one.key.expose().replace(&one.id, "0123456789abcdef01234567");
        for (presented, now_ms, expected) in [
            (one.key.expose(), NOW, None),
            (ending.key.expose(), NOW + HOUR - 1, None),
            (ending.key.expose(), NOW + HOUR, Some(KeyRefusal::Expired)),
            (revoked.key.expose(), NOW, Some(KeyRefusal::Revoked)),
            (&crossed, NOW, Some(KeyRefusal::WrongSecret)),
            (&nobody, NOW, Some(KeyRefusal::Unknown)),
            ("dk_", NOW, Some(KeyRefusal::Malformed)),
            ("", NOW, Some(KeyRefusal::Malformed)),
            ("dk_' OR 1=1 --", NOW, Some(KeyRefusal::Malformed)),
        ] {
            assert_eq!(refusal(&keys, presented, now_ms).await, expected, "{presented}");
        }
    }

    async fn the_old_secret_ends_with_its_grace(world) {
        let keys = keys(&world);
        let first = make(&keys, &new("acme")).await;
        let second = keys.rotate("acme", &first.id, HOUR, NOW).await.unwrap().answer.unwrap();
        assert_eq!(first.id, second.id);
        assert_eq!(refusal(&keys, first.key.expose(), NOW + HOUR - 1).await, None);
        assert_eq!(refusal(&keys, first.key.expose(), NOW + HOUR).await, Some(KeyRefusal::OldSecret));
        assert_eq!(refusal(&keys, second.key.expose(), NOW + HOUR).await, None);
        // A second rotation within the grace ends the first secret at once: there are never more than two.
        let third = keys.rotate("acme", &first.id, HOUR, NOW + 1).await.unwrap().answer.unwrap();
        assert_eq!(refusal(&keys, first.key.expose(), NOW + 2).await, Some(KeyRefusal::WrongSecret));
        assert_eq!(refusal(&keys, second.key.expose(), NOW + 2).await, None);
        // A revoked key takes both with it.
        assert!(keys.revoke("acme", &first.id, NOW + 3).await.unwrap().answer);
        assert_eq!(refusal(&keys, second.key.expose(), NOW + 4).await, Some(KeyRefusal::Revoked));
        assert_eq!(refusal(&keys, third.key.expose(), NOW + 4).await, Some(KeyRefusal::Revoked));
    }

    async fn no_grace_ends_the_old_secret_at_once(world) {
        let keys = keys(&world);
        let first = make(&keys, &new("acme")).await;
        keys.rotate("acme", &first.id, 0, NOW).await.unwrap().answer.unwrap();
        assert_eq!(refusal(&keys, first.key.expose(), NOW).await, Some(KeyRefusal::OldSecret));
        for grace_ms in [-1, 7 * DAY + 1] {
            assert!(matches!(
                keys.rotate("acme", &first.id, grace_ms, NOW).await,
                Err(AccountsError::Invalid(_))
            ));
        }
    }

    async fn another_tenant_reaches_nothing(world) {
        let keys = keys(&world);
        let created = make(&keys, &new("acme")).await;
        assert!(keys.rotate("evil", &created.id, HOUR, NOW).await.unwrap().answer.is_none());
        let revoked = keys.revoke("evil", &created.id, NOW).await.unwrap();
        assert_eq!((revoked.answer, revoked.events.len()), (false, 0));
        assert!(keys.list("evil", 10).await.unwrap().is_empty());
        assert_eq!(refusal(&keys, created.key.expose(), NOW).await, None);
    }

    async fn a_list_shows_no_secret(world) {
        let keys = keys(&world);
        let old = make(&keys, &new("acme")).await;
        let young = keys.create(&new("acme"), NOW + 1).await.unwrap().answer;
        let list = keys.list("acme", 10).await.unwrap();
        assert_eq!(list.iter().map(|key| &key.id).collect::<Vec<_>>(), [&young.id, &old.id]);
        assert_eq!(keys.list("acme", 1).await.unwrap().len(), 1);
        let shown = format!("{list:?} {}", serde_json::to_string(&list).unwrap());
        let secret = old.key.expose().rsplit('_').next().unwrap();
        assert!(!shown.contains(secret));
    }

    async fn a_tenant_has_so_many_keys_and_no_more(world) {
        let policy = KeyPolicy { keys_per_tenant_max: 2, ..KeyPolicy::default() };
        let keys = ApplicationKeys::new(world.store.clone(), policy);
        let first = make(&keys, &new("acme")).await;
        make(&keys, &new("acme")).await;
        assert!(matches!(keys.create(&new("acme"), NOW).await, Err(AccountsError::Limit(_))));
        make(&keys, &new("other")).await;
        assert!(keys.revoke("acme", &first.id, NOW).await.unwrap().answer);
        make(&keys, &new("acme")).await;
        // What was revoked is removed in time.
        assert_eq!(keys.purge(NOW).await.unwrap(), 0);
        assert_eq!(keys.purge(NOW + 1).await.unwrap(), 1);
        assert_eq!(keys.list("acme", 10).await.unwrap().len(), 2);
    }

    async fn a_key_is_revoked_once(world) {
        let keys = keys(&world);
        let created = make(&keys, &new("acme")).await;
        let revoked = futures::future::join_all((0..8).map(|_| keys.revoke("acme", &created.id, NOW))).await;
        let events: usize = revoked.into_iter().map(|outcome| outcome.unwrap().events.len()).sum();
        assert_eq!(events, 1);
    }

    async fn what_no_key_may_be_is_refused(world) {
        let keys = keys(&world);
        for wrong in [
            NewKey { tenant: "", ..new("") },
            NewKey { label: "two\nlines", ..new("acme") },
            NewKey { scopes: Scopes::default(), ..new("acme") },
            NewKey { expires_ms: Some(NOW), ..new("acme") },
        ] {
            assert!(matches!(keys.create(&wrong, NOW).await, Err(AccountsError::Invalid(_))), "{wrong:?}");
        }
    }

    async fn events_carry_no_secret(world) {
        let keys = keys(&world);
        let created = keys.create(&new("acme"), NOW).await.unwrap();
        let rotated = keys.rotate("acme", &created.answer.id, HOUR, NOW).await.unwrap();
        let refused = keys.authenticate(&created.answer.key.expose().replace("dk_", "pk_"), NOW).await.unwrap();
        let events = [created.events, rotated.events, refused.events].concat();
        let text = serde_json::to_string(&events).unwrap();
        assert_eq!(events.len(), 3);
        for key in [created.answer.key, rotated.answer.unwrap().key] {
            assert!(!text.contains(key.expose().rsplit('_').next().unwrap()), "{text}");
        }
    }
}
