//! Tests of this module: a small HTTP stub plays Elasticsearch, librdkafka's mock cluster takes the dead letters.

use super::*;
use crate::config::Config;
use crate::index::batch::Place;
use crate::shutdown::Shutdown;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::mocking::MockCluster;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

/// Answers requests by script, then takes every item. Keeps the bodies that it got.
struct Stub {
    url: String,
    bodies: Arc<Mutex<Vec<String>>>,
}

/// One scripted answer: to everything, or only to bodies that hold a text.
enum Script {
    Whole(u16, &'static str),
    /// Status of each item.
    Items(&'static [u16]),
    /// 413 while the body holds more lines than this.
    LinesMax(usize),
}

fn stub(script: Vec<Script>) -> Stub {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let bodies: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = bodies.clone();
    std::thread::spawn(move || {
        let mut script = script.into_iter().peekable();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let body = read_body(&mut BufReader::new(&stream));
            let documents = body.lines().count() / 2;
            kept.lock().unwrap().push(body);
            let (status, answer) = match script.peek() {
                Some(Script::LinesMax(lines)) if documents > *lines => (413, String::new()),
                Some(Script::LinesMax(_)) | None => (200, items(&vec![201; documents])),
                Some(Script::Whole(status, answer)) => {
                    let given = (*status, (*answer).to_owned());
                    script.next();
                    given
                }
                Some(Script::Items(statuses)) => {
                    let given = (200, items(statuses));
                    script.next();
                    given
                }
            };
            let head = format!(
                "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                answer.len()
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    Stub { url, bodies }
}

fn read_body(reader: &mut impl BufRead) -> String {
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    String::from_utf8(body).unwrap()
}

fn items(statuses: &[u16]) -> String {
    let items: Vec<String> = statuses
        .iter()
        .map(|status| match status {
            200..=299 => format!(r#"{{"create":{{"status":{status}}}}}"#),
            _ => format!(r#"{{"create":{{"status":{status},"error":{{"type":"some_exception","reason":"why"}}}}}}"#),
        })
        .collect();
    format!(r#"{{"errors":true,"items":[{}]}}"#, items.join(","))
}

/// A batch of `count` records; the one at `unreadable` cannot be read.
fn batch(count: i64, unreadable: Option<i64>) -> Batch {
    let mut batch = Batch::default();
    for offset in 0..count {
        let value = format!("record {offset}");
        let original = Original {
            place: Place {
                topic: 0,
                partition: 2,
                offset,
            },
            timestamp_us: 5_000,
            key: Some(b"key"),
            value: value.as_bytes(),
        };
        batch.push(&original, |out| {
            out.extend_from_slice(format!("{{\"create\":{{\"_id\":\"{offset}\"}}}}\n{{\"n\":{offset}}}\n").as_bytes());
            if unreadable == Some(offset) {
                Err(RejectReason::Malformed)
            } else {
                Ok(())
            }
        });
    }
    batch
}

/// What a delivery left behind.
struct Outcome {
    bodies: Vec<String>,
    created: u64,
    existed: u64,
    /// Offset, reason, detail, payload.
    letters: Vec<(i64, String, String, Option<String>)>,
    ready_after: bool,
}

fn deliver(script: Vec<Script>, batch: &Batch) -> Outcome {
    let stub = stub(script);
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("dead", 1, 1).unwrap();
    let set = [
        format!("elasticsearch.url={}", stub.url),
        format!("kafka.bootstrap.servers={}", cluster.bootstrap_servers()),
    ];
    let config = Config::load(None, &set).unwrap();
    let shutdown = Shutdown::new();
    let health = Health::new(&shutdown);
    let metrics = IndexMetrics::register(&prometheus::Registry::new()).unwrap();
    let delivery = Delivery {
        client: Client::new(&config.elasticsearch).unwrap(),
        letters: Letters {
            producer: config.kafka.producer_config().create().unwrap(),
            topic: "dead".to_owned(),
            sources: vec!["decisions".to_owned()],
        },
        backoff: Backoff {
            min: Duration::from_millis(1),
            max: Duration::from_millis(5),
        },
        metrics: metrics.clone(),
        health: health.clone(),
        blocked: AtomicBool::new(false),
        away: AtomicBool::new(false),
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(delivery.deliver(batch));
    let count = metrics.counted("dead_letter");
    Outcome {
        bodies: stub.bodies.lock().unwrap().clone(),
        created: metrics.counted("created"),
        existed: metrics.counted("existed"),
        letters: read_letters(&config, count),
        ready_after: health.readiness().ready,
    }
}

fn read_letters(config: &Config, count: u64) -> Vec<(i64, String, String, Option<String>)> {
    let consumer: BaseConsumer = config.kafka.consumer_config("test").create().unwrap();
    consumer.subscribe(&["dead"]).unwrap();
    let mut letters = Vec::new();
    // A poll that serves the group gives no record.
    for _ in 0..600 {
        if letters.len() as u64 == count {
            break;
        }
        let Some(message) = consumer.poll(Duration::from_millis(100)) else {
            continue;
        };
        let message = message.unwrap();
        let letter: DeadLetter = serde_json::from_slice(message.payload().unwrap()).unwrap();
        assert_eq!(message.key(), Some(&b"key"[..]));
        assert_eq!(
            (letter.source.topic.as_str(), letter.source.partition),
            ("decisions", 2)
        );
        let header = |name: &str| {
            let headers = message.headers().unwrap();
            let found = headers.iter().find(|header| header.key == name).unwrap();
            String::from_utf8(found.value.unwrap().to_vec()).unwrap()
        };
        assert_eq!(header("reason"), letter.reason.code());
        letters.push((letter.source.offset, header("reason"), header("detail"), letter.payload));
    }
    assert_eq!(letters.len() as u64, count);
    letters
}

#[test]
fn only_what_was_not_taken_is_tried_again() {
    let outcome = deliver(vec![Script::Items(&[201, 429, 409, 503])], &batch(4, None));
    assert_eq!((outcome.created, outcome.existed), (3, 1));
    let again = &outcome.bodies[1];
    assert!(
        again.contains("\"_id\":\"1\"") && again.contains("\"_id\":\"3\""),
        "{again}"
    );
    assert_eq!(again.lines().count(), 4);
    assert!(outcome.letters.is_empty());
}

#[test]
fn a_refused_document_becomes_a_dead_letter_with_its_record() {
    let outcome = deliver(vec![Script::Items(&[201, 400])], &batch(2, None));
    assert_eq!(outcome.created, 1);
    let why = "400 some_exception: why".to_owned();
    assert_eq!(
        outcome.letters,
        [(1, "refused_by_sink".to_owned(), why, Some("record 1".to_owned()))]
    );
}

#[test]
fn a_record_that_cannot_be_read_becomes_a_dead_letter_without_it() {
    let outcome = deliver(vec![], &batch(3, Some(1)));
    assert_eq!(outcome.created, 2);
    let (offset, reason, _, payload) = &outcome.letters[0];
    assert_eq!((*offset, reason.as_str(), payload), (1, "malformed", &None));
}

#[test]
fn busy_and_failing_nodes_are_waited_for() {
    let script = vec![
        Script::Whole(429, r#"{"error":"busy"}"#),
        Script::Whole(503, ""),
        Script::Whole(200, "{ cut off"),
        Script::Whole(404, "no such page"),
    ];
    let outcome = deliver(script, &batch(2, None));
    assert_eq!((outcome.bodies.len(), outcome.created), (5, 2));
    assert!(outcome.bodies.iter().all(|body| body == &outcome.bodies[0]));
}

#[test]
fn a_lack_of_permission_stops_nothing_for_good() {
    let denied = r#"{"error":{"type":"security_exception","reason":"no"}}"#;
    let script = vec![
        Script::Whole(401, denied),
        Script::Whole(403, denied),
        Script::Items(&[403, 201]),
    ];
    let outcome = deliver(script, &batch(2, None));
    assert_eq!((outcome.bodies.len(), outcome.created), (4, 2));
    assert!(outcome.letters.is_empty());
    assert!(outcome.ready_after);
}

#[test]
fn a_request_that_is_too_large_is_split_until_it_fits() {
    let outcome = deliver(vec![Script::LinesMax(2)], &batch(5, None));
    assert_eq!(outcome.created, 5);
    assert!(outcome.letters.is_empty());
    let alone = deliver(vec![Script::LinesMax(0)], &batch(2, None));
    assert_eq!((alone.created, alone.letters.len()), (0, 2));
    assert_eq!(alone.letters[0].1, "oversize_batch");
}
