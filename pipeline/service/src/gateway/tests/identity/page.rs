//! What a page of somebody else's, or somebody without a page, gets out of it: nothing.

use super::*;
use ductus_accounts::Mail;

#[test]
fn known_and_unknown_addresses_get_the_same_answers() {
    let house = House::guarded();
    house.register(ANN);
    let wrong = "not the password at all";
    let mut challenges = Vec::new();
    for (path, password) in [
        ("/v1/auth/register", PASSWORD),
        ("/v1/auth/reset", PASSWORD),
        ("/v1/auth/login", wrong),
        ("/v1/auth/register", "short"),
        ("/v1/auth/login", "short"),
    ] {
        let ask = |email: &str| house.post_away(path, credentials(email, password));
        let (known, unknown) = (ask(ANN), ask("eve@example.org"));
        assert_eq!(shape(&known), shape(&unknown), "{path}");
        if known.status == 202 {
            challenges.push((known.field("challenge"), unknown.field("challenge")));
        }
    }
    assert_eq!(challenges.len(), 2);
    for (known, unknown) in challenges {
        let confirm = |challenge: &str| {
            house.post_away(
                "/v1/auth/confirm",
                json!({ "challenge": challenge, "code": "0000 0000" }),
            )
        };
        let begin = |challenge: &str| house.post_away("/v1/auth/passkey/begin", json!({ "challenge": challenge }));
        for challenge in [&unknown, "none"] {
            assert_eq!(shape(&confirm(&known)), shape(&confirm(challenge)));
            assert_eq!(shape(&begin(&known)), shape(&begin(challenge)));
        }
    }
    // Guessing is slowed down alike.
    let throttled = |email: &str| {
        let guess = || {
            let guesser = [("x-forwarded-for", "203.0.113.9")];
            house.ask("POST", "/v1/auth/login", &guesser, Some(&credentials(email, wrong)))
        };
        let mut answers = std::iter::repeat_with(guess);
        let mut answer = answers.find(|answer| answer.status == 429).expect("at last");
        // How long is a matter of when.
        assert!(answer.headers.remove("retry-after").is_some());
        shape(&answer)
    };
    assert_eq!(throttled(ANN), throttled("eve@example.org"));
}

type Headers<'a> = &'a [(&'a str, &'a str)];

#[test]
fn a_foreign_page_signs_nobody_in_or_out() {
    let house = House::new(&["access.mode=keys", "gateway.cors_origins=https://shop.example"]);
    let ann = house.register(ANN);
    let json_type = ("content-type", "application/json");
    let form_type = ("content-type", "application/x-www-form-urlencoded");
    let text_type = ("content-type", "text/plain");
    let attacks: [(Headers<'_>, (u16, &str)); 6] = [
        (
            &[json_type, ("origin", "https://evil.example")],
            (403, "foreign_origin"),
        ),
        // May send events, and nothing else.
        (
            &[json_type, ("origin", "https://shop.example")],
            (403, "foreign_origin"),
        ),
        (&[json_type, ("origin", "null")], (403, "foreign_origin")),
        (&[form_type], (415, "wrong_content_type")),
        (&[text_type], (415, "wrong_content_type")),
        (&[], (415, "wrong_content_type")),
    ];
    for (headers, expected) in attacks {
        let cookie = [("cookie", ann.cookie.as_str())];
        let headers: Vec<(&str, &str)> = headers.iter().chain(&cookie).copied().collect();
        for path in ["/v1/auth/refresh", "/v1/auth/logout"] {
            let answer = house.ask("POST", path, &headers, None);
            assert_eq!(answer.reason(), expected, "{path} {headers:?}");
            assert!(answer.cookie().is_none());
        }
        if headers.len() > 1 {
            let answer = house.ask("POST", "/v1/auth/login", &headers, Some(&credentials(ANN, PASSWORD)));
            assert_eq!(answer.reason(), expected, "login {headers:?}");
        }
    }
    let ours = [json_type, ("origin", "https://ductus.example"), ("cookie", &ann.cookie)];
    assert_eq!(house.ask("POST", "/v1/auth/refresh", &ours, None).status, 200);
}

#[test]
fn an_address_breaks_out_of_no_header_and_into_no_answer() {
    let house = House::guarded();
    for email in [
        "ann@example.org\r\nBcc: eve@evil.example",
        "ann@example.org\nSubject: x",
        "ann@example.org, eve@evil.example",
        "Ann <ann@example.org>",
        "ann@example.org\u{0}",
        "nobody",
        "",
    ] {
        for path in ["/v1/auth/register", "/v1/auth/reset", "/v1/auth/login"] {
            let answer = house.post(path, credentials(email, PASSWORD));
            assert_eq!(answer.reason(), (400, "bad_value"), "{path} {email:?}");
            assert!(!answer.text.contains("evil"), "{}", answer.text);
        }
    }
    assert!(house.mailbox.mails().is_empty());
}

#[test]
fn a_code_is_tried_five_times() {
    let house = House::guarded();
    let asked = house.post("/v1/auth/register", credentials(ANN, PASSWORD));
    let challenge = asked.field("challenge");
    let real = house.code(ANN);
    let wrong = if real == "1111 1111" { "2222 2222" } else { "1111 1111" };
    for _ in 0..5 {
        let answer = house.post("/v1/auth/confirm", json!({ "challenge": challenge, "code": wrong }));
        assert_eq!(answer.reason(), (401, "unauthenticated"));
    }
    assert_eq!(
        house.confirm(&asked, ANN).reason(),
        (401, "unauthenticated"),
        "not even the right one"
    );
    Browser::of(&house.confirm(&house.post("/v1/auth/register", credentials(ANN, PASSWORD)), ANN));
}

#[test]
fn bodies_are_bounded_and_not_echoed() {
    let house = House::guarded();
    let bodies = [
        (json!({ "email": ANN }), 400, "bad_body"),
        (
            json!({ "email": ANN, "password": PASSWORD, "redirect": "https://evil.example" }),
            400,
            "bad_body",
        ),
        (json!(["secret"]), 400, "bad_body"),
        (
            json!({ "email": ANN, "password": "secret".repeat(20_000) }),
            413,
            "oversize_body",
        ),
    ];
    for (body, status, reason) in bodies {
        let answer = house.post("/v1/auth/login", body);
        assert_eq!(answer.reason(), (status, reason));
        assert!(
            !answer.text.contains("secret") && !answer.text.contains("evil"),
            "{}",
            answer.text
        );
    }
    // Asked by `ask`: none of these leads elsewhere.
    for path in [
        "/v1/auth/login?next=https://evil.example",
        "/v1/auth/approvals/https%3A%2F%2Fevil.example",
    ] {
        for accept in ["text/html", "application/json"] {
            let answer = house.ask("GET", path, &[("accept", accept)], None);
            assert!(matches!(answer.status, 404 | 405), "{path}: {}", answer.status);
            assert!(!answer.text.contains("evil"), "{}", answer.text);
        }
    }
}

#[test]
fn the_mailbox_shows_the_newest_first_and_only_where_there_is_one() {
    let house = House::guarded();
    house.register(ANN);
    house.register("bob@example.org");
    let answer = house.ask("GET", "/v1/demo/mailbox", &[], None);
    let told: Vec<&str> = answer
        .body
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|mail| mail["to"].as_str())
        .collect();
    assert_eq!(told, ["bob@example.org", ANN]);
    let newest: Option<Mail> = house.mailbox.mails().into_iter().next();
    assert_eq!(answer.body[0]["text"], newest.expect("a mail").text);
    assert_eq!(answer.body[0]["subject"], "Opening an account");
    assert!(answer.body[0]["sent_at_ms"].is_i64());
}
