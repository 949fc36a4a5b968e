//! Webhooks, their deliveries, and what was last asked of sessions.

use ductus_accounts::{
    AccountsError, Asked, Claimed, Deliveries, DeliveryState, Enqueued, Failure, NewDelivery, NewWebhook,
    SessionActions, Store, Webhook, WebhookEvent, WebhookFormat, WebhookPolicy, Webhooks, delivery_id,
};

use crate::world::{DAY, MINUTE, NOW, World, on_both, pool};

const REFUSED: Failure = Failure {
    status: Some(500),
    error: "status",
};

fn policy() -> WebhookPolicy {
    WebhookPolicy {
        webhooks_per_tenant_max: 3,
        deliveries_per_webhook_max: 5,
    }
}

fn of(store: &Store) -> (Webhooks, Deliveries) {
    (
        Webhooks::new(store.clone(), policy()),
        Deliveries::new(store.clone(), policy()),
    )
}

async fn hook(webhooks: &Webhooks, tenant: &str) -> Webhook {
    let new = NewWebhook {
        tenant,
        url: "https://hooks.example/a",
        format: WebhookFormat::Standard,
        events: &[WebhookEvent::Terminate, WebhookEvent::StepUp, WebhookEvent::StepUp],
    };
    webhooks.create(&new, NOW).await.unwrap()
}

async fn put(deliveries: &Deliveries, webhook: &Webhook, decision: &str, now_ms: i64) -> (String, Enqueued) {
    let id = delivery_id(&webhook.id, decision);
    let new = NewDelivery {
        id: &id,
        webhook: &webhook.id,
        tenant: &webhook.tenant,
        subject: Some("ann"),
        session: Some("s1"),
        decision: Some(decision),
        event: WebhookEvent::StepUp,
        body: "{}",
    };
    let put = deliveries.enqueue(&new, now_ms).await.unwrap();
    (id, put)
}

fn ids(claimed: &[Claimed]) -> Vec<&str> {
    claimed.iter().map(|claimed| claimed.id.as_str()).collect()
}

on_both! {
    async fn a_webhook_is_its_tenants_and_their_number_is_bounded(world) {
        let (webhooks, _) = of(&world.store);
        let made = hook(&webhooks, "acme").await;
        assert_eq!(made.events, [WebhookEvent::StepUp, WebhookEvent::Terminate]);
        assert_eq!(webhooks.list("acme").await.unwrap(), std::slice::from_ref(&made));
        assert_eq!(webhooks.get("acme", &made.id).await.unwrap(), Some(made.clone()));
        assert!(webhooks.list("other").await.unwrap().is_empty());
        assert_eq!(webhooks.get("other", &made.id).await.unwrap(), None);
        assert!(!webhooks.remove("other", &made.id).await.unwrap());
        hook(&webhooks, "acme").await;
        hook(&webhooks, "acme").await;
        let new = NewWebhook { tenant: "acme", url: "https://x/", format: WebhookFormat::Set, events: &[WebhookEvent::Allow] };
        assert!(matches!(webhooks.create(&new, NOW).await, Err(AccountsError::Limit(_))));
        assert!(webhooks.remove("acme", &made.id).await.unwrap());
        assert!(!webhooks.remove("acme", &made.id).await.unwrap());
        assert_eq!(webhooks.create(&new, NOW).await.unwrap().format, WebhookFormat::Set);
    }

    async fn what_no_webhook_can_be_is_refused(world) {
        let (webhooks, _) = of(&world.store);
        let long = format!("https://x/{}", "a".repeat(2_048));
        let cases: [(&str, &str, &[WebhookEvent]); 5] = [
            ("a b", "https://x/", &[WebhookEvent::Allow]),
            ("acme", "", &[WebhookEvent::Allow]),
            ("acme", &long, &[WebhookEvent::Allow]),
            ("acme", "https://x/", &[]),
            ("acme", "https://x/", &[WebhookEvent::Allow, WebhookEvent::Test]),
        ];
        for (tenant, url, events) in cases {
            let new = NewWebhook { tenant, url, format: WebhookFormat::Standard, events };
            assert!(matches!(webhooks.create(&new, NOW).await, Err(AccountsError::Invalid(_))), "{tenant} {url}");
        }
    }

    async fn what_is_put_in_twice_is_one_delivery(world) {
        let (webhooks, deliveries) = of(&world.store);
        let webhook = hook(&webhooks, "acme").await;
        assert_eq!(put(&deliveries, &webhook, "d1", NOW).await.1, Enqueued::New);
        assert_eq!(put(&deliveries, &webhook, "d1", NOW + 1).await.1, Enqueued::Known);
        let claimed = deliveries.claim(&webhook.id, NOW, NOW + MINUTE, 10).await.unwrap();
        deliveries.done(&claimed[0], 204, NOW).await.unwrap();
        assert_eq!(put(&deliveries, &webhook, "d1", NOW + 2).await.1, Enqueued::Known);
        for decision in ["d2", "d3", "d4", "d5", "d6"] {
            assert_eq!(put(&deliveries, &webhook, decision, NOW).await.1, Enqueued::New);
        }
        assert_eq!(put(&deliveries, &webhook, "d7", NOW).await.1, Enqueued::Full);
        assert_eq!(put(&deliveries, &webhook, "d2", NOW).await.1, Enqueued::Known);
        let stranger = Webhook { tenant: "other".to_owned(), ..webhook.clone() };
        assert_eq!(put(&deliveries, &stranger, "d8", NOW).await.1, Enqueued::NoWebhook);
        assert_eq!(deliveries.waiting().await.unwrap(), 5);
    }

    async fn a_delivery_is_claimed_once_until_the_claim_lapses(world) {
        let (webhooks, deliveries) = of(&world.store);
        let webhook = hook(&webhooks, "acme").await;
        let (id, _) = put(&deliveries, &webhook, "d1", NOW).await;
        assert!(webhooks.due(NOW - 1, 10).await.unwrap().is_empty());
        assert_eq!(webhooks.due(NOW, 10).await.unwrap(), std::slice::from_ref(&webhook));
        let first = deliveries.claim(&webhook.id, NOW, NOW + MINUTE, 10).await.unwrap();
        assert_eq!((ids(&first), first[0].attempts, first[0].event().unwrap()), (vec![id.as_str()], 1, WebhookEvent::StepUp));
        assert!(deliveries.claim(&webhook.id, NOW + 1, NOW + 2 * MINUTE, 10).await.unwrap().is_empty());
        assert!(webhooks.due(NOW + 1, 10).await.unwrap().is_empty());
        let again = deliveries.claim(&webhook.id, NOW + MINUTE, NOW + 2 * MINUTE, 10).await.unwrap();
        assert_eq!((ids(&again), again[0].attempts), (vec![id.as_str()], 2));
        // Whoever was late changes nothing …
        assert!(!deliveries.failed(&first[0], REFUSED, NOW + DAY, NOW + MINUTE).await.unwrap());
        assert!(!deliveries.give_up(&first[0], REFUSED, NOW + MINUTE).await.unwrap());
        // … unless it arrived.
        deliveries.done(&first[0], 200, NOW + MINUTE).await.unwrap();
        assert!(!deliveries.failed(&again[0], REFUSED, NOW + DAY, NOW + MINUTE).await.unwrap());
        assert_eq!(deliveries.waiting().await.unwrap(), 0);
    }

    async fn of_many_that_claim_at_once_each_delivery_gets_one(world) {
        let (webhooks, deliveries) = of(&world.store);
        let webhook = hook(&webhooks, "acme").await;
        for decision in ["d1", "d2", "d3", "d4", "d5"] {
            put(&deliveries, &webhook, decision, NOW).await;
        }
        let other = Store::open(&world.url, &pool()).await.unwrap();
        let (_, others) = of(&other);
        let claims = (0..8).map(|turn| {
            let deliveries = if turn % 2 == 0 { &deliveries } else { &others };
            deliveries.claim(&webhook.id, NOW, NOW + MINUTE, 3)
        });
        let claimed: Vec<Claimed> = futures::future::join_all(claims).await.into_iter().flat_map(Result::unwrap).collect();
        let mut ids = ids(&claimed);
        ids.sort_unstable();
        let all = ids.len();
        ids.dedup();
        assert_eq!((all, ids.len()), (5, 5));
    }

    async fn a_failure_waits_and_the_last_one_is_dead_until_somebody_asks(world) {
        let (webhooks, deliveries) = of(&world.store);
        let webhook = hook(&webhooks, "acme").await;
        let (id, _) = put(&deliveries, &webhook, "d1", NOW).await;
        let claimed = deliveries.claim(&webhook.id, NOW, NOW + MINUTE, 1).await.unwrap();
        assert!(deliveries.failed(&claimed[0], REFUSED, NOW + DAY, NOW).await.unwrap());
        let seen = deliveries.list("acme", &webhook.id, None, 10).await.unwrap();
        assert_eq!((seen[0].state, seen[0].next_ms, seen[0].last_status), (DeliveryState::Waiting, Some(NOW + DAY), Some(500)));
        assert!(deliveries.claim(&webhook.id, NOW + DAY - 1, NOW + 2 * DAY, 1).await.unwrap().is_empty());
        let claimed = deliveries.claim(&webhook.id, NOW + DAY, NOW + 2 * DAY, 1).await.unwrap();
        let unreachable = Failure { status: None, error: "timeout" };
        assert!(deliveries.give_up(&claimed[0], unreachable, NOW + DAY).await.unwrap());
        let dead = deliveries.list("acme", &webhook.id, Some(DeliveryState::Dead), 10).await.unwrap();
        assert_eq!(
            (dead[0].attempts, dead[0].next_ms, dead[0].last_status, dead[0].last_error.as_deref()),
            (2, None, None, Some("timeout"))
        );
        assert!(deliveries.list("acme", &webhook.id, Some(DeliveryState::Waiting), 10).await.unwrap().is_empty());
        assert!(deliveries.list("other", &webhook.id, None, 10).await.unwrap().is_empty());
        assert!(!deliveries.retry("other", &webhook.id, &id, NOW + DAY).await.unwrap());
        assert!(deliveries.retry("acme", &webhook.id, &id, NOW + DAY).await.unwrap());
        assert!(!deliveries.retry("acme", &webhook.id, &id, NOW + DAY).await.unwrap());
        let claimed = deliveries.claim(&webhook.id, NOW + DAY, NOW + 2 * DAY, 1).await.unwrap();
        assert_eq!(claimed[0].attempts, 1);
    }

    async fn a_webhook_that_is_off_is_sent_nothing(world) {
        let (webhooks, deliveries) = of(&world.store);
        let webhook = hook(&webhooks, "acme").await;
        put(&deliveries, &webhook, "d1", NOW).await;
        let (id, _) = put(&deliveries, &webhook, "d2", NOW + 1).await;
        let claimed = deliveries.claim(&webhook.id, NOW, NOW + MINUTE, 1).await.unwrap();
        assert!(webhooks.switch_off(&webhook.id, NOW).await.unwrap());
        assert!(!webhooks.switch_off(&webhook.id, NOW + 1).await.unwrap());
        assert_eq!(webhooks.list("acme").await.unwrap()[0].off_ms, Some(NOW));
        assert!(webhooks.due(NOW + DAY, 10).await.unwrap().is_empty());
        assert_eq!(put(&deliveries, &webhook, "d3", NOW).await.1, Enqueued::NoWebhook);
        assert!(!deliveries.retry("acme", &webhook.id, &id, NOW).await.unwrap());
        let dead = deliveries.list("acme", &webhook.id, Some(DeliveryState::Dead), 10).await.unwrap();
        assert_eq!(dead.iter().filter_map(|dead| dead.last_error.as_deref()).collect::<Vec<_>>(), ["switched_off"; 2]);
        // The one that was under way arrived after all.
        deliveries.done(&claimed[0], 200, NOW + 1).await.unwrap();
        assert_eq!(deliveries.list("acme", &webhook.id, Some(DeliveryState::Done), 10).await.unwrap().len(), 1);
    }

    async fn what_is_removed_is_gone_with_all_that_waits(world) {
        let (webhooks, deliveries) = of(&world.store);
        let webhook = hook(&webhooks, "acme").await;
        put(&deliveries, &webhook, "d1", NOW).await;
        assert!(webhooks.remove("acme", &webhook.id).await.unwrap());
        assert_eq!(deliveries.waiting().await.unwrap(), 0);
        assert_eq!(put(&deliveries, &webhook, "d2", NOW).await.1, Enqueued::NoWebhook);
    }

    async fn an_erased_subject_is_in_no_delivery(world) {
        let (webhooks, deliveries) = of(&world.store);
        let webhook = hook(&webhooks, "acme").await;
        put(&deliveries, &webhook, "d1", NOW).await;
        assert_eq!(deliveries.erase_subject("acme", "bea").await.unwrap(), 0);
        assert_eq!(deliveries.erase_subject("other", "ann").await.unwrap(), 0);
        assert_eq!(deliveries.erase_subject("acme", "ann").await.unwrap(), 1);
        assert_eq!(deliveries.waiting().await.unwrap(), 0);
    }

    async fn what_is_over_is_removed_in_time_and_in_number(world) {
        let (webhooks, deliveries) = of(&world.store);
        let webhook = hook(&webhooks, "acme").await;
        for turn in 0..8 {
            let now_ms = NOW + turn * MINUTE;
            put(&deliveries, &webhook, &format!("d{turn}"), now_ms).await;
            let claimed = deliveries.claim(&webhook.id, now_ms, now_ms + MINUTE, 1).await.unwrap();
            deliveries.give_up(&claimed[0], REFUSED, now_ms).await.unwrap();
        }
        put(&deliveries, &webhook, "waits", NOW).await;
        // Eight are dead and five are kept; then those from before the third minute go, of which none is left.
        assert_eq!(deliveries.purge(NOW).await.unwrap(), 3);
        assert_eq!(deliveries.purge(NOW + 3 * MINUTE).await.unwrap(), 0);
        assert_eq!(deliveries.purge(NOW + 4 * MINUTE).await.unwrap(), 1);
        let dead = deliveries.list("acme", &webhook.id, Some(DeliveryState::Dead), 10).await.unwrap();
        assert_eq!(dead.len(), 4);
        assert_eq!(deliveries.waiting().await.unwrap(), 1);
    }

    async fn what_was_asked_later_stands(world) {
        let actions = SessionActions::new(world.store);
        assert_eq!(actions.last("acme", "s1").await.unwrap(), None);
        let asked = |action: &str, decision: &str, partition, offset| Asked {
            action: action.to_owned(),
            decision: decision.to_owned(),
            partition,
            offset,
            at_ms: NOW + offset,
        };
        let cases = [
            (asked("step_up", "d1", 3, 10), true),
            (asked("step_up", "d1", 3, 10), false),
            (asked("terminate", "d2", 3, 12), true),
            (asked("step_up", "d1", 3, 10), false),
            // The session has another key since, and stands in another partition.
            (asked("allow", "d3", 1, 2), true),
        ];
        for (asked, noted) in cases {
            assert_eq!(actions.note("acme", "s1", &asked).await.unwrap(), noted, "{asked:?}");
        }
        assert_eq!(actions.last("acme", "s1").await.unwrap(), Some(asked("allow", "d3", 1, 2)));
        assert_eq!(actions.last("other", "s1").await.unwrap(), None);
        assert_eq!(actions.purge(NOW + 2).await.unwrap(), 0);
        assert_eq!(actions.purge(NOW + 3).await.unwrap(), 1);
        assert_eq!(actions.last("acme", "s1").await.unwrap(), None);
    }
}
