//! An application in front of a real gateway: enrols somebody, asks whether it is them and who it is, follows their risk,
//! judges a decision, and lets them vanish; auditors see who asked.

use ductus_dynamics::event::{EventKind, InputEvent};
use ductus_dynamics::synthetic::Typist;
use ductus_dynamics::wire::{Device, Keyboard, Purpose};
use ductus_tests::door::Door;
use ductus_tests::load::{Batch, ORIGIN_US};
use ductus_tests::process::PATIENCE;
use ductus_tests::world::World;
use futures::StreamExt;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const HOUR_US: i64 = 3_600_000_000;
const EVENTS_A_BATCH: usize = 60;

/// A session of somebody, as batches.
fn typed(typist: &Typist, subject: &str, number: u64, keys: usize, purpose: Purpose) -> Vec<Vec<u8>> {
    let start_us = ORIGIN_US + number as i64 * HOUR_US;
    let session = format!("{subject}-{number}");
    let batch = Batch {
        subject,
        session: &session,
        purpose,
        device: Device {
            keyboard: Keyboard::Physical,
            ..Device::default()
        },
        start_us,
    };
    let mut events = typist.session(number, keys, start_us, 0);
    let last_us = events.last().map_or(start_us, |event| event.t_us);
    events.push(InputEvent {
        t_us: last_us,
        kind: EventKind::End,
    });
    let chunks = events.chunks(EVENTS_A_BATCH).zip(0..);
    chunks.map(|(events, seq)| batch.of(seq, events)).collect()
}

fn sample(batches: &[Vec<u8>]) -> Value {
    let batches: Vec<Value> = batches
        .iter()
        .map(|batch| serde_json::from_slice(batch).unwrap())
        .collect();
    json!({ "batches": batches })
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_is_enrolled_verified_and_monitored() {
    let world = World::without_search("app").await;
    let (door, gateway) = Door::open(&world).await;
    let score = world.start(&["score"]).await;
    let (ann, other) = (Typist::draw(11).flowing(), Typist::draw(2_011).flowing());

    let nobody = door.json(door.get("/v1/subjects/ann")).await;
    assert_eq!(nobody, json!({ "subject": "ann", "references": [] }));
    let own = sample(&typed(&ann, "ann", 90, 400, Purpose::Session));
    let verdict = door.json(door.post("/v1/subjects/ann/verify").json(&own)).await;
    assert_eq!(verdict["decision"], "insufficient_data");
    assert_eq!(verdict["needed"]["references"][0]["have"], 0, "{verdict}");

    let enrolment = sample(&typed(&ann, "ann", 1, 500, Purpose::Enrol));
    let taken = door
        .json(door.post("/v1/subjects/ann/enrolments").json(&enrolment))
        .await;
    assert_eq!(taken["accepted"], 1_001, "{taken}");
    let start = Instant::now();
    let known = loop {
        let known = door.json(door.get("/v1/subjects/ann")).await;
        if known["references"][0]["mature"] == true {
            break known;
        }
        assert!(start.elapsed() < PATIENCE, "no references: {known}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(known["references"][0]["modality"], "keystroke");

    let verdict = door.json(door.post("/v1/subjects/ann/verify").json(&own)).await;
    assert_eq!(verdict["decision"], "same", "{verdict}");
    let somebody = sample(&typed(&other, "ann", 91, 400, Purpose::Session));
    let verdict = door.json(door.post("/v1/subjects/ann/verify").json(&somebody)).await;
    assert_eq!(verdict["decision"], "different", "{verdict}");

    strangers_reach_nothing(&world, &door, &own, &enrolment).await;
    monitored(&door, &typed(&ann, "ann", 2, 300, Purpose::Session)).await;
    identified(&door, &own, &somebody).await;
    judged(&door).await;
    forgotten(&door, &typed(&other, "bob", 1, 500, Purpose::Enrol)).await;
    erased(&door).await;
    gateway.stop();
    audited(&world);
    score.stop();
}

/// Another tenant's application asks about a subject who has the same name as nobody of its own.
async fn strangers_reach_nothing(world: &World, door: &Door, own: &Value, enrolment: &Value) {
    let stranger = door.of_tenant(world, "other");
    let known = stranger.json(stranger.get("/v1/subjects/ann")).await;
    assert_eq!(known, json!({ "subject": "ann", "references": [] }));
    let path = "/v1/subjects/ann/references/keystroke/physical";
    assert_eq!(stranger.delete(path).send().await.unwrap().status(), 404);
    let enrolled = stranger
        .post("/v1/subjects/ann/enrolments")
        .json(enrolment)
        .send()
        .await
        .unwrap();
    assert_eq!(enrolled.status(), 403);
    assert!(enrolled.text().await.unwrap().contains("forged_tenant"));
    let wish = json!({ "identify": true, "reason": "curious" });
    stranger.json(stranger.put("/v1/settings").json(&wish)).await;
    let mut sample = own.clone();
    for batch in sample["batches"].as_array_mut().unwrap() {
        batch["tenant"] = "other".into();
    }
    let found = stranger.json(stranger.post("/v1/identify").json(&sample)).await;
    assert_eq!(
        (&found["searched"], &found["candidates"]),
        (&json!(0), &json!([])),
        "{found}"
    );
    let verdict = stranger
        .json(stranger.post("/v1/subjects/ann/verify").json(&sample))
        .await;
    assert_eq!(verdict["needed"]["references"][0]["have"], 0, "{verdict}");
    for request in [
        stranger.get("/v1/subjects/ann?tenant=acme"),
        stranger.delete("/v1/subjects/ann?tenant=acme"),
        stranger.delete(&format!("{path}?tenant=acme")),
        stranger.post("/v1/subjects/ann/verify?tenant=acme").json(own),
        stranger.post("/v1/identify?tenant=acme").json(own),
    ] {
        assert_eq!(request.send().await.unwrap().status(), 403);
    }
    for path in ["/v1/subjects/ann/verify", "/v1/identify"] {
        let refused = stranger.post(path).json(own).send().await.unwrap();
        assert_eq!(refused.status(), 400, "the batches are another tenant's");
    }
    // Erased is the stranger's own, of whom there is nothing.
    let receipt = stranger.json(stranger.delete("/v1/subjects/ann")).await;
    let path = format!("/v1/erasures/{}", receipt["receipt"].as_str().unwrap());
    assert_eq!(door.get(&path).send().await.unwrap().status(), 404);
    let known = door.json(door.get("/v1/subjects/ann")).await;
    assert_eq!(known["references"][0]["mature"], true, "{known}");
}

/// Who is it? Nobody is told before the tenant has switched it on.
async fn identified(door: &Door, own: &Value, somebody: &Value) {
    let refused = door.post("/v1/identify").json(own).send().await.unwrap();
    assert_eq!(refused.status(), 403);
    assert!(refused.text().await.unwrap().contains("identify_off"));
    let wish = json!({ "identify": true, "reason": "a test" });
    door.json(door.put("/v1/settings").json(&wish)).await;
    let found = door.json(door.post("/v1/identify").json(own)).await;
    assert_eq!(found["searched"], 1, "{found}");
    assert_eq!(found["candidates"][0]["subject"], "ann", "{found}");
    let stranger = door.json(door.post("/v1/identify").json(somebody)).await;
    let score = |found: &Value| found["candidates"][0]["score"].as_f64().unwrap();
    assert!(score(&found) > 0.0 && score(&stranger) < 0.0, "{found} {stranger}");
    let mut among = own.clone();
    among["pool"] = json!({ "subjects": ["bea"] });
    let nobody = door.json(door.post("/v1/identify").json(&among)).await;
    assert_eq!((&nobody["searched"], &nobody["candidates"]), (&json!(0), &json!([])));
}

/// An analyst finds the decisions of a session and judges one.
async fn judged(door: &Door) {
    let found = door.json(door.get("/v1/decisions?session=ann-2&limit=1")).await;
    let id = found["decisions"][0]["id"].as_str().unwrap();
    let wish = json!({ "verdict": "false_alarm" });
    door.json(door.post(&format!("/v1/decisions/{id}/feedback")).json(&wish))
        .await;
    let seen = door.json(door.get(&format!("/v1/decisions/{id}"))).await;
    assert_eq!(seen["feedback"][0]["verdict"], "false_alarm", "{seen}");
}

/// References go at once, and stay away: the stream forgets them too.
/// One way of typing is forgotten, and only that of whom it was said of.
async fn forgotten(door: &Door, enrolment: &[Vec<u8>]) {
    let bob = async || door.json(door.get("/v1/subjects/bob")).await["references"].clone();
    door.json(door.post("/v1/subjects/bob/enrolments").json(&sample(enrolment)))
        .await;
    let until = async |there: bool| {
        let start = Instant::now();
        loop {
            let known = bob().await;
            if (known != json!([])) == there {
                return known;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "references of bob: {known}, wanted: {there}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let known = until(true).await;
    let path = |device: &str| format!("/v1/subjects/bob/references/keystroke/{device}");
    let device = path(known[0]["device"].as_str().unwrap());
    let status = async |path: &str| door.delete(path).send().await.unwrap().status().as_u16();
    assert_eq!(status(&path("another")).await, 404);
    assert_eq!(status(&device).await, 202);
    until(false).await;
    assert_eq!(status(&device).await, 404);
    assert_ne!(door.json(door.get("/v1/subjects/ann")).await["references"], json!([]));
}

async fn erased(door: &Door) {
    let receipt = door.json(door.delete("/v1/subjects/ann")).await;
    assert_eq!(receipt["state"], "running", "{receipt}");
    let start = Instant::now();
    loop {
        let known = door.json(door.get("/v1/subjects/ann")).await;
        if known["references"] == json!([]) {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "references are still there: {known}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let path = format!("/v1/erasures/{}", receipt["receipt"].as_str().unwrap());
    let again = door.json(door.get(&path)).await;
    assert_eq!(again["receipt"], receipt["receipt"]);
}

/// Every question about a person is in the audit, with who asked.
fn audited(world: &World) {
    let records = world.kafka.read_json("audit");
    let asked = records
        .iter()
        .filter(|record| record["access"].is_object() && record["tenant"] == Batch::TENANT);
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for record in asked {
        assert!(record["access"]["by"].is_string(), "{record}");
        *counts.entry(record["action"].as_str().unwrap()).or_default() += 1;
    }
    let expected = [
        ("access_refused", 1),
        ("erasure_asked", 1),
        ("erasure_changed", 1),
        ("feedback_given", 1),
        ("identified", 3),
        ("identify_set", 1),
        ("reference_removed", 1),
        ("token_minted", 1),
        ("verified", 3),
    ];
    assert_eq!(counts, BTreeMap::from(expected));
}

/// A page with a token of its own sends a session and hears of its risk; after a break it misses nothing.
async fn monitored(door: &Door, session: &[Vec<u8>]) {
    let wish = json!({ "subject": "ann", "session": "ann-2", "scopes": ["ingest", "monitor"] });
    let token = door.json(door.post("/v1/tokens").json(&wish)).await;
    let token = token["token"].as_str().unwrap();
    let page = reqwest::Client::new();
    let monitor = |last: Option<&str>| {
        let request = page.get(door.url("/v1/sessions/ann-2/monitor")).bearer_auth(token);
        match last {
            Some(last) => request.header("last-event-id", last),
            None => request,
        }
    };
    let send = async |batches: &[Vec<u8>]| {
        for batch in batches {
            let request = page.post(door.url("/v1/events")).bearer_auth(token);
            let sent = request.header("content-type", "application/json").body(batch.clone());
            assert_eq!(sent.send().await.unwrap().status(), 202);
        }
    };
    let (first, rest) = session.split_at(session.len() / 2);
    let connected = monitor(None).send().await.unwrap();
    send(first).await;
    let mut heard = listen(connected, 3).await;
    // Nobody listens meanwhile.
    send(rest).await;
    let news = listen(
        monitor(heard.last().map(|(last, _)| last.as_str()))
            .send()
            .await
            .unwrap(),
        3,
    )
    .await;
    heard.extend(news);
    let risk = door.json(door.get("/v1/sessions/ann-2/risk")).await;
    assert!(risk["risk"].as_f64().unwrap() < 70.0, "{risk}");
    let all = door.json(door.get("/v1/sessions/ann-2/decisions")).await;
    let made: Vec<&Value> = all.as_array().unwrap().iter().map(|decision| &decision["id"]).collect();
    let told: Vec<&Value> = heard.iter().map(|(_, risk)| &risk["decision"]).collect();
    let begin = made.iter().position(|id| *id == told[0]).unwrap();
    assert_eq!(told, made[begin..begin + told.len()], "in order, each once");
}

/// At least so many events of a monitor.
async fn listen(answer: reqwest::Response, least: usize) -> Vec<(String, Value)> {
    assert_eq!(answer.status(), 200);
    let mut chunks = answer.bytes_stream();
    let mut text = String::new();
    loop {
        let events: Vec<(String, Value)> = text.split("\n\n").filter_map(event).collect();
        if events.len() >= least {
            return events;
        }
        let chunk = tokio::time::timeout(PATIENCE, chunks.next()).await;
        let chunk = chunk.unwrap_or_else(|_| panic!("{least} events in time, found:\n{text}"));
        text.push_str(&String::from_utf8_lossy(&chunk.unwrap().unwrap()));
    }
}

/// A whole event; the last may be cut off.
fn event(text: &str) -> Option<(String, Value)> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    let data = serde_json::from_str(field("data: ")?).ok()?;
    Some((field("id: ")?.to_owned(), data))
}
