//! Recorded people through the whole line: `import`, `replay`, `score`, `index`; every window that the oracle predicts is
//! in the search server exactly once.

use super::recordings;
use ductus_tests::oracle;
use ductus_tests::process::last_json;
use ductus_tests::search::Search;
use ductus_tests::world::World;
use std::collections::BTreeSet;

const AALTO_PEOPLE: usize = 12;
const BALABIT_PEOPLE: usize = 3;
const BALABIT_ROWS: usize = 6_000;

#[tokio::test(flavor = "multi_thread")]
async fn recordings_reach_elasticsearch_once() {
    recordings_reach(
        "system::end_to_end::recordings_reach_elasticsearch_once",
        "es",
        Search::elasticsearch(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recordings_reach_opensearch_once() {
    recordings_reach(
        "system::end_to_end::recordings_reach_opensearch_once",
        "os",
        Search::opensearch(),
    )
    .await;
}

async fn recordings_reach(test: &str, name: &str, search: Search) {
    let Some(data) = recordings::folder(test) else { return };
    let world = World::new(name, &search, "").await.with_released_models();
    let folder = world.folder.path().to_owned();
    let aalto = recordings::aalto(&data, &folder, AALTO_PEOPLE);
    let balabit = recordings::balabit(&data, &folder, BALABIT_PEOPLE, BALABIT_ROWS);
    world.batch(&["import", "aalto", &aalto.display().to_string(), "--out", "aalto.ndjson"]);
    world.batch(&[
        "import",
        "balabit",
        &balabit.display().to_string(),
        "--out",
        "balabit.ndjson",
    ]);

    world.run(&["index", "--setup"]);
    let score = world.start(&["score"]).await;
    let index = world.start(&["index"]).await;
    let mut replayed = 0;
    for input in ["aalto.ndjson", "balabit.ndjson"] {
        let summary = last_json(&world.run(&["replay", "--input", input, "--speed", "max"]));
        replayed += summary["events"].as_u64().unwrap();
    }

    let prediction = oracle::predict(&world.kafka.topic("events"), &world.kafka.read("events"));
    let accounting = &prediction.accounting;
    assert!(accounting.balances(), "{accounting:?}");
    assert_eq!(accounting.events, replayed, "what replay says it sent is in the topic");
    assert!(
        prediction.decisions.len() > 500,
        "only {} windows: the test shows little",
        prediction.decisions.len()
    );

    let stream = format!("logs-ductus.decision-{}", world.name);
    search.until_count(&stream, prediction.decisions.len() as u64).await;
    index.stop();
    score.stop();
    let documents = search.documents(&stream).await;
    let indexed: BTreeSet<String> = documents.keys().cloned().collect();
    assert_eq!(
        indexed, prediction.decisions,
        "the ids in the search server are those that the oracle predicts"
    );
    let repeated: Vec<&String> = documents
        .iter()
        .filter(|(_, (times, _))| *times > 1)
        .map(|(id, _)| id)
        .collect();
    assert_eq!(repeated, Vec::<&String>::new(), "no id twice");

    let scored = documents
        .values()
        .filter(|(_, source)| source["ductus"]["score"].is_object())
        .count();
    assert!(scored > 0, "nothing was compared: {:?}", documents.values().next());
    let dead = world.kafka.read_json("dead_letters");
    let reasons: BTreeSet<&str> = dead.iter().filter_map(|letter| letter["reason"].as_str()).collect();
    assert!(
        reasons
            .iter()
            .all(|reason| ["late_events", "release_without_press"].contains(reason)),
        "{reasons:?}"
    );
}
