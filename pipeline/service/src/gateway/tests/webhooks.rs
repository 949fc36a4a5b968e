//! Webhooks against receivers of our own: what they are sent, what follows from what they answer, and what a crash repeats.

mod https;

use super::access::Guarded;
use super::*;
use crate::accounts::{now_ms, open_store};
use crate::gateway::webhooks::Desk;
use crate::gateway::webhooks::watch::{Change, Heed, Watch, read};
use axum::body::Bytes;
use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ductus_accounts::delivery_id;
use futures::future::BoxFuture;
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use sha2::Sha256;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// Quick enough for a test; our receivers are on this machine.
const QUICK: [&str; 4] = [
    "webhooks.private_networks=127.0.0.0/8",
    "webhooks.poll_ms=20",
    "webhooks.retry_min_ms=20",
    "webhooks.retry_max_ms=100",
];

/// A request that a receiver had.
#[derive(Clone, Debug)]
struct Had {
    headers: HeaderMap,
    body: String,
}

impl Had {
    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().expect("text")
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("json")
    }

    /// Whether the signature is the convention's, computed in another way than the gateway does.
    fn is_signed(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").expect("a secret"));
        let mut mac = Hmac::<Sha256>::new_from_slice(&key.expect("base64")).expect("a key");
        let signed = [self.header("webhook-id"), self.header("webhook-timestamp"), &self.body];
        mac.update(signed.join(".").as_bytes());
        let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        self.header("webhook-signature").split(' ').any(|one| one == expected)
    }
}

/// What a receiver answers.
#[derive(Clone, Default)]
struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    after: Duration,
}

fn status(status: u16) -> Reply {
    Reply {
        status,
        ..Reply::default()
    }
}

/// Somebody who is told.
struct Receiver {
    address: SocketAddr,
    had: Arc<Mutex<Vec<Had>>>,
}

impl Receiver {
    /// Answers as `replies` say, and 204 after that.
    fn new(runtime: &tokio::runtime::Runtime, replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::behind(runtime, replies, |listener| listener)
    }

    /// The same behind something else than plain TCP.
    fn behind<L>(
        runtime: &tokio::runtime::Runtime,
        replies: impl IntoIterator<Item = Reply>,
        wrap: impl FnOnce(tokio::net::TcpListener) -> L,
    ) -> Self
    where
        L: axum::serve::Listener,
        L::Addr: std::fmt::Debug,
    {
        let had: Arc<Mutex<Vec<Had>>> = Arc::default();
        let replies = Arc::new(Mutex::new(replies.into_iter().collect::<VecDeque<_>>()));
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        let listener = wrap(listener);
        let answer = {
            let had = Arc::clone(&had);
            async move |headers: HeaderMap, body: Bytes| {
                let body = String::from_utf8(body.to_vec()).expect("text");
                had.lock().expect("a lock").push(Had { headers, body });
                let reply = replies.lock().expect("a lock").pop_front().unwrap_or(status(204));
                tokio::time::sleep(reply.after).await;
                let mut response = Response::new(axum::body::Body::empty());
                *response.status_mut() = StatusCode::from_u16(reply.status).expect("a status");
                for (name, value) in reply.headers {
                    response.headers_mut().insert(name, value.parse().expect("a header"));
                }
                response
            }
        };
        let router = Router::new().fallback(answer);
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { address, had }
    }

    fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    fn had(&self) -> Vec<Had> {
        self.had.lock().expect("a lock").clone()
    }

    /// The first `count` requests, once they came.
    fn await_requests(&self, count: usize) -> Vec<Had> {
        eventually(&format!("{count} requests"), || {
            let had = self.had();
            (had.len() >= count).then_some(had)
        })
    }

    /// Their ids, which must all differ.
    fn ids(&self) -> BTreeSet<String> {
        self.had()
            .iter()
            .map(|had| had.header("webhook-id").to_owned())
            .collect()
    }
}

/// Longer than a member takes to join the group after another that did not take its leave.
const PATIENCE: Duration = Duration::from_secs(60);

fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "{what} in time");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn asking(session: &str, sequence: u64, action: &str) -> Value {
    let mut decision = decision(session, sequence);
    decision["action"] = action.into();
    decision
}

/// A gateway with somebody who may administer the tenant `t`.
struct Hooked {
    guarded: Guarded,
    admin: String,
}

impl Hooked {
    fn new(sets: &[&str]) -> Self {
        let sets: Vec<&str> = QUICK.iter().chain(sets).copied().collect();
        let guarded = Guarded::new(&sets);
        let (_, admin) = guarded.key("t", "admin monitor");
        Self { guarded, admin }
    }

    fn receiver(&self, replies: impl IntoIterator<Item = Reply>) -> Receiver {
        Receiver::new(&self.guarded.stand.runtime, replies)
    }

    fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        self.guarded.call(method, path, &self.admin, body)
    }

    /// Id and secret of a new webhook.
    fn add(&self, url: &str, format: &str, events: &[&str]) -> (String, Value) {
        let wish = json!({ "url": url, "format": format, "events": events });
        let (status, made) = self.call("POST", "/v1/webhooks", Some(wish));
        assert_eq!(status, 201, "{made}");
        (made["id"].as_str().expect("an id").to_owned(), made["secret"].clone())
    }

    fn add_standard(&self, receiver: &Receiver) -> (String, String) {
        let (id, secret) = self.add(&receiver.url(), "standard", &["step_up", "terminate", "allow"]);
        (id, secret.as_str().expect("a secret").to_owned())
    }

    fn ask(&self, session: &str, sequence: u64, action: &str) {
        self.guarded.stand.publish(session, &asking(session, sequence, action));
    }

    fn deliveries(&self, webhook: &str) -> Vec<Value> {
        let (status, listed) = self.call("GET", &format!("/v1/webhooks/{webhook}/deliveries"), None);
        assert_eq!(status, 200, "{listed}");
        listed.as_array().expect("a list").clone()
    }

    /// The only delivery of a webhook, once it is as told.
    fn await_delivery(&self, webhook: &str, is: impl Fn(&Value) -> bool) -> Value {
        eventually("the delivery", || {
            let deliveries = self.deliveries(webhook);
            assert!(deliveries.len() <= 1, "{deliveries:?}");
            deliveries.into_iter().find(|delivery| is(delivery))
        })
    }

    fn await_state(&self, webhook: &str, state: &str) -> Value {
        self.await_delivery(webhook, |delivery| delivery["state"] == state)
    }

    /// Comes when all that was published before it was looked at.
    fn settle(&self, receiver: &Receiver) {
        let before = receiver.had().len();
        for session in ["z0", "z1", "z2", "z3", "z4", "z5", "z6", "z7"] {
            // Of both partitions some.
            self.ask(session, 0, "terminate");
        }
        receiver.await_requests(before + 8);
    }
}

#[test]
fn each_change_is_told_once_and_signed() {
    let hooked = Hooked::new(&[]);
    let (all, some, foreign) = (hooked.receiver([]), hooked.receiver([]), hooked.receiver([]));
    let (id, secret) = hooked.add_standard(&all);
    let (_, other_secret) = hooked.add(&some.url(), "standard", &["terminate"]);
    let (_, stranger) = hooked.guarded.key("u", "admin");
    let wish = json!({ "url": foreign.url(), "format": "standard", "events": ["step_up"] });
    assert_eq!(
        hooked.guarded.call("POST", "/v1/webhooks", &stranger, Some(wish)).0,
        201
    );
    let actions = [
        "allow",
        "step_up",
        "step_up",
        "insufficient_data",
        "terminate",
        "allow",
        "allow",
    ];
    for (sequence, action) in actions.into_iter().enumerate() {
        hooked.ask("s1", sequence as u64, action);
    }
    let had = all.await_requests(3);
    let told: BTreeMap<String, &Had> = had.iter().map(|had| (had.json()["type"].to_string(), had)).collect();
    for (kind, decision) in [
        ("session.step_up", "s1-1"),
        ("session.terminate", "s1-4"),
        ("session.allow", "s1-5"),
    ] {
        let had = told[&format!("{kind:?}")];
        assert!(had.is_signed(&secret), "{had:?}");
        assert!(!had.is_signed(other_secret.as_str().expect("a secret")), "{had:?}");
        assert_eq!(had.header("webhook-id"), delivery_id(&id, decision));
        let age_s = now_ms() / 1000 - had.header("webhook-timestamp").parse::<i64>().expect("a number");
        assert!((0..60).contains(&age_s), "{age_s}");
        let json = had.json();
        assert_eq!(json["data"]["decision"], decision);
        let message: ductus_dynamics::wire::WebhookMessage = serde_json::from_value(json).expect("as in the contract");
        assert_eq!(serde_json::to_value(&message).expect("json")["data"]["subject"], "ann");
    }
    assert_eq!(some.await_requests(1)[0].json()["type"], "session.terminate");
    hooked.settle(&all);
    assert_eq!(all.ids().len(), 3 + 8);
    assert_eq!(some.ids().len(), some.had().len());
    assert!(foreign.had().is_empty());
    let metrics = hooked.guarded.stand.get("/metrics").2;
    assert!(
        metrics.contains(r#"ductus_webhooks_deliveries_total{outcome="failed"} 0"#),
        "{metrics}"
    );
}

#[test]
fn a_failure_is_tried_again_under_the_same_id() {
    let hooked = Hooked::new(&[]);
    let receiver = hooked.receiver([status(500), status(404)]);
    let (id, secret) = hooked.add_standard(&receiver);
    hooked.ask("s1", 0, "step_up");
    let done = hooked.await_state(&id, "done");
    assert_eq!((&done["attempts"], &done["last_status"]), (&json!(3), &json!(204)));
    let had = receiver.had();
    assert_eq!((had.len(), receiver.ids().len()), (3, 1));
    assert!(had.iter().all(|had| had.is_signed(&secret)));
    assert!(had.iter().all(|one| one.body == had[0].body));
}

#[test]
fn a_receiver_says_when_to_come_again_within_bounds() {
    let hooked = Hooked::new(&["webhooks.retry_max_ms=3600000"]);
    for (after, at_least_s, at_most_s) in [("600", 500, 700), ("9999999", 3_500, 3_700)] {
        let reply = Reply {
            headers: vec![("retry-after", after.to_owned())],
            ..status(429)
        };
        let receiver = hooked.receiver([reply]);
        let (id, _) = hooked.add_standard(&receiver);
        hooked.ask(&format!("s{after}"), 0, "step_up");
        let waiting = hooked.await_delivery(&id, |delivery| delivery["last_status"] == 429);
        let wait_s = (waiting["next_at_ms"].as_i64().expect("a time") - now_ms()) / 1000;
        assert!((at_least_s..at_most_s).contains(&wait_s), "{waiting}");
        assert_eq!(hooked.call("DELETE", &format!("/v1/webhooks/{id}"), None).0, 204);
    }
}

#[test]
fn what_cannot_be_delivered_is_dead_until_somebody_asks_again() {
    let hooked = Hooked::new(&["webhooks.attempts_max=2"]);
    let receiver = hooked.receiver([status(500), status(503)]);
    let (id, _) = hooked.add_standard(&receiver);
    hooked.ask("s1", 0, "terminate");
    let dead = hooked.await_state(&id, "dead");
    let expected = json!({
        "delivery": delivery_id(&id, "s1-0"), "event": "terminate", "decision": "s1-0", "attempts": 2, "last_status": 503,
        "last_error": "status", "next_at_ms": null, "created_at_ms": dead["created_at_ms"], "state": "dead",
    });
    assert_eq!(dead, expected);
    let listed = |state: &str| hooked.call("GET", &format!("/v1/webhooks/{id}/deliveries?state={state}"), None);
    assert_eq!(listed("dead"), (200, json!([dead])));
    assert_eq!(listed("waiting"), (200, json!([])));
    assert_eq!(listed("lost").0, 400);
    let delivery = dead["delivery"].as_str().expect("an id");
    let retry = format!("/v1/webhooks/{id}/deliveries/{delivery}/retry");
    assert_eq!(
        hooked.call("POST", &retry, None),
        (202, json!({ "delivery": delivery }))
    );
    hooked.await_state(&id, "done");
    assert_eq!((receiver.had().len(), receiver.ids().len()), (3, 1));
    assert_eq!(hooked.call("POST", &retry, None).0, 404, "it is done");
    let metrics = hooked.guarded.stand.get("/metrics").2;
    for (outcome, count) in [("dead", 1), ("failed", 1), ("done", 1), ("dropped", 0)] {
        let line = format!(r#"ductus_webhooks_deliveries_total{{outcome="{outcome}"}} {count}"#);
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
}

#[test]
fn a_receiver_that_is_gone_is_sent_nothing_more() {
    let hooked = Hooked::new(&[]);
    let receiver = hooked.receiver([status(410)]);
    let (id, _) = hooked.add_standard(&receiver);
    hooked.ask("s1", 0, "step_up");
    let dead = hooked.await_state(&id, "dead");
    assert_eq!((&dead["attempts"], &dead["last_error"]), (&json!(1), &json!("gone")));
    eventually("off", || {
        let listed = hooked.call("GET", "/v1/webhooks", None).1;
        listed[0]["off_at_ms"].is_i64().then_some(())
    });
    let witness = hooked.receiver([]);
    hooked.add_standard(&witness);
    hooked.ask("s1", 1, "terminate");
    witness.await_requests(1);
    hooked.settle(&witness);
    assert_eq!(receiver.had().len(), 1);
    let delivery = dead["delivery"].as_str().expect("an id");
    assert_eq!(
        hooked
            .call("POST", &format!("/v1/webhooks/{id}/deliveries/{delivery}/retry"), None)
            .0,
        404
    );
    let (status, answer) = hooked.call("POST", &format!("/v1/webhooks/{id}/test"), None);
    assert_eq!((status, answer["reason"].as_str()), (400, Some("bad_value")));
}

#[test]
fn an_attempt_ends_and_a_redirect_leads_nowhere() {
    let hooked = Hooked::new(&["webhooks.attempts_max=1", "webhooks.timeout_ms=3000"]);
    let elsewhere = hooked.receiver([]);
    let slow = Reply {
        after: WAIT,
        ..status(200)
    };
    let redirect = Reply {
        headers: vec![("location", elsewhere.url())],
        ..status(307)
    };
    let nobody = "http://127.0.0.1:9/".to_owned();
    let (slow, redirecting) = (hooked.receiver([slow]), hooked.receiver([redirect]));
    for (url, error) in [
        (slow.url(), "timeout"),
        (redirecting.url(), "redirect"),
        (nobody, "unreachable"),
    ] {
        let (id, _) = hooked.add(&url, "standard", &["step_up"]);
        hooked.ask(&format!("s-{error}"), 0, "step_up");
        let dead = hooked.await_state(&id, "dead");
        assert_eq!(dead["last_error"], error, "{dead}");
        assert_eq!(hooked.call("DELETE", &format!("/v1/webhooks/{id}"), None).0, 204);
    }
    assert!(elsewhere.had().is_empty());
}

#[test]
fn private_addresses_are_refused_by_number_and_by_name() {
    for networks in ["", "10.0.0.0/8"] {
        let networks = format!("webhooks.private_networks={networks}");
        let hooked = Hooked::new(&[&networks, "webhooks.attempts_max=1"]);
        let receiver = hooked.receiver([]);
        for url in [
            receiver.url(),
            receiver.url().replace("http", "https"),
            "https://[::1]/".to_owned(),
        ] {
            let wish = json!({ "url": url, "format": "standard", "events": ["step_up"] });
            let (status, answer) = hooked.call("POST", "/v1/webhooks", Some(wish));
            assert_eq!((status, answer["reason"].as_str()), (400, Some("bad_value")), "{url}");
        }
        let scheme = if networks.ends_with('=') { "https" } else { "http" };
        let by_name = format!("{scheme}://localhost:{}/hook", receiver.address.port());
        let (id, _) = hooked.add(&by_name, "standard", &["step_up"]);
        hooked.ask("s1", 0, "step_up");
        assert_eq!(hooked.await_state(&id, "dead")["last_error"], "address_refused");
        assert!(receiver.had().is_empty());
    }
}

#[test]
fn what_no_webhook_can_be_is_refused() {
    let hooked = Hooked::new(&["webhooks.webhooks_per_tenant_max=1"]);
    let wish = |url: &str, format: &str, events: Value| json!({ "url": url, "format": format, "events": events });
    let cases = [
        (wish("ftp://hooks.example/", "standard", json!(["allow"])), "bad_value"),
        (
            wish("https://a:b@hooks.example/", "standard", json!(["allow"])),
            "bad_value",
        ),
        (wish("https://hooks.example/", "standard", json!([])), "bad_value"),
        (wish("https://hooks.example/", "standard", json!(["test"])), "bad_value"),
        (wish("https://hooks.example/", "xml", json!(["allow"])), "bad_body"),
        (wish("https://hooks.example/", "set", json!(["everything"])), "bad_body"),
        (json!({ "url": "https://hooks.example/" }), "bad_body"),
    ];
    for (wish, reason) in cases {
        let (status, answer) = hooked.call("POST", "/v1/webhooks", Some(wish.clone()));
        assert_eq!((status, answer["reason"].as_str()), (400, Some(reason)), "{wish}");
    }
    hooked.add("https://hooks.example/", "set", &["allow"]);
    let one_more = wish("https://hooks.example/", "set", json!(["allow"]));
    assert_eq!(hooked.call("POST", "/v1/webhooks", Some(one_more)).0, 400);
}

#[test]
fn another_tenant_and_other_scopes_see_nothing() {
    let hooked = Hooked::new(&["webhooks.attempts_max=1"]);
    let receiver = hooked.receiver([status(500)]);
    let (id, secret) = hooked.add_standard(&receiver);
    hooked.ask("s1", 0, "step_up");
    let dead = hooked.await_state(&id, "dead");
    let delivery = dead["delivery"].as_str().expect("an id");
    let routes = [
        ("DELETE", format!("/v1/webhooks/{id}")),
        ("POST", format!("/v1/webhooks/{id}/test")),
        ("GET", format!("/v1/webhooks/{id}/deliveries")),
        ("POST", format!("/v1/webhooks/{id}/deliveries/{delivery}/retry")),
    ];
    let (_, stranger) = hooked.guarded.key("u", "admin");
    let (_, reader) = hooked.guarded.key("t", "monitor verify ingest");
    for (method, path) in &routes {
        assert_eq!(
            hooked.guarded.call(method, path, &stranger, None).0,
            404,
            "{method} {path}"
        );
        assert_eq!(
            hooked.guarded.call(method, path, &reader, None).0,
            403,
            "{method} {path}"
        );
    }
    assert_eq!(
        hooked.guarded.call("GET", "/v1/webhooks", &stranger, None),
        (200, json!([]))
    );
    assert_eq!(hooked.guarded.call("GET", "/v1/webhooks", &reader, None).0, 403);
    let (_, listed) = hooked.call("GET", "/v1/webhooks", None);
    assert_eq!(listed[0]["url"], receiver.url());
    assert!(!listed.to_string().contains(&secret), "{listed}");
    assert_eq!(hooked.call("DELETE", &routes[0].1, None).0, 204);
    assert_eq!(hooked.call("GET", &routes[2].1, None).0, 404);
}

#[test]
fn where_access_is_open_there_are_none() {
    let stand = Stand::new(&[]);
    for path in ["/v1/webhooks", "/v1/webhooks/x/deliveries", "/v1/jwks.json"] {
        let (status, _, body) = stand.get(path);
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert!(body.contains("not_found"), "{body}");
    }
}

#[test]
fn a_webhook_is_tried_out() {
    let hooked = Hooked::new(&[]);
    let receiver = hooked.receiver([status(204), status(500)]);
    let (id, secret) = hooked.add_standard(&receiver);
    let test = format!("/v1/webhooks/{id}/test");
    let (status, answer) = hooked.call("POST", &test, None);
    assert_eq!(status, 202, "{answer}");
    let had = receiver.await_requests(1);
    assert!(had[0].is_signed(&secret));
    assert_eq!(had[0].header("webhook-id"), answer["delivery"]);
    assert_eq!(
        (&had[0].json()["type"], &had[0].json()["data"]),
        (&json!("webhook.test"), &json!({ "tenant": "t" }))
    );
    let (_, answer) = hooked.call("POST", &test, None);
    eventually("dead after one attempt", || {
        let deliveries = hooked.deliveries(&id);
        let found = deliveries
            .into_iter()
            .find(|found| found["delivery"] == answer["delivery"])?;
        (found["state"] == "dead" && found["attempts"] == 1).then_some(())
    });
}

#[test]
fn two_gateways_on_one_database_send_once() {
    let keys = format!("webhooks.secret_keys={}", "5a".repeat(32));
    let hooked = Hooked::new(&[&keys]);
    let receiver = hooked.receiver([]);
    let (id, secret) = hooked.add_standard(&receiver);
    let (other, shutdown) = start(&hooked.guarded.stand.config);
    for session in 0..30 {
        hooked.ask(&format!("s{session}"), 0, "step_up");
        hooked.ask(&format!("s{session}"), 1, "allow");
    }
    receiver.await_requests(60);
    eventually("all done", || {
        hooked
            .deliveries(&id)
            .iter()
            .all(|one| one["state"] == "done")
            .then_some(())
    });
    shutdown.request();
    other.join();
    assert_eq!((receiver.had().len(), receiver.ids().len()), (60, 60));
    assert!(
        receiver.had().iter().all(|had| had.is_signed(&secret)),
        "whoever sends it"
    );
}

/// Counts what it hears of, and fails the first time.
#[derive(Default)]
struct Reluctant(Mutex<Vec<Change>>);

impl Heed for Reluctant {
    fn heed<'a>(&'a self, change: &'a Change) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async {
            let mut heard = self.0.lock().expect("a lock");
            heard.push(change.clone());
            anyhow::ensure!(heard.len() > 1, "not now");
            Ok(())
        })
    }
}

#[test]
fn what_is_in_sql_but_not_committed_is_told_once() {
    let mut hooked = Hooked::new(&[]);
    let receiver = hooked.receiver([]);
    let (id, _) = hooked.add_standard(&receiver);
    // It has joined the group, so that it leaves in good order.
    hooked.settle(&receiver);
    hooked.guarded.stand.stop();
    hooked.ask("s1", 0, "step_up");
    let heed = Arc::new(Reluctant::default());
    {
        // A gateway that gets as far as the database and dies before it commits.
        let stand = &hooked.guarded.stand;
        let store = stand.runtime.block_on(open_store(&stand.config)).expect("the database");
        let metrics = WebhookMetrics::register(&Registry::new()).expect("metrics");
        let audit = Publisher::open(&stand.config.kafka.settings(), &stand.config.topics.audit, "t").expect("open");
        let counted = GatewayMetrics::register(&Registry::new()).expect("metrics");
        let audit = Arc::new(Audit::new(&stand.config, audit, counted));
        let desk = Arc::new(Desk::open(&stand.config, &store, audit, metrics).expect("a desk"));
        let handle = stand.runtime.handle().clone();
        let watch = Watch::new(
            desk,
            &stand.config,
            Some(Arc::clone(&heed) as _),
            handle,
            Shutdown::new(),
        );
        let member = watch.join().expect("a member");
        let read = eventually("the decision", || {
            let message = member.poll(Duration::from_millis(100)).expect("no fatal error");
            let read = message.and_then(|message| read(&message))?;
            (read.placed.decision.session == "s1").then_some(read)
        });
        assert!(stand.runtime.block_on(watch.judge(&read)).is_err(), "nobody heeds it");
        stand.runtime.block_on(watch.judge(&read)).expect("judged");
        stand.runtime.block_on(watch.judge(&read)).expect("judged again");
    }
    let heard = heed.0.lock().expect("a lock").clone();
    assert_eq!(heard.len(), 2, "again after the error, and not again after that");
    assert_eq!(
        (heard[1].before, heard[1].decision.id.as_str()),
        (ductus_dynamics::wire::Action::Allow, "s1-0")
    );
    hooked.guarded.stand.start_again();
    receiver.await_requests(8 + 1);
    hooked.ask("s2", 0, "step_up");
    hooked.ask("s3", 0, "step_up");
    assert_eq!(receiver.await_requests(8 + 3).len(), 8 + 3);
    let first: Vec<_> = receiver
        .had()
        .iter()
        .filter(|had| had.json()["data"]["session"] == "s1")
        .cloned()
        .collect();
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].header("webhook-id"), delivery_id(&id, "s1-0"));
}

#[test]
fn a_token_is_checked_with_the_keys_that_are_shown() {
    let hooked = Hooked::new(&["webhooks.issuer=https://risk.example/"]);
    let receiver = hooked.receiver([status(202), status(202), status(202)]);
    let (id, secret) = hooked.add(&receiver.url(), "set", &["step_up", "terminate", "allow"]);
    assert_eq!(secret, Value::Null);
    let (status, headers, body) = hooked.guarded.stand.get("/v1/jwks.json");
    assert_eq!(
        (status, headers["content-type"].to_str().ok()),
        (StatusCode::OK, Some("application/jwk-set+json"))
    );
    assert!(!body.contains(r#""d":"#), "{body}");
    let keys: JwkSet = serde_json::from_str(&body).expect("a key set");
    let claims = |had: &Had| -> Value {
        assert_eq!(had.header("content-type"), "application/secevent+jwt");
        assert_eq!(had.header("accept"), "application/json");
        let header = jsonwebtoken::decode_header(&had.body).expect("a header");
        assert_eq!(header.typ.as_deref(), Some("secevent+jwt"));
        let key = keys
            .find(header.kid.as_deref().expect("a kid"))
            .expect("the key is shown");
        let mut rules = Validation::new(Algorithm::ES256);
        rules.set_audience(&[receiver.url()]);
        rules.set_issuer(&["https://risk.example/"]);
        rules.set_required_spec_claims(&["iss", "aud"]);
        let key = DecodingKey::from_jwk(key).expect("a key");
        let mut claims = jsonwebtoken::decode::<Value>(&had.body, &key, &rules)
            .expect("it holds")
            .claims;
        assert!((now_ms() / 1000 - claims["iat"].as_i64().expect("a time")).abs() < 60);
        claims["iat"] = 0.into();
        for (_, event) in claims["events"].as_object_mut().expect("events") {
            if let Some(at) = event.get_mut("event_timestamp") {
                assert!((now_ms() / 1000 - at.as_i64().expect("a time")).abs() < 60);
                *at = 0.into();
            }
        }
        claims
    };
    let level = |before: &str, now: &str, direction: &str| {
        json!({ "https://schemas.openid.net/secevent/caep/event-type/assurance-level-change": {
            "namespace": "ductus", "previous_level": before, "current_level": now, "change_direction": direction,
            "event_timestamp": 0, "initiating_entity": "policy", "reason_admin": { "en": "risk 91 of 100" },
        } })
    };
    let revoked = json!({ "https://schemas.openid.net/secevent/caep/event-type/session-revoked": {
        "event_timestamp": 0, "initiating_entity": "policy", "reason_admin": { "en": "risk 91 of 100" },
    } });
    let cases = [
        ("step_up", level("normal", "low", "decrease")),
        ("terminate", revoked),
        ("allow", level("none", "normal", "increase")),
    ];
    for (turn, (action, events)) in cases.into_iter().enumerate() {
        hooked.ask("s1", turn as u64, action);
        let had = receiver.await_requests(turn + 1);
        let expected = json!({
            "iss": "https://risk.example/", "iat": 0, "aud": receiver.url(), "txn": format!("s1-{turn}"),
            "jti": delivery_id(&id, &format!("s1-{turn}")),
            "sub_id": {
                "format": "complex",
                "session": { "format": "opaque", "id": "s1" },
                "tenant": { "format": "opaque", "id": "t" },
                "user": { "format": "iss_sub", "iss": "https://risk.example/", "sub": "ann" },
            },
            "events": events,
        });
        assert_eq!(claims(&had[turn]), expected);
    }
    let (_, answer) = hooked.call("POST", &format!("/v1/webhooks/{id}/test"), None);
    let had = receiver.await_requests(4);
    let expected = json!({
        "iss": "https://risk.example/", "iat": 0, "aud": receiver.url(), "jti": answer["delivery"],
        "sub_id": { "format": "opaque", "id": id },
        "events": { "https://schemas.openid.net/secevent/ssf/event-type/verification": { "state": answer["delivery"] } },
    });
    assert_eq!(claims(&had[3]), expected);
}

/// The programs of `docs/webhooks.md`, as they stand there, with what a receiver really had.
#[test]
fn the_documents_programs_tell_true_from_forged() {
    let hooked = Hooked::new(&[]);
    let receiver = hooked.receiver([]);
    let (id, secret) = hooked.add_standard(&receiver);
    assert_eq!(hooked.call("POST", &format!("/v1/webhooks/{id}/test"), None).0, 202);
    let had = receiver.await_requests(1).remove(0);
    let document = std::fs::read_to_string("../../docs/webhooks.md").expect("the page");
    let program = |language: &str| {
        let (_, rest) = document.split_once(&format!("```{language}\n")).expect("a program");
        rest.split_once("```").expect("its end").0.to_owned()
    };
    let python = program("python")
        + "\nimport json, sys\ncase = json.load(sys.stdin)\n\
           print(verify(case['secret'], case['headers'], case['body'].encode()))\n";
    let node = program("js")
        + "\nconst given = JSON.parse(require('node:fs').readFileSync(0, 'utf8'))\n\
           console.log(verify(given.secret, given.headers, Buffer.from(given.body)) ? 'True' : 'False')\n";
    let header = |name: &str| had.header(name).to_owned();
    let headers = |timestamp: &str, signature: &str| json!({ "webhook-id": header("webhook-id"), "webhook-timestamp": timestamp, "webhook-signature": signature });
    let (timestamp, signature) = (header("webhook-timestamp"), header("webhook-signature"));
    let sent = headers(&timestamp, &signature);
    let cases = [
        (json!({ "secret": secret, "headers": sent, "body": had.body }), "True"),
        (
            json!({ "secret": secret, "headers": headers(&timestamp, &format!("v1,AAAA {signature}")), "body": had.body }),
            "True",
        ),
        (
            json!({ "secret": secret, "headers": sent, "body": format!("{} ", had.body) }),
            "False",
        ),
        (
            json!({ "secret": secret, "headers": headers(&timestamp, "v1,AAAA"), "body": had.body }),
            "False",
        ),
        (
            json!({ "secret": secret, "headers": headers("1600000000", &signature), "body": had.body }),
            "False",
        ),
        (
            json!({ "secret": "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=", "headers": sent, "body": had.body }),
            "False",
        ),
    ];
    for (program, flag, text) in [("python3", "-c", &python), ("node", "-e", &node)] {
        for (case, expected) in &cases {
            let mut child = Command::new(program)
                .args([flag, text])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap_or_else(|error| panic!("{program}: {error}"));
            let mut stdin = child.stdin.take().expect("piped");
            stdin.write_all(case.to_string().as_bytes()).expect("written");
            drop(stdin);
            let output = child.wait_with_output().expect("it ends");
            assert_eq!(
                String::from_utf8_lossy(&output.stdout).trim(),
                *expected,
                "{program} {case}"
            );
        }
    }
}
