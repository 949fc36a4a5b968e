//! Guessing is slowed down, and makes nobody wait but the guesser.

use ductus_accounts::{Action, CodeAnswer, LoginAnswer, RegisterAnswer, ThrottleScope};

use crate::people::{ANN, AWAY, HOME, PASSWORD, People, at, code_sent, logged_in, secret, signed_in};
use crate::world::{DAY, MINUTE, NOW, SECOND, World, on_both};

const WRONG: &str = "not the password";

on_both! {
    async fn guesses_at_an_account_wait_twice_as_long_each_time(world) {
        let people = People::new(&world).await;
        people.ann().await;
        let (mut now, mut waits) = (NOW, Vec::new());
        for _ in 0..30 {
            match people.log_in(&at(AWAY, now), ANN, WRONG).await {
                LoginAnswer::Refused => {}
                LoginAnswer::Throttled { retry_after_ms } => {
                    waits.push(retry_after_ms / SECOND);
                    now += retry_after_ms;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
        // The right password does not help whoever must wait, and nobody can tell it from a wrong one.
        let answers = [people.log_in(&at(AWAY, now), ANN, PASSWORD).await, people.log_in(&at(AWAY, now), ANN, WRONG).await];
        assert!(answers.iter().all(|answer| matches!(answer, LoginAnswer::Throttled { .. })));
    }

    async fn an_unknown_account_is_slowed_down_alike(world) {
        let people = People::new(&world).await;
        let mut seen = Vec::new();
        for email in ["eve@example.org", ANN] {
            if email == ANN {
                people.ann().await;
            }
            let visit = at(AWAY, NOW);
            let mut answers = Vec::new();
            for _ in 0..8 {
                answers.push(match people.log_in(&visit, email, WRONG).await {
                    LoginAnswer::Refused => 0,
                    LoginAnswer::Throttled { retry_after_ms } => retry_after_ms,
                    other => panic!("{other:?}"),
                });
            }
            seen.push(answers);
        }
        assert_eq!(seen[0], seen[1]);
    }

    async fn the_owner_is_not_locked_out(world) {
        let people = People::new(&world).await;
        people.ann().await;
        for host in 0..20 {
            for _ in 0..6 {
                people.log_in(&at(&format!("203.0.113.{host}"), NOW), ANN, WRONG).await;
            }
        }
        logged_in(people.log_in(&at(HOME, NOW), ANN, PASSWORD).await);
        let elsewhere = code_sent(people.log_in(&at(AWAY, NOW), ANN, PASSWORD).await);
        signed_in(people.confirm(&at(AWAY, NOW), &elsewhere.id, &people.code(ANN)).await);
    }

    async fn many_guesses_at_once_are_many(world) {
        let people = People::new(&world).await;
        people.ann().await;
        let (visit, wrong) = (at(AWAY, NOW), secret(WRONG));
        let guesses = (0..30).map(|_| people.accounts.log_in(&visit, ANN, &wrong));
        let answers = futures::future::join_all(guesses).await;
        let looked_at = answers.into_iter().filter(|answer| matches!(answer.as_ref().unwrap().answer, LoginAnswer::Refused));
        assert_eq!(looked_at.count(), 6);
    }

    async fn one_address_cannot_try_many_accounts(world) {
        let people = People::new(&world).await;
        let mut looked_at = 0;
        for index in 0..60 {
            let answer = people.log_in(&at(AWAY, NOW), &format!("user{index}@example.org"), WRONG).await;
            looked_at += i32::from(matches!(answer, LoginAnswer::Refused));
        }
        assert_eq!(looked_at, 51);
        assert!(matches!(people.last(), Action::Throttled { scope: ThrottleScope::Address, .. }));
        // Nor does another host of the same network with IPv6 help.
        let mut looked_at = 0;
        for index in 0..60 {
            let visit = at(&format!("2001:db8:1:2::{index:x}"), NOW);
            let answer = people.log_in(&visit, &format!("user{index}@example.org"), WRONG).await;
            looked_at += i32::from(matches!(answer, LoginAnswer::Refused));
        }
        assert_eq!(looked_at, 51);
    }

    async fn an_office_behind_one_address_signs_in(world) {
        let people = People::new(&world).await;
        people.ann().await;
        for _ in 0..70 {
            logged_in(people.log_in(&at(HOME, NOW), ANN, PASSWORD).await);
        }
    }

    async fn an_owner_who_proved_themselves_starts_anew(world) {
        let people = People::new(&world).await;
        people.ann().await;
        for _ in 0..5 {
            people.log_in(&at(HOME, NOW), ANN, WRONG).await;
        }
        logged_in(people.log_in(&at(HOME, NOW), ANN, PASSWORD).await);
        for _ in 0..6 {
            assert!(matches!(people.log_in(&at(HOME, NOW + SECOND), ANN, WRONG).await, LoginAnswer::Refused));
        }
        // A day later all is forgotten.
        assert!(matches!(people.log_in(&at(HOME, NOW + DAY + MINUTE), ANN, WRONG).await, LoginAnswer::Refused));
    }

    async fn a_password_alone_does_not_forget_guesses(world) {
        let people = People::new(&world).await;
        people.ann().await;
        // Whoever knows the password and not the code is slowed down by the codes they ask for.
        let mut asked = 0;
        for _ in 0..20 {
            if let LoginAnswer::CodeSent(_) = people.log_in(&at(AWAY, NOW), ANN, PASSWORD).await {
                asked += 1;
            }
        }
        assert!(asked <= 6, "{asked}");
    }

    async fn a_mailbox_is_not_flooded_and_its_owner_waits_a_minute_at_most(world) {
        let people = People::new(&world).await;
        let (mut now, mut waits) = (NOW, Vec::new());
        for host in 0..12 {
            let visit = at(&format!("203.0.113.{host}"), now);
            match people.note(people.accounts.register(&visit, ANN, &secret(PASSWORD)).await.unwrap()) {
                RegisterAnswer::CodeSent(_) => {}
                RegisterAnswer::Throttled { retry_after_ms } => {
                    waits.push(retry_after_ms / SECOND);
                    now += retry_after_ms;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(waits, [15, 30, 60]);
    }

    async fn codes_are_not_guessed_from_one_address(world) {
        let people = People::new(&world).await;
        let mut answers = Vec::new();
        for index in 0..60 {
            answers.push(people.confirm(&at(AWAY, NOW), &format!("{index:024x}"), "00000000").await);
        }
        let refused = answers.iter().filter(|answer| matches!(answer, CodeAnswer::Refused)).count();
        assert_eq!(refused, 51);
    }
}
