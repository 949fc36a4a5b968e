//! Passkeys, with an authenticator in software in the place of the browser's.

use ductus_accounts::{Accounts, Action, Ceremony, CodeAnswer, Passkeys, SignedIn, Visit};
use serde_json::{Value, json};
use webauthn_authenticator_rs::WebauthnAuthenticator;
use webauthn_authenticator_rs::prelude::Url;
use webauthn_authenticator_rs::softpasskey::SoftPasskey;

use crate::people::{ANN, AWAY, HOME, PASSWORD, People, at, code_sent, policy, signed_in};
use crate::world::{MINUTE, NOW, SECOND, World, on_both};

/// A browser on a page of this origin, with a key of its own.
struct Browser(SoftPasskey, Url);

impl Browser {
    fn at(origin: &str) -> Self {
        Self(SoftPasskey::new(true), Url::parse(origin).unwrap())
    }

    fn create(&mut self, ceremony: &Ceremony) -> Value {
        let options = serde_json::from_value(ceremony.options.clone()).unwrap();
        serde_json::to_value(self.0.do_registration(self.1.clone(), options).unwrap()).unwrap()
    }

    fn get(&mut self, ceremony: &Ceremony) -> Value {
        let options = serde_json::from_value(ceremony.options.clone()).unwrap();
        serde_json::to_value(self.0.do_authentication(self.1.clone(), options).unwrap()).unwrap()
    }
}

fn browser() -> Browser {
    Browser::at("https://ductus.example")
}

fn passkeys(accounts: &Accounts) -> Passkeys {
    Passkeys::new(accounts.clone()).unwrap()
}

async fn add(people: &People, passkeys: &Passkeys, ann: &SignedIn, browser: &mut Browser) {
    let (visit, token) = (at(HOME, NOW), people.token(ann, NOW));
    let ceremony = passkeys.begin_register(&visit, &token).await.unwrap().unwrap();
    let answer = browser.create(&ceremony);
    let added = passkeys
        .finish_register(&visit, &token, &ceremony.id, "laptop", &answer)
        .await
        .unwrap();
    assert!(people.note(added));
}

/// A challenge of a sign-in from elsewhere.
async fn challenge(people: &People) -> String {
    code_sent(people.log_in(&at(AWAY, NOW), ANN, PASSWORD).await).id
}

on_both! {
    async fn a_passkey_answers_in_place_of_the_code(world) {
        let people = People::new(&world).await;
        let (passkeys, mut browser, ann) = (passkeys(&people.accounts), browser(), people.ann().await);
        add(&people, &passkeys, &ann, &mut browser).await;
        for round in 0..2 {
            let challenge = challenge(&people).await;
            assert!(passkeys.may_confirm(&at(AWAY, NOW), &challenge).await.unwrap());
            let ceremony = passkeys.begin_confirm(&at(AWAY, NOW), &challenge).await.unwrap().unwrap();
            let answer = browser.get(&ceremony);
            let answer = people.note(passkeys.confirm(&at(AWAY, NOW), &challenge, &answer).await.unwrap());
            signed_in(answer);
            // Neither the code nor the passkey works again.
            let code = people.confirm(&at(AWAY, NOW), &challenge, &people.code(ANN)).await;
            assert!(matches!(code, CodeAnswer::Refused), "{round}");
        }
        let list = passkeys.list(&people.token(&ann, NOW)).await.unwrap();
        assert_eq!((list.len(), list[0].label.as_str(), list[0].used_ms), (1, "laptop", Some(NOW)));
    }

    async fn a_passkey_is_a_second_proof(world) {
        let people = People::new(&world).await;
        let (passkeys, mut browser, ann) = (passkeys(&people.accounts), browser(), people.ann().await);
        add(&people, &passkeys, &ann, &mut browser).await;
        let (visit, token) = (at(HOME, NOW + MINUTE), people.token(&ann, NOW));
        people.note(people.accounts.raise_step_up("acme", &ann.user, "d1", NOW + SECOND).await.unwrap());
        assert!(passkeys.begin_register(&visit, &token).await.unwrap().is_none(), "not while it is asked");
        let id = passkeys.list(&token).await.unwrap().remove(0).id;
        assert!(!people.note(passkeys.remove(&visit, &token, &id).await.unwrap()));
        let challenge = code_sent(people.note(people.accounts.begin_step_up(&visit, &token).await.unwrap()));
        let ceremony = passkeys.begin_confirm(&visit, &challenge.id).await.unwrap().unwrap();
        let answer = browser.get(&ceremony);
        let answer = people.note(passkeys.confirm(&visit, &challenge.id, &answer).await.unwrap());
        assert!(matches!(answer, CodeAnswer::Proved(_)));
        assert!(people.note(passkeys.remove(&visit, &token, &id).await.unwrap()));
        assert!(passkeys.list(&token).await.unwrap().is_empty());
    }

    async fn an_answer_to_something_else_does_not_hold(world) {
        let people = People::new(&world).await;
        let (passkeys, mut browser, ann) = (passkeys(&people.accounts), browser(), people.ann().await);
        add(&people, &passkeys, &ann, &mut browser).await;
        let challenge = challenge(&people).await;
        let first = passkeys.begin_confirm(&at(AWAY, NOW), &challenge).await.unwrap().unwrap();
        let old = browser.get(&first);
        // The second ceremony takes the place of the first, and is used up by the wrong answer.
        let second = passkeys.begin_confirm(&at(AWAY, NOW), &challenge).await.unwrap().unwrap();
        let right = browser.get(&second);
        for answer in [&old, &right, &json!({}), &Value::Null] {
            let answer = people.note(passkeys.confirm(&at(AWAY, NOW), &challenge, answer).await.unwrap());
            assert!(matches!(answer, CodeAnswer::Refused));
            assert!(matches!(people.last(), Action::PasskeyRefused { .. }));
        }
        // Too late, or of another tenant.
        let third = passkeys.begin_confirm(&at(AWAY, NOW), &challenge).await.unwrap().unwrap();
        let right = browser.get(&third);
        for visit in [at(AWAY, NOW + 5 * MINUTE), Visit { tenant: "other", ..at(AWAY, NOW) }] {
            let answer = people.note(passkeys.confirm(&visit, &challenge, &right).await.unwrap());
            assert!(matches!(answer, CodeAnswer::Refused));
        }
        signed_in(people.note(passkeys.confirm(&at(AWAY, NOW), &challenge, &right).await.unwrap()));
    }

    async fn a_false_page_gets_nothing(world) {
        let people = People::new(&world).await;
        let (passkeys, mut browser, ann) = (passkeys(&people.accounts), browser(), people.ann().await);
        add(&people, &passkeys, &ann, &mut browser).await;
        let challenge = challenge(&people).await;
        let ceremony = passkeys.begin_confirm(&at(AWAY, NOW), &challenge).await.unwrap().unwrap();
        let mut answer = browser.get(&ceremony);
        // What a page of another origin would have had signed; the signature is over the real one.
        let forged = r#"{"type":"webauthn.get","challenge":"AA","origin":"https://ductus.evil"}"#;
        answer["response"]["clientDataJSON"] = json!(base64_url(forged.as_bytes()));
        let answer = people.note(passkeys.confirm(&at(AWAY, NOW), &challenge, &answer).await.unwrap());
        assert!(matches!(answer, CodeAnswer::Refused));
    }

    async fn whoever_has_none_and_what_is_not_awaited_is_asked_for_none(world) {
        let people = People::new(&world).await;
        let (passkeys, mut browser, ann) = (passkeys(&people.accounts), browser(), people.ann().await);
        let without = challenge(&people).await;
        assert!(passkeys.begin_confirm(&at(AWAY, NOW), &without).await.unwrap().is_none());
        assert!(!passkeys.may_confirm(&at(AWAY, NOW), &without).await.unwrap());
        add(&people, &passkeys, &ann, &mut browser).await;
        let registration = people.register(&at(AWAY, NOW), "bob@example.org", PASSWORD).await;
        for challenge in ["", "no such", "\u{0}", &registration.id] {
            assert!(passkeys.begin_confirm(&at(AWAY, NOW), challenge).await.unwrap().is_none(), "{challenge:?}");
            assert!(!passkeys.may_confirm(&at(AWAY, NOW), challenge).await.unwrap(), "{challenge:?}");
        }
        let late = challenge(&people).await;
        assert!(passkeys.begin_confirm(&at(AWAY, NOW + 10 * MINUTE), &late).await.unwrap().is_none());
    }

    async fn a_registration_is_of_who_began_it_and_used_up(world) {
        let people = People::new(&world).await;
        let (passkeys, mut browser, ann) = (passkeys(&people.accounts), browser(), people.ann().await);
        let visit = at(HOME, NOW);
        let registered = people.register(&visit, "bob@example.org", PASSWORD).await;
        let bob = signed_in(people.confirm(&visit, &registered.id, &people.code("bob@example.org")).await);
        let (ann_token, bob_token) = (people.token(&ann, NOW), people.token(&bob, NOW));
        let ceremony = passkeys.begin_register(&visit, &ann_token).await.unwrap().unwrap();
        let answer = browser.create(&ceremony);
        for token in [&bob_token, &ann_token] {
            let added = passkeys.finish_register(&visit, token, &ceremony.id, "laptop", &answer).await.unwrap();
            assert!(!people.note(added), "the first answer uses the ceremony up");
        }
        assert!(passkeys.finish_register(&visit, &ann_token, &ceremony.id, "", &answer).await.is_err());
    }
}

#[tokio::test]
async fn a_bare_network_address_has_no_passkeys() {
    let world = World::new(ductus_accounts::Engine::Sqlite).await;
    for (url, possible) in [
        ("https://ductus.example", true),
        ("http://localhost:8080", true),
        ("http://127.0.0.1:8080", false),
    ] {
        let policy = ductus_accounts::AccountsPolicy {
            public_url: url.to_owned(),
            ..policy()
        };
        let people = People::with(&world, policy).await;
        assert_eq!(Passkeys::new(people.accounts.clone()).is_ok(), possible, "{url}");
    }
}

/// base64url without padding: the one encoding that WebAuthn writes.
fn base64_url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let value = (0..3).fold(0_u32, |value, index| {
            value << 8 | u32::from(*chunk.get(index).unwrap_or(&0))
        });
        for digit in 0..=chunk.len() {
            text.push(char::from(DIGITS[(value >> (18 - 6 * digit) & 63) as usize]));
        }
    }
    text
}
