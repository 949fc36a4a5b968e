//! Credentials that have ended, and what auditors hear of whoever tries.

use super::*;
use crate::accounts::{now_ms, signing_keys};
use ductus_accounts::{Principal, Scope, Scopes, SessionTokens, TokenPolicy, TokenRequest};
use std::collections::BTreeSet;

/// Long enough to be shown in, on a busy machine; short enough to be waited for.
const LIFE_MS: i64 = 5_000;

/// A token for the session `s1` of `ann`, made so many ms ago and good for so many.
fn token(config: &Config, age_ms: i64, life_ms: i64) -> String {
    let policy = TokenPolicy {
        ttl_ms_min: 1,
        ..TokenPolicy::default()
    };
    let tokens = SessionTokens::new(signing_keys(config).expect("keys"), policy);
    let scopes = Scopes::of(&[Scope::Ingest, Scope::Monitor]);
    let by = Principal {
        tenant: "t".to_owned(),
        key: "k".to_owned(),
        scopes,
        expires_ms: None,
    };
    let request = TokenRequest {
        subject: Some("ann"),
        session: "s1",
        scopes,
        enrol: false,
        ttl_ms: Some(life_ms),
    };
    let minted = tokens.mint(&by, &request, now_ms() - age_ms).expect("made").answer;
    minted.expect("a token").token.expose().to_owned()
}

fn guarded() -> Guarded {
    let key = format!("access.signing_keys=a:{}", "07".repeat(32));
    Guarded::new(&[key.as_str()])
}

#[test]
fn a_token_that_has_ended_opens_nothing() {
    let guarded = guarded();
    let ended = token(&guarded.stand.config, 3_600_000, 60_000);
    assert_eq!(guarded.send(&ended, &batch("s1", 0)).0, 401);
    for path in [
        "/v1/sessions/s1/risk",
        "/v1/sessions/s1/monitor",
        "/v1/decisions/stream?session=s1",
    ] {
        assert_eq!(guarded.call("GET", path, &ended, None).0, 401, "{path}");
    }
    let fresh = token(&guarded.stand.config, 0, 60_000);
    assert_eq!(guarded.send(&fresh, &batch("s1", 0)).0, 202, "it was the time");
    let records = guarded.stand.records(&guarded.stand.config.topics.audit, 1);
    let told: Value = serde_json::from_slice(&records[0].1).expect("json");
    assert_eq!(
        (&told["action"], &told["access"]["reason"]),
        (&json!("credential_refused"), &json!("expired"))
    );
}

#[test]
fn what_is_open_ends_with_its_credential() {
    let guarded = guarded();
    let stand = &guarded.stand;
    for path in ["/v1/sessions/s1/monitor", "/v1/decisions/stream?session=s1"] {
        let short = token(&stand.config, 0, LIFE_MS);
        stand.runtime.block_on(async {
            let request = stand.client.get(stand.url(path)).bearer_auth(&short);
            let response = request.send().await.expect("an answer");
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            let mut chunks = response.bytes_stream();
            while let Some(chunk) = tokio::time::timeout(WAIT, chunks.next()).await.expect("it ends") {
                chunk.expect("in good order");
            }
        });
    }
    for path in ["/v1/events", "/v1/sessions/s1/monitor"] {
        let short = token(&stand.config, 0, LIFE_MS);
        let closed = stand.runtime.block_on(async {
            let mut socket = sockets::open(stand, path, &short).await.expect("room");
            loop {
                match tokio::time::timeout(WAIT, socket.next()).await.expect("it ends") {
                    Some(Ok(Message::Close(frame))) => return frame.map(|frame| u16::from(frame.code)),
                    Some(Ok(_)) => {}
                    other => panic!("{other:?}"),
                }
            }
        });
        assert_eq!(closed, Some(1008), "{path}");
    }
}

#[test]
fn auditors_hear_of_every_way_to_be_refused() {
    let house = House::guarded();
    let ann = house.register(ANN);
    let wrong = || house.post_away("/v1/auth/login", credentials(ANN, "not the password"));
    let tried: Vec<u16> = std::iter::repeat_with(|| wrong().status).take(8).collect();
    assert!(tried.contains(&401) && tried.contains(&429), "{tried:?}");
    let shown = json!({ "challenge": "none", "code": "0000 0000" });
    assert_eq!(house.post("/v1/auth/confirm", shown).status, 401);
    let shown = json!({ "challenge": "none", "answer": {} });
    assert_eq!(house.post("/v1/auth/passkey/confirm", shown).status, 401);
    assert_eq!(
        house.with_cookie("/v1/auth/refresh", "ductus_refresh=dr_none").status,
        401
    );
    assert_eq!(house.post("/v1/auth/approvals/none", json!({})).status, 404);
    assert_eq!(house.with_token("GET", "/v1/me", "a.b.c", None).status, 401);
    assert_eq!(house.with_token("GET", "/v1/users", &ann.token, None).status, 403);
    let batch: Value = serde_json::from_str(&batch("s1", 0)).expect("json");
    assert_eq!(
        house.with_token("POST", "/v1/events", &ann.token, Some(batch)).status,
        403
    );
    let expected: BTreeSet<&str> = [
        "access_refused",
        "approval_refused",
        "batch_forged",
        "code_refused",
        "credential_refused",
        "login_refused",
        "passkey_refused",
        "rate_limited",
        "refresh_refused",
    ]
    .into();
    let started = Instant::now();
    let mut count = expected.len();
    loop {
        let records = house.stand.records(&house.stand.config.topics.audit, count);
        let records = records
            .iter()
            .map(|(_, value)| serde_json::from_slice::<Value>(value).expect("json"));
        let failures: Vec<Value> = records
            .filter(|record| record["access"]["outcome"] == "failure")
            .collect();
        let told: BTreeSet<&str> = failures.iter().filter_map(|record| record["action"].as_str()).collect();
        if told.is_superset(&expected) {
            assert_eq!(told, expected);
            return;
        }
        assert!(started.elapsed() < WAIT, "{told:?}");
        count += 1;
    }
}
