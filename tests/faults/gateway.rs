//! A gateway that is killed while it takes events in: what it acknowledged is there, and what was sent again changes nothing.

use ductus_tests::door::Door;
use ductus_tests::load::{Load, Mix};
use ductus_tests::oracle;
use ductus_tests::pick;
use ductus_tests::world::World;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const SEED: u64 = 6_001;
/// Batches in a request.
const LINES: usize = 7;

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_loses_and_doubles_nothing() {
    let (kills, batches) = pick((8, 3_000), (100, 30_000));
    let mix = Mix {
        poison: 0.0,
        repeated: 0.0,
        ..Mix::default()
    };
    let sent: Vec<Vec<u8>> = Load::new(SEED, mix).take(batches).map(|record| record.value).collect();
    let world = World::without_search("door").await.with_sets([
        "gateway.subject_batches_per_s=100000",
        "gateway.subject_batches_burst=100000",
    ]);
    let (door, mut gateway) = Door::open(&world).await;
    let score = world.start(&["score"]).await;

    let door = Arc::new(door);
    let done = Arc::new(AtomicBool::new(false));
    let sender = {
        let (door, done, sent) = (Arc::clone(&door), Arc::clone(&done), sent.clone());
        tokio::spawn(async move {
            let mut again = 0;
            for lines in sent.chunks(LINES) {
                again += door.send(lines).await - 1;
                // Long enough that all the kills find somebody at work.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            done.store(true, Ordering::Release);
            again
        })
    };
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let mut killed = 0;
    while killed < kills && !done.load(Ordering::Acquire) {
        tokio::time::sleep(Duration::from_millis(rng.random_range(20..400))).await;
        gateway.kill();
        killed += 1;
        gateway = world.start_gateway(&door.address).await;
    }
    let again = sender.await.unwrap();
    assert!(
        killed >= kills / 2 && again > 0,
        "{killed} kills, {again} requests sent again: the test shows little"
    );

    let records = world.kafka.read("events");
    let there: BTreeSet<&[u8]> = records.iter().map(|record| record.value.as_slice()).collect();
    let lost = sent.iter().filter(|value| !there.contains(value.as_slice())).count();
    assert_eq!(lost, 0, "seed {SEED}: batches that were acknowledged are not there");
    // The decisions are those of a topic in which everything stands once.
    let topic = world.kafka.topic("events");
    let mut seen = BTreeSet::new();
    let once: Vec<_> = records
        .iter()
        .filter(|record| seen.insert(record.value.clone()))
        .cloned()
        .collect();
    let (with, without) = (oracle::predict(&topic, &records), oracle::predict(&topic, &once));
    assert_eq!(
        with.decisions, without.decisions,
        "seed {SEED}: what was sent again is seen"
    );
    assert_eq!(with.accounting.windowed, without.accounting.windowed);
    world.until_decided(&with).await;
    gateway.stop();
    score.stop();
}
