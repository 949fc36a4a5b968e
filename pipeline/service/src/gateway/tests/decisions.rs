//! Searching decisions, and saying what they were worth.

use super::access::Guarded;
use super::*;

/// The ids of decisions that a search finds, and where it goes on.
fn search(guarded: &Guarded, key: &str, query: &str) -> (Vec<String>, Value) {
    let (status, found) = guarded.call("GET", &format!("/v1/decisions{query}"), key, None);
    assert_eq!(status, 200, "{query}: {found}");
    let decisions = found["decisions"].as_array().expect("a list");
    let ids = decisions.iter().filter_map(|decision| decision["id"].as_str());
    (ids.map(str::to_owned).collect(), found["next"].clone())
}

#[test]
fn decisions_are_found_by_what_they_say() {
    let guarded = Guarded::new(&[]);
    let (_, key) = guarded.key("t", "monitor");
    for sequence in 0..3 {
        guarded.stand.publish_decision("s1", sequence);
        guarded.stand.await_decisions(2 * sequence + 1);
        guarded.stand.publish_decision("s2", sequence);
        guarded.stand.await_decisions(2 * sequence + 2);
    }
    let found = |query: &str| search(&guarded, &key, query).0;
    let all = ["s2-2", "s1-2", "s2-1", "s1-1", "s2-0", "s1-0"];
    assert_eq!(found(""), all);
    assert_eq!(found("?session=s1"), ["s1-2", "s1-1", "s1-0"]);
    assert_eq!(
        found("?subject=ann&action=step_up&modality=keystroke&risk_min=91&risk_max=91"),
        all
    );
    for nothing in [
        "?subject=bea",
        "?action=allow",
        "?modality=pointer",
        "?risk_min=91.5",
        "?risk_max=90.5",
        "?since_ms=1",
        "?until_ms=-1",
    ] {
        assert_eq!(found(nothing), Vec::<String>::new(), "{nothing}");
    }
    let (_, stranger) = guarded.key("u", "monitor");
    assert_eq!(search(&guarded, &stranger, "").0, Vec::<String>::new());
    assert_eq!(guarded.call("GET", "/v1/decisions?tenant=t", &stranger, None).0, 403);
    let (first, next) = search(&guarded, &key, "?limit=4");
    assert_eq!(first, all[..4]);
    let next = next.as_str().expect("there are more").to_owned();
    assert_eq!(
        search(&guarded, &key, &format!("?limit=4&after={next}")),
        (all[4..].iter().map(|id| (*id).to_owned()).collect(), Value::Null)
    );
    for wrong in ["?action=perhaps", "?limit=x", "?colour=red"] {
        let (status, answer) = guarded.call("GET", &format!("/v1/decisions{wrong}"), &key, None);
        assert_eq!((status, answer["reason"].as_str()), (400, Some("bad_query")), "{wrong}");
    }
}

#[test]
fn a_decision_is_judged_by_its_tenant_only() {
    let guarded = Guarded::new(&[]);
    let (id, key) = guarded.key("t", "monitor");
    let (_, stranger) = guarded.key("u", "monitor");
    let (_, page_key) = guarded.key("t", "monitor ingest");
    let page = guarded.token(&page_key, Some("ann"), "s1", &["monitor"]);
    guarded.stand.publish_decision("s1", 0);
    guarded.stand.await_decisions(1);
    let wish = json!({ "verdict": "false_alarm", "note": " a hand in plaster " });
    let give = |key: &str, wish: &Value| guarded.call("POST", "/v1/decisions/s1-0/feedback", key, Some(wish.clone()));
    assert_eq!(give(&stranger, &wish).0, 404);
    assert_eq!(give(&page, &wish).0, 403);
    assert_eq!(guarded.call("GET", "/v1/decisions/s1-0", &stranger, None).0, 404);
    assert_eq!(guarded.call("GET", "/v1/decisions/s1-0", &page, None).0, 403);
    for bad in [
        json!({}),
        json!({ "verdict": "perhaps" }),
        json!({ "verdict": "confirmed", "colour": "red" }),
    ] {
        assert_eq!(give(&key, &bad).1["reason"], "bad_body", "{bad}");
    }
    for note in ["x".repeat(501), "two\nlines".to_owned()] {
        let bad = json!({ "verdict": "confirmed", "note": note });
        assert_eq!(give(&key, &bad).1["reason"], "bad_value");
    }
    let (status, given) = give(&key, &wish);
    assert_eq!((status, &given["note"]), (201, &json!("a hand in plaster")), "{given}");
    // The latest word counts.
    assert_eq!(give(&key, &json!({ "verdict": "confirmed" })).0, 201);
    let (_, seen) = guarded.call("GET", "/v1/decisions/s1-0", &key, None);
    assert_eq!((&seen["id"], &seen["risk"]), (&json!("s1-0"), &json!(91.0)));
    let feedback = seen["feedback"].as_array().expect("a list");
    assert_eq!(feedback.len(), 1);
    assert_eq!(
        (&feedback[0]["verdict"], &feedback[0]["by"]),
        (&json!("confirmed"), &json!(id))
    );
    let stand = &guarded.stand;
    let records = stand.records(&stand.config.topics.feedback, 2);
    assert_eq!(records.len(), 2);
    assert!(
        records.iter().all(|(key, _)| *key == format!("s1-0/{id}")),
        "{records:?}"
    );
    // Another gateway reads it from Kafka.
    let (other, shutdown) = start(&stand.config);
    let started = Instant::now();
    loop {
        let url = format!("http://{}/v1/decisions/s1-0", other.address);
        let (_, _, seen) = stand.answer(stand.client.get(url).bearer_auth(&key));
        let seen: Value = serde_json::from_str(&seen).expect("json");
        if seen["feedback"][0]["verdict"] == "confirmed" {
            break;
        }
        assert!(started.elapsed() < WAIT, "{seen}");
        std::thread::sleep(Duration::from_millis(20));
    }
    shutdown.request();
    other.join();
}
