//! Risk asks for a second proof, and what happens until it is given.

use ductus_accounts::{CodeAnswer, LoginAnswer, Mode, PasswordAnswer, SignedIn, TrustAnswer};

use crate::people::{ANN, HOME, PASSWORD, People, at, code_sent, logged_in, secret, signed_in};
use crate::world::{MINUTE, NOW, SECOND, World, on_both};

async fn asked(people: &People, signed_in: &SignedIn, now_ms: i64) -> bool {
    let me = people
        .accounts
        .me(&people.token(signed_in, now_ms), now_ms)
        .await
        .unwrap();
    me.unwrap().step_up.is_some()
}

async fn raise(people: &People, user: &str, at_ms: i64) -> bool {
    people.note(people.accounts.raise_step_up("acme", user, "d1", at_ms).await.unwrap())
}

async fn prove(people: &People, who: &SignedIn, now_ms: i64) -> CodeAnswer {
    let token = people.token(who, NOW);
    let challenge = code_sent(people.note(people.accounts.begin_step_up(&at(HOME, now_ms), &token).await.unwrap()));
    people
        .confirm(&at(HOME, now_ms), &challenge.id, &people.code(ANN))
        .await
}

on_both! {
    async fn each_sign_in_proves_itself(world) {
        let people = People::new(&world).await;
        let ann = people.ann().await;
        let other = logged_in(people.log_in(&at(HOME, NOW), ANN, PASSWORD).await);
        assert!(!asked(&people, &ann, NOW).await);
        assert!(raise(&people, &ann.user, NOW + SECOND).await);
        assert!(asked(&people, &ann, NOW + SECOND).await && asked(&people, &other, NOW + SECOND).await);
        let refreshed = people.refresh(&at(HOME, NOW + SECOND), &ann.refresh).await.unwrap();
        assert!(refreshed.step_up && people.token(&refreshed, NOW + SECOND).step_up);
        let CodeAnswer::Proved(access) = prove(&people, &refreshed, NOW + MINUTE).await else { panic!("not proved") };
        let token = people.accounts.verify_access(access.token.expose(), NOW + MINUTE).unwrap();
        assert!(!token.step_up);
        assert!(!asked(&people, &refreshed, NOW + MINUTE).await);
        assert!(asked(&people, &other, NOW + MINUTE).await, "a proof here says nothing about who sits there");
        let again = people.refresh(&at(HOME, NOW + MINUTE), &refreshed.refresh).await.unwrap();
        assert!(!again.step_up);
    }

    async fn a_decision_told_twice_asks_once(world) {
        let people = People::new(&world).await;
        let ann = people.ann().await;
        assert!(raise(&people, &ann.user, NOW + SECOND).await);
        assert!(matches!(prove(&people, &ann, NOW + MINUTE).await, CodeAnswer::Proved(_)));
        assert!(!raise(&people, &ann.user, NOW + SECOND).await);
        assert!(!raise(&people, &ann.user, NOW).await);
        assert!(!asked(&people, &ann, NOW + MINUTE).await);
        assert!(raise(&people, &ann.user, NOW + 2 * MINUTE).await);
        assert!(asked(&people, &ann, NOW + 2 * MINUTE).await);
        assert!(!raise(&people, "u-nobody", NOW).await);
        assert!(!people.accounts.raise_step_up("other", &ann.user, "d1", NOW + 3 * MINUTE).await.unwrap().answer);
    }

    async fn a_decision_from_a_clock_ahead_can_be_answered(world) {
        let people = People::new(&world).await;
        let ann = people.ann().await;
        assert!(raise(&people, &ann.user, NOW + 10 * MINUTE).await);
        assert!(matches!(prove(&people, &ann, NOW + MINUTE).await, CodeAnswer::Proved(_)));
        assert!(!asked(&people, &ann, NOW + MINUTE).await);
    }

    async fn until_then_nothing_that_protects_is_changed(world) {
        let people = People::new(&world).await;
        let ann = people.ann().await;
        raise(&people, &ann.user, NOW + SECOND).await;
        let (token, visit) = (people.token(&ann, NOW), at(HOME, NOW + SECOND));
        assert!(!people.note(people.accounts.set_mode(&visit, &token, Mode::Auth).await.unwrap()));
        let (old, new) = (secret(PASSWORD), secret("a new and longer one"));
        let changed = people.accounts.change_password(&visit, &token, &old, &new).await.unwrap();
        assert_eq!(people.note(changed), PasswordAnswer::WrongPassword);
        let network = "198.51.100.0/24".parse().unwrap();
        let asked = people.accounts.ask_trust(&visit, &token, network).await.unwrap();
        assert_eq!(people.note(asked), TrustAnswer::Refused);
    }

    async fn a_proof_is_good_for_minutes(world) {
        let people = People::new(&world).await;
        let ann = people.ann().await;
        let set = async |who: &SignedIn, mode, now_ms| {
            let token = people.token(who, now_ms);
            people.note(people.accounts.set_mode(&at(HOME, now_ms), &token, mode).await.unwrap())
        };
        assert!(set(&ann, Mode::Auth, NOW).await);
        assert!(set(&ann, Mode::Train, NOW + 5 * MINUTE - 1).await);
        // To be guarded, or what one is already, needs none.
        for mode in [Mode::Train, Mode::Auth, Mode::Auth] {
            assert!(set(&ann, mode, NOW + 5 * MINUTE).await);
        }
        assert!(!set(&ann, Mode::Train, NOW + 5 * MINUTE).await);
        assert!(matches!(prove(&people, &ann, NOW + 6 * MINUTE).await, CodeAnswer::Proved(_)));
        assert!(set(&ann, Mode::Train, NOW + 6 * MINUTE).await);

        // Where the network is trusted the password is enough to come in, and for no more.
        assert!(set(&ann, Mode::Auth, NOW + 6 * MINUTE).await);
        let other = logged_in(people.log_in(&at(HOME, NOW + 6 * MINUTE), ANN, PASSWORD).await);
        assert!(!set(&other, Mode::Train, NOW + 6 * MINUTE).await);
    }

    async fn a_new_sign_in_needs_a_code_until_one_was_given(world) {
        let people = People::new(&world).await;
        let ann = people.ann().await;
        raise(&people, &ann.user, NOW + SECOND).await;
        let challenge = code_sent(people.log_in(&at(HOME, NOW + MINUTE), ANN, PASSWORD).await);
        let fresh = signed_in(people.confirm(&at(HOME, NOW + MINUTE), &challenge.id, &people.code(ANN)).await);
        assert!(!asked(&people, &fresh, NOW + MINUTE).await);
        assert!(asked(&people, &ann, NOW + MINUTE).await);
        let next = logged_in(people.log_in(&at(HOME, NOW + 2 * MINUTE), ANN, PASSWORD).await);
        assert!(!next.step_up);
    }

    async fn a_sign_in_that_has_ended_proves_nothing(world) {
        let people = People::new(&world).await;
        let ann = people.ann().await;
        let token = people.token(&ann, NOW);
        let challenge = code_sent(people.note(people.accounts.begin_step_up(&at(HOME, NOW), &token).await.unwrap()));
        people.note(people.accounts.log_out_everywhere(&at(HOME, NOW), &token).await.unwrap());
        let answer = people.confirm(&at(HOME, NOW), &challenge.id, &people.code(ANN)).await;
        assert!(matches!(answer, CodeAnswer::Refused));
        let begun = people.note(people.accounts.begin_step_up(&at(HOME, NOW), &token).await.unwrap());
        assert!(matches!(begun, LoginAnswer::Refused));
    }
}
