//! The gateway over real HTTP against librdkafka's mock cluster.

mod access;
mod attacks;
mod audit;
mod decisions;
mod identity;
mod ingest;
mod monitor;
mod openapi;
mod webhooks;

use super::*;
use axum::http::StatusCode;
use futures::{SinkExt, StreamExt};
use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

const WAIT: Duration = Duration::from_secs(20);

/// A gateway, its broker, and what it wrote.
struct Stand {
    config: Config,
    broker: MockCluster<'static, DefaultProducerContext>,
    running: Option<Running>,
    shutdown: Shutdown,
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
}

impl Stand {
    fn new(sets: &[&str]) -> Self {
        Self::with(sets, Box::new(Plain))
    }

    fn with(sets: &[&str], extra: Box<dyn Extra>) -> Self {
        let broker = MockCluster::new(1).expect("a mock cluster");
        let sets = ["access.mode=open", "questions.enabled=false"].iter().chain(sets);
        let sets: Vec<String> = sets.map(|set| (*set).to_owned()).collect();
        let mut config = Config::load_from(None, std::iter::empty(), &sets).expect("no mistakes");
        config.kafka.set_bootstrap(&broker.bootstrap_servers());
        broker.create_topic(&config.topics.events, 2, 1).expect("a topic");
        broker.create_topic(&config.topics.decisions, 2, 1).expect("a topic");
        broker.create_topic(&config.topics.audit, 2, 1).expect("a topic");
        broker.create_topic(&config.topics.feedback, 2, 1).expect("a topic");
        let (running, shutdown) = start_with(&config, extra);
        Self {
            config,
            broker,
            running: Some(running),
            shutdown,
            runtime: tokio::runtime::Runtime::new().expect("a runtime"),
            client: reqwest::Client::builder().timeout(WAIT).build().expect("a client"),
        }
    }

    /// Ends the gateway in good order.
    fn stop(&mut self) {
        self.shutdown.request();
        if let Some(running) = self.running.take() {
            running.join();
        }
    }

    /// Starts it anew, on the same broker and database.
    fn start_again(&mut self) {
        let (running, shutdown) = start(&self.config);
        (self.running, self.shutdown) = (Some(running), shutdown);
    }

    fn url(&self, path: &str) -> String {
        let running = self.running.as_ref().expect("it runs");
        format!("http://{}{path}", running.address)
    }

    fn get(&self, path: &str) -> (StatusCode, reqwest::header::HeaderMap, String) {
        self.answer(self.client.get(self.url(path)))
    }

    fn post(&self, body: impl Into<reqwest::Body>) -> (StatusCode, reqwest::header::HeaderMap, String) {
        self.answer(self.events_request().body(body))
    }

    fn events_request(&self) -> reqwest::RequestBuilder {
        let request = self.client.post(self.url("/v1/events"));
        request.header("content-type", "application/json")
    }

    fn answer(&self, request: reqwest::RequestBuilder) -> (StatusCode, reqwest::header::HeaderMap, String) {
        self.runtime.block_on(async {
            let response = request.send().await.expect("an answer");
            let (status, headers) = (response.status(), response.headers().clone());
            (status, headers, response.text().await.expect("a body"))
        })
    }

    /// Everything in the events topic, by (key, value).
    fn events(&self, count: usize) -> Vec<(String, Vec<u8>)> {
        self.records(&self.config.topics.events, count)
    }

    /// Everything in a topic once so many records are there, by (key, value).
    fn records(&self, topic: &str, count: usize) -> Vec<(String, Vec<u8>)> {
        let consumer: BaseConsumer = self
            .config
            .kafka
            .settings()
            .reader("t", "t")
            .create()
            .expect("a consumer");
        let mut list = TopicPartitionList::new();
        for partition in 0..2 {
            list.add_partition_offset(topic, partition, Offset::Beginning)
                .expect("an offset");
        }
        consumer.assign(&list).expect("assigned");
        let started = Instant::now();
        let mut found = Vec::new();
        while found.len() < count && started.elapsed() < WAIT {
            if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
                let key = String::from_utf8(message.key().unwrap_or_default().to_vec()).expect("text");
                found.push((key, message.payload().unwrap_or_default().to_vec()));
            }
        }
        found
    }

    fn publish_decision(&self, session: &str, sequence: u64) {
        self.publish(session, &decision(session, sequence));
    }

    fn publish(&self, key: &str, decision: &Value) {
        let producer =
            Publisher::open(&self.config.kafka.settings(), &self.config.topics.decisions, "t").expect("open");
        let decision = decision.to_string();
        let sent = producer.send(Some(key), decision.as_bytes(), None).expect("sent");
        futures::executor::block_on(sent.acknowledged()).expect("acknowledged");
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A gateway on a port of its own.
fn start(config: &Config) -> (Running, Shutdown) {
    start_with(config, Box::new(Plain))
}

fn start_with(config: &Config, extra: Box<dyn Extra>) -> (Running, Shutdown) {
    let (shutdown, registry) = (Shutdown::new(), Registry::new());
    let listener = admin::bind("127.0.0.1:0", "listen").expect("a port");
    let health = Health::new(&shutdown);
    let running = Gateway::start(config, listener, extra, &health, &shutdown, &registry).expect("it starts");
    (running, shutdown)
}

fn batch(session: &str, seq: u32) -> String {
    json!({
        "v": 1, "tenant": "t", "subject": "ann", "session": session, "seq": seq, "purpose": "session",
        "consent": "granted", "clock": { "origin_us": 1_767_603_600_000_000_i64, "resolution_us": 100 }, "device": {},
        "events": [
            { "type": "down", "t_us": 0, "press": 0, "class": "letter" },
            { "type": "up", "t_us": 90_000, "press": 0 },
        ],
    })
    .to_string()
}

fn decision(session: &str, sequence: u64) -> Value {
    json!({
        "v": 1, "id": format!("{session}-{sequence}"), "tenant": "t", "subject": "ann", "session": session,
        "window": { "modality": "keystroke", "sequence": sequence, "start_us": 0, "end_us": 9, "steps": 50, "closed": "count" },
        "risk": 91.0, "confidence": 0.8, "action": "step_up", "reasons": [],
        "score": { "comparison": 0.1, "llr": -2.0, "evidence": -4.0 },
        "model": null, "reference": null, "source": { "topic": "e", "partition": 0, "offset": 0 }, "time_us": 9,
    })
}

#[test]
fn an_accepted_batch_is_in_kafka_byte_for_byte() {
    let stand = Stand::new(&[]);
    let sent = batch("s1", 0);
    let (status, headers, body) = stand.post(sent.clone());
    assert_eq!(
        (status, body.as_str()),
        (StatusCode::ACCEPTED, r#"{"accepted":2,"rejected":0}"#)
    );
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(stand.events(1), [("ann".to_owned(), sent.into_bytes())]);
}

#[test]
fn what_breaks_the_contract_is_refused_and_not_echoed() {
    let stand = Stand::new(&["limits.batch_bytes_max=2000"]);
    let with_content = batch("s1", 0).replace(r#""class":"letter""#, r#""class":"letter","key":"secret""#);
    let withheld = batch("s1", 0).replace("granted", "withheld");
    let cases = [
        (with_content, StatusCode::BAD_REQUEST, "content_field"),
        (withheld, StatusCode::BAD_REQUEST, "no_consent"),
        ("secret".to_owned(), StatusCode::BAD_REQUEST, "malformed"),
        (String::new(), StatusCode::BAD_REQUEST, "malformed"),
        ("x".repeat(2_001), StatusCode::PAYLOAD_TOO_LARGE, "oversize_batch"),
    ];
    for (body, status, reason) in cases {
        let (found, headers, answer) = stand.post(body);
        assert_eq!(found, status, "{answer}");
        assert_eq!(headers["content-type"], "application/problem+json");
        let problem: Value = serde_json::from_str(&answer).expect("json");
        assert_eq!(problem["reason"], reason);
        assert!(!answer.contains("secret"), "{answer}");
    }
    assert!(
        stand
            .get("/metrics")
            .2
            .contains(r#"ductus_gateway_batches_total{outcome="no_consent"} 1"#)
    );
}

#[test]
fn a_foreign_page_may_not_send() {
    let stand = Stand::new(&["gateway.cors_origins=https://shop.example"]);
    let send = |origin: &str| {
        let request = stand.events_request().header("origin", origin);
        stand.answer(request.body(batch("s1", 0))).0
    };
    assert_eq!(send("https://evil.example"), StatusCode::FORBIDDEN);
    assert_eq!(send("https://shop.example"), StatusCode::ACCEPTED);
    assert_eq!(send(stand.url("").as_str()), StatusCode::ACCEPTED);
}

#[test]
fn a_kafka_that_is_slow_is_told_with_when_to_come_again() {
    let stand = Stand::new(&[
        "gateway.in_flight_max=1",
        "gateway.produce_timeout_ms=300",
        "gateway.retry_after_s=7",
    ]);
    let refusals = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS; 200];
    stand.broker.request_errors(RDKafkaApiKey::Produce, &refusals);
    let posts = (0..4).map(|seq| {
        let request = stand.events_request().body(batch("s1", seq));
        async move {
            let response = request.send().await.expect("an answer");
            (
                response.status().as_u16(),
                response.headers()["retry-after"]
                    .to_str()
                    .map(str::to_owned)
                    .expect("text"),
            )
        }
    });
    let mut answers = stand.runtime.block_on(futures::future::join_all(posts));
    answers.sort();
    // One waits until its time is over; the others find no room.
    let expected = [429, 429, 429, 503].map(|status| (status, "7".to_owned()));
    assert_eq!(answers, expected);
}

#[test]
fn a_web_socket_answers_each_frame() {
    let stand = Stand::new(&[]);
    // Many times what is read of a socket at once.
    let large = batch("s1", 1) + &" ".repeat(200_000);
    let answers = stand.runtime.block_on(async {
        let url = stand.url("/v1/events").replace("http", "ws");
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await.expect("connected");
        let mut answers = Vec::new();
        for frame in [batch("s1", 0), "noise".to_owned(), large.clone()] {
            socket.send(Message::text(frame)).await.expect("sent");
            let answer = socket.next().await.expect("an answer").expect("a frame");
            answers.push(answer.into_text().expect("text").to_string());
        }
        answers
    });
    let expected = [
        r#"{"ok":true,"seq":0}"#,
        r#"{"ok":false,"reason":"malformed","seq":null}"#,
        r#"{"ok":true,"seq":1}"#,
    ];
    assert_eq!(answers, expected);
    let found: Vec<Vec<u8>> = stand.events(2).into_iter().map(|(_, value)| value).collect();
    assert_eq!(found, [batch("s1", 0), large].map(String::into_bytes));
}

#[test]
fn decisions_are_shown_and_streamed() {
    let stand = Stand::new(&[]);
    let streamed = stand.runtime.block_on(async {
        let response = stand
            .client
            .get(stand.url("/v1/decisions/stream?session=s1"))
            .send()
            .await
            .expect("a stream");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut chunks = response.bytes_stream();
        assert_eq!(chunks.next().await.expect("a chunk").expect("bytes"), ": open\n\n");
        for (session, sequence) in [("s1", 0), ("other", 0), ("s1", 1)] {
            tokio::task::block_in_place(|| stand.publish_decision(session, sequence));
        }
        let mut text = String::new();
        while text.matches("event: decision").count() < 2 {
            let chunk = tokio::time::timeout(WAIT, chunks.next()).await.expect("in time");
            text.push_str(&String::from_utf8_lossy(&chunk.expect("a chunk").expect("bytes")));
        }
        text
    });
    assert!(
        streamed.contains("id: s1-0") && streamed.contains("id: s1-1"),
        "{streamed}"
    );
    assert!(!streamed.contains("other"), "{streamed}");
    assert_eq!(stand.get("/readyz").2, r#"{"ready":true,"missing":{}}"#);
    let sessions: Value = serde_json::from_str(&stand.get("/v1/sessions").2).expect("json");
    let known: Vec<&str> = sessions
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|s| s["session"].as_str())
        .collect();
    assert_eq!(known.len(), 2);
    let decisions: Value = serde_json::from_str(&stand.get("/v1/sessions/s1/decisions").2).expect("json");
    assert_eq!(decisions, json!([decision("s1", 0), decision("s1", 1)]));
    assert_eq!(stand.get("/v1/sessions/nobody/decisions").0, StatusCode::NOT_FOUND);
}

#[test]
fn the_page_and_what_is_beside_it() {
    let stand = Stand::new(&[]);
    let (status, headers, body) = stand.get("/");
    assert_eq!(status, StatusCode::OK);
    assert!(body.to_lowercase().starts_with("<!doctype html>"), "{body}");
    assert!(
        headers["content-security-policy"]
            .to_str()
            .expect("text")
            .contains("frame-ancestors 'none'")
    );
    assert_eq!(stand.get("/livez").2, "alive\n");
    assert_eq!(stand.get("/v1/demo").0, StatusCode::NOT_FOUND);
    assert_eq!(stand.get("/nothing").0, StatusCode::NOT_FOUND);
    assert_eq!(stand.get("/../Cargo.toml").0, StatusCode::NOT_FOUND);
    assert!(stand.get("/metrics").2.contains("ductus_gateway_in_flight_batches 0"));
}

#[test]
fn a_stop_ends_streams_and_sockets() {
    let mut stand = Stand::new(&[]);
    let url = stand.url("/v1/decisions/stream");
    let mut chunks = stand.runtime.block_on(async {
        let mut chunks = stand.client.get(url).send().await.expect("a stream").bytes_stream();
        chunks.next().await.expect("a chunk").expect("bytes");
        chunks
    });
    stand.shutdown.request();
    stand.running.take().expect("it runs").join();
    let end = stand
        .runtime
        .block_on(async { tokio::time::timeout(WAIT, chunks.next()).await });
    assert!(matches!(end, Ok(None | Some(Err(_)))), "the stream ends");
}
