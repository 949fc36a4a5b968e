//! Opening an account, and choosing a new password: both by a code from the mailbox.
//!
//! Invariants: the password waits beside its code, and becomes the account's only with it: whoever registers an address first
//! without its mailbox has gained nothing. Whether the address has an account is told by mail alone.

use serde::Serialize;

use super::codes::Awaited;
use super::{Accounts, Challenge, Mode, SignedIn, Visit, addresses, check_visit};
use crate::error::Result;
use crate::event::{AccountEvent, Action, Audited, Purpose, ThrottleScope};
use crate::mail::Email;
use crate::password::PasswordRefusal;
use crate::secret::{self, Secret};

/// What became of asking for an account or a new password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RegisterAnswer {
    /// Not with this password.
    Refused(PasswordRefusal),
    /// Too many attempts: not before so many ms.
    Throttled {
        /// The wait, in ms.
        retry_after_ms: i64,
    },
    /// "If the address is right, there is mail": whether or not there is an account.
    CodeSent(Challenge),
}

impl Accounts {
    /// Asks for an account. The mail brings a code for [`Accounts::confirm`], or the word that there is one already.
    ///
    /// # Errors
    /// Where the address is none, the mail cannot be sent, or the database fails.
    pub async fn register(&self, visit: &Visit<'_>, email: &str, password: &Secret) -> Result<Audited<RegisterAnswer>> {
        self.ask_password(visit, email, password, Purpose::Register).await
    }

    /// Asks for a new password for an account whose old one is lost. The code in the mail makes it hold, ends all sign-ins and
    /// signs in; where there is no account, the mail says so.
    ///
    /// # Errors
    /// Where the address is none, the mail cannot be sent, or the database fails.
    pub async fn reset(&self, visit: &Visit<'_>, email: &str, password: &Secret) -> Result<Audited<RegisterAnswer>> {
        self.ask_password(visit, email, password, Purpose::Reset).await
    }

    async fn ask_password(
        &self,
        visit: &Visit<'_>,
        email: &str,
        password: &Secret,
        purpose: Purpose,
    ) -> Result<Audited<RegisterAnswer>> {
        check_visit(visit)?;
        let email = Email::parse(email)?;
        let mut events = Vec::new();
        let scopes = [ThrottleScope::Address, ThrottleScope::Mails];
        if let Err(retry_after_ms) = self.admit(visit, Some(&email), &scopes, &mut events).await? {
            let answer = RegisterAnswer::Throttled { retry_after_ms };
            return Ok(Audited { answer, events });
        }
        let hash = match self.passwords.accept(password, email.as_str()).await? {
            Ok(hash) => hash,
            Err(refusal) => {
                let answer = RegisterAnswer::Refused(refusal);
                return Ok(Audited { answer, events });
            }
        };
        let user = self.find(visit.tenant, &email).await?;
        let awaited = Awaited {
            email: &email,
            purpose,
            for_real: user.is_some() == (purpose == Purpose::Reset),
            user: user.as_ref().map(|user| user.id.as_str()),
            sign_in: None,
            password_hash: Some(&hash),
        };
        let challenge = self.send_code(visit, &awaited, &mut events).await?;
        let answer = RegisterAnswer::CodeSent(challenge);
        Ok(Audited { answer, events })
    }

    /// The mailbox answered: the account exists now, and the address that it was opened from is trusted.
    pub(super) async fn finish_register(
        &self,
        visit: &Visit<'_>,
        email: &Email,
        password_hash: &str,
        events: &mut Vec<AccountEvent>,
    ) -> Result<Option<SignedIn>> {
        let Some(user) = self.open_account(visit, email, password_hash, events).await? else {
            return Ok(None);
        };
        self.start_sign_in(visit, &user, true, events).await.map(Some)
    }

    /// Opens an account without asking its mailbox, and trusts the address of the visit: for the people of a demo. None: the
    /// address has an account already. The refusal is that of the password.
    ///
    /// # Errors
    /// Where the address is none, or the database fails.
    pub async fn seed(
        &self,
        visit: &Visit<'_>,
        email: &str,
        password: &Secret,
    ) -> Result<Audited<std::result::Result<Option<String>, PasswordRefusal>>> {
        check_visit(visit)?;
        let email = Email::parse(email)?;
        let hash = match self.passwords.accept(password, email.as_str()).await? {
            Ok(hash) => hash,
            Err(refusal) => return Ok(Audited::quiet(Err(refusal))),
        };
        let mut events = Vec::new();
        let answer = Ok(self.open_account(visit, &email, &hash, &mut events).await?);
        Ok(Audited { answer, events })
    }

    /// Makes the user and trusts the address. None: there is one.
    async fn open_account(
        &self,
        visit: &Visit<'_>,
        email: &Email,
        password_hash: &str,
        events: &mut Vec<AccountEvent>,
    ) -> Result<Option<String>> {
        let user = format!("u-{}", secret::id()?);
        let made = sqlx::query(
            "INSERT INTO users (id, tenant, email, password_hash, mode, created_ms) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (tenant, email) DO NOTHING",
        )
        .bind(&user)
        .bind(visit.tenant)
        .bind(email.as_str())
        .bind(password_hash)
        .bind(Mode::Train.word())
        .bind(visit.now_ms)
        .execute(&self.store.pool)
        .await?;
        if made.rows_affected() == 0 {
            return Ok(None);
        }
        events.push(AccountEvent::of(visit, Action::Registered { user: user.clone() }));
        let prefix = addresses::network(visit.address);
        self.trust(&user, prefix, visit.now_ms).await?;
        let trusted = Action::AddressTrusted {
            user: user.clone(),
            prefix,
        };
        events.push(AccountEvent::of(visit, trusted));
        Ok(Some(user))
    }

    /// The mailbox answered: the new password holds, and whoever was signed in with the old one is not any more.
    pub(super) async fn finish_reset(
        &self,
        visit: &Visit<'_>,
        user: &str,
        password_hash: &str,
        events: &mut Vec<AccountEvent>,
    ) -> Result<Option<SignedIn>> {
        if !self.set_password(visit, user, password_hash, None, events).await? {
            return Ok(None);
        }
        self.start_sign_in(visit, user, true, events).await.map(Some)
    }

    /// Replaces a password and ends all sign-ins but one. False: the account is gone.
    pub(super) async fn set_password(
        &self,
        visit: &Visit<'_>,
        user: &str,
        password_hash: &str,
        but: Option<&str>,
        events: &mut Vec<AccountEvent>,
    ) -> Result<bool> {
        let changed = sqlx::query("UPDATE users SET password_hash = $1 WHERE id = $2 AND tenant = $3")
            .bind(password_hash)
            .bind(user)
            .bind(visit.tenant)
            .execute(&self.store.pool)
            .await?;
        if changed.rows_affected() == 0 {
            return Ok(false);
        }
        // A code for a new password, or a link for an address, that somebody else had sent goes with the old password.
        for statement in [
            "DELETE FROM challenges WHERE user_id = $1",
            "DELETE FROM approvals WHERE user_id = $1",
        ] {
            sqlx::query(statement).bind(user).execute(&self.store.pool).await?;
        }
        let action = Action::PasswordChanged { user: user.to_owned() };
        events.push(AccountEvent::of(visit, action));
        events.push(self.end_sign_ins(visit, user, but).await?);
        Ok(true)
    }
}
