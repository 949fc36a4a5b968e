//! One's own account, and the administrator's list.

use super::*;
use crate::accounts::{now_ms, open_keys, open_store};
use ductus_accounts::{NewKey, Scopes, Tenants};
use webauthn_authenticator_rs::WebauthnAuthenticator;
use webauthn_authenticator_rs::prelude::Url;
use webauthn_authenticator_rs::softpasskey::SoftPasskey;

impl House {
    fn mine(&self, who: &Browser, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.with_token(method, path, &who.token, body)
    }
}

#[test]
fn a_password_is_changed_by_who_knows_the_old_one() {
    let house = House::guarded();
    let ann = house.register(ANN);
    let other = Browser::of(&house.log_in());
    let change =
        |old: &str, new: &str| house.mine(&ann, "POST", "/v1/me/password", Some(json!({ "old": old, "new": new })));
    let fresh = "a quite different password";
    assert_eq!(change("not the password", fresh).reason(), (403, "wrong_password"));
    let refused = change(PASSWORD, "short");
    assert_eq!(refused.reason(), (400, "bad_password"));
    assert_eq!(refused.body["title"], "the password is too short");
    assert_eq!(change(PASSWORD, fresh).status, 204);
    assert_eq!(house.log_in().reason(), (401, "unauthenticated"));
    Browser::of(&house.post("/v1/auth/login", credentials(ANN, fresh)));
    let me = |who: &Browser| house.mine(who, "GET", "/v1/me", None).status;
    assert_eq!((me(&ann), me(&other)), (200, 401), "only the other sign-ins end");

    // One that is lost is replaced with the mailbox, and ends them all.
    let asked = house.post("/v1/auth/reset", credentials(ANN, PASSWORD));
    assert_eq!(me(&ann), 200, "asking changes nothing");
    let found = Browser::of(&house.confirm(&asked, ANN));
    assert_eq!((me(&ann), me(&found)), (401, 200));
}

#[test]
fn addresses_are_listed_asked_for_and_forgotten() {
    let house = House::guarded();
    let ann = house.register(ANN);
    let list = || {
        let listed = house.mine(&ann, "GET", "/v1/me/addresses", None).body;
        let prefix = |address: &Value| address["prefix"].as_str().expect("a prefix").to_owned();
        listed
            .as_array()
            .expect("a list")
            .iter()
            .map(prefix)
            .collect::<Vec<_>>()
    };
    assert_eq!(list(), ["127.0.0.1/32"]);
    let ask = |prefix: &str| house.mine(&ann, "POST", "/v1/me/addresses", Some(json!({ "prefix": prefix })));
    assert_eq!(ask("0.0.0.0/0").reason(), (400, "bad_value"));
    assert_eq!(ask("home").reason(), (400, "bad_value"));
    let asked = ask("198.51.100.9/24");
    assert_eq!(
        (asked.status, asked.body),
        (202, json!({ "prefix": "198.51.100.0/24" }))
    );
    assert_eq!(list(), ["127.0.0.1/32"], "the mailbox has not answered");
    let link = house.mailed(ANN, "https://ductus.example");
    let approved = house.ask("POST", link.lines().next().expect("a link"), &[], None);
    assert_eq!(
        (approved.status, approved.body),
        (200, json!({ "prefix": "198.51.100.0/24" }))
    );
    assert_eq!(list(), ["198.51.100.0/24", "127.0.0.1/32"]);
    let forget = |prefix: &str| house.mine(&ann, "DELETE", &format!("/v1/me/addresses?prefix={prefix}"), None);
    assert_eq!(forget("127.0.0.1").status, 204);
    assert_eq!(forget("127.0.0.1").status, 404);
    assert_eq!(forget("home").status, 400);
    assert_eq!(list(), ["198.51.100.0/24"]);
    assert_eq!(house.log_in().status, 202, "home is not trusted any more");
    // The sixth mail within the hour: codes count as well.
    let asked: Vec<u16> = (0..6).map(|host| ask(&format!("203.0.113.{host}")).status).collect();
    assert_eq!(asked.last(), Some(&429), "{asked:?}");
}

#[test]
fn a_passkey_answers_in_place_of_the_code() {
    let house = House::guarded();
    let ann = house.register(ANN);
    let origin = Url::parse("https://ductus.example").expect("an origin");
    let mut browser = SoftPasskey::new(true);
    let begun = house.mine(&ann, "POST", "/v1/me/passkeys/begin", None);
    let options = serde_json::from_value(begun.body["options"].clone()).expect("options");
    let made = browser.do_registration(origin.clone(), options).expect("a passkey");
    let add = |ceremony: &str| {
        let body = json!({ "ceremony": ceremony, "label": "laptop", "answer": made });
        house.mine(&ann, "POST", "/v1/me/passkeys", Some(body))
    };
    assert_eq!(add("another").reason(), (400, "bad_value"));
    let added = add(&begun.field("ceremony"));
    assert_eq!((added.status, added.field("label")), (201, "laptop".to_owned()));
    assert_eq!(
        add(&begun.field("ceremony")).reason(),
        (400, "bad_value"),
        "a ceremony works once"
    );
    let listed = house.mine(&ann, "GET", "/v1/me/passkeys", None).body;
    assert_eq!(
        (&listed[0]["label"], &listed[0]["used_at_ms"]),
        (&json!("laptop"), &Value::Null)
    );

    let asked = house.post_away("/v1/auth/login", credentials(ANN, PASSWORD));
    assert_eq!(asked.body["factors"], json!(["code", "passkey"]));
    let challenge = asked.field("challenge");
    let begun = house.post_away("/v1/auth/passkey/begin", json!({ "challenge": challenge }));
    let options = serde_json::from_value(begun.body["options"].clone()).expect("options");
    let answer = browser.do_authentication(origin, options).expect("an answer");
    let shown = json!({ "challenge": challenge, "answer": answer });
    let signed_in = Browser::of(&house.post_away("/v1/auth/passkey/confirm", shown.clone()));
    assert_eq!(signed_in.user, ann.user);
    assert_eq!(
        house.post_away("/v1/auth/passkey/confirm", shown).reason(),
        (401, "unauthenticated")
    );

    let remove = |id: &str| {
        house
            .mine(&ann, "DELETE", &format!("/v1/me/passkeys/{id}"), None)
            .status
    };
    let id = listed[0]["id"].as_str().expect("an id");
    assert_eq!((remove("none"), remove(id), remove(id)), (404, 204, 404));
}

#[test]
fn an_account_goes_with_what_was_learned() {
    let house = House::guarded();
    let ann = house.register(ANN);
    let gone = house.mine(&ann, "DELETE", "/v1/me", None);
    assert_eq!((gone.status, gone.cookie().as_deref()), (204, Some("ductus_refresh=")));
    assert_eq!(
        house.mine(&ann, "GET", "/v1/me", None).reason(),
        (401, "unauthenticated")
    );
    assert_eq!(
        house.mine(&ann, "DELETE", "/v1/me", None).reason(),
        (401, "unauthenticated")
    );
    assert_eq!(house.with_cookie("/v1/auth/refresh", &ann.cookie).status, 401);
    assert_eq!(house.log_in().status, 401);
    let open = house.stand.runtime.block_on(async {
        let store = open_store(&house.stand.config).await.expect("the database");
        Tenants::new(store).open_erasures(10).await.expect("the database")
    });
    let asked: Vec<(&str, &str)> = open
        .iter()
        .map(|one| (one.tenant.as_str(), one.subject.as_str()))
        .collect();
    assert_eq!(asked, [("t", ann.user.as_str())]);
}

#[test]
fn users_are_listed_for_their_tenants_administrator() {
    let house = House::guarded();
    let mut users = [house.register(ANN).user, house.register("bob@example.org").user];
    users.sort();
    let key = |tenant: &str, scopes: &str| {
        house.stand.runtime.block_on(async {
            let keys = open_keys(&house.stand.config).await.expect("the database");
            let scopes: Scopes = scopes.parse().expect("scopes");
            let new = NewKey {
                tenant,
                label: "test",
                scopes,
                expires_ms: None,
            };
            keys.create(&new, now_ms())
                .await
                .expect("made")
                .answer
                .key
                .expose()
                .to_owned()
        })
    };
    let (admin, stranger) = (key("t", "admin"), key("u", "admin"));
    let list = |query: &str| {
        let listed = house.with_token("GET", &format!("/v1/users{query}"), &admin, None).body;
        let user = |listed: &Value| listed["user"].as_str().expect("a user").to_owned();
        listed.as_array().expect("a list").iter().map(user).collect::<Vec<_>>()
    };
    assert_eq!(list(""), users);
    assert_eq!(list("?limit=1"), users[..1]);
    assert_eq!(list(&format!("?after={}", users[0])), users[1..]);
    assert_eq!(house.with_token("GET", "/v1/users", &stranger, None).body, json!([]));
    let refused = [
        house.with_token("GET", "/v1/users", &key("t", "ingest verify monitor"), None),
        house.with_token("GET", "/v1/me", &admin, None),
    ];
    for answer in refused {
        assert_eq!(answer.reason(), (403, "forbidden"));
    }
    assert_eq!(
        house.with_token("GET", "/v1/users?limit=x", &admin, None).reason(),
        (400, "bad_value")
    );
    assert_eq!(house.ask("GET", "/v1/users", &[], None).status, 401);
}
