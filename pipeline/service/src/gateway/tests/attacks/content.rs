//! Text that is code elsewhere: SQL, headers, paths, addresses, markup; and foreign pages.

use super::*;
use crate::accounts::{now_ms, open_keys};
use ductus_accounts::{NewKey, Scopes};

const MARKUP: &str = "<script>alert(1)</script><img src=x onerror=alert(1)>";
const EVIL: [&str; 9] = [
    "' OR '1'='1",
    "'; DROP TABLE users; --",
    "a\r\nx-evil: 1\r\nset-cookie: ductus_refresh=evil\r\n\r\n",
    "a\u{0}evil",
    MARKUP,
    "//evil.example/..",
    "https://evil.example",
    "../../../../etc/passwd?evil",
    "\u{feff}\u{202e}evil%00%s{{7*7}}${7*7}",
];

/// As it stands in an address: every byte that may mean something there is written as a number.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte.is_ascii_alphanumeric() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// A house, somebody who signed in, and a key for everything.
fn house() -> (House, String, String) {
    let house = House::guarded();
    let person = house.register(ANN).token;
    let key = house.stand.runtime.block_on(async {
        let keys = open_keys(&house.stand.config).await.expect("the database");
        let scopes: Scopes = "ingest verify monitor admin".parse().expect("scopes");
        let new = NewKey {
            tenant: "t",
            label: MARKUP,
            scopes,
            expires_ms: None,
        };
        let made = keys.create(&new, now_ms()).await.expect("made").answer;
        made.key.expose().to_owned()
    });
    (house, person, key)
}

#[test]
fn what_is_code_elsewhere_is_text_in_every_path_query_and_body() {
    let (house, person, key) = house();
    let operations = Operation::all();
    for operation in operations.iter().filter(|operation| !operation.is_endless()) {
        for evil in EVIL {
            let mut path = operation.path_with(|_| encoded(evil));
            let pairs = operation.query.iter().map(|name| format!("{name}={}", encoded(evil)));
            let pairs: Vec<String> = pairs.collect();
            if !pairs.is_empty() {
                path = format!("{path}?{}", pairs.join("&"));
            }
            let bodies = match &operation.body {
                Some(texts) => vec![
                    json!(evil),
                    texts.iter().map(|name| (name.clone(), json!(evil))).collect(),
                ],
                // Where there is nothing to say it in, nothing is asked: it might be an end of all.
                None if path == operation.path => continue,
                None => vec![Value::Null],
            };
            for body in &bodies {
                for credential in [&person, &key] {
                    let shown = format!("Bearer {credential}");
                    let headers = [("authorization", shown.as_str()), ("accept", "text/html, */*")];
                    let body = Some(body).filter(|body| !body.is_null());
                    // Sent elsewhere nobody is: `ask` looks.
                    let answer = house.ask(operation.method.as_str(), &path, &headers, body);
                    unharmed(&format!("{} {evil:?}", operation.name()), &answer);
                }
            }
        }
    }
    let listed = house.with_token("GET", "/v1/keys", &key, None).body;
    assert_eq!(
        (listed.as_array().map(Vec::len), &listed[0]["label"]),
        (Some(1), &json!(MARKUP))
    );
    assert_eq!(house.with_token("GET", "/v1/me", &person, None).body["email"], ANN);
    // From elsewhere, where nobody has guessed at passwords.
    assert_eq!(
        house.post_away("/v1/auth/login", credentials(ANN, PASSWORD)).status,
        202
    );
}

fn unharmed(what: &str, answer: &Answer) {
    assert!(answer.status < 500, "{what}: {} {}", answer.status, answer.text);
    assert!(!answer.headers.contains_key("x-evil"), "{what}");
    let cookie = answer
        .headers
        .get("set-cookie")
        .map(|cookie| cookie.to_str().expect("text"));
    assert!(
        !cookie.is_some_and(|cookie| cookie.contains("evil")),
        "{what}: {cookie:?}"
    );
    let content_type = answer
        .headers
        .get("content-type")
        .map(|said| said.to_str().expect("text"));
    if content_type.is_some_and(|said| said.starts_with("text/html")) {
        assert!(
            !answer.text.contains("evil") && !answer.text.contains("<script"),
            "{what}: {}",
            answer.text
        );
    }
    if answer.status >= 400 {
        assert!(!answer.text.contains("evil"), "{what} is told back: {}", answer.text);
    }
}

#[test]
fn markup_is_kept_as_text_and_given_as_json() {
    let (house, _, key) = house();
    house.stand.publish_decision("s1", 0);
    house.stand.await_decisions(1);
    let with_key = |method: &str, path: &str, body: Option<Value>| house.with_token(method, path, &key, body);
    let said = json!({ "verdict": "confirmed", "note": MARKUP });
    assert_eq!(with_key("POST", "/v1/decisions/s1-0/feedback", Some(said)).status, 201);
    let wish = json!({ "identify": true, "reason": MARKUP });
    assert_eq!(with_key("PUT", "/v1/settings", Some(wish)).status, 200);
    let shown = [
        ("/v1/decisions/s1-0", "/feedback/0/note"),
        ("/v1/settings", "/identify_reason"),
        ("/v1/keys", "/0/label"),
    ];
    for (path, place) in shown {
        let answer = with_key("GET", path, None);
        assert_eq!(answer.body.pointer(place), Some(&json!(MARKUP)), "{path}");
        assert_eq!(answer.headers["content-type"], "application/json", "{path}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
    }
}

#[test]
fn no_answer_lets_a_page_do_more_than_ours_does() {
    let house = House::guarded();
    let mut paths: Vec<(Method, String)> = Operation::all()
        .iter()
        .map(|operation| (operation.method.clone(), operation.path_with(|_| "x".to_owned())))
        .collect();
    paths.extend(["/", "/nothing"].map(|path| (Method::GET, path.to_owned())));
    for (method, path) in paths {
        let answer = house.ask(method.as_str(), &path, &[], None);
        let policy = answer.headers["content-security-policy"].to_str().expect("text");
        for word in ["unsafe", "data:", "*", "http:"] {
            assert!(!policy.contains(word), "{path}: {policy}");
        }
        for rule in [
            "default-src 'self'",
            "object-src 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.split("; ").any(|part| part == rule), "{path}: {policy}");
        }
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(answer.headers["referrer-policy"], "no-referrer", "{path}");
    }
    // A nonce that is told twice would be one that a page can be made to know.
    let policies = [0, 1].map(|_| house.ask("GET", "/", &[], None).headers["content-security-policy"].clone());
    assert_ne!(policies[0], policies[1]);
}

#[test]
fn a_foreign_page_changes_nothing_even_where_access_is_open() {
    let house = House::new(&[]);
    house.stand.publish_decision("s1", 0);
    house.stand.await_decisions(1);
    for operation in Operation::all() {
        let name = operation.name();
        let path = operation.path_with(|name| match name {
            "decision" => "s1-0".to_owned(),
            _ => "ann".to_owned(),
        });
        if operation.method == Method::POST {
            // What a page may send anywhere without asking: three content types, and no header of its own.
            let batch: Value = serde_json::from_str(&batch("s1", 0)).expect("json");
            let body = json!({ "batches": [batch], "verdict": "confirmed", "email": ANN, "password": PASSWORD });
            for said in [
                "text/plain",
                "application/x-www-form-urlencoded",
                "multipart/form-data; boundary=x",
            ] {
                for body in [&batch, &body] {
                    let headers = [("origin", "https://evil.example"), ("content-type", said)];
                    let answer = house.ask("POST", &path, &headers, Some(body));
                    assert!(
                        (400..500).contains(&answer.status),
                        "{name} {said}: {} {}",
                        answer.status,
                        answer.text
                    );
                }
            }
        }
        // For anything else its browser asks first, and is not told that it may.
        let asks = [
            ("origin", "https://evil.example"),
            ("access-control-request-method", operation.method.as_str()),
            ("access-control-request-headers", "content-type"),
        ];
        let allowed = house.ask("OPTIONS", &path, &asks, None);
        assert!(!allowed.headers.contains_key("access-control-allow-origin"), "{name}");
    }
    let metrics = house.stand.get("/metrics").2;
    assert!(!metrics.contains(r#"batches_total{outcome="accepted"}"#), "{metrics}");
    assert!(house.mailbox.mails().is_empty());
}
