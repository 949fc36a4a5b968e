//! What is interrupted loses nothing: `score` killed in the middle, the search server away when `index` starts.

use ductus_tests::kafka::Record;
use ductus_tests::oracle;
use ductus_tests::process::PATIENCE;
use ductus_tests::search::Search;
use ductus_tests::world::World;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

const ORIGIN_US: i64 = 1_763_700_000_000_000;
const SESSIONS: usize = 24;

/// Batches of one session whose keys fall a little differently for each, ten keys a batch.
fn session(number: usize, batches: u32) -> Vec<Vec<u8>> {
    (0..batches)
        .map(|seq| {
            let events: Vec<Value> = (seq * 10..seq * 10 + 10)
                .flat_map(|press| {
                    let t_us = i64::from(press) * 150_000 + (number as i64 * 7_919 + i64::from(press) * 104_729) % 60_000;
                    [
                        json!({"type": "down", "t_us": t_us, "press": press, "class": "letter"}),
                        json!({"type": "up", "t_us": t_us + 70_000, "press": press}),
                    ]
                })
                .collect();
            let batch = json!({"v": 1, "tenant": "acme", "subject": format!("s-{number}"), "session": format!("x-{number}"), "seq": seq,
                "purpose": "session", "consent": "granted", "clock": {"origin_us": ORIGIN_US, "resolution_us": 100}, "device": {}, "events": events});
            batch.to_string().into_bytes()
        })
        .collect()
}

async fn send_sessions(world: &World, batches: std::ops::Range<usize>) {
    for number in 0..SESSIONS {
        let values = session(number, batches.end as u32);
        world
            .kafka
            .send(&format!("s-{number}"), ORIGIN_US, &values[batches.clone()])
            .await;
    }
}

fn ids(records: &[Record]) -> BTreeMap<String, BTreeSet<Vec<u8>>> {
    let mut ids: BTreeMap<String, BTreeSet<Vec<u8>>> = BTreeMap::new();
    for record in records {
        let decision: Value = serde_json::from_slice(&record.value).unwrap();
        ids.entry(decision["id"].as_str().unwrap().to_owned())
            .or_default()
            .insert(record.value.clone());
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_score_loses_no_decision_and_makes_up_none() {
    let world = World::without_search("kill").await;
    let mut score = world.start(&["score"]).await;
    for cycle in 0..4 {
        send_sessions(&world, cycle * 8..(cycle + 1) * 8).await;
        // Somewhere in the middle of it, a different place each time.
        tokio::time::sleep(Duration::from_millis(40 + 170 * cycle as u64)).await;
        score.kill();
        score = world.start(&["score"]).await;
    }
    let prediction = oracle::predict(&world.kafka.topic("events"), &world.kafka.read("events"));
    let start = Instant::now();
    while ids(&world.kafka.read("decisions")).len() < prediction.decisions.len() {
        assert!(start.elapsed() < PATIENCE, "{}", score.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    score.stop();
    let decided: BTreeSet<String> = ids(&world.kafka.read("decisions")).into_keys().collect();
    assert_eq!(decided, prediction.decisions);
}

#[tokio::test(flavor = "multi_thread")]
async fn index_waits_for_a_search_server_that_is_away() {
    let real = Search::elasticsearch();
    let address = ductus_tests::process::free_address();
    let world = World::new(
        "away",
        &Search {
            url: format!("http://{address}"),
        },
        "",
    )
    .await
    .with_released_models();
    let score = world.start(&["score"]).await;
    let index = world.start_unready(&["index"]);
    send_sessions(&world, 0..12).await;
    let prediction = oracle::predict(&world.kafka.topic("events"), &world.kafka.read("events"));
    // It has something to write and nobody to write it to; then the server comes.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let stream = format!("logs-ductus.decision-{}", world.name);
    assert_eq!(real.count(&stream).await, 0);
    let forwarder = tokio::spawn(forward(address, real.url.trim_start_matches("http://").to_owned()));
    world.run(&["index", "--setup"]);
    real.until_count(&stream, prediction.decisions.len() as u64).await;
    index.stop();
    score.stop();
    forwarder.abort();
    let documents = real.documents(&stream).await;
    assert_eq!(documents.keys().cloned().collect::<BTreeSet<_>>(), prediction.decisions);
    assert!(documents.values().all(|(times, _)| *times == 1), "no id twice");
}

/// Passes connections on.
async fn forward(from: String, to: String) {
    let listener = TcpListener::bind(from).await.unwrap();
    loop {
        let (mut client, _) = listener.accept().await.unwrap();
        let to = to.clone();
        tokio::spawn(async move {
            let mut server = TcpStream::connect(to).await.unwrap();
            let _ = copy_bidirectional(&mut client, &mut server).await;
        });
    }
}
