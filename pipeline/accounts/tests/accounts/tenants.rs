//! What a tenant has switched on, and receipts of erasures.

use ductus_accounts::{AccountsError, ErasureState, TenantSettings, Tenants};

use crate::world::{NOW, World, on_both};

on_both! {
    async fn identification_is_off_until_somebody_says_why(world) {
        let tenants = Tenants::new(world.store);
        assert_eq!(tenants.settings("acme").await.unwrap(), TenantSettings::default());
        for reason in ["", "two\nlines"] {
            let refused = tenants.set_identify("acme", Some(reason), "ops", NOW).await;
            assert!(matches!(refused, Err(AccountsError::Invalid(_))));
        }
        let on = tenants.set_identify("acme", Some("fraud desk, case 7"), "ops", NOW).await.unwrap();
        assert_eq!(on.events.len(), 1);
        let settings = tenants.settings("acme").await.unwrap();
        assert_eq!((settings.identify, settings.identify_reason.as_deref()), (true, Some("fraud desk, case 7")));
        assert!(!tenants.settings("other").await.unwrap().identify);
        tenants.set_identify("acme", None, "ops", NOW + 1).await.unwrap().events.clear();
        assert_eq!(tenants.settings("acme").await.unwrap(), TenantSettings::default());
    }

    async fn an_erasure_has_one_receipt_until_it_is_done(world) {
        let tenants = Tenants::new(world.store);
        let asked = tenants.ask_erasure("acme", "ann", "key-1", NOW).await.unwrap();
        let again = tenants.ask_erasure("acme", "ann", "key-2", NOW + 1).await.unwrap();
        assert_eq!((asked.events.len(), again.events.len()), (1, 0));
        assert_eq!(asked.answer, again.answer);
        let receipt = asked.answer.receipt;
        assert_eq!(tenants.erasure("other", &receipt).await.unwrap(), None);
        assert_eq!(tenants.open_erasures(10).await.unwrap().len(), 1);
        for (state, moves) in [
            (ErasureState::Running, true),
            (ErasureState::Running, false),
            (ErasureState::Failed, true),
            (ErasureState::Running, true),
            (ErasureState::Done, true),
            (ErasureState::Failed, false),
        ] {
            let moved = tenants.set_erasure(&receipt, state, "so far", NOW + 2).await.unwrap();
            assert_eq!((moved.answer, moved.events.len()), (moves, usize::from(moves)), "{state:?}");
        }
        let done = tenants.erasure("acme", &receipt).await.unwrap().unwrap();
        assert_eq!((done.state, done.detail.as_str(), done.changed_ms), (ErasureState::Done, "so far", NOW + 2));
        assert!(tenants.open_erasures(10).await.unwrap().is_empty());
        let anew = tenants.ask_erasure("acme", "ann", "key-1", NOW + 3).await.unwrap().answer;
        assert_ne!(anew.receipt, receipt);
    }

    async fn asked_by_many_at_once_it_is_one_erasure(world) {
        let tenants = Tenants::new(world.store);
        let asked = futures::future::join_all((0..8).map(|_| tenants.ask_erasure("acme", "ann", "key", NOW))).await;
        let asked: Vec<_> = asked.into_iter().map(Result::unwrap).collect();
        assert_eq!(asked.iter().map(|one| one.events.len()).sum::<usize>(), 1);
        assert!(asked.iter().all(|one| one.answer.receipt == asked[0].answer.receipt));
    }

    async fn what_no_erasure_may_be_is_refused(world) {
        let tenants = Tenants::new(world.store);
        assert!(tenants.ask_erasure("acme", "a b", "key", NOW).await.is_err());
        assert!(tenants.set_erasure("x", ErasureState::Asked, "", NOW).await.is_err());
        assert!(tenants.set_erasure("x", ErasureState::Done, &"x".repeat(2_001), NOW).await.is_err());
        assert!(!tenants.set_erasure("x", ErasureState::Done, "", NOW).await.unwrap().answer);
    }
}
