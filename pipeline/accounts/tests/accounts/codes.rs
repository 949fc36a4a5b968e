//! Codes by mail: one use, few tries, some minutes.

use ductus_accounts::{Action, CodeAnswer, CodeRefusal, Visit};

use crate::people::{ANN, AWAY, HOME, PASSWORD, People, at, code_sent, signed_in};
use crate::world::{MINUTE, NOW, World, on_both};

/// A code that is not this one.
fn another(code: &str) -> String {
    let turn = |digit: char| if digit == '9' { '0' } else { '9' };
    code.chars()
        .map(|char| if char.is_ascii_digit() { turn(char) } else { char })
        .collect()
}

fn reason(people: &People) -> CodeRefusal {
    match people.last() {
        Action::CodeRefused { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

on_both! {
    async fn a_code_has_eight_digits(world) {
        let people = People::new(&world).await;
        people.register(&at(HOME, NOW), ANN, PASSWORD).await;
        let code = people.code(ANN);
        assert!(code.len() == 9 && code.replace(' ', "").bytes().all(|byte| byte.is_ascii_digit()), "{code}");
    }

    async fn five_tries_and_not_even_the_right_one_helps(world) {
        let people = People::new(&world).await;
        let challenge = people.register(&at(HOME, NOW), ANN, PASSWORD).await;
        let code = people.code(ANN);
        for _ in 0..5 {
            assert!(matches!(people.confirm(&at(HOME, NOW), &challenge.id, &another(&code)).await, CodeAnswer::Refused));
            assert_eq!(reason(&people), CodeRefusal::Wrong);
        }
        assert!(matches!(people.confirm(&at(HOME, NOW), &challenge.id, &code).await, CodeAnswer::Refused));
        assert_eq!(reason(&people), CodeRefusal::NotAwaited);
    }

    async fn many_tries_at_once_are_many_tries(world) {
        let people = People::new(&world).await;
        let challenge = people.register(&at(HOME, NOW), ANN, PASSWORD).await;
        let wrong = another(&people.code(ANN));
        let tries = (0..20).map(|index| {
            let visit = at(&format!("203.0.113.{index}"), NOW);
            let (people, challenge, wrong) = (&people, &challenge.id, &wrong);
            async move { people.accounts.confirm(&visit, challenge, wrong).await.unwrap().events }
        });
        let events = futures::future::join_all(tries).await.concat();
        let looked_at = events.iter().filter(|event| {
            matches!(event.action, Action::CodeRefused { reason: CodeRefusal::Wrong, .. })
        });
        assert_eq!(looked_at.count(), 5);
    }

    async fn a_code_is_good_for_one(world) {
        let people = People::new(&world).await;
        let challenge = people.register(&at(HOME, NOW), ANN, PASSWORD).await;
        let code = people.code(ANN);
        let tries = (0..4).map(|_| people.accounts.confirm(&AT_HOME, &challenge.id, &code));
        let answers = futures::future::join_all(tries).await;
        let won = answers.into_iter().filter(|answer| {
            matches!(answer.as_ref().unwrap().answer, CodeAnswer::SignedIn(_))
        });
        assert_eq!(won.count(), 1);
        assert!(matches!(people.confirm(&at(HOME, NOW), &challenge.id, &code).await, CodeAnswer::Refused));
    }

    async fn a_code_ends_after_ten_minutes(world) {
        let people = People::new(&world).await;
        let challenge = people.register(&at(HOME, NOW), ANN, PASSWORD).await;
        let code = people.code(ANN);
        assert_eq!(challenge.expires_ms, NOW + 10 * MINUTE);
        let late = people.confirm(&at(HOME, NOW + 10 * MINUTE), &challenge.id, &code).await;
        assert!(matches!(late, CodeAnswer::Refused));
        assert_eq!(reason(&people), CodeRefusal::NotAwaited);
        signed_in(people.confirm(&at(HOME, NOW + 10 * MINUTE - 1), &challenge.id, &code.replace(' ', "-")).await);
    }

    async fn a_new_code_takes_the_place_of_the_old(world) {
        let people = People::new(&world).await;
        people.ann().await;
        let first = code_sent(people.log_in(&at(AWAY, NOW), ANN, PASSWORD).await);
        let old = people.code(ANN);
        let second = code_sent(people.log_in(&at(AWAY, NOW), ANN, PASSWORD).await);
        let new = people.code(ANN);
        for (challenge, code) in [(&first, &old), (&first, &new), (&second, &old)] {
            if old != new || challenge == &first {
                assert!(matches!(people.confirm(&at(AWAY, NOW), &challenge.id, code).await, CodeAnswer::Refused));
            }
        }
        signed_in(people.confirm(&at(AWAY, NOW), &second.id, &new).await);
    }

    async fn a_code_is_of_its_tenant(world) {
        let people = People::new(&world).await;
        let challenge = people.register(&at(HOME, NOW), ANN, PASSWORD).await;
        let other = Visit { tenant: "other", ..at(HOME, NOW) };
        let code = people.code(ANN);
        assert!(matches!(people.confirm(&other, &challenge.id, &code).await, CodeAnswer::Refused));
        signed_in(people.confirm(&at(HOME, NOW), &challenge.id, &code).await);
    }
}

const AT_HOME: Visit<'static> = Visit {
    tenant: "acme",
    address: std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)),
    now_ms: NOW,
};
