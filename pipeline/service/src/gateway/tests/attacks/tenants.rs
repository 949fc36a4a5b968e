//! Other people's data: another tenant's ids on every route that takes one, and somebody else's references.

use super::*;
use crate::accounts::{now_ms, open_store};
use ductus_accounts::Tenants;

/// What the tenant `t` has, by the names of paths.
struct Belongings {
    guarded: Guarded,
    owner: String,
    ids: Vec<(&'static str, String)>,
}

impl Belongings {
    fn new() -> Self {
        let guarded = Guarded::new(&[]);
        let (_, owner) = guarded.key("t", "ingest verify monitor admin");
        let (key, _) = guarded.key("t", "ingest");
        let text = |answer: &Value, name: &str| answer[name].as_str().expect("an id").to_owned();
        let wish = json!({ "url": "https://hooks.example/x", "format": "standard", "events": ["step_up"] });
        let webhook = text(&guarded.call("POST", "/v1/webhooks", &owner, Some(wish)).1, "id");
        let tried = guarded.call("POST", &format!("/v1/webhooks/{webhook}/test"), &owner, None);
        let receipt = guarded.stand.runtime.block_on(async {
            let tenants = Tenants::new(open_store(&guarded.stand.config).await.expect("the database"));
            let asked = tenants.ask_erasure("t", "ann", "owner", now_ms()).await;
            asked.expect("the database").answer.receipt
        });
        guarded.stand.publish_decision("s1", 0);
        guarded.stand.await_decisions(1);
        let ids = vec![
            ("subject", "ann".to_owned()),
            ("session", "s1".to_owned()),
            ("decision", "s1-0".to_owned()),
            ("modality", "keystroke".to_owned()),
            ("device", "physical".to_owned()),
            ("receipt", receipt),
            ("key", key),
            ("webhook", webhook),
            ("delivery", text(&tried.1, "delivery")),
        ];
        Self { guarded, owner, ids }
    }

    fn id(&self, name: &str) -> Option<String> {
        let mut ids = self.ids.iter();
        ids.find_map(|(known, id)| (*known == name).then(|| id.clone()))
    }

    /// The answer to an operation on what is called so.
    fn ask(&self, operation: &Operation, credential: &str, path: &str) -> (u16, Value) {
        let body = match operation.path.as_str() {
            "/v1/decisions/{decision}/feedback" => Some(json!({ "verdict": "confirmed" })),
            "/v1/subjects/{subject}/enrolments" | "/v1/subjects/{subject}/verify" => Some(json!({ "batches": [] })),
            _ => None,
        };
        self.guarded.call(operation.method.as_str(), path, credential, body)
    }
}

/// Of these there is somebody who signed in, and never another tenant's application: see `gateway::tests::identity`.
const OF_PEOPLE: [&str; 3] = [
    "GET /v1/auth/approvals/{token}",
    "POST /v1/auth/approvals/{token}",
    "DELETE /v1/me/passkeys/{passkey}",
];

#[test]
fn the_ids_of_another_tenant_are_ids_of_nothing() {
    let belongings = Belongings::new();
    let (_, stranger) = belongings.guarded.key("u", "ingest verify monitor admin");
    let operations: Vec<Operation> = Operation::all().into_iter().filter(Operation::has_names).collect();
    for operation in operations.iter().filter(|operation| !operation.is_endless()) {
        let name = operation.name();
        if OF_PEOPLE.contains(&name.as_str()) {
            continue;
        }
        let real = operation.path_with(|name| belongings.id(name).unwrap_or_else(|| panic!("no {name}")));
        let none = operation.path_with(|name| match name {
            "modality" | "device" => belongings.id(name).expect("known"),
            _ => "nothing".to_owned(),
        });
        let found = belongings.ask(operation, &stranger, &real);
        assert_eq!(found, belongings.ask(operation, &stranger, &none), "{name}");
        assert!((400..500).contains(&found.0), "{name}: {found:?}");
        if operation.query.iter().any(|name| name == "tenant") {
            let named = belongings.ask(operation, &stranger, &format!("{real}?tenant=t"));
            assert!([403, 404].contains(&named.0), "{name}: {named:?}");
        }
    }
    // Nothing of it has changed, and each of these paths leads to something for whom it belongs to. What deletes comes last.
    let mut own: Vec<&Operation> = operations.iter().filter(|operation| !operation.is_endless()).collect();
    own.sort_by_key(|operation| operation.method == Method::DELETE);
    for operation in own {
        let name = operation.name();
        // Of people nothing is known here: `system::gateway` asks about them. This delivery is not dead.
        let elsewhere = name.contains("/subjects/") || name.ends_with("/retry") || OF_PEOPLE.contains(&name.as_str());
        if elsewhere {
            continue;
        }
        let path = operation.path_with(|name| belongings.id(name).expect("known"));
        let owner = belongings.owner.clone();
        let found = belongings.ask(operation, &owner, &path);
        assert!((200..300).contains(&found.0), "{name}: {found:?}");
        if operation.path == "/v1/decisions/{decision}" {
            assert_eq!(found.1["feedback"], json!([]), "the stranger's word is not kept");
        }
    }
}

#[test]
fn a_monitor_tells_another_tenant_nothing_of_a_session_of_the_same_name() {
    let guarded = Guarded::new(&[]);
    let (_, stranger) = guarded.key("u", "monitor");
    let paths = [
        "/v1/sessions/s1/monitor",
        "/v1/decisions/stream?session=s1",
        "/v1/decisions/stream",
    ];
    for (number, path) in paths.into_iter().enumerate() {
        let (own, hidden) = (format!("own-{number}"), format!("hidden-{number}"));
        let told = guarded.stand.runtime.block_on(async {
            let request = guarded.stand.client.get(guarded.stand.url(path)).bearer_auth(&stranger);
            let mut chunks = request.send().await.expect("an answer").bytes_stream();
            let mut told = String::new();
            // The other's comes first: once their own is shown, it was passed by.
            tokio::task::block_in_place(|| {
                for (tenant, id) in [("t", &hidden), ("u", &own)] {
                    let mut decision = decision("s1", 0);
                    decision["tenant"] = tenant.into();
                    decision["id"] = id.as_str().into();
                    guarded.stand.publish("one", &decision);
                }
            });
            while !told.contains(&own) {
                let chunk = tokio::time::timeout(WAIT, chunks.next()).await.expect("in time");
                told.push_str(&String::from_utf8_lossy(&chunk.expect("a chunk").expect("bytes")));
            }
            told
        });
        assert!(!told.contains("hidden"), "{path}: {told}");
    }
}

#[test]
fn nobody_enrols_somebody_else() {
    let guarded = Guarded::new(&["gateway.subject_batches_per_s=1", "gateway.subject_batches_burst=2"]);
    let (_, key) = guarded.key("t", "ingest");
    let (_, verifier) = guarded.key("t", "verify");
    let (_, stranger) = guarded.key("u", "ingest verify");
    let page = guarded.token(&key, Some("eve"), "s1", &["ingest"]);
    let watched = guarded.token(&key, Some("ann"), "s1", &["ingest"]);
    let enrolling = |subject: &str, seq: u32| {
        let batch = batch("s1", seq).replace("ann", subject);
        batch.replace(r#""purpose":"session""#, r#""purpose":"enrol""#)
    };
    let enrol = |credential: &str, batch: &str| {
        let batch: Value = serde_json::from_str(batch).expect("json");
        let body = json!({ "batches": [batch] });
        guarded.call("POST", "/v1/subjects/ann/enrolments", credential, Some(body))
    };
    let reason = |(status, answer): (u16, Value)| (status, answer["reason"].as_str().unwrap_or_default().to_owned());
    let refused = |status: u16, why: &str| (status, why.to_owned());
    // A page for its own subject only, where its token says that it may, and not by the route of back ends.
    for purpose in ["enrol", "collect"] {
        let learned = enrolling("ann", 0).replace("enrol", purpose);
        assert_eq!(reason(guarded.send(&watched, &learned)), refused(403, "forged_purpose"));
    }
    let wish = json!({ "subject": "dee", "session": "s1", "scopes": ["ingest"], "enrol": true });
    let (_, teacher) = guarded.call("POST", "/v1/tokens", &key, Some(wish));
    let teacher = teacher["token"].as_str().expect("a token").to_owned();
    assert_eq!(
        reason(guarded.send(&teacher, &enrolling("bea", 0))),
        refused(403, "forged_subject")
    );
    for learned in [enrolling("dee", 0), batch("s1", 1).replace("ann", "dee")] {
        assert_eq!(guarded.send(&teacher, &learned).0, 202, "{learned}");
    }
    assert_eq!(
        reason(guarded.send(&page, &enrolling("ann", 0))),
        refused(403, "forged_subject")
    );
    assert_eq!(reason(enrol(&page, &enrolling("ann", 0))), refused(403, "forbidden"));
    assert_eq!(reason(enrol(&key, &enrolling("ann", 0))), refused(403, "forbidden"));
    // A back end for its own tenant only, and for whom the path names.
    assert_eq!(
        reason(guarded.send(&stranger, &enrolling("ann", 0))),
        refused(403, "forged_tenant")
    );
    assert_eq!(
        reason(enrol(&stranger, &enrolling("ann", 0))),
        refused(403, "forged_tenant")
    );
    assert_eq!(
        reason(enrol(&verifier, &enrolling("bea", 0))),
        refused(403, "forged_subject")
    );
    assert_eq!(reason(enrol(&verifier, &batch("s1", 0))), refused(400, "other_purpose"));
    let withheld = enrolling("ann", 0).replace("granted", "withheld");
    assert_eq!(reason(enrol(&verifier, &withheld)), refused(400, "no_consent"));
    // And nobody without end.
    assert_eq!(enrol(&verifier, &enrolling("ann", 0)).0, 202);
    assert_eq!(guarded.send(&key, &enrolling("ann", 1)).0, 202);
    let mut more = (2..200).map(|seq| reason(enrol(&verifier, &enrolling("ann", seq))));
    assert!(more.any(|reason| reason == refused(429, "too_often")));
}

#[test]
fn a_batch_that_was_heard_is_of_no_use_to_another() {
    let guarded = Guarded::new(&[]);
    let (_, key) = guarded.key("t", "ingest");
    let (_, stranger) = guarded.key("u", "ingest");
    let own = guarded.token(&key, Some("ann"), "s1", &["ingest"]);
    let other = guarded.token(&key, Some("ann"), "s2", &["ingest"]);
    let sent = batch("s1", 0);
    assert_eq!(guarded.send(&own, &sent).0, 202);
    for (credential, reason) in [(&other, "forged_session"), (&stranger, "forged_tenant")] {
        let (status, answer) = guarded.send(credential, &sent);
        assert_eq!((status, answer["reason"].as_str()), (403, Some(reason)));
    }
    // From whoever sent it, it is the same batch under the same key: the stream knows its number (`system::bad_input`).
    assert_eq!(guarded.send(&own, &sent).0, 202);
    let records = guarded.stand.events(2);
    let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("json");
    assert_eq!(
        (&records[0].0, read(&records[0].1)),
        (&records[1].0, read(&records[1].1))
    );
}
