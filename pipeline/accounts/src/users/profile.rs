//! What a user sees and changes: mode, password, step-up; and how risk asks for a second proof.
//!
//! Invariants: a step-up asks each sign-in for itself: a proof in one says nothing about who sits at another; while it is asked,
//! nothing that protects the account can be changed. A decision that is told twice asks once. What would let a stranger at an
//! unlocked keyboard become the user (to be learned in their place, a passkey of their own) needs a proof of the last minutes,
//! also where risk asks for none.

use serde::Serialize;

use super::codes::Awaited;
use super::sign_ins::{Access, Live, Proof};
use super::{AccessToken, Accounts, Challenge, LoginAnswer, Mode, UserRow, Visit, check_visit};
use crate::error::Result;
use crate::event::{AccountEvent, Action, Audited, Purpose, ThrottleScope};
use crate::names;
use crate::password::PasswordRefusal;
use crate::secret::Secret;

/// A second proof that risk asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepUp {
    /// Since when, in ms.
    pub since_ms: i64,
    /// The decision that asked.
    pub why: String,
}

/// A user as an administrator's list shows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UserView {
    /// The user, who is the subject of their events too.
    pub user: String,
    /// The address.
    pub email: String,
    /// What Ductus does with what they type.
    pub mode: Mode,
    /// Since when the account exists, in ms.
    pub created_ms: i64,
}

/// What a user sees of themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Me {
    /// The user, who is the subject of their events too.
    pub user: String,
    /// The address.
    pub email: String,
    /// What Ductus does with what they type.
    pub mode: Mode,
    /// Since when the account exists, in ms.
    pub created_ms: i64,
    /// What this sign-in must prove before it goes on.
    pub step_up: Option<StepUp>,
    /// How it stands with its second proof.
    #[serde(skip)]
    pub proof: Proof,
}

#[derive(sqlx::FromRow)]
struct MeRow {
    email: String,
    mode: String,
    created_ms: i64,
    raised_ms: Option<i64>,
    raised_why: Option<String>,
    proved_ms: Option<i64>,
}

impl Accounts {
    /// The user of an access token. None: the sign-in has ended, or the account is gone. This is the check that an access token
    /// alone does not make.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn me(&self, who: &AccessToken, now_ms: i64) -> Result<Option<Me>> {
        let row: Option<MeRow> = sqlx::query_as(
            "SELECT users.email, users.mode, users.created_ms, users.raised_ms, users.raised_why, sign_ins.proved_ms
             FROM sign_ins JOIN users ON users.id = sign_ins.user_id
             WHERE sign_ins.id = $1 AND users.id = $2 AND users.tenant = $3
                 AND sign_ins.revoked_ms IS NULL AND sign_ins.expires_ms > $4",
        )
        .bind(&who.sign_in)
        .bind(&who.user)
        .bind(&who.tenant)
        .bind(now_ms)
        .fetch_optional(&self.store.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let proof = self.proof(row.raised_ms, row.proved_ms, now_ms);
        let step_up = row.raised_ms.filter(|_| proof == Proof::Asked).map(|since_ms| StepUp {
            since_ms,
            why: row.raised_why.unwrap_or_default(),
        });
        Ok(Some(Me {
            user: who.user.clone(),
            email: row.email,
            mode: row.mode.parse()?,
            created_ms: row.created_ms,
            step_up,
            proof,
        }))
    }

    /// The tenant's users by id, at most `limit`; `after`: the last one of the page before.
    ///
    /// # Errors
    /// Where `after` is no id, or the database fails.
    pub async fn users(&self, tenant: &str, after: Option<&str>, limit: u32) -> Result<Vec<UserView>> {
        after.map_or(Ok(()), names::check_id)?;
        let rows: Vec<(String, String, String, i64)> = sqlx::query_as(
            "SELECT id, email, mode, created_ms FROM users WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3",
        )
        .bind(tenant)
        .bind(after.unwrap_or_default())
        .bind(i64::from(limit))
        .fetch_all(&self.store.pool)
        .await?;
        rows.into_iter()
            .map(|(user, email, mode, created_ms)| {
                let mode = mode.parse()?;
                Ok(UserView {
                    user,
                    email,
                    mode,
                    created_ms,
                })
            })
            .collect()
    }

    /// Whether Ductus learns the user or guards them. False: the sign-in has ended, or must prove itself first: always where
    /// risk asks for it, and for whoever wants to be learned instead of guarded.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn set_mode(&self, visit: &Visit<'_>, who: &AccessToken, mode: Mode) -> Result<Audited<bool>> {
        let may = |live: &Live| match (live.mode, mode) {
            (Mode::Auth, Mode::Train) => live.proof == Proof::Fresh,
            _ => live.proof != Proof::Asked,
        };
        if !self.live(who, visit.now_ms).await?.as_ref().is_some_and(may) {
            return Ok(Audited::quiet(false));
        }
        sqlx::query("UPDATE users SET mode = $1 WHERE id = $2 AND tenant = $3")
            .bind(mode.word())
            .bind(&who.user)
            .bind(&who.tenant)
            .execute(&self.store.pool)
            .await?;
        let user = who.user.clone();
        Ok(Audited::with(
            true,
            AccountEvent::of(visit, Action::ModeSet { user, mode }),
        ))
    }

    /// The mode of a subject, for whoever decides about it. None: not one of our users.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn mode_of(&self, tenant: &str, subject: &str) -> Result<Option<Mode>> {
        let row: Option<(String,)> = sqlx::query_as("SELECT mode FROM users WHERE id = $1 AND tenant = $2")
            .bind(subject)
            .bind(tenant)
            .fetch_optional(&self.store.pool)
            .await?;
        row.map(|(mode,)| mode.parse()).transpose()
    }

    /// Risk asks all sign-ins of a subject for a second proof. `at_ms`: when the decision was made; one that is older than what
    /// was asked already, or told twice, asks nothing. False: so it was, or the subject is not one of our users.
    ///
    /// # Errors
    /// Where the decision's id is no id, or the database fails.
    pub async fn raise_step_up(
        &self,
        tenant: &str,
        subject: &str,
        decision: &str,
        at_ms: i64,
    ) -> Result<Audited<bool>> {
        names::check_id(decision)?;
        let raised = sqlx::query(
            "UPDATE users SET raised_ms = $1, raised_why = $2
             WHERE id = $3 AND tenant = $4 AND (raised_ms IS NULL OR raised_ms < $1)",
        )
        .bind(at_ms)
        .bind(decision)
        .bind(subject)
        .bind(tenant)
        .execute(&self.store.pool)
        .await?;
        if raised.rows_affected() == 0 {
            return Ok(Audited::quiet(false));
        }
        let action = Action::StepUpRaised {
            user: subject.to_owned(),
            why: decision.to_owned(),
        };
        Ok(Audited::with(true, AccountEvent::new(at_ms, Some(tenant), action)))
    }

    /// Mails a code with which this sign-in proves itself again. The answer is [`LoginAnswer::CodeSent`], `Throttled`, or
    /// `Refused` where the sign-in has ended.
    ///
    /// # Errors
    /// Where the mail cannot be sent or the database fails.
    pub async fn begin_step_up(&self, visit: &Visit<'_>, who: &AccessToken) -> Result<Audited<LoginAnswer>> {
        check_visit(visit)?;
        let mut events = Vec::new();
        let Some(Live { email, .. }) = self.live(who, visit.now_ms).await? else {
            return Ok(Audited::quiet(LoginAnswer::Refused));
        };
        let scopes = [ThrottleScope::Address, ThrottleScope::Mails];
        if let Err(retry_after_ms) = self.admit(visit, Some(&email), &scopes, &mut events).await? {
            let answer = LoginAnswer::Throttled { retry_after_ms };
            return Ok(Audited { answer, events });
        }
        let awaited = Awaited {
            email: &email,
            purpose: Purpose::StepUp,
            for_real: true,
            user: Some(&who.user),
            sign_in: Some(&who.sign_in),
            password_hash: None,
        };
        let challenge: Challenge = self.send_code(visit, &awaited, &mut events).await?;
        let answer = LoginAnswer::CodeSent(challenge);
        Ok(Audited { answer, events })
    }

    /// The second proof was given in this sign-in.
    pub(super) async fn finish_step_up(
        &self,
        visit: &Visit<'_>,
        user: &str,
        sign_in: &str,
        events: &mut Vec<AccountEvent>,
    ) -> Result<Option<Access>> {
        // After what was asked, whatever the clock of whoever asked.
        let proved = sqlx::query(
            "UPDATE sign_ins SET proved_ms = (SELECT CASE WHEN raised_ms >= $1 THEN raised_ms + 1 ELSE $1 END
                 FROM users WHERE users.id = sign_ins.user_id)
             WHERE id = $2 AND user_id = $3 AND revoked_ms IS NULL AND expires_ms > $1",
        )
        .bind(visit.now_ms)
        .bind(sign_in)
        .bind(user)
        .execute(&self.store.pool)
        .await?;
        if proved.rows_affected() == 0 {
            return Ok(None);
        }
        let action = Action::StepUpLowered {
            user: user.to_owned(),
            sign_in: sign_in.to_owned(),
        };
        events.push(AccountEvent::of(visit, action));
        self.access(visit, user, sign_in, false).map(Some)
    }

    /// Replaces the password of whoever knows the old one, and ends all other sign-ins. The outer refusal is that of a sign-in.
    ///
    /// # Errors
    /// Where too many wait for their hash or the database fails.
    pub async fn change_password(
        &self,
        visit: &Visit<'_>,
        who: &AccessToken,
        old: &Secret,
        new: &Secret,
    ) -> Result<Audited<PasswordAnswer>> {
        check_visit(visit)?;
        let mut events = Vec::new();
        let live = self.live(who, visit.now_ms).await?;
        let Some(Live { email, .. }) = live.filter(|live| live.proof != Proof::Asked) else {
            return Ok(Audited::quiet(PasswordAnswer::WrongPassword));
        };
        let scopes = [ThrottleScope::Address, ThrottleScope::Pair];
        if let Err(retry_after_ms) = self.admit(visit, Some(&email), &scopes, &mut events).await? {
            let answer = PasswordAnswer::Throttled { retry_after_ms };
            return Ok(Audited { answer, events });
        }
        let user: Option<UserRow> = self.find(visit.tenant, &email).await?;
        let stored = user.map(|user| user.password_hash);
        if !self.passwords.verify(old, stored).await?.holds {
            let answer = PasswordAnswer::WrongPassword;
            return Ok(Audited { answer, events });
        }
        let hash = match self.passwords.accept(new, email.as_str()).await? {
            Ok(hash) => hash,
            Err(refusal) => {
                let answer = PasswordAnswer::Refused(refusal);
                return Ok(Audited { answer, events });
            }
        };
        self.absolve(visit, &email, 1).await?;
        let changed = self
            .set_password(visit, &who.user, &hash, Some(&who.sign_in), &mut events)
            .await?;
        let answer = if changed {
            PasswordAnswer::Changed
        } else {
            PasswordAnswer::WrongPassword
        };
        Ok(Audited { answer, events })
    }

    /// Removes an account with its sign-ins, codes and addresses. False: there is none. What Ductus has learnt of the subject is
    /// not here: see [`crate::Tenants::ask_erasure`].
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn delete_user(&self, tenant: &str, user: &str, now_ms: i64) -> Result<Audited<bool>> {
        let row: Option<(String,)> = sqlx::query_as("DELETE FROM users WHERE id = $1 AND tenant = $2 RETURNING email")
            .bind(user)
            .bind(tenant)
            .fetch_optional(&self.store.pool)
            .await?;
        let Some((email,)) = row else {
            return Ok(Audited::quiet(false));
        };
        // Codes to register again hold the address as well.
        sqlx::query("DELETE FROM challenges WHERE tenant = $1 AND email = $2")
            .bind(tenant)
            .bind(email)
            .execute(&self.store.pool)
            .await?;
        let user = user.to_owned();
        let event = AccountEvent::new(now_ms, Some(tenant), Action::UserDeleted { user });
        Ok(Audited::with(true, event))
    }
}

/// What became of a new password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PasswordAnswer {
    /// It holds now.
    Changed,
    /// Not with the new one.
    Refused(PasswordRefusal),
    /// Not with the old one, or the sign-in has ended or must prove itself first.
    WrongPassword,
    /// Too many attempts: not before so many ms.
    Throttled {
        /// The wait, in ms.
        retry_after_ms: i64,
    },
}
