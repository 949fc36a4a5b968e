//! Input at fault: poison among the records, and producers whose clocks are an hour off.

use ductus_tests::chaos::{self, Chaos};
use ductus_tests::kafka::Record;
use ductus_tests::ledger::Ledger;
use ductus_tests::load::{self, Load, Mix, Outgoing};
use ductus_tests::oracle::{Expected, Oracle};
use ductus_tests::pick;
use std::collections::{BTreeMap, VecDeque};

const SEED: u64 = 20_261_126;
const RECORDS: [usize; 2] = [3_000, 30_000];
/// One record in so many is stamped an hour ahead.
const ODD_ONE_IN: usize = 100;
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
    let records: Vec<Outgoing> = Load::new(SEED + 1, mix)
        .take(pick(RECORDS[0], RECORDS[1]))
        .map(elsewhere)
        .collect();
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

/// A producer's clock is an hour behind for good, another's an hour ahead, and now and then a record of anybody's is stamped
/// an hour ahead. Nobody's decisions change: those of the records as they were sent, decided about by the real program, are
/// those of the same records with right timestamps; and the odd ones are counted.
#[tokio::test(flavor = "multi_thread")]
async fn odd_timestamps_change_nothing() {
    // A session that falls silent closes by the watermark, which moves with the timestamps; one that ends does not need it.
    let mix = Mix {
        ends: 1.0,
        missing: 0.0,
        ..Mix::default()
    };
    let world = chaos::world("clock").await;
    let right: Vec<Outgoing> = Load::new(SEED + 2, mix).take(pick(RECORDS[0], RECORDS[1])).collect();
    let stamped = |(number, record): (usize, &Outgoing)| {
        let off_us = match record.key.as_str() {
            "s-4" => -HOUR_US,
            "s-5" => HOUR_US,
            _ if number.is_multiple_of(ODD_ONE_IN) => HOUR_US,
            _ => 0,
        };
        Outgoing {
            timestamp_us: record.timestamp_us + off_us,
            ..record.clone()
        }
    };
    load::send_all(&world.kafka, right.iter().enumerate().map(stamped));
    let mut score = world.start(&["score"]).await;
    let mut ledger = Ledger::new(&world.kafka, chaos::line(), &world.models());
    let settled = ledger.settle(&world.kafka, std::slice::from_mut(&mut score)).await;
    assert!(settled, "{}", score.log());
    let counted = score.counter("ductus_stream_odd_timestamps_total", "").await;
    let ahead = right.iter().filter(|record| record.key == "s-5").count() as u64;
    assert!(
        counted >= ahead && ahead > 100,
        "{counted} odd timestamps of {ahead} and more"
    );
    score.stop();
    chaos::assert_holds(SEED + 2, &ledger.close(&world.kafka));

    // Right timestamps, by where the records came to stand: each key's are in order, on one partition.
    let as_sent = world.kafka.read("events");
    let mut right_by_key: BTreeMap<&str, VecDeque<i64>> = BTreeMap::new();
    for record in &right {
        right_by_key
            .entry(&record.key)
            .or_default()
            .push_back(record.timestamp_us);
    }
    let as_it_should: Vec<Record> = as_sent
        .iter()
        .map(|record| Record {
            timestamp_us: right_by_key
                .get_mut(record.key.as_deref().unwrap())
                .and_then(VecDeque::pop_front)
                .unwrap(),
            ..record.clone()
        })
        .collect();
    let decisions = |records: &[Record]| {
        let mut oracle = Oracle::new(&world.kafka.topic("events"), chaos::line(), Some(&world.models()));
        oracle.take(records).decisions
    };
    let (as_sent, right) = (decisions(&as_sent), decisions(&as_it_should));
    let right_by_id: BTreeMap<&str, _> = right.iter().map(|decision| (decision.id.as_str(), decision)).collect();
    let differs = |decision: &&Expected| right_by_id.get(decision.id.as_str()) != Some(decision);
    let differing = as_sent.iter().filter(differs).count();
    assert_eq!(
        (as_sent.len(), differing),
        (right.len(), 0),
        "decisions and how many of them differ"
    );
}
