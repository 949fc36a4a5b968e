//! Keys, tokens, and what they keep apart.

use super::*;
use crate::accounts::{now_ms, open_store};
use ductus_accounts::{ApplicationKeys, KeyPolicy, NewKey, Scopes};

/// A gateway that asks for keys.
pub(super) struct Guarded {
    pub(super) stand: Stand,
    _folder: tempfile::TempDir,
}

impl Guarded {
    pub(super) fn new(sets: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let database = format!("access.database=sqlite:{}/accounts.sqlite", folder.path().display());
        let guards = ["access.mode=keys", database.as_str()];
        let sets: Vec<&str> = guards.iter().chain(sets).copied().collect();
        Self {
            stand: Stand::new(&sets),
            _folder: folder,
        }
    }

    /// A key as the command line makes it.
    pub(super) fn key(&self, tenant: &str, scopes: &str) -> (String, String) {
        self.stand.runtime.block_on(async {
            let store = open_store(&self.stand.config).await.expect("the database");
            let keys = ApplicationKeys::new(store, KeyPolicy::default());
            let scopes: Scopes = scopes.parse().expect("scopes");
            let new = NewKey {
                tenant,
                label: "test",
                scopes,
                expires_ms: None,
            };
            let created = keys.create(&new, now_ms()).await.expect("made").answer;
            (created.id, created.key.expose().to_owned())
        })
    }

    pub(super) fn call(&self, method: &str, path: &str, credential: &str, body: Option<Value>) -> (u16, Value) {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self.stand.client.request(method, self.stand.url(path));
        if !credential.is_empty() {
            request = request.bearer_auth(credential);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let (status, _, body) = self.stand.answer(request);
        (status.as_u16(), serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    pub(super) fn send(&self, credential: &str, batch: &str) -> (u16, Value) {
        let batch: Value = serde_json::from_str(batch).expect("json");
        self.call("POST", "/v1/events", credential, Some(batch))
    }

    pub(super) fn token(&self, key: &str, subject: Option<&str>, session: &str, scopes: &[&str]) -> String {
        let wish = json!({ "subject": subject, "session": session, "scopes": scopes });
        let (status, answer) = self.call("POST", "/v1/tokens", key, Some(wish));
        assert_eq!(status, 201, "{answer}");
        answer["token"].as_str().expect("a token").to_owned()
    }
}

#[test]
fn nothing_is_given_or_taken_without_a_credential() {
    let guarded = Guarded::new(&[]);
    let (_, other) = Guarded::new(&[]).key("t", "admin");
    let forged = format!("{}0", &other[..other.len() - 1]);
    let routes = [
        ("POST", "/v1/events"),
        ("POST", "/v1/tokens"),
        ("GET", "/v1/keys"),
        ("POST", "/v1/keys"),
        ("DELETE", "/v1/keys/x"),
        ("POST", "/v1/keys/x/rotate"),
        ("GET", "/v1/sessions"),
        ("GET", "/v1/sessions/s1/decisions"),
        ("GET", "/v1/sessions/s1/risk"),
        ("GET", "/v1/sessions/s1/monitor"),
        ("GET", "/v1/decisions/stream"),
        ("GET", "/v1/stats"),
        ("GET", "/v1/decisions"),
        ("GET", "/v1/decisions/x"),
        ("POST", "/v1/decisions/x/feedback"),
        ("GET", "/v1/settings"),
        ("PUT", "/v1/settings"),
        ("POST", "/v1/identify"),
        ("DELETE", "/v1/subjects/ann"),
        ("DELETE", "/v1/subjects/ann/references/keystroke/physical"),
        ("GET", "/v1/erasures/x"),
        ("GET", "/v1/models"),
        ("GET", "/v1/policy"),
        ("GET", "/v1/webhooks"),
        ("POST", "/v1/webhooks"),
        ("DELETE", "/v1/webhooks/x"),
        ("POST", "/v1/webhooks/x/test"),
        ("GET", "/v1/webhooks/x/deliveries"),
        ("POST", "/v1/webhooks/x/deliveries/y/retry"),
    ];
    for (method, path) in routes {
        for credential in ["", "dk_", "dk_x_y", "x", "a.b.c", &other, &forged] {
            let (status, answer) = guarded.call(method, path, credential, None);
            assert_eq!(
                (status, answer["reason"].as_str()),
                (401, Some("unauthenticated")),
                "{method} {path} {credential}"
            );
        }
    }
    let metrics = guarded.stand.get("/metrics").2;
    assert!(
        metrics.contains(r#"ductus_gateway_refused_total{shown="no_credential"} 29"#),
        "{metrics}"
    );
}

#[test]
fn a_key_does_what_its_scopes_say_for_its_tenant() {
    let guarded = Guarded::new(&[]);
    let (_, ingest) = guarded.key("t", "ingest");
    let (_, monitor) = guarded.key("t", "monitor");
    let (_, stranger) = guarded.key("u", "ingest monitor");
    assert_eq!(guarded.send(&ingest, &batch("s1", 0)).0, 202);
    assert_eq!(guarded.send(&monitor, &batch("s1", 0)).0, 403);
    let (status, answer) = guarded.send(&stranger, &batch("s1", 0));
    assert_eq!((status, answer["reason"].as_str()), (403, Some("forged_tenant")));
    guarded.stand.publish_decision("s1", 0);
    guarded.stand.await_decisions(1);
    let read = |key: &str, path| guarded.call("GET", path, key, None).0;
    assert_eq!(read(&monitor, "/v1/sessions/s1/risk"), 200);
    assert_eq!(read(&monitor, "/v1/sessions/s1/decisions"), 200);
    assert_eq!(read(&ingest, "/v1/sessions/s1/risk"), 403);
    assert_eq!(read(&stranger, "/v1/sessions/s1/risk"), 404);
    assert_eq!(read(&stranger, "/v1/sessions/s1/decisions"), 404);
    assert_eq!(guarded.call("GET", "/v1/sessions", &stranger, None), (200, json!([])));
    assert_eq!(read(&monitor, "/v1/keys"), 403);
}

#[test]
fn a_token_speaks_for_one_session_only() {
    let guarded = Guarded::new(&[]);
    let (_, key) = guarded.key("t", "ingest monitor");
    let token = guarded.token(&key, Some("ann"), "s1", &["ingest", "monitor"]);
    assert_eq!(guarded.send(&token, &batch("s1", 0)).0, 202);
    let anonymous = batch("s1", 0).replace(r#""subject":"ann","#, "");
    let another_tenant = batch("s1", 0).replace(r#""tenant":"t""#, r#""tenant":"u""#);
    let forged = [
        (batch("s2", 0), "forged_session"),
        (batch("s1", 0).replace("ann", "bea"), "forged_subject"),
        (anonymous, "forged_subject"),
        (another_tenant, "forged_tenant"),
    ];
    for (forged, reason) in forged {
        let (status, answer) = guarded.send(&token, &forged);
        assert_eq!((status, answer["reason"].as_str()), (403, Some(reason)), "{forged}");
    }
    for session in ["s1", "s2"] {
        guarded.stand.publish_decision(session, 0);
    }
    guarded.stand.await_decisions(2);
    let read = |path| guarded.call("GET", path, &token, None).0;
    assert_eq!(read("/v1/sessions/s1/risk"), 200);
    assert_eq!(read("/v1/sessions/s2/risk"), 403);
    assert_eq!(read("/v1/sessions/s2/monitor"), 403);
    assert_eq!(read("/v1/sessions"), 403);
    assert_eq!(read("/v1/decisions/stream"), 403);
    assert_eq!(read("/v1/decisions/stream?session=s2"), 403);
    let wish = json!({ "session": "s2", "scopes": ["ingest"] });
    assert_eq!(
        guarded.call("POST", "/v1/tokens", &token, Some(wish)).0,
        403,
        "a token makes no tokens"
    );
    let reader = guarded.token(&key, None, "s1", &["monitor"]);
    assert_eq!(guarded.send(&reader, &batch("s1", 1)).0, 403);
}

#[test]
fn a_token_is_never_more_than_its_key() {
    let guarded = Guarded::new(&[]);
    let (_, key) = guarded.key("t", "ingest");
    let cases = [
        (json!({ "session": "s1", "scopes": ["monitor"] }), 403, "forbidden"),
        (json!({ "session": "s1", "scopes": ["admin"] }), 400, "bad_value"),
        (json!({ "session": "s1", "scopes": [] }), 400, "bad_value"),
        (json!({ "session": "s 1", "scopes": ["ingest"] }), 400, "bad_value"),
        (
            json!({ "session": "s1", "scopes": ["ingest"], "ttl_s": 86400 }),
            400,
            "bad_value",
        ),
        (
            json!({ "session": "s1", "scopes": ["ingest"], "role": "x" }),
            400,
            "bad_body",
        ),
    ];
    for (wish, status, reason) in cases {
        let (found, answer) = guarded.call("POST", "/v1/tokens", &key, Some(wish.clone()));
        assert_eq!((found, answer["reason"].as_str()), (status, Some(reason)), "{wish}");
    }
}

#[test]
fn keys_are_made_rotated_and_revoked() {
    let guarded = Guarded::new(&["access.cache_ms=1"]);
    let (_, admin) = guarded.key("t", "admin ingest");
    let (_, stranger) = guarded.key("u", "admin ingest");
    let wish = json!({ "label": "shop", "scopes": ["ingest"] });
    let (status, made) = guarded.call("POST", "/v1/keys", &admin, Some(wish));
    assert_eq!(status, 201, "{made}");
    let (id, key) = (
        made["id"].as_str().expect("an id"),
        made["key"].as_str().expect("a key"),
    );
    assert_eq!(guarded.send(key, &batch("s1", 0)).0, 202);
    let beyond = json!({ "label": "more", "scopes": ["monitor"] });
    assert_eq!(guarded.call("POST", "/v1/keys", &admin, Some(beyond)).0, 403);
    let rotate = format!("/v1/keys/{id}/rotate");
    assert_eq!(guarded.call("POST", &rotate, &stranger, None).0, 404);
    let (status, rotated) = guarded.call("POST", &rotate, &admin, Some(json!({ "grace_s": 600 })));
    assert_eq!(status, 200, "{rotated}");
    let fresh = rotated["key"].as_str().expect("a key");
    for credential in [key, fresh] {
        assert_eq!(guarded.send(credential, &batch("s1", 1)).0, 202);
    }
    let (_, listed) = guarded.call("GET", "/v1/keys", &admin, None);
    assert!(!listed.to_string().contains("dk_"), "{listed}");
    assert_eq!(listed.as_array().map(Vec::len), Some(2));
    assert_eq!(
        guarded.call("DELETE", &format!("/v1/keys/{id}"), &stranger, None).0,
        404
    );
    assert_eq!(guarded.call("DELETE", &format!("/v1/keys/{id}"), &admin, None).0, 204);
    std::thread::sleep(Duration::from_millis(20));
    for credential in [key, fresh] {
        assert_eq!(guarded.send(credential, &batch("s1", 2)).0, 401);
    }
}

#[test]
fn a_page_shows_its_token_among_the_sub_protocols() {
    let guarded = Guarded::new(&[]);
    let (_, key) = guarded.key("t", "ingest");
    let token = guarded.token(&key, Some("ann"), "s1", &["ingest"]);
    let connect = |protocols: String| {
        let url = guarded.stand.url("/v1/events").replace("http", "ws");
        guarded.stand.runtime.block_on(async {
            let mut request =
                tokio_tungstenite::tungstenite::client::IntoClientRequest::into_client_request(url).expect("a request");
            let protocols = HeaderValue::from_str(&protocols).expect("a header");
            request.headers_mut().insert("sec-websocket-protocol", protocols);
            let (mut socket, _) = tokio_tungstenite::connect_async(request).await.ok()?;
            let mut answers = Vec::new();
            for frame in [batch("s1", 0), batch("s2", 0)] {
                socket.send(Message::text(frame)).await.expect("sent");
                let answer = socket.next().await.expect("an answer").expect("a frame");
                answers.push(answer.into_text().expect("text").to_string());
            }
            Some(answers)
        })
    };
    let expected = [
        r#"{"ok":true,"seq":0}"#.to_owned(),
        r#"{"ok":false,"reason":"forged_session","seq":null}"#.to_owned(),
    ];
    assert_eq!(connect(format!("ductus.v1, bearer.{token}")), Some(expected.to_vec()));
    assert_eq!(connect("ductus.v1, bearer.x".to_owned()), None);
    assert_eq!(connect("ductus.v1".to_owned()), None);
}
