//! A gateway that is killed while it tells others: every change is told at least once, and always under one id.

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use ductus_tests::door::Door;
use ductus_tests::kafka::Kafka;
use ductus_tests::pick;
use ductus_tests::process::PATIENCE;
use ductus_tests::world::World;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const SEED: u64 = 6_002;
const SESSIONS: usize = 12;
const ACTIONS: [&str; 4] = ["allow", "step_up", "terminate", "insufficient_data"];
/// One request in so many is answered with a failure.
const FAILS: usize = 9;

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_tells_every_change_under_one_id() {
    let (kills, decisions) = pick((5, 800), (60, 12_000));
    let world = World::without_search("hook").await;
    let group = format!("webhooks.group={}-webhooks", world.name);
    let world = world.with_sets([
        group.as_str(),
        // Drawn ones would be others after each kill.
        &format!("webhooks.secret_keys={}", "5e".repeat(32)),
        "webhooks.private_networks=127.0.0.0/8",
        "webhooks.poll_ms=50",
        "webhooks.retry_min_ms=50",
        "webhooks.retry_max_ms=500",
        // Who was killed is missed soon.
        "kafka.consumer.session.timeout.ms=2000",
        "questions.enabled=false",
    ]);
    let (door, mut gateway) = Door::open(&world).await;
    let (had, url) = receive().await;
    let webhook = json!({ "url": url, "format": "standard", "events": ["step_up", "terminate", "allow"] });
    door.json(door.post("/v1/webhooks").json(&webhook)).await;

    let done = Arc::new(AtomicBool::new(false));
    let teller = {
        let (done, producer, topic) = (
            Arc::clone(&done),
            producer(&world.kafka),
            world.kafka.topic("decisions"),
        );
        tokio::spawn(async move {
            let changes = decide(&producer, &topic, decisions).await;
            done.store(true, Ordering::Release);
            changes
        })
    };
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let mut killed = 0;
    while killed < kills && !done.load(Ordering::Acquire) {
        tokio::time::sleep(Duration::from_millis(rng.random_range(500..3_000))).await;
        gateway.kill();
        killed += 1;
        gateway = world.start_gateway(&door.address).await;
    }
    let changes = teller.await.unwrap();
    assert!(killed >= kills / 2, "{killed} kills: the test shows little");
    assert!(
        changes.len() > decisions / 4,
        "{} changes: the test shows little",
        changes.len()
    );

    let start = Instant::now();
    while !had.lock().unwrap().decisions().is_superset(&changes) {
        assert!(
            start.elapsed() < PATIENCE,
            "seed {SEED}: {} of {} changes are told",
            had.lock().unwrap().decisions().len(),
            changes.len()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    gateway.stop();
    let had = had.lock().unwrap();
    assert_eq!(had.decisions(), changes, "seed {SEED}: told what was no change");
    assert_eq!(
        had.by_id.len(),
        changes.len(),
        "seed {SEED}: a change was told under two ids"
    );
    assert_eq!(had.differing, 0, "seed {SEED}: one id, two messages");
    eprintln!("{killed} kills, {} changes, {} requests", changes.len(), had.requests);
}

/// What a receiver had.
#[derive(Default)]
struct Had {
    requests: usize,
    /// Bodies that were accepted.
    by_id: BTreeMap<String, Bytes>,
    /// How often an id came with another body than before.
    differing: usize,
}

impl Had {
    fn decisions(&self) -> BTreeSet<String> {
        let decision = |body: &Bytes| {
            let message: Value = serde_json::from_slice(body).unwrap();
            message["data"]["decision"].as_str().unwrap().to_owned()
        };
        self.by_id.values().map(decision).collect()
    }

    fn take(&mut self, headers: &HeaderMap, body: Bytes) -> StatusCode {
        self.requests += 1;
        let id = headers["webhook-id"].to_str().unwrap().to_owned();
        if let Some(before) = self.by_id.get(&id) {
            self.differing += usize::from(*before != body);
        }
        if self.requests.is_multiple_of(FAILS) {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        self.by_id.insert(id, body);
        StatusCode::NO_CONTENT
    }
}

/// Somebody who is told, and where.
async fn receive() -> (Arc<Mutex<Had>>, String) {
    let had: Arc<Mutex<Had>> = Arc::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let answer = {
        let had = Arc::clone(&had);
        async move |headers: HeaderMap, body: Bytes| had.lock().unwrap().take(&headers, body)
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    (had, url)
}

fn producer(kafka: &Kafka) -> FutureProducer {
    kafka.config().set("enable.idempotence", "true").create().unwrap()
}

/// Writes decisions as a scorer would; those that ask something else of their session than was asked before.
async fn decide(producer: &FutureProducer, topic: &str, count: usize) -> BTreeSet<String> {
    let example: Value = serde_json::from_str(include_str!("../../schemas/examples/decision.json")).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(SEED + 1);
    let mut asked = ["allow"; SESSIONS];
    let mut changes = BTreeSet::new();
    for number in 0..count {
        let at = rng.random_range(0..SESSIONS);
        let (session, action) = (format!("s-{at}"), ACTIONS[rng.random_range(0..ACTIONS.len())]);
        let id = format!("{number:032x}");
        let mut decision = example.clone();
        decision["id"] = id.as_str().into();
        decision["session"] = session.as_str().into();
        decision["action"] = action.into();
        decision["window"]["sequence"] = number.into();
        if action != "insufficient_data" && action != asked[at] {
            asked[at] = action;
            changes.insert(id);
        }
        let value = decision.to_string();
        let record = FutureRecord::to(topic).key(&session).payload(&value);
        producer.send(record, PATIENCE).await.unwrap();
        // Long enough that all the kills find somebody at work.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    changes
}
