//! Signing in with a password, and with a code from the mailbox where the address is not trusted or risk asks for it.
//!
//! Invariants: an unknown account costs a hash as a known one does, and gets the same answer; nothing but the right password has a
//! code sent; attempts at an account are forgotten only once its owner has proved themselves to the end.

use super::codes::Awaited;
use super::{Accounts, Challenge, SignedIn, UserRow, Visit, addresses, check_visit};
use crate::error::Result;
use crate::event::{AccountEvent, Action, Audited, LoginRefusal, Purpose, ThrottleScope};
use crate::mail::Email;
use crate::secret::Secret;

/// What became of a sign-in.
#[derive(Debug, Clone)]
pub enum LoginAnswer {
    /// Not this address and password together.
    Refused,
    /// Too many attempts: not before so many ms.
    Throttled {
        /// The wait, in ms.
        retry_after_ms: i64,
    },
    /// The password is right; the code in the mail is wanted too.
    CodeSent(Challenge),
    /// Signed in.
    SignedIn(SignedIn),
}

impl Accounts {
    /// Signs in with a password.
    ///
    /// # Errors
    /// Where the address is none, too many wait for their hash, a mail cannot be sent, or the database fails.
    pub async fn log_in(&self, visit: &Visit<'_>, email: &str, password: &Secret) -> Result<Audited<LoginAnswer>> {
        check_visit(visit)?;
        let email = Email::parse(email)?;
        let mut events = Vec::new();
        let scopes = [ThrottleScope::Address, ThrottleScope::Pair];
        if let Err(retry_after_ms) = self.admit(visit, Some(&email), &scopes, &mut events).await? {
            let answer = LoginAnswer::Throttled { retry_after_ms };
            return Ok(Audited { answer, events });
        }
        let user = self.find(visit.tenant, &email).await?;
        let Some(user) = self.check_password(user.as_ref(), password).await? else {
            let action = Action::LoginRefused {
                account: self.account(visit.tenant, email.as_str(), user.as_ref().map(|user| user.id.as_str())),
                reason: user.map_or(LoginRefusal::UnknownAccount, |_| LoginRefusal::WrongPassword),
            };
            events.push(AccountEvent::of(visit, action));
            let answer = LoginAnswer::Refused;
            return Ok(Audited { answer, events });
        };
        let answer = if self.needs_code(visit, user).await? {
            self.ask_code(visit, &email, user, &mut events).await?
        } else {
            self.absolve(visit, &email, 1).await?;
            LoginAnswer::SignedIn(self.start_sign_in(visit, &user.id, false, &mut events).await?)
        };
        Ok(Audited { answer, events })
    }

    /// The user, if this is their password. A hash of older parameters is replaced on the way.
    async fn check_password<'a>(&self, user: Option<&'a UserRow>, password: &Secret) -> Result<Option<&'a UserRow>> {
        let stored = user.map(|user| user.password_hash.clone());
        let verdict = self.passwords.verify(password, stored).await?;
        let user = user.filter(|_| verdict.holds);
        if let (Some(user), Some(fresh)) = (user, verdict.fresh_hash) {
            sqlx::query("UPDATE users SET password_hash = $1 WHERE id = $2 AND password_hash = $3")
                .bind(fresh)
                .bind(&user.id)
                .bind(&user.password_hash)
                .execute(&self.store.pool)
                .await?;
        }
        Ok(user)
    }

    async fn needs_code(&self, visit: &Visit<'_>, user: &UserRow) -> Result<bool> {
        if self.policy.code_always || !self.is_trusted(&user.id, visit).await? {
            return Ok(true);
        }
        let Some(raised_ms) = user.raised_ms else {
            return Ok(false);
        };
        // Risk asked for a second proof, and none of the user's sign-ins gave one since.
        let proved: Option<(i64,)> =
            sqlx::query_as("SELECT 1 FROM sign_ins WHERE user_id = $1 AND proved_ms > $2 LIMIT 1")
                .bind(&user.id)
                .bind(raised_ms)
                .fetch_optional(&self.store.pool)
                .await?;
        Ok(proved.is_none())
    }

    async fn ask_code(
        &self,
        visit: &Visit<'_>,
        email: &Email,
        user: &UserRow,
        events: &mut Vec<AccountEvent>,
    ) -> Result<LoginAnswer> {
        if let Err(retry_after_ms) = self.admit(visit, Some(email), &[ThrottleScope::Mails], events).await? {
            return Ok(LoginAnswer::Throttled { retry_after_ms });
        }
        let awaited = Awaited {
            email,
            purpose: Purpose::SignIn,
            for_real: true,
            user: Some(&user.id),
            sign_in: None,
            password_hash: None,
        };
        self.send_code(visit, &awaited, events).await.map(LoginAnswer::CodeSent)
    }

    /// The code came back: signed in, and asked by mail whether the address is to be trusted.
    pub(super) async fn finish_login(
        &self,
        visit: &Visit<'_>,
        email: &Email,
        user: &str,
        events: &mut Vec<AccountEvent>,
    ) -> Result<Option<SignedIn>> {
        let signed_in = self.start_sign_in(visit, user, true, events).await?;
        if !self.is_trusted(user, visit).await? {
            let prefix = addresses::network(visit.address);
            events.push(self.send_approval(visit, user, email, prefix).await?);
        }
        Ok(Some(signed_in))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Mailbox;
    use crate::password::PasswordPolicy;
    use crate::secret::Pepper;
    use crate::signing::{SigningKey, SigningKeys};
    use crate::store::{PoolPolicy, Store};
    use crate::users::{AccountsPolicy, RegisterAnswer};
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    const ANN: &str = "ann@example.org";
    const NOBODY: &str = "eve@example.org";
    const PASSWORD: &str = "correct horse battery";

    async fn accounts() -> (Accounts, Arc<Mailbox>) {
        let store = Store::open("sqlite::memory:", &PoolPolicy::default()).await.unwrap();
        let keys = SigningKeys::new(vec![SigningKey::new("a", &[1; 32]).unwrap()]).unwrap();
        let policy = AccountsPolicy {
            passwords: PasswordPolicy {
                memory_kib: 64,
                passes: 1,
                ..PasswordPolicy::default()
            },
            ..AccountsPolicy::at("https://ductus.example")
        };
        let mailbox = Arc::new(Mailbox::new(100));
        let pepper = Pepper::new(&[2; 32]).unwrap();
        let accounts = Accounts::new(store, policy, keys, pepper, mailbox.clone(), None).await;
        (accounts.unwrap(), mailbox)
    }

    /// From an address of its own each time, so that no attempt waits for another.
    fn visit(host: u8) -> Visit<'static> {
        Visit {
            tenant: "acme",
            address: IpAddr::V4(Ipv4Addr::new(198, 51, 100, host)),
            now_ms: 1_800_000_000_000,
        }
    }

    /// A clock says little on a busy machine: what costs time is counted instead.
    #[tokio::test]
    async fn known_and_unknown_addresses_cost_the_same_hashes_and_mails() {
        let (accounts, mailbox) = accounts().await;
        let secret = |text: &str| Secret::new(text.to_owned());
        let seeded = accounts.seed(&visit(1), ANN, &secret(PASSWORD)).await.unwrap();
        assert!(matches!(seeded.answer, Ok(Some(_))));
        let mut host = 1;
        let mut costs = async |what: &str, email: &str, password: &str| {
            host += 1;
            let cost = || {
                (
                    accounts.passwords.computed.load(Ordering::Relaxed),
                    mailbox.mails().len(),
                )
            };
            let (visit, password, before) = (visit(host), secret(password), cost());
            match what {
                "log in" => assert!(matches!(
                    accounts.log_in(&visit, email, &password).await.unwrap().answer,
                    LoginAnswer::Refused
                )),
                "register" => assert!(matches!(
                    accounts.register(&visit, email, &password).await.unwrap().answer,
                    RegisterAnswer::CodeSent(_)
                )),
                _ => assert!(matches!(
                    accounts.reset(&visit, email, &password).await.unwrap().answer,
                    RegisterAnswer::CodeSent(_)
                )),
            }
            let after = cost();
            (after.0 - before.0, after.1 - before.1)
        };
        let too_long = "x".repeat(5_000);
        for (what, password, expected) in [
            ("log in", "not the password", (1, 0)),
            ("log in", "", (1, 0)),
            ("log in", too_long.as_str(), (1, 0)),
            ("register", PASSWORD, (1, 1)),
            ("reset", PASSWORD, (1, 1)),
        ] {
            for email in [ANN, NOBODY] {
                assert_eq!(costs(what, email, password).await, expected, "{what} {email}");
            }
        }
    }
}
