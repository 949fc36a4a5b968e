//! The loop closes: history that `archive` fills → `query` → `train` → `promote` → the new model is live while `score` runs
//! → `--roll-back`.

use super::recordings;
use ductus_dynamics::window::RELEASE_TIMEOUT_US;
use ductus_tests::oracle;
use ductus_tests::process::{PATIENCE, last_json};
use ductus_tests::world::World;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const PEOPLE: usize = 14;

#[tokio::test(flavor = "multi_thread")]
async fn history_trains_a_model_that_goes_live_and_back() {
    let Some(data) = recordings::folder("system::retraining::history_trains_a_model_that_goes_live_and_back") else {
        return;
    };
    let world = World::without_search("re").await;
    let tables = world.tables().display().to_string();
    let pace = recordings::pace(&data, world.folder.path(), PEOPLE);
    world.batch(&["import", "pohmm", &pace.display().to_string(), "--out", "first.ndjson"]);
    let score = world.start(&["score"]).await;
    let archive = world.start(&["archive"]).await;

    let before = play(&world, "first.ndjson", "").await;
    let disowned = confirm(&world, before.last().unwrap()).await;
    let old = model_of(&before, "");
    let prediction = oracle::predict(&world.kafka.topic("events"), &world.kafka.read("events"));
    world.until_history_holds(&prediction, before.len() as u64).await;
    let start = Instant::now();
    while world.query("SELECT session FROM feedback WHERE verdict = 'confirmed'") != [json!({ "session": disowned })] {
        assert!(start.elapsed() < PATIENCE, "feedback does not reach history");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    archive.stop();
    dwell_by_class_and_user_is_right(&world);

    let trained = world.batch(&[
        "train",
        "--history",
        &tables,
        "--modality",
        "keystroke",
        "--out",
        "new-model",
        "--seed",
        "1",
        "--steps",
        "30",
        "--layers",
        "1",
        "--hidden",
        "8",
        "--people",
        "8",
    ]);
    let new = last_json(&trained)["sha256"].as_str().unwrap().to_owned();
    assert_ne!(new, old);
    promote(&world, &["new-model", "--force", "--history", &tables]);
    let announced = world.kafka.read_json("models");
    assert_eq!(announced.last().unwrap()["model"]["sha256"], new.as_str());
    until_live(&score, &new).await;

    let after = play(&world, "first.ndjson", "second-").await;
    assert_eq!(
        model_of(&after, "second-"),
        new,
        "the sessions after the switch are decided about with the new model"
    );
    let compared = after
        .iter()
        .filter(|d| session_of(d).starts_with("second-") && d["score"]["llr"].is_number())
        .count();
    assert!(
        compared > 100,
        "references were embedded again before the switch, so people are compared at once: {compared}"
    );

    promote(&world, &["--roll-back"]);
    until_live(&score, &old).await;
    let back = play(&world, "first.ndjson", "third-").await;
    assert_eq!(model_of(&back, "third-"), old);
    score.stop();
}

/// Says of a decision, as a gateway would, that it was somebody else. Its session.
async fn confirm(world: &World, decision: &Value) -> String {
    let session = session_of(decision).to_owned();
    let feedback = json!({
        "v": 1,
        "id": "00000000000000000000000000000001",
        "tenant": decision["tenant"],
        "decision": decision["id"],
        "session": session,
        "subject": decision["subject"],
        "verdict": "confirmed",
        "by": "eve",
        "note": null,
        "time_us": decision["time_us"],
    });
    let value = feedback.to_string();
    world.kafka.put("feedback", "decision/eve", value.as_bytes()).await;
    session
}

/// Replays a file with another prefix to its session names; every decision so far, once all that must come have come.
async fn play(world: &World, input: &str, prefix: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(world.folder.path().join(input)).unwrap();
    let renamed = text.replace("\"session\":\"", &format!("\"session\":\"{prefix}"));
    std::fs::write(
        world.folder.path().join("play.ndjson"),
        renamed.replace(&format!("\"purpose\":\"{prefix}session"), "\"purpose\":\"session"),
    )
    .unwrap();
    world.run(&["replay", "--input", "play.ndjson", "--speed", "max"]);
    let prediction = oracle::predict(&world.kafka.topic("events"), &world.kafka.read("events"));
    assert!(prediction.accounting.balances());
    let start = Instant::now();
    loop {
        let decisions = world.kafka.read_json("decisions");
        let ids: BTreeSet<&str> = decisions
            .iter()
            .filter_map(|decision| decision["id"].as_str())
            .collect();
        if ids.len() >= prediction.decisions.len() {
            assert_eq!(ids, prediction.decisions.iter().map(String::as_str).collect());
            return decisions;
        }
        assert!(
            start.elapsed() < PATIENCE,
            "{} of {} decisions",
            ids.len(),
            prediction.decisions.len()
        );
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

fn session_of(decision: &Value) -> &str {
    decision["session"].as_str().unwrap()
}

/// The one model that the keystroke decisions of these sessions name.
fn model_of(decisions: &[Value], prefix: &str) -> String {
    let models: BTreeSet<&str> = decisions
        .iter()
        .filter(|decision| session_of(decision).starts_with(prefix))
        .filter_map(|decision| decision["model"]["sha256"].as_str())
        .collect();
    assert_eq!(models.len(), 1, "sessions {prefix:?} are decided about with {models:?}");
    models.into_iter().collect()
}

fn promote(world: &World, arguments: &[&str]) {
    let registry = world.folder.path().join("models").display().to_string();
    let topics: Vec<String> = ductus_tests::kafka::TOPICS
        .iter()
        .map(|logical| format!("topics.{logical}={}", world.kafka.topic(logical)))
        .collect();
    let mut all = vec!["promote", "--kafka", &world.kafka.bootstrap, "--registry", &registry];
    for topic in &topics {
        all.extend(["--set", topic]);
    }
    all.extend(arguments);
    world.batch(&all);
}

/// Waits until the running scorer says that the model is live.
async fn until_live(score: &ductus_tests::process::Program, sha256: &str) {
    let start = Instant::now();
    while !score
        .log()
        .lines()
        .rfind(|line| line.contains("model is live") && line.contains("keystroke"))
        .is_some_and(|line| line.contains(sha256))
    {
        assert!(
            start.elapsed() < PATIENCE,
            "{sha256} does not go live:\n{}",
            score.log()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// "Mean dwell by key class and user", against the same sum over the file that was replayed.
fn dwell_by_class_and_user_is_right(world: &World) {
    let sql = "SELECT subject, class, avg(dwell_ms) AS dwell_ms FROM keystrokes WHERE dwell_ms IS NOT NULL GROUP BY subject, class ORDER BY subject, class";
    let answered: BTreeMap<(String, String), f64> = world
        .query(sql)
        .iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap().to_owned();
            ((text("subject"), text("class")), row["dwell_ms"].as_f64().unwrap())
        })
        .collect();
    let mut down: BTreeMap<(String, u64), (i64, String)> = BTreeMap::new();
    let mut sums: BTreeMap<(String, String), (f64, f64)> = BTreeMap::new();
    for line in std::fs::read_to_string(world.folder.path().join("first.ndjson"))
        .unwrap()
        .lines()
    {
        let batch: Value = serde_json::from_str(line).unwrap();
        for event in batch["events"].as_array().unwrap() {
            let press = (
                batch["session"].as_str().unwrap().to_owned(),
                event["press"].as_u64().unwrap_or(u64::MAX),
            );
            let t_us = event["t_us"].as_i64().unwrap();
            match event["type"].as_str().unwrap() {
                "down" => {
                    down.insert(press, (t_us, event["class"].as_str().unwrap().to_owned()));
                }
                "up" => {
                    let Some((pressed_us, class)) = down.remove(&press) else {
                        continue;
                    };
                    // A release that takes longer was given up, as everywhere.
                    if t_us - pressed_us > RELEASE_TIMEOUT_US {
                        continue;
                    }
                    let sum = sums
                        .entry((batch["subject"].as_str().unwrap().to_owned(), class))
                        .or_default();
                    sum.0 += (t_us - pressed_us) as f64 / 1e3;
                    sum.1 += 1.0;
                }
                _ => {}
            }
        }
    }
    assert_eq!(answered.keys().collect::<Vec<_>>(), sums.keys().collect::<Vec<_>>());
    for (who, (sum, count)) in &sums {
        assert!(
            (answered[who] - sum / count).abs() < 1e-6,
            "{who:?}: {} against {}",
            answered[who],
            sum / count
        );
    }
}
