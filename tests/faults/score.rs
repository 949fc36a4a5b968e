//! Instances of `score` that are killed, paused, added and taken away.

use ductus_tests::chaos::{self, Chaos, Fault, HOUR_S};
use ductus_tests::search::Search;
use std::collections::BTreeSet;
use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SEED: u64 = 20_261_121;

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_are_killed_at_random_instants() {
    let search = Search::elasticsearch();
    let world = chaos::world("kill9")
        .await
        .with_sets([format!("elasticsearch.url={}", search.url)]);
    world.run(&["index", "--setup"]);
    let index = world.start(&["index"]).await;
    let mut chaos = Chaos::start(&world, 2, SEED).await;
    for cycle in 0..25 {
        chaos
            .cycle(if cycle % 8 == 7 { Fault::KillAll } else { Fault::Kill })
            .await;
    }
    let sums = chaos.finish().await;
    let stream = format!("logs-ductus.decision-{}", world.name);
    search.until_count(&stream, sums.0.decisions).await;
    index.stop();
    let documents = search.documents(&stream).await;
    let twice: Vec<&String> = documents
        .iter()
        .filter(|(_, (times, _))| *times > 1)
        .map(|(id, _)| id)
        .collect();
    assert_eq!(
        (documents.len() as u64, twice),
        (sums.0.decisions, Vec::new()),
        "documents, and those there twice"
    );
    chaos::assert_holds(SEED, &sums);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_instance_becomes_three_and_one_again() {
    let world = chaos::world("scale").await;
    let mut chaos = Chaos::start(&world, 1, SEED + 1).await;
    chaos.sleep(2_000..3_000).await;
    for _ in 0..2 {
        chaos.join();
        chaos.sleep(1_500..4_000).await;
    }
    for _ in 0..2 {
        chaos.leave();
        chaos.sleep(1_500..4_000).await;
    }
    chaos::assert_holds(SEED + 1, &chaos.finish().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_slept_too_long_changes_nothing() {
    let world = chaos::world("zombie").await;
    let mut chaos = Chaos::start(&world, 2, SEED + 2).await;
    for _ in 0..4 {
        chaos.cycle(Fault::Pause).await;
    }
    chaos::assert_holds(SEED + 2, &chaos.finish().await);
}

/// Whoever dies in the middle of a checkpoint leaves a transaction open, behind which the next owner writes its own references.
/// If that one dies as well, they are there and cannot be read yet.
#[tokio::test(flavor = "multi_thread")]
async fn references_behind_an_open_transaction_are_waited_for() {
    // Whoever waits for the broker does not serve the group.
    let world = chaos::world("unseen")
        .await
        .with_sets(["kafka.consumer.max.poll.interval.ms=30000"]);
    let mut chaos = Chaos::start(&world, 2, SEED + 5).await;
    world.kafka.leave_open("references", Duration::from_secs(12));
    chaos.sleep(4_000..5_000).await;
    chaos.cycle(Fault::KillAll).await;
    chaos::assert_holds(SEED + 5, &chaos.finish().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_clocks_of_machines_change_nothing() {
    let world = chaos::world("machine-clock").await;
    let mut chaos = Chaos::start(&world, 2, SEED + 4).await;
    for off_s in [HOUR_S, -HOUR_S, HOUR_S, HOUR_S, 0, -HOUR_S, -HOUR_S, 0] {
        chaos.cycle(Fault::Clock { off_s }).await;
    }
    chaos::assert_holds(SEED + 4, &chaos.finish().await);
    let logs = world.logs();
    let lines = logs.iter().flat_map(|(_, log)| log.lines());
    let hours: BTreeSet<i64> = lines
        .filter(|line| line.contains("partitions assigned") && !line.contains("partitions=[]"))
        .map(hours_off)
        .collect();
    assert_eq!(
        hours,
        BTreeSet::from([-1, 0, 1]),
        "instances that had something to do, by their clocks"
    );
}

/// How far the clock was off by which a line was logged, whole hours.
fn hours_off(line: &str) -> i64 {
    let number = |range: Range<usize>| line[range].parse::<i64>().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    // 2026-11-22T05:05:41…
    let off_min = 60 * number(11..13) + number(14..16) - now.as_secs() as i64 / 60;
    let half_day_min = 720;
    ((off_min + half_day_min).rem_euclid(2 * half_day_min) - half_day_min + 30).div_euclid(60)
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_that_are_too_slow_for_the_group_change_nothing() {
    let world = chaos::world("slow").await;
    let mut chaos = Chaos::start(&world, 2, SEED + 3).await;
    for _ in 0..3 {
        chaos.cycle(Fault::Starve).await;
    }
    assert!(chaos.was_thrown_out(), "nobody was slow enough");
    chaos::assert_holds(SEED + 3, &chaos.finish().await);
}
