//! Accounts with a mailbox, and people who use them.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use ductus_accounts::{
    AccessToken, AccountEvent, Accounts, AccountsPolicy, Action, Audited, Challenge, CodeAnswer, LoginAnswer, Mailbox,
    PasswordPolicy, Pepper, RegisterAnswer, Secret, SignedIn, SigningKey, SigningKeys, Visit,
};

use crate::world::{NOW, World};

pub(crate) const ANN: &str = "ann@example.org";
pub(crate) const PASSWORD: &str = "correct horse battery";
/// Where people usually are, and where they are not.
pub(crate) const HOME: &str = "192.0.2.1";
pub(crate) const AWAY: &str = "198.51.100.7";

/// Accounts, their mailbox, and all that was audited.
pub(crate) struct People {
    pub(crate) accounts: Accounts,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) events: Mutex<Vec<AccountEvent>>,
}

/// Hashes that cost nothing: what is tested is not their price.
pub(crate) fn policy() -> AccountsPolicy {
    AccountsPolicy {
        passwords: PasswordPolicy {
            memory_kib: 64,
            passes: 1,
            ..PasswordPolicy::default()
        },
        ..AccountsPolicy::at("https://ductus.example/")
    }
}

pub(crate) fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

pub(crate) fn at(address: &str, now_ms: i64) -> Visit<'static> {
    Visit {
        tenant: "acme",
        address: address.parse::<IpAddr>().unwrap(),
        now_ms,
    }
}

impl People {
    pub(crate) async fn new(world: &World) -> Self {
        Self::with(world, policy()).await
    }

    pub(crate) async fn with(world: &World, policy: AccountsPolicy) -> Self {
        let mailbox = Arc::new(Mailbox::new(100));
        let keys = SigningKeys::new(vec![SigningKey::new("a", &[1; 32]).unwrap()]).unwrap();
        let pepper = Pepper::new(&[2; 32]).unwrap();
        let accounts = Accounts::new(world.store.clone(), policy, keys, pepper, mailbox.clone(), None)
            .await
            .unwrap();
        Self {
            accounts,
            mailbox,
            events: Mutex::default(),
        }
    }

    /// The answer; what was audited is kept.
    pub(crate) fn note<T>(&self, audited: Audited<T>) -> T {
        self.events.lock().unwrap().extend(audited.events);
        audited.answer
    }

    /// What was audited last.
    pub(crate) fn last(&self) -> Action {
        self.events.lock().unwrap().last().unwrap().action.clone()
    }

    /// The newest mail to an address.
    pub(crate) fn mail(&self, to: &str) -> String {
        let mails = self.mailbox.mails();
        mails
            .into_iter()
            .find(|mail| mail.recipient() == to)
            .expect("there is mail")
            .text
    }

    /// The code in the newest mail to an address that has one.
    pub(crate) fn code(&self, to: &str) -> String {
        let code = |text: &str| text.strip_prefix("Your code is ").map(|rest| rest[..9].to_owned());
        let mails = self.mailbox.mails();
        let mut to_them = mails.iter().filter(|mail| mail.recipient() == to);
        to_them.find_map(|mail| code(&mail.text)).expect("there is a code")
    }

    /// The token of the link in the newest mail to an address.
    pub(crate) fn link(&self, to: &str) -> String {
        let text = self.mail(to);
        let (_, rest) = text
            .split_once("https://ductus.example/v1/auth/approvals/")
            .expect("there is a link");
        rest.lines().next().unwrap().to_owned()
    }

    pub(crate) async fn register(&self, visit: &Visit<'_>, email: &str, password: &str) -> Challenge {
        match self.note(self.accounts.register(visit, email, &secret(password)).await.unwrap()) {
            RegisterAnswer::CodeSent(challenge) => challenge,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn confirm(&self, visit: &Visit<'_>, challenge: &str, code: &str) -> CodeAnswer {
        self.note(self.accounts.confirm(visit, challenge, code).await.unwrap())
    }

    pub(crate) async fn log_in(&self, visit: &Visit<'_>, email: &str, password: &str) -> LoginAnswer {
        self.note(self.accounts.log_in(visit, email, &secret(password)).await.unwrap())
    }

    pub(crate) async fn refresh(&self, visit: &Visit<'_>, token: &Secret) -> Option<SignedIn> {
        self.note(self.accounts.refresh(visit, token.expose()).await.unwrap())
    }

    /// An account that was opened at home.
    pub(crate) async fn ann(&self) -> SignedIn {
        let visit = at(HOME, NOW);
        let challenge = self.register(&visit, ANN, PASSWORD).await;
        signed_in(self.confirm(&visit, &challenge.id, &self.code(ANN)).await)
    }

    pub(crate) fn token(&self, signed_in: &SignedIn, now_ms: i64) -> AccessToken {
        self.accounts
            .verify_access(signed_in.access.token.expose(), now_ms)
            .unwrap()
    }
}

pub(crate) fn signed_in(answer: CodeAnswer) -> SignedIn {
    match answer {
        CodeAnswer::SignedIn(signed_in) => signed_in,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn logged_in(answer: LoginAnswer) -> SignedIn {
    match answer {
        LoginAnswer::SignedIn(signed_in) => signed_in,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn code_sent(answer: LoginAnswer) -> Challenge {
    match answer {
        LoginAnswer::CodeSent(challenge) => challenge,
        other => panic!("{other:?}"),
    }
}
