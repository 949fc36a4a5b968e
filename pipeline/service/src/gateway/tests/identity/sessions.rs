//! Signing in and out, and what it lets one do with sessions.

use super::*;
use crate::accounts::now_ms;

#[test]
fn a_person_from_registration_to_the_last_sign_out() {
    let house = House::guarded();
    let asked = house.post("/v1/auth/register", credentials(ANN, PASSWORD));
    assert_eq!(asked.status, 202, "{}", asked.text);
    assert!(asked.cookie().is_none());
    let opened = house.confirm(&asked, ANN);
    let set = opened.headers["set-cookie"].to_str().expect("text").to_owned();
    let flags: Vec<&str> = set.split("; ").skip(1).collect();
    let expected = [
        "HttpOnly",
        "SameSite=Strict",
        "Secure",
        "Path=/v1/auth",
        "Max-Age=2592000",
    ];
    assert_eq!(flags, expected);
    assert_eq!(opened.headers["cache-control"], "no-store");
    assert!(!opened.text.contains("dr_"), "no script reads the refresh token");
    let first = Browser::of(&opened);
    assert_eq!(
        house.confirm(&asked, ANN).reason(),
        (401, "unauthenticated"),
        "a code works once"
    );

    // From the same address the password is enough; from another one it is not, until its owner says so.
    let second = Browser::of(&house.log_in());
    assert_eq!(second.user, first.user);
    let away = || house.post_away("/v1/auth/login", credentials(ANN, PASSWORD));
    let asked = away();
    assert_eq!((asked.status, &asked.body["factors"]), (202, &json!(["code"])));
    assert!(asked.cookie().is_none());
    let code = json!({ "challenge": asked.field("challenge"), "code": house.code(ANN) });
    Browser::of(&house.post_away("/v1/auth/confirm", code));
    assert_eq!(away().status, 202, "not trusted yet");
    approve(&house);
    Browser::of(&away());

    // Each refresh token works once; one that comes again ends its sign-in, and no other.
    let refreshed = Browser::of(&house.with_cookie("/v1/auth/refresh", &first.cookie));
    assert_ne!(refreshed.cookie, first.cookie);
    let reused = house.with_cookie("/v1/auth/refresh", &first.cookie);
    assert_eq!(reused.reason(), (401, "unauthenticated"));
    assert_eq!(
        reused.cookie().as_deref(),
        Some("ductus_refresh="),
        "the browser forgets it"
    );
    let ended = house.with_cookie("/v1/auth/refresh", &refreshed.cookie);
    assert_eq!(
        ended.reason(),
        (401, "unauthenticated"),
        "the sign-in has ended for both"
    );
    let me = |token: &str| house.with_token("GET", "/v1/me", token, None).status;
    assert_eq!(
        (me(&first.token), me(&refreshed.token), me(&second.token)),
        (401, 401, 200)
    );

    // Out here, then everywhere.
    let third = Browser::of(&house.log_in());
    let out = house.with_cookie("/v1/auth/logout", &second.cookie);
    assert_eq!((out.status, out.cookie().as_deref()), (204, Some("ductus_refresh=")));
    assert_eq!((me(&second.token), me(&third.token)), (401, 200));
    let fourth = Browser::of(&house.log_in());
    let out = house.with_token("POST", "/v1/auth/logout-everywhere", &third.token, None);
    assert_eq!((out.status, me(&third.token), me(&fourth.token)), (204, 401, 401));
    assert_eq!(house.with_cookie("/v1/auth/refresh", &fourth.cookie).status, 401);
    assert_eq!(
        house.with_cookie("/v1/auth/logout", "ductus_refresh=dr_none").status,
        204
    );
}

/// Follows the link in the newest mail, first as a program, then as a browser.
fn approve(house: &House) {
    let rest = house.mailed(ANN, "https://ductus.example");
    let link = rest.lines().next().expect("a link");
    let seen = house.ask("GET", link, &[], None);
    assert_eq!((seen.status, &seen.body["prefix"]), (200, &json!(format!("{AWAY}/32"))));
    let page = house.ask("GET", link, &[("accept", "text/html,*/*;q=0.8")], None);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert!(page.text.contains("<form method=\"post\"><button>"), "{}", page.text);
    assert!(page.text.contains(AWAY));
    let form = [
        ("accept", "text/html"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("origin", "null"),
    ];
    let done = house.ask("POST", link, &form, Some(&json!("")));
    assert!(
        done.status == 200 && done.text.contains("is trusted now"),
        "{}",
        done.text
    );
    assert_eq!(house.ask("POST", link, &form, None).status, 404, "a link works once");
    assert_eq!(house.ask("GET", link, &[], None).reason(), (404, "not_found"));
}

#[test]
fn a_step_up_is_asked_for_and_given() {
    let house = House::guarded();
    let ann = house.register(ANN);
    let inner = &house.gateway().inner;
    let identity = inner.identity.clone().expect("people sign in here");
    let step_ups = StepUps::new(identity, Arc::clone(&inner.audit));
    let decide = |action: &str, subject: &str, tenant: &str| {
        let mut decision = decision("s1", 0);
        decision["action"] = action.into();
        decision["subject"] = subject.into();
        decision["tenant"] = tenant.into();
        let decision = serde_json::from_value(decision).expect("a decision");
        let raised = step_ups.raise(&decision, now_ms());
        house.stand.runtime.block_on(raised).expect("the database")
    };
    let me = || house.with_token("GET", "/v1/me", &ann.token, None).body;
    let set_mode = |mode: &str| house.with_token("POST", "/v1/me/mode", &ann.token, Some(json!({ "mode": mode })));
    assert_eq!(me()["mode"], "train");
    assert!(!decide("step_up", &ann.user, "t"), "who is learned is not guarded");
    assert_eq!(set_mode("auth").body["mode"], "auth");
    assert!(!decide("allow", &ann.user, "t") && !decide("insufficient_data", &ann.user, "t"));
    assert!(!decide("terminate", "ann", "t") && !decide("terminate", &ann.user, "u"));
    assert_eq!(me()["step_up"], Value::Null);

    for action in ["step_up", "terminate"] {
        assert!(decide(action, &ann.user, "t"));
        assert_eq!(me()["step_up"]["why"], "s1-0");
        let refused = [
            set_mode("train"),
            house.with_token("DELETE", "/v1/me", &ann.token, None),
            house.with_token("POST", "/v1/me/addresses", &ann.token, Some(json!({ "prefix": AWAY }))),
            house.with_token("DELETE", "/v1/me/addresses?prefix=127.0.0.1", &ann.token, None),
            house.with_token("POST", "/v1/me/passkeys/begin", &ann.token, None),
            house.with_token("DELETE", "/v1/me/passkeys/x", &ann.token, None),
            house.with_token(
                "POST",
                "/v1/me/password",
                &ann.token,
                Some(json!({ "old": PASSWORD, "new": PASSWORD })),
            ),
        ];
        for answer in refused {
            assert_eq!(answer.reason(), (403, "step_up"));
        }
        let asked = house.with_token("POST", "/v1/me/step-up", &ann.token, None);
        assert_eq!((asked.status, &asked.body["factors"]), (202, &json!(["code"])));
        let wrong = json!({ "challenge": asked.field("challenge"), "code": "0000" });
        assert_eq!(house.post("/v1/auth/confirm", wrong).status, 401);
        assert_ne!(me()["step_up"], Value::Null);
        let proved = house.confirm(&asked, ANN);
        assert_eq!((proved.status, proved.field("user")), (200, ann.user.clone()));
        assert!(
            proved.cookie().is_none(),
            "the sign-in goes on with the cookie that it has"
        );
        assert_eq!(me()["step_up"], Value::Null);
        let token = proved.field("access_token");
        assert_eq!(house.with_token("GET", "/v1/me", &token, None).status, 200);
    }
    assert_eq!(set_mode("train").status, 200);
    Browser::of(&house.with_cookie("/v1/auth/refresh", &ann.cookie));
}

/// Anybody may sit down at an open sign-in, and would like to be learned as its user.
#[test]
fn who_is_guarded_is_not_learned_without_a_proof() {
    let house = House::guarded();
    let ann = house.register(ANN);
    let mine = |who: &Browser, method: &str, path: &str, body| house.with_token(method, path, &who.token, body);
    let send = |who: &Browser, purpose: &str| {
        let batch = batch("s1", 0).replace("\"ann\"", &format!("\"{}\"", ann.user));
        let batch = batch.replace(r#""purpose":"session""#, &format!(r#""purpose":"{purpose}""#));
        mine(
            who,
            "POST",
            "/v1/events",
            Some(serde_json::from_str(&batch).expect("json")),
        )
    };
    let set_mode = |who: &Browser, mode: &str| mine(who, "POST", "/v1/me/mode", Some(json!({ "mode": mode })));
    for purpose in ["enrol", "collect", "session"] {
        assert_eq!(send(&ann, purpose).status, 202, "{purpose}");
    }
    assert_eq!(set_mode(&ann, "auth").status, 200);
    for purpose in ["enrol", "collect"] {
        assert_eq!(send(&ann, purpose).reason(), (403, "guarded"), "{purpose}");
    }
    assert_eq!(send(&ann, "session").status, 202);

    // From a trusted network the password alone signs in, which is no second proof.
    let other = Browser::of(&house.log_in());
    let refused = [
        set_mode(&other, "train"),
        mine(&other, "DELETE", "/v1/me", None),
        mine(&other, "POST", "/v1/me/passkeys/begin", None),
        mine(&other, "DELETE", "/v1/me/passkeys/x", None),
    ];
    for answer in refused {
        assert_eq!(answer.reason(), (403, "step_up"));
    }
    let asked = mine(&other, "POST", "/v1/me/step-up", None);
    assert_eq!(house.confirm(&asked, ANN).status, 200);
    assert_eq!(set_mode(&other, "train").status, 200);
    assert_eq!(send(&other, "enrol").status, 202);
}

#[test]
fn a_decision_in_kafka_asks_its_user() {
    let house = House::guarded();
    let ann = house.register(ANN);
    let mode = json!({ "mode": "auth" });
    assert_eq!(
        house.with_token("POST", "/v1/me/mode", &ann.token, Some(mode)).status,
        200
    );
    let mut asks = decision("s1", 0);
    asks["subject"] = ann.user.as_str().into();
    house.stand.publish(&ann.user, &asks);
    let started = Instant::now();
    loop {
        let me = house.with_token("GET", "/v1/me", &ann.token, None).body;
        if me["step_up"]["why"] == "s1-0" {
            break;
        }
        assert!(started.elapsed() < WAIT, "{me}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_person_speaks_for_themselves_only_and_sees_only_what_is_theirs() {
    for mode in ["access.mode=keys", "access.mode=open"] {
        let house = House::new(&[mode]);
        let ann = house.register(ANN);
        let send = |batch: &str| {
            let batch = serde_json::from_str(batch).expect("json");
            house.with_token("POST", "/v1/events", &ann.token, Some(batch))
        };
        let own = batch("s1", 0).replace("\"ann\"", &format!("\"{}\"", ann.user));
        assert_eq!(send(&own).status, 202);
        assert_eq!(send(&own.replace(r#""session":"s1""#, r#""session":"s2""#)).status, 202);
        assert_eq!(
            send(&own.replace(r#""purpose":"session""#, r#""purpose":"enrol""#)).status,
            202
        );
        let subject = format!(r#""subject":"{}","#, ann.user);
        assert_eq!(send(&batch("s1", 0)).reason(), (403, "forged_subject"));
        assert_eq!(send(&own.replace(&subject, "")).reason(), (403, "forged_subject"));
        let elsewhere = own.replace(r#""tenant":"t""#, r#""tenant":"u""#);
        assert_eq!(send(&elsewhere).reason(), (403, "forged_tenant"));

        // s1 is theirs; s2 is another's; s3 has a name that both chose.
        let mut sequence = 0;
        let mut decide = |session: &str, subject: &str| {
            let mut decision = decision(session, sequence);
            decision["subject"] = subject.into();
            house.stand.publish("one", &decision);
            sequence += 1;
            decision["id"].as_str().expect("an id").to_owned()
        };
        decide("s1", &ann.user);
        decide("s2", "eve");
        decide("s3", &ann.user);
        decide("s3", "eve");
        house.stand.await_decisions(4);
        let read = |path: &str| house.with_token("GET", path, &ann.token, None);
        assert_eq!(read("/v1/sessions/s1/risk").body["subject"], ann.user.as_str());
        assert_eq!(read("/v1/sessions/s3/risk").body["decision"], "s3-2");
        let decisions = read("/v1/sessions/s3/decisions").body;
        assert_eq!(decisions.as_array().map(Vec::len), Some(1), "{decisions}");
        for path in [
            "/v1/sessions/s2/risk",
            "/v1/sessions/s9/risk",
            "/v1/sessions/s2/decisions",
        ] {
            assert_eq!(read(path).reason(), (404, "not_found"), "{path}");
        }
        for path in [
            "/v1/sessions",
            "/v1/stats",
            "/v1/decisions/stream",
            "/v1/users",
            "/v1/subjects/eve",
        ] {
            assert_eq!(read(path).reason(), (403, "forbidden"), "{path}");
        }
        for path in ["/v1/decisions/stream?session=s3", "/v1/sessions/s3/monitor"] {
            let told = house.stand.runtime.block_on(async {
                let request = house.client.get(house.stand.url(path)).bearer_auth(&ann.token);
                let mut chunks = request.send().await.expect("an answer").bytes_stream();
                // The other's comes first: once theirs is shown, it was passed by.
                let theirs = tokio::task::block_in_place(|| {
                    decide("s3", "eve");
                    decide("s3", &ann.user)
                });
                let mut told = String::new();
                while !told.contains(&theirs) {
                    let chunk = tokio::time::timeout(WAIT, chunks.next()).await.expect("in time");
                    told.push_str(&String::from_utf8_lossy(&chunk.expect("a chunk").expect("bytes")));
                }
                told
            });
            assert!(!told.contains("\"eve\""), "{told}");
        }
    }
}

#[test]
fn where_access_is_open_a_person_is_still_one() {
    let house = House::new(&[]);
    let ann = house.register(ANN);
    let (_, other) = (house.register("bob@example.org"), House::new(&[]).register(ANN));
    let stats = |shown: &[(&str, &str)]| house.ask("GET", "/v1/stats", shown, None).status;
    let shown = format!("Bearer {}", ann.token);
    assert_eq!(stats(&[]), 200);
    assert_eq!(stats(&[("authorization", "Bearer dk_something")]), 200);
    assert_eq!(stats(&[("authorization", &shown)]), 403);
    // A token that was one is told, so that its page gets the next.
    let foreign = format!("Bearer {}", other.token);
    assert_eq!(stats(&[("authorization", &foreign)]), 401);
    assert_eq!(house.ask("GET", "/v1/me", &[], None).reason(), (401, "unauthenticated"));
    assert_eq!(house.with_token("GET", "/v1/me", &ann.token, None).body["email"], ANN);
}

#[test]
fn nobody_signs_in_where_it_is_off() {
    let stand = Stand::new(&[]);
    let routes = [
        ("POST", "/v1/auth/register"),
        ("POST", "/v1/auth/reset"),
        ("POST", "/v1/auth/login"),
        ("POST", "/v1/auth/confirm"),
        ("POST", "/v1/auth/passkey/begin"),
        ("POST", "/v1/auth/passkey/confirm"),
        ("POST", "/v1/auth/refresh"),
        ("POST", "/v1/auth/logout"),
        ("POST", "/v1/auth/logout-everywhere"),
        ("GET", "/v1/auth/approvals/x"),
        ("POST", "/v1/auth/approvals/x"),
        ("GET", "/v1/me"),
        ("DELETE", "/v1/me"),
        ("POST", "/v1/me/mode"),
        ("POST", "/v1/me/step-up"),
        ("POST", "/v1/me/password"),
        ("GET", "/v1/me/addresses"),
        ("POST", "/v1/me/addresses"),
        ("DELETE", "/v1/me/addresses?prefix=x"),
        ("GET", "/v1/me/passkeys"),
        ("POST", "/v1/me/passkeys"),
        ("POST", "/v1/me/passkeys/begin"),
        ("DELETE", "/v1/me/passkeys/x"),
        ("GET", "/v1/users"),
        ("GET", "/v1/demo/mailbox"),
    ];
    for (method, path) in routes {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let request = stand.client.request(method, stand.url(path)).bearer_auth("x");
        let (status, _, body) = stand.answer(request.json(&json!({})));
        assert!(status == 404 && body.contains("not_found"), "{path}: {status} {body}");
    }
}
