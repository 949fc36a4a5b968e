//! The broker is cut off or killed, and comes back: nothing is lost, and nobody has to be started again.

use ductus_tests::broker::SpareBroker;
use ductus_tests::chaos::{self, Chaos};
use ductus_tests::ledger::Tally;
use ductus_tests::pick;
use ductus_tests::proxy::TcpProxy;
use ductus_tests::world::required;
use std::time::Duration;

const SEED: u64 = 20_261_123;

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_comes_and_goes_changes_nothing() {
    let address = required("DUCTUS_TEST_KAFKA_PROXY");
    let proxy = TcpProxy::start(&address, &required("DUCTUS_TEST_KAFKA_PROXIED")).await;
    let world = chaos::world("broker").await.with_sets([
        format!("kafka.bootstrap.servers={address}"),
        // Less than the broker is away for at the end: what was handed to the client fails for good.
        "kafka.producer.delivery.timeout.ms=5000".to_owned(),
        "kafka.reconnect.backoff.max.ms=1000".to_owned(),
    ]);
    let mut chaos = Chaos::start(&world, 2, SEED).await;
    chaos.sleep(1_500..2_500).await;
    for _ in 0..6 {
        proxy.reset();
        chaos.sleep(100..900).await;
    }
    for seconds in [1, 3] {
        proxy.freeze(Duration::from_secs(seconds)).await;
        chaos.sleep(1_000..2_000).await;
    }
    for seconds in [1, 4, pick(9, 60)] {
        proxy.away(Duration::from_secs(seconds)).await;
        chaos.sleep(1_000..3_000).await;
    }
    chaos::assert_holds(SEED, &chaos.finish().await);
}

/// A run in which the broker lost a transaction that it had promised to commit says nothing of us (docs/delivery.md): then once
/// more, with other topics.
const RUNS_MAX: u64 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_and_started_again_changes_nothing() {
    for run in 1..=RUNS_MAX {
        let (sums, broker_lost) = killed_and_started_again(run).await;
        if sums.0.holds() || !broker_lost || run == RUNS_MAX {
            return chaos::assert_holds(SEED + run, &sums);
        }
        eprintln!("run {run}: the broker lost the markers of a transaction");
    }
}

/// The sums of a run, and whether the broker lost markers in it.
async fn killed_and_started_again(run: u64) -> ((Tally, Vec<String>), bool) {
    let mut broker = SpareBroker::start().await;
    let world = chaos::world_on(&broker.address, &format!("crash{run}-")).await;
    let mut chaos = Chaos::start(&world, 2, SEED + run).await;
    for ms in [0, 3_000] {
        chaos.sleep(1_500..4_000).await;
        broker.crash(Duration::from_millis(ms)).await;
    }
    chaos.sleep(1_000..2_000).await;
    let sums = chaos.finish().await;
    (sums, broker.lost_markers())
}
