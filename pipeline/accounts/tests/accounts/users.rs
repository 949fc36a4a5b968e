//! Opening accounts, signing in, trusting addresses, and what nobody can learn on the way.

use ductus_accounts::{
    AccountsError, AccountsPolicy, Action, CodeAnswer, LoginAnswer, LoginRefusal, Mode, PasswordAnswer, PasswordPolicy,
    PasswordRefusal, RegisterAnswer, TrustAnswer, Visit,
};

use crate::people::{ANN, AWAY, HOME, PASSWORD, People, at, code_sent, logged_in, policy, secret, signed_in};
use crate::world::{DAY, HOUR, MINUTE, NOW, World, on_both};

on_both! {
    async fn an_account_opens_with_the_code_from_its_mailbox(world) {
        let people = People::new(&world).await;
        let ann = people.ann().await;
        let token = people.token(&ann, NOW);
        assert_eq!((token.tenant.as_str(), &token.user, token.step_up), ("acme", &ann.user, false));
        let me = people.accounts.me(&token, NOW).await.unwrap().unwrap();
        assert_eq!((me.email.as_str(), me.mode, me.step_up), (ANN, Mode::Train, None));
        let trusted = people.accounts.addresses(&token, NOW).await.unwrap();
        assert_eq!(trusted.iter().map(|one| one.prefix.to_string()).collect::<Vec<_>>(), ["192.0.2.1/32"]);
        // The tenant next door has no such person.
        let next_door = Visit { tenant: "other", ..at(HOME, NOW) };
        assert!(matches!(people.log_in(&next_door, ANN, PASSWORD).await, LoginAnswer::Refused));
    }

    async fn an_address_that_has_an_account_gets_the_same_answer(world) {
        let people = People::new(&world).await;
        people.ann().await;
        let again = people.register(&at(AWAY, NOW), " ANN@example.org", "another password, long").await;
        let fresh = people.register(&at(AWAY, NOW), "bob@example.org", "another password, long").await;
        assert_eq!((again.id.len(), again.expires_ms), (fresh.id.len(), fresh.expires_ms));
        assert!(people.mail(ANN).contains("which has one already"));
        // No code opens it, not even the one that went to somebody else.
        for code in ["00000000", &people.code("bob@example.org"), &people.code(ANN)] {
            assert!(matches!(people.confirm(&at(AWAY, NOW), &again.id, code).await, CodeAnswer::Refused));
        }
        logged_in(people.log_in(&at(HOME, NOW), ANN, PASSWORD).await);
    }

    async fn whoever_registers_another_s_address_first_has_gained_nothing(world) {
        let people = People::new(&world).await;
        let evil = people.register(&at(AWAY, NOW), ANN, "the attacker's password").await;
        let ann = people.register(&at(HOME, NOW), ANN, PASSWORD).await;
        let code = people.code(ANN);
        assert!(matches!(people.confirm(&at(AWAY, NOW), &evil.id, &code).await, CodeAnswer::Refused));
        signed_in(people.confirm(&at(HOME, NOW), &ann.id, &code).await);
        let tried = people.log_in(&at(AWAY, NOW), ANN, "the attacker's password").await;
        assert!(matches!(tried, LoginAnswer::Refused));
        // The other way round: the attacker asks after Ann did, so hers ends, and she asks again.
        let bob = people.register(&at(HOME, NOW), "bob@example.org", PASSWORD).await;
        people.register(&at(AWAY, NOW), "bob@example.org", "the attacker's password").await;
        let code = people.code("bob@example.org");
        assert!(matches!(people.confirm(&at(HOME, NOW), &bob.id, &code).await, CodeAnswer::Refused));
    }

    async fn nobody_learns_which_of_both_was_wrong(world) {
        let people = People::new(&world).await;
        let ann = people.ann().await;
        for (email, reason, account) in [
            (ANN, LoginRefusal::WrongPassword, Some(&ann.user)),
            ("eve@example.org", LoginRefusal::UnknownAccount, None),
        ] {
            let answer = people.log_in(&at(AWAY, NOW), email, "not the password").await;
            assert!(matches!(answer, LoginAnswer::Refused), "{answer:?}");
            match people.last() {
                Action::LoginRefused { account: named, reason: told } => {
                    assert_eq!(told, reason);
                    assert_eq!(account.is_some_and(|user| *user == named), account.is_some(), "{named}");
                }
                other => panic!("{other:?}"),
            }
        }
        for wrong in ["", "nobody", "a@b@c", "x@y.org\nBcc: z@w.org"] {
            let answer = people.accounts.log_in(&at(AWAY, NOW), wrong, &secret(PASSWORD)).await;
            assert!(matches!(answer, Err(AccountsError::Invalid(_))), "{wrong:?}");
        }
    }

    async fn text_that_is_sql_stays_text(world) {
        let people = People::new(&world).await;
        people.ann().await;
        for evil in ["' OR '1'='1", "'; DROP TABLE users; --", "$1", "\\", "%", "\u{0}", "a\u{0}b"] {
            let answer = people.confirm(&at(AWAY, NOW), evil, evil).await;
            assert!(matches!(answer, CodeAnswer::Refused));
            assert!(people.accounts.users("acme", Some(evil), 10).await.is_err());
            assert!(people.note(people.accounts.refresh(&at(AWAY, NOW), evil).await.unwrap()).is_none());
            assert!(people.note(people.accounts.approve(&at(AWAY, NOW), evil).await.unwrap()).is_none());
            let answer = people.accounts.log_in(&at(AWAY, NOW), ANN, &secret(evil)).await.unwrap().answer;
            assert!(!matches!(answer, LoginAnswer::SignedIn(_) | LoginAnswer::CodeSent(_)));
            let visit = Visit { tenant: evil, ..at(AWAY, NOW) };
            assert!(people.accounts.log_in(&visit, ANN, &secret(PASSWORD)).await.is_err());
        }
        logged_in(people.log_in(&at(HOME, NOW), ANN, PASSWORD).await);
    }

    async fn a_trusted_address_needs_no_code_and_another_does(world) {
        let people = People::new(&world).await;
        people.ann().await;
        logged_in(people.log_in(&at(HOME, NOW), ANN, PASSWORD).await);
        let challenge = code_sent(people.log_in(&at(AWAY, NOW), ANN, PASSWORD).await);
        let away = signed_in(people.confirm(&at(AWAY, NOW), &challenge.id, &people.code(ANN)).await);
        assert!(matches!(people.last(), Action::ApprovalSent { .. }));
        // The mailbox decides about the address; looking at the link does not use it up.
        let link = people.link(ANN);
        let shown = people.accounts.approval(&link, NOW).await.unwrap().unwrap();
        assert_eq!(shown.prefix.to_string(), "198.51.100.7/32");
        code_sent(people.log_in(&at(AWAY, NOW), ANN, PASSWORD).await);
        let approved = people.note(people.accounts.approve(&at("203.0.113.9", NOW), &link).await.unwrap());
        assert_eq!(approved, Some(shown.prefix));
        assert!(people.note(people.accounts.approve(&at(AWAY, NOW), &link).await.unwrap()).is_none());
        assert_eq!(people.accounts.approval(&link, NOW).await.unwrap(), None);
        logged_in(people.log_in(&at(AWAY, NOW), ANN, PASSWORD).await);
        // Trust ends by time, and by the user.
        code_sent(people.log_in(&at(AWAY, NOW + 90 * DAY), ANN, PASSWORD).await);
        let token = people.token(&away, NOW);
        let forgot = people.accounts.forget_address(&at(AWAY, NOW), &token, shown.prefix).await.unwrap();
        assert!(people.note(forgot));
        code_sent(people.log_in(&at(AWAY, NOW), ANN, PASSWORD).await);
    }

    async fn a_link_ends_and_is_of_its_tenant(world) {
        let people = People::new(&world).await;
        people.ann().await;
        let challenge = code_sent(people.log_in(&at(AWAY, NOW), ANN, PASSWORD).await);
        signed_in(people.confirm(&at(AWAY, NOW), &challenge.id, &people.code(ANN)).await);
        let link = people.link(ANN);
        let other = Visit { tenant: "other", ..at(AWAY, NOW) };
        for visit in [other, at(AWAY, NOW + HOUR)] {
            assert!(people.note(people.accounts.approve(&visit, &link).await.unwrap()).is_none());
            assert_eq!(people.last(), Action::ApprovalRefused);
        }
        let raced = futures::future::join_all((0..8).map(|_| async {
            people.accounts.approve(&at(AWAY, NOW), &link).await.unwrap().answer.is_some()
        })).await;
        assert_eq!(raced.into_iter().filter(|won| *won).count(), 1);
    }

    async fn a_network_is_trusted_as_a_whole_and_not_too_wide(world) {
        let people = People::new(&world).await;
        let ann = people.ann().await;
        let token = people.token(&ann, NOW);
        for wide in ["0.0.0.0/0", "10.0.0.0/15", "::/0", "2001:db8::/31"] {
            assert!(people.accounts.ask_trust(&at(HOME, NOW), &token, wide.parse().unwrap()).await.is_err(), "{wide}");
        }
        let company = "198.51.100.9/24".parse().unwrap();
        people.note(people.accounts.ask_trust(&at(HOME, NOW), &token, company).await.unwrap());
        let link = people.link(ANN);
        people.note(people.accounts.approve(&at(HOME, NOW), &link).await.unwrap()).unwrap();
        logged_in(people.log_in(&at("198.51.100.200", NOW), ANN, PASSWORD).await);
        code_sent(people.log_in(&at("198.51.101.1", NOW), ANN, PASSWORD).await);
    }

    async fn links_do_not_flood_a_mailbox(world) {
        let people = People::new(&world).await;
        let token = people.token(&people.ann().await, NOW);
        let mails = people.mailbox.mails().len();
        let mut sent = 0;
        for host in 0..20 {
            let prefix = format!("198.51.100.{host}/32").parse().unwrap();
            match people.note(people.accounts.ask_trust(&at(HOME, NOW), &token, prefix).await.unwrap()) {
                TrustAnswer::LinkSent => sent += 1,
                answer => assert_eq!(answer, TrustAnswer::Throttled { retry_after_ms: 15_000 }),
            }
        }
        // The code to register was a mail too.
        assert_eq!((sent, people.mailbox.mails().len() - mails), (5, 5));
    }

    async fn a_user_trusts_so_many_addresses_and_no_more(world) {
        let people = People::with(&world, AccountsPolicy { trusted_max: 2, ..policy() }).await;
        let ann = people.ann().await;
        let token = people.token(&ann, NOW);
        for (minute, host) in (1..).zip(["198.51.100.1", "198.51.100.2"]) {
            let visit = at(HOME, NOW + minute * MINUTE);
            let prefix = format!("{host}/32").parse().unwrap();
            people.note(people.accounts.ask_trust(&visit, &token, prefix).await.unwrap());
            people.note(people.accounts.approve(&visit, &people.link(ANN)).await.unwrap()).unwrap();
        }
        let kept = people.accounts.addresses(&token, NOW + 3 * MINUTE).await.unwrap();
        let kept: Vec<String> = kept.iter().map(|one| one.prefix.to_string()).collect();
        assert_eq!(kept, ["198.51.100.2/32", "198.51.100.1/32"]);
        code_sent(people.log_in(&at(HOME, NOW + 3 * MINUTE), ANN, PASSWORD).await);
    }

    async fn a_lost_password_is_replaced_and_ends_what_was(world) {
        let people = People::new(&world).await;
        let before = people.ann().await;
        let people = &people;
        let reset = |email: &'static str| async move { people.accounts.reset(&at(AWAY, NOW), email, &secret("a new and longer one")).await };
        let RegisterAnswer::CodeSent(mine) = people.note(reset(ANN).await.unwrap()) else { panic!("no code") };
        let code = people.code(ANN);
        let RegisterAnswer::CodeSent(nobody) = people.note(reset("eve@example.org").await.unwrap()) else { panic!("no code") };
        assert!(people.mail("eve@example.org").contains("has no account here"));
        assert!(matches!(people.confirm(&at(AWAY, NOW), &nobody.id, &code).await, CodeAnswer::Refused));
        signed_in(people.confirm(&at(AWAY, NOW), &mine.id, &code).await);
        assert!(people.refresh(&at(HOME, NOW), &before.refresh).await.is_none());
        assert!(matches!(people.log_in(&at(HOME, NOW), ANN, PASSWORD).await, LoginAnswer::Refused));
        logged_in(people.log_in(&at(HOME, NOW), ANN, "a new and longer one").await);
    }

    async fn a_password_is_changed_with_the_old_one(world) {
        let people = People::new(&world).await;
        let ann = people.ann().await;
        let other = logged_in(people.log_in(&at(HOME, NOW), ANN, PASSWORD).await);
        let token = people.token(&ann, NOW);
        for (old, new, expected) in [
            ("not the password", "a new and longer one", PasswordAnswer::WrongPassword),
            (PASSWORD, "short", PasswordAnswer::Refused(PasswordRefusal::TooShort)),
            (PASSWORD, "a new and longer one", PasswordAnswer::Changed),
            (PASSWORD, "a new and longer one", PasswordAnswer::WrongPassword),
        ] {
            let (old, new) = (secret(old), secret(new));
            let changed = people.accounts.change_password(&at(HOME, NOW), &token, &old, &new).await.unwrap();
            assert_eq!(people.note(changed), expected);
        }
        assert!(people.refresh(&at(HOME, NOW), &other.refresh).await.is_none());
        assert!(people.refresh(&at(HOME, NOW), &ann.refresh).await.is_some(), "the one who changed it stays");
    }

    async fn a_hash_of_older_parameters_is_replaced_at_the_next_sign_in(world) {
        People::new(&world).await.ann().await;
        let passwords = PasswordPolicy { passes: 2, ..policy().passwords };
        let people = People::with(&world, AccountsPolicy { passwords, ..policy() }).await;
        let stored = || async {
            let mut connection = connect(&world).await;
            let (hash,): (String,) = sqlx::query_as("SELECT password_hash FROM users").fetch_one(&mut connection).await.unwrap();
            hash
        };
        assert!(stored().await.contains("m=64,t=1,p=1"));
        people.log_in(&at(HOME, NOW), ANN, "not the password").await;
        assert!(stored().await.contains("m=64,t=1,p=1"));
        logged_in(people.log_in(&at(HOME, NOW), ANN, PASSWORD).await);
        assert!(stored().await.contains("m=64,t=2,p=1"));
        logged_in(people.log_in(&at(HOME, NOW), ANN, PASSWORD).await);
    }

    async fn a_deleted_account_leaves_nothing(world) {
        let people = People::new(&world).await;
        let ann = people.ann().await;
        code_sent(people.log_in(&at(AWAY, NOW), ANN, PASSWORD).await);
        let token = people.token(&ann, NOW);
        assert!(!people.note(people.accounts.delete_user("other", &ann.user, NOW).await.unwrap()));
        assert!(people.note(people.accounts.delete_user("acme", &ann.user, NOW).await.unwrap()));
        assert_eq!(people.accounts.me(&token, NOW).await.unwrap(), None);
        assert!(people.refresh(&at(HOME, NOW), &ann.refresh).await.is_none());
        let mut connection = connect(&world).await;
        for table in ["users", "sign_ins", "challenges", "trusted_addresses", "approvals"] {
            let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
            let (rows,): (i64,) = sqlx::query_as(sql).fetch_one(&mut connection).await.unwrap();
            assert_eq!(rows, 0, "{table}");
        }
    }

    async fn what_has_ended_is_purged(world) {
        let people = People::new(&world).await;
        people.ann().await;
        let challenge = code_sent(people.log_in(&at(AWAY, NOW), ANN, PASSWORD).await);
        signed_in(people.confirm(&at(AWAY, NOW), &challenge.id, &people.code(ANN)).await);
        people.register(&at(AWAY, NOW), "bob@example.org", PASSWORD).await;
        people.accounts.purge(NOW + 91 * DAY).await.unwrap();
        let mut connection = connect(&world).await;
        for (table, expected) in
            [("users", 1), ("sign_ins", 0), ("challenges", 0), ("trusted_addresses", 0), ("approvals", 0), ("attempts", 0)]
        {
            let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
            let (rows,): (i64,) = sqlx::query_as(sql).fetch_one(&mut connection).await.unwrap();
            assert_eq!(rows, expected, "{table}");
        }
    }

    async fn people_of_a_demo_are_seeded_once_and_listed(world) {
        let people = People::new(&world).await;
        let password = secret(PASSWORD);
        let mut seeded = Vec::new();
        for email in [ANN, "bob@example.org", "eve@example.org", ANN] {
            seeded.push(people.note(people.accounts.seed(&at(HOME, NOW), email, &password).await.unwrap()).unwrap());
        }
        assert_eq!(seeded.pop(), Some(None), "there is one already");
        let short = people.note(people.accounts.seed(&at(HOME, NOW), "x@y.org", &secret("short")).await.unwrap());
        assert_eq!(short, Err(PasswordRefusal::TooShort));
        assert!(people.mailbox.mails().is_empty());
        logged_in(people.log_in(&at(HOME, NOW), ANN, PASSWORD).await);
        let first = people.accounts.users("acme", None, 2).await.unwrap();
        let rest = people.accounts.users("acme", Some(&first[1].user), 2).await.unwrap();
        let mut listed: Vec<_> = first.iter().chain(&rest).map(|one| Some(one.user.clone())).collect();
        listed.sort();
        seeded.sort();
        assert_eq!(listed, seeded);
        assert!(people.accounts.users("other", None, 10).await.unwrap().is_empty());
    }

    async fn a_user_chooses_the_mode(world) {
        let people = People::new(&world).await;
        let ann = people.ann().await;
        let token = people.token(&ann, NOW);
        assert_eq!(people.accounts.mode_of("acme", &ann.user).await.unwrap(), Some(Mode::Train));
        assert!(people.note(people.accounts.set_mode(&at(HOME, NOW), &token, Mode::Auth).await.unwrap()));
        assert_eq!(people.accounts.mode_of("acme", &ann.user).await.unwrap(), Some(Mode::Auth));
        assert_eq!(people.accounts.mode_of("other", &ann.user).await.unwrap(), None);
        people.note(people.accounts.log_out_everywhere(&at(HOME, NOW), &token).await.unwrap());
        assert!(!people.note(people.accounts.set_mode(&at(HOME, NOW), &token, Mode::Train).await.unwrap()));
    }

    async fn the_audit_and_the_tables_hold_no_secret(world) {
        let people = People::new(&world).await;
        let ann = people.ann().await;
        let mut secrets = vec![PASSWORD.to_owned(), ann.refresh.expose().to_owned(), ann.access.token.expose().to_owned()];
        secrets.push(people.code(ANN).replace(' ', ""));
        let challenge = code_sent(people.log_in(&at(AWAY, NOW), ANN, PASSWORD).await);
        secrets.push(people.code(ANN).replace(' ', ""));
        people.log_in(&at(AWAY, NOW), "eve@example.org", PASSWORD).await;
        signed_in(people.confirm(&at(AWAY, NOW), &challenge.id, &people.code(ANN)).await);
        secrets.push(people.link(ANN));
        let again = people.refresh(&at(HOME, NOW), &ann.refresh).await.unwrap();
        secrets.push(again.refresh.expose().to_owned());
        people.refresh(&at(HOME, NOW), &ann.refresh).await;
        let audit = serde_json::to_string(&*people.events.lock().unwrap()).unwrap();
        let shown = format!("{ann:?} {again:?} {:?} {:?}", people.accounts, people.mailbox.mails());
        let mut tables = String::new();
        let mut connection = connect(&world).await;
        for column in ["users.password_hash", "challenges.code_hash", "challenges.password_hash", "approvals.hash", "attempts.key"] {
            let (table, name) = column.split_once('.').unwrap();
            let sql = sqlx::AssertSqlSafe(format!("SELECT {name} FROM {table} WHERE {name} IS NOT NULL"));
            let rows: Vec<(String,)> = sqlx::query_as(sql).fetch_all(&mut connection).await.unwrap();
            tables.extend(rows.into_iter().map(|(value,)| value + "\n"));
        }
        for secret in &secrets {
            assert!(!audit.contains(secret) && !shown.contains(secret) && !tables.contains(secret), "{secret}");
        }
        assert!(!audit.contains("example.org") && !shown.contains("ann@example.org"), "{audit}");
        // Who was there, where from, and what was wrong, is in it.
        for word in ["192.0.2.1", "reused", "unknown_account", ann.user.as_str()] {
            assert!(audit.contains(word), "{word}: {audit}");
        }
    }

    async fn names_and_settings_that_cannot_be_are_refused(world) {
        let people = People::new(&world).await;
        for tenant in ["", "a b", &"x".repeat(65)] {
            let visit = Visit { tenant, ..at(HOME, NOW) };
            assert!(people.accounts.register(&visit, ANN, &secret(PASSWORD)).await.is_err(), "{tenant:?}");
        }
        let short = people.note(people.accounts.register(&at(HOME, NOW), ANN, &secret("short")).await.unwrap());
        assert_eq!(short, RegisterAnswer::Refused(PasswordRefusal::TooShort));
        assert!(people.mailbox.mails().is_empty());
    }
}

/// A connection beside the library's.
async fn connect(world: &World) -> sqlx::AnyConnection {
    use sqlx::Connection;
    sqlx::AnyConnection::connect(&world.url).await.unwrap()
}
