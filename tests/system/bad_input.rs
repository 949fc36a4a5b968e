//! Each kind of bad input has its fate: a dead letter with key, reason, place, size and hash; counts that add up; and the
//! stream goes on.

use ductus_tests::kafka::Record;
use ductus_tests::oracle;
use ductus_tests::world::World;
use expect_test::expect;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const ORIGIN_US: i64 = 1_763_700_000_000_000;

fn batch(session: &str, seq: u32, events: Value) -> Value {
    json!({"v": 1, "tenant": "acme", "subject": "s-1", "session": session, "seq": seq, "purpose": "session",
           "consent": "granted", "clock": {"origin_us": ORIGIN_US, "resolution_us": 100}, "device": {}, "events": events})
}

fn keys(from: u32, count: u32) -> Value {
    let events = (from..from + count).flat_map(|press| {
        let t_us = i64::from(press) * 150_000;
        [
            json!({"type": "down", "t_us": t_us, "press": press, "class": "letter"}),
            json!({"type": "up", "t_us": t_us + 90_000, "press": press}),
        ]
    });
    Value::Array(events.collect())
}

/// A good batch with one change.
fn with(session: &str, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut value = batch(session, 0, keys(0, 2));
    change(&mut value);
    value.to_string().into_bytes()
}

/// Every kind of bad input, named.
fn bad_inputs() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let good = |session: &str, seq, events| batch(session, seq, events).to_string().into_bytes();
    vec![
        ("not JSON", vec![b"secret words".to_vec()]),
        ("cut short", vec![good("cut", 0, keys(0, 2))[..100].to_vec()]),
        ("an unknown version", vec![with("version", |b| b["v"] = json!(9))]),
        (
            "an unknown field",
            vec![with("field", |b| b["colour"] = json!("secret words"))],
        ),
        (
            "a field with a key",
            vec![with("key", |b| b["events"][0]["key"] = json!("secret words"))],
        ),
        (
            "a class nobody knows",
            vec![with("class", |b| b["events"][0]["class"] = json!("secret words"))],
        ),
        (
            "an id with spaces",
            vec![with("id", |b| b["session"] = json!("secret words"))],
        ),
        (
            "no consent",
            vec![with("consent", |b| b["consent"] = json!("withheld"))],
        ),
        (
            "a clock of 1970",
            vec![with("clock", |b| b["clock"]["origin_us"] = json!(1))],
        ),
        (
            "a negative time",
            vec![with("negative", |b| b["events"][0]["t_us"] = json!(-1))],
        ),
        (
            "a backward time",
            vec![with("backward", |b| b["events"][3]["t_us"] = json!(1_000))],
        ),
        (
            "a release without its press",
            vec![with("release", |b| b["events"][1]["press"] = json!(77))],
        ),
        ("too many events", vec![with("many", |b| b["events"] = keys(0, 1_500))]),
        (
            "1 MB of noise",
            vec![
                (0..1_000_000u32)
                    .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
                    .collect(),
            ],
        ),
        (
            "a batch twice",
            vec![good("twice", 0, keys(0, 2)), good("twice", 0, keys(0, 2))],
        ),
        (
            "a batch missing",
            vec![good("missing", 0, keys(0, 2)), good("missing", 2, keys(4, 2))],
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_input_becomes_a_dead_letter_and_the_stream_goes_on() {
    let world = World::without_search("bad").await;
    let score = world.start(&["score"]).await;
    let inputs = bad_inputs();
    for (name, values) in &inputs {
        world.kafka.send(name, ORIGIN_US, values).await;
    }
    // After all that, a good session must still be decided about, in every partition.
    for key in 0..16 {
        let session = batch(&format!("good-{key}"), 0, keys(0, 120));
        world
            .kafka
            .send(
                &key.to_string(),
                ORIGIN_US + 20_000_000,
                &[session.to_string().into_bytes()],
            )
            .await;
    }
    let prediction = oracle::predict(&world.kafka.topic("events"), &world.kafka.read("events"));
    assert!(prediction.accounting.balances(), "{:?}", prediction.accounting);
    let start = Instant::now();
    while world.kafka.read("decisions").len() < prediction.decisions.len() {
        assert!(start.elapsed() < ductus_tests::process::PATIENCE, "{}", score.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let accounting = &prediction.accounting;
    for (fate, count) in [
        ("windowed", accounting.windowed),
        ("late", accounting.late),
        ("duplicate", accounting.duplicate),
        ("rejected", accounting.rejected.total()),
    ] {
        let label = format!("fate=\"{fate}\"");
        assert_eq!(
            score.counter("ductus_stream_events_total", &label).await,
            count,
            "{fate} events in the metrics"
        );
    }
    let log = score.log();
    score.stop();

    let letters = world.kafka.read("dead_letters");
    let lines: Vec<String> = inputs
        .iter()
        .map(|(name, values)| fate(name, values, &letters))
        .collect();
    expect![[r#"
        not JSON: malformed
        cut short: malformed
        an unknown version: unsupported_version
        an unknown field: unknown_field
        a field with a key: content_field
        a class nobody knows: unknown_value
        an id with spaces: invalid_id
        no consent: no_consent
        a clock of 1970: absurd_clock (kept)
        a negative time: absurd_time (kept), release_without_press (kept)
        a backward time: late_events (kept)
        a release without its press: release_without_press (kept)
        too many events: too_many_events
        1 MB of noise: oversize_batch
        a batch twice: repeated_batch (kept)
        a batch missing: missing_batches (kept)"#]]
    .assert_eq(&lines.join("\n"));
    for letter in &letters {
        assert!(
            !String::from_utf8_lossy(&letter.value).contains("secret words"),
            "a dead letter leaks what was typed"
        );
    }
    assert!(!log.contains("secret words"), "the log leaks what was typed");
}

/// What became of one input.
fn fate(name: &str, values: &[Vec<u8>], letters: &[Record]) -> String {
    let mine = letters.iter().filter(|letter| letter.key.as_deref() == Some(name));
    let mut kept = BTreeMap::new();
    for record in mine {
        let letter: Value = serde_json::from_slice(&record.value).unwrap();
        let reason = letter["reason"].as_str().unwrap().to_owned();
        assert_eq!(
            record.reason.as_ref(),
            Some(&reason),
            "{name}: the header says the same"
        );
        let size = letter["size_bytes"].as_u64().unwrap();
        assert!(
            values.iter().any(|value| value.len() as u64 == size),
            "{name}: size {size}"
        );
        assert_eq!(letter["sha256"].as_str().map(str::len), Some(64), "{name}");
        assert!(letter["source"]["offset"].is_i64(), "{name}");
        kept.insert(reason, letter["payload"].is_string());
    }
    let reasons: Vec<String> = kept
        .iter()
        .map(|(reason, kept)| format!("{reason}{}", if *kept { " (kept)" } else { "" }))
        .collect();
    format!("{name}: {}", reasons.join(", "))
}
