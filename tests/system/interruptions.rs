//! What is interrupted loses nothing: the search server is away when `index` starts. All other faults are in `faults/`.

use ductus_tests::oracle;
use ductus_tests::proxy::TcpProxy;
use ductus_tests::search::Search;
use ductus_tests::world::World;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

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
    let _proxy = TcpProxy::start(&address, real.url.trim_start_matches("http://")).await;
    world.run(&["index", "--setup"]);
    real.until_count(&stream, prediction.decisions.len() as u64).await;
    index.stop();
    score.stop();
    let documents = real.documents(&stream).await;
    assert_eq!(documents.keys().cloned().collect::<BTreeSet<_>>(), prediction.decisions);
    assert!(documents.values().all(|(times, _)| *times == 1), "no id twice");
}
