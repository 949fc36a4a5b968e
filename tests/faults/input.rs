//! Input at fault: poison among the records, and producers whose clocks are an hour off.

use ductus_dynamics::line::LineConfig;
use ductus_tests::chaos::{self, Chaos};
use ductus_tests::kafka::Record;
use ductus_tests::ledger::Ledger;
use ductus_tests::load::{self, Load, Mix, Outgoing};
use ductus_tests::oracle::Oracle;

const SEED: u64 = 20_261_126;
const RECORDS: usize = 3_000;
const HOUR_US: i64 = 3_600_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn every_poison_record_becomes_a_dead_letter() {
    let world = chaos::world("poison").await;
    let mix = Mix {
        poison: 0.01,
        ..Mix::default()
    };
    let mut chaos = Chaos::start_with(&world, 1, SEED, mix).await;
    // As much as it can take, besides the even pace.
    let records: Vec<Outgoing> = Load::new(SEED + 1, mix).take(RECORDS).map(elsewhere).collect();
    let poison = records.iter().filter(|record| record.events == 0).count();
    load::send_all(&world.kafka, records);
    chaos.sleep(1_000..2_000).await;
    let sums = chaos.finish().await;
    chaos::assert_holds(SEED, &sums);
    let malformed = world.kafka.read("dead_letters");
    let malformed = malformed
        .iter()
        .filter(|letter| letter.reason.as_deref() == Some("malformed"));
    let malformed = malformed.count();
    assert!(malformed >= poison && poison > 10, "{malformed} of {poison} and more");
}

/// The same people in another building: nobody's sessions mix with theirs.
fn elsewhere(record: Outgoing) -> Outgoing {
    Outgoing {
        key: format!("{}-elsewhere", record.key),
        value: String::from_utf8(record.value)
            .unwrap()
            .replace("\"s-", "\"e-")
            .into_bytes(),
        ..record
    }
}

/// Two producers' clocks are wrong for good, one an hour ahead and one an hour behind. Nobody's decisions change: those of
/// the records as they were sent, decided about by the real program, are those of the same records with right timestamps.
#[tokio::test(flavor = "multi_thread")]
async fn producers_whose_clocks_are_an_hour_off_change_nothing() {
    // A session that falls silent closes by the watermark, which moves with the timestamps; one that ends does not need it.
    let mix = Mix {
        ends: 1.0,
        missing: 0.0,
        ..Mix::default()
    };
    let world = chaos::world("clock").await;
    let off_us = |key: &str| match key {
        "s-3" => HOUR_US,
        "s-4" => -HOUR_US,
        _ => 0,
    };
    let sent = Load::new(SEED + 2, mix).take(RECORDS).map(|record| Outgoing {
        timestamp_us: record.timestamp_us + off_us(&record.key),
        ..record
    });
    load::send_all(&world.kafka, sent);
    let score = world.start(&["score"]).await;
    let mut ledger = Ledger::new(&world.kafka, chaos::line(), &world.models());
    assert!(ledger.settle(&world.kafka).await, "{}", score.log());
    score.stop();
    chaos::assert_holds(SEED + 2, &ledger.close(&world.kafka));

    let as_sent = world.kafka.read("events");
    let right: Vec<Record> = as_sent
        .iter()
        .map(|record| Record {
            timestamp_us: record.timestamp_us - off_us(record.key.as_deref().unwrap_or_default()),
            ..record.clone()
        })
        .collect();
    let decisions = |records: &[Record]| {
        let config: LineConfig = chaos::line();
        let mut oracle = Oracle::new(&world.kafka.topic("events"), config, Some(&world.models()));
        oracle.take(records).decisions
    };
    let (as_sent, right) = (decisions(&as_sent), decisions(&right));
    let differing = as_sent.iter().filter(|decision| !right.contains(decision)).count();
    assert_eq!(
        (as_sent.len(), differing),
        (right.len(), 0),
        "decisions and how many of them differ"
    );
}
