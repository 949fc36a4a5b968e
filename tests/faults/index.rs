//! `index` before a search server in trouble: every document is there once, what will never be taken is among the dead
//! letters with its reason, memory stays within its bound.

use ductus_tests::chaos;
use ductus_tests::kafka::{Positions, Record};
use ductus_tests::load::{self, Load, Mix};
use ductus_tests::pick;
use ductus_tests::process::PATIENCE;
use ductus_tests::proxy::{SearchFault, SearchProxy};
use ductus_tests::search::Search;
use ductus_tests::world::World;
use futures::future::join_all;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const SEED: u64 = 20_261_122;
const RECORDS: [usize; 2] = [600, 6_000];
/// More than the bodies under way, the consumer's queue and the program itself need.
const MEMORY_BYTES_MAX: u64 = 512 << 20;

/// What is wrong, for how many bulk requests it must have been, and for how long at least; then it is mended.
const TROUBLES: [(SearchFault, u64, Duration); 8] = [
    (SearchFault::HalfBusy, 10, Duration::ZERO),
    (SearchFault::Away, 3, Duration::from_secs(3)),
    (SearchFault::Status(429), 3, Duration::from_secs(1)),
    (SearchFault::Status(503), 3, Duration::from_secs(1)),
    (SearchFault::Reset, 3, Duration::ZERO),
    (SearchFault::HalfAnswer, 3, Duration::ZERO),
    (SearchFault::TooLarge(32_768), 5, Duration::ZERO),
    (SearchFault::Conflict(50), 5, Duration::ZERO),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_document_is_there_once_whatever_the_search_server_does() {
    let world = chaos::world("sink").await;
    let score = world.start(&["score"]).await;
    load::send_all(
        &world.kafka,
        Load::new(SEED, Mix::default()).take(pick(RECORDS[0], RECORDS[1])),
    );
    let expected = ductus_tests::oracle::Oracle::new(&world.kafka.topic("events"), chaos::line(), None)
        .take(&world.kafka.read("events"))
        .decisions;
    let decisions = until(&world, "decisions", |ids| ids.len() >= expected.len()).await;
    score.stop();
    let audits = ids(&world.kafka.read("audit"));
    assert!(decisions.len() > 300, "{} decisions show little", decisions.len());
    let search = Search::elasticsearch();
    world.run(&[&set("elasticsearch.url", &search.url), "index", "--setup"]);
    // The last one leaves dead letters, and all write them to the same topic: it goes alone.
    let rows: Vec<usize> = (0..TROUBLES.len()).collect();
    let (last, others) = rows.split_last().unwrap();
    let row = |number: &usize| trouble(&world, &search, *number, (&decisions, &audits));
    join_all(others.iter().map(row)).await;
    row(last).await;
}

/// One row of the table.
async fn trouble(
    world: &World,
    search: &Search,
    number: usize,
    (decisions, audits): (&BTreeSet<String>, &BTreeSet<String>),
) {
    let (fault, struck, time) = TROUBLES[number];
    let time = match fault {
        SearchFault::HalfBusy => pick(time, Duration::from_secs(600)),
        SearchFault::Away => pick(time, Duration::from_secs(1_800)),
        _ => time,
    };
    let proxy = SearchProxy::start(&search.url).await;
    let namespace = format!("{}n{number}", world.name);
    let mut letters = Positions::default();
    world.kafka.read_on("dead_letters", &mut letters);
    proxy.set(fault);
    let sets = [
        set("elasticsearch.url", &proxy.url),
        set("elasticsearch.namespace", &namespace),
        set("elasticsearch.group", &namespace),
        set("elasticsearch.bulk_bytes_max", "131072"),
        set("elasticsearch.retry_min_ms", "50"),
        set("elasticsearch.retry_max_ms", "500"),
    ];
    let mut role: Vec<&str> = sets.iter().map(String::as_str).collect();
    role.push("index");
    let mut index = world.start_unready(&role);
    let start = Instant::now();
    while proxy.struck() < struck || start.elapsed() < time {
        index.assert_running();
        assert!(
            start.elapsed() < time + PATIENCE,
            "{fault:?} never strikes:\n{}",
            index.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    if matches!(fault, SearchFault::Away | SearchFault::Status(_)) {
        proxy.set(SearchFault::None);
    }
    let streams = ["decision", "audit"].map(|stream| format!("logs-ductus.{stream}-{namespace}"));
    // What is refused is known by its dead letter only, so that both are counted until nothing is missing.
    let (counted, wanted) = (Instant::now(), (decisions.len() + audits.len()) as u64);
    let mut refused = BTreeSet::new();
    loop {
        refused.extend(refused_ids(&world.kafka.read_on("dead_letters", &mut letters)));
        let there = search.count(&streams[0]).await + search.count(&streams[1]).await;
        if there + refused.len() as u64 >= wanted {
            break;
        }
        assert!(
            counted.elapsed() < PATIENCE,
            "{fault:?}: {there} documents and {} dead letters of {wanted}:\n{}",
            refused.len(),
            index.log()
        );
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let mut found = BTreeSet::new();
    for stream in &streams {
        for (id, (times, _)) in search.documents(stream).await {
            assert_eq!(times, 1, "{fault:?}: {id} stands twice in {stream}");
            found.insert(id);
        }
    }
    let memory = index.memory_bytes_max();
    index.stop();
    assert_eq!(
        refused,
        proxy.spoilt(),
        "{fault:?}: exactly what was spoilt is a dead letter"
    );
    let all: BTreeSet<String> = decisions.union(audits).cloned().collect();
    let together: BTreeSet<String> = found.union(&refused).cloned().collect();
    assert_eq!(together, all, "{fault:?}");
    assert!(memory < MEMORY_BYTES_MAX, "{fault:?}: {memory} bytes of memory");
    eprintln!(
        "{fault:?}: struck {}, {memory} bytes of memory, {:?}",
        proxy.struck(),
        start.elapsed()
    );
}

/// The ids in the dead letters, which say that the sink refused them, and why.
fn refused_ids(records: &[Record]) -> Vec<String> {
    let id = |record: &Record| {
        let letter: Value = serde_json::from_slice(&record.value).unwrap();
        assert_eq!(letter["reason"], "refused_by_sink", "{letter}");
        let detail = record.detail.as_deref().unwrap_or_default();
        assert!(
            detail.contains("duration"),
            "the detail {detail:?} does not name the field"
        );
        let refused: Value = serde_json::from_str(letter["payload"].as_str().unwrap()).unwrap();
        refused["id"].as_str().unwrap().to_owned()
    };
    records.iter().map(id).collect()
}

fn set(key: &str, value: &str) -> String {
    format!("--set={key}={value}")
}

fn ids(records: &[Record]) -> BTreeSet<String> {
    let id = |record: &Record| {
        let value: Value = serde_json::from_slice(&record.value).unwrap();
        value["id"].as_str().unwrap().to_owned()
    };
    records.iter().map(id).collect()
}

/// Waits until the ids in a topic are what they should be.
async fn until(world: &World, logical: &str, enough: impl Fn(&BTreeSet<String>) -> bool) -> BTreeSet<String> {
    let start = Instant::now();
    loop {
        let ids = ids(&world.kafka.read(logical));
        if enough(&ids) {
            return ids;
        }
        assert!(start.elapsed() < PATIENCE, "{} ids in {logical}", ids.len());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
