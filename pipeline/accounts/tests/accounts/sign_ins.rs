//! Access and refresh tokens: rotation, reuse, ends.

use ductus_accounts::{
    AccountsPolicy, Action, RefreshRefusal, SessionTokens, SigningKey, SigningKeys, TokenPolicy, TokenRefusal, Visit,
};

use crate::people::{ANN, HOME, PASSWORD, People, at, logged_in, policy, secret};
use crate::world::{DAY, MINUTE, NOW, SECOND, World, on_both};

fn reason(people: &People) -> RefreshRefusal {
    match people.last() {
        Action::RefreshRefused { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

on_both! {
    async fn a_refresh_token_is_new_each_time(world) {
        let people = People::new(&world).await;
        let first = people.ann().await;
        let second = people.refresh(&at(HOME, NOW + MINUTE), &first.refresh).await.unwrap();
        let third = people.refresh(&at(HOME, NOW + 2 * MINUTE), &second.refresh).await.unwrap();
        assert_eq!((&first.sign_in, &first.user, first.expires_ms), (&third.sign_in, &third.user, third.expires_ms));
        assert_eq!(third.access.expires_ms, NOW + 12 * MINUTE);
        people.token(&third, NOW + 11 * MINUTE);
    }

    async fn a_copy_that_is_used_ends_the_sign_in_for_both(world) {
        let people = People::new(&world).await;
        let ann = people.ann().await;
        let other = logged_in(people.log_in(&at(HOME, NOW), ANN, PASSWORD).await);
        let next = people.refresh(&at(HOME, NOW), &ann.refresh).await.unwrap();
        assert!(people.refresh(&at(HOME, NOW), &ann.refresh).await.is_none());
        assert_eq!(reason(&people), RefreshRefusal::Reused);
        assert!(people.refresh(&at(HOME, NOW), &next.refresh).await.is_none());
        assert_eq!(reason(&people), RefreshRefusal::Ended);
        assert_eq!(people.accounts.me(&people.token(&next, NOW), NOW).await.unwrap(), None);
        assert!(people.refresh(&at(HOME, NOW), &other.refresh).await.is_some(), "another sign-in goes on");
    }

    async fn of_two_at_once_one_succeeds(world) {
        let people = People::new(&world).await;
        let ann = people.ann().await;
        let visit = at(HOME, NOW);
        let tries = (0..8).map(|_| people.accounts.refresh(&visit, ann.refresh.expose()));
        let answers = futures::future::join_all(tries).await;
        assert_eq!(answers.into_iter().filter(|answer| answer.as_ref().unwrap().answer.is_some()).count(), 1);
    }

    async fn what_we_did_not_make_ends_nothing(world) {
        let people = People::new(&world).await;
        let ann = people.ann().await;
        let token = ann.refresh.expose();
        let (head, mac) = token.rsplit_once('_').unwrap();
        let forged = [
            String::new(),
            "dr_".to_owned(),
            head.to_owned(),
            format!("{head}_{}", "0".repeat(64)),
            format!("dr_{}_1_{mac}", ann.sign_in),
            format!("dr_{}_-1_{mac}", ann.sign_in),
            format!("dr_{}_+0_{mac}", ann.sign_in),
            format!("{token}_"),
            token.to_uppercase(),
            "dr_".repeat(1_000),
        ];
        for forged in forged {
            assert!(people.refresh(&at(HOME, NOW), &secret(&forged)).await.is_none(), "{forged}");
            assert_eq!(reason(&people), RefreshRefusal::Forged, "{forged}");
        }
        let other = Visit { tenant: "other", ..at(HOME, NOW) };
        assert!(people.refresh(&other, &ann.refresh).await.is_none());
        assert!(people.refresh(&at(HOME, NOW), &ann.refresh).await.is_some());
    }

    async fn a_sign_in_ends_by_time_and_by_idleness(world) {
        let people = People::new(&world).await;
        let ann = people.ann().await;
        assert!(people.refresh(&at(HOME, NOW + 7 * DAY), &ann.refresh).await.is_none());
        assert_eq!(reason(&people), RefreshRefusal::Ended);
        let mut token = ann.refresh;
        for day in (6..30).step_by(6) {
            token = people.refresh(&at(HOME, NOW + day * DAY), &token).await.unwrap().refresh;
        }
        assert!(people.refresh(&at(HOME, NOW + 30 * DAY), &token).await.is_none());
        assert!(people.refresh(&at(HOME, NOW + 30 * DAY - 1), &token).await.is_some());
    }

    async fn logging_out_ends_one_or_all(world) {
        let people = People::new(&world).await;
        let ann = people.ann().await;
        let others = [
            logged_in(people.log_in(&at(HOME, NOW), ANN, PASSWORD).await),
            logged_in(people.log_in(&at(HOME, NOW), ANN, PASSWORD).await),
        ];
        assert!(people.note(people.accounts.log_out(&at(HOME, NOW), others[0].refresh.expose()).await.unwrap()));
        assert!(!people.note(people.accounts.log_out(&at(HOME, NOW), others[0].refresh.expose()).await.unwrap()));
        assert!(people.refresh(&at(HOME, NOW), &others[0].refresh).await.is_none());
        assert!(people.accounts.me(&people.token(&ann, NOW), NOW).await.unwrap().is_some());
        let token = people.token(&ann, NOW);
        people.note(people.accounts.log_out_everywhere(&at(HOME, NOW), &token).await.unwrap());
        assert_eq!(people.last(), Action::LoggedOutEverywhere { user: ann.user.clone(), sign_ins: 2 });
        for signed_in in [&ann, &others[1]] {
            assert!(people.refresh(&at(HOME, NOW), &signed_in.refresh).await.is_none());
            assert_eq!(people.accounts.me(&people.token(signed_in, NOW), NOW).await.unwrap(), None);
        }
    }

    async fn a_user_has_so_many_sign_ins_and_no_more(world) {
        let people = People::with(&world, AccountsPolicy { sign_ins_max: 2, ..policy() }).await;
        let first = people.ann().await;
        let second = logged_in(people.log_in(&at(HOME, NOW + SECOND), ANN, PASSWORD).await);
        let third = logged_in(people.log_in(&at(HOME, NOW + 2 * SECOND), ANN, PASSWORD).await);
        for (signed_in, goes_on) in [(&first, false), (&second, true), (&third, true)] {
            let refreshed = people.refresh(&at(HOME, NOW + 3 * SECOND), &signed_in.refresh).await;
            assert_eq!(refreshed.is_some(), goes_on);
        }
    }

    async fn an_access_token_is_no_session_token_and_ends(world) {
        let people = People::new(&world).await;
        let ann = people.ann().await;
        let token = ann.access.token.expose();
        let end = NOW + 10 * MINUTE;
        assert_eq!(ann.access.expires_ms, end);
        for (now_ms, expected) in [(end + 2 * SECOND - 1, None), (end + 2 * SECOND, Some(TokenRefusal::Expired))] {
            assert_eq!(people.accounts.verify_access(token, now_ms).err(), expected);
        }
        let keys = SigningKeys::new(vec![SigningKey::new("a", &[1; 32]).unwrap()]).unwrap();
        let sessions = SessionTokens::new(keys, TokenPolicy::default());
        assert_eq!(sessions.verify(token, NOW).err(), Some(TokenRefusal::OtherKind));
    }
}
