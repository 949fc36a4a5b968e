//! Codes by mail: eight digits, one at a time for an address and a purpose, each good for one use within minutes.
//!
//! Invariants: a try is counted before the code is compared, so that many tries at once are as many; a code is used up by one
//! statement; what is kept is a keyed hash of it together with its id. Where there is no account, a code is awaited as well that
//! nobody was sent.

use super::{Accounts, Challenge, SignedIn, Visit};
use crate::error::Result;
use crate::event::{AccountEvent, Action, Audited, CodeRefusal, Purpose, ThrottleScope};
use crate::mail::{Email, Mail};
use crate::names;
use crate::secret;

/// Decimal digits of a code.
const DIGITS: usize = 8;
/// How many codes there are.
const CODES: u64 = 100_000_000;

/// What became of a code.
#[derive(Debug, Clone)]
pub enum CodeAnswer {
    /// Not that one, or not any more.
    Refused,
    /// Too many tries: not before so many ms.
    Throttled {
        /// The wait, in ms.
        retry_after_ms: i64,
    },
    /// Signed in (after registration, sign-in, or a new password).
    SignedIn(SignedIn),
    /// Proved again within a sign-in: the next refresh says so, and this token does already.
    Proved(super::Access),
}

/// For whom and what a code is sent.
pub(super) struct Awaited<'a> {
    pub(super) email: &'a Email,
    pub(super) purpose: Purpose,
    /// None: there is no account, or there must be none and is one; then the code is never sent.
    pub(super) for_real: bool,
    pub(super) user: Option<&'a str>,
    pub(super) sign_in: Option<&'a str>,
    pub(super) password_hash: Option<&'a str>,
}

#[derive(sqlx::FromRow)]
struct ChallengeRow {
    email: String,
    purpose: String,
    user_id: Option<String>,
    sign_in: Option<String>,
    password_hash: Option<String>,
    code_hash: String,
}

impl Accounts {
    /// Takes a code back, and does what it was sent for.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn confirm(&self, visit: &Visit<'_>, challenge: &str, code: &str) -> Result<Audited<CodeAnswer>> {
        super::check_visit(visit)?;
        let mut events = Vec::new();
        if let Err(retry_after_ms) = self.admit(visit, None, &[ThrottleScope::Address], &mut events).await? {
            let answer = CodeAnswer::Throttled { retry_after_ms };
            return Ok(Audited { answer, events });
        }
        let row = match self.use_up(visit, challenge, code).await? {
            Ok(row) => row,
            Err((account, reason)) => {
                events.push(AccountEvent::of(visit, Action::CodeRefused { account, reason }));
                let answer = CodeAnswer::Refused;
                return Ok(Audited { answer, events });
            }
        };
        let answer = self.settle(visit, &row, &mut events).await?;
        Ok(Audited { answer, events })
    }

    /// The user whose sign-in or step-up awaits a second factor under this id.
    pub(super) async fn awaited_user(&self, visit: &Visit<'_>, challenge: &str) -> Result<Option<String>> {
        let row: Option<(Option<String>,)> = sqlx::query_as(
            "SELECT user_id FROM challenges WHERE id = $1 AND tenant = $2 AND tries < $3 AND expires_ms > $4
                 AND purpose IN ('sign_in', 'step_up')",
        )
        .bind(names::or_nobody_s(challenge))
        .bind(visit.tenant)
        .bind(self.policy.code_tries_max)
        .bind(visit.now_ms)
        .fetch_optional(&self.store.pool)
        .await?;
        Ok(row.and_then(|(user,)| user))
    }

    /// Does what a challenge was for, once its user has proved themselves by something else than the code.
    pub(super) async fn confirm_proved(
        &self,
        visit: &Visit<'_>,
        challenge: &str,
        user: &str,
        events: &mut Vec<AccountEvent>,
    ) -> Result<CodeAnswer> {
        let row: Option<ChallengeRow> = sqlx::query_as(
            "DELETE FROM challenges WHERE id = $1 AND tenant = $2 AND user_id = $3 AND expires_ms > $4
                 AND purpose IN ('sign_in', 'step_up')
             RETURNING email, purpose, user_id, sign_in, password_hash, code_hash",
        )
        .bind(challenge)
        .bind(visit.tenant)
        .bind(user)
        .bind(visit.now_ms)
        .fetch_optional(&self.store.pool)
        .await?;
        let Some(row) = row else {
            let account = Some(user.to_owned());
            let reason = CodeRefusal::NotAwaited;
            events.push(AccountEvent::of(visit, Action::CodeRefused { account, reason }));
            return Ok(CodeAnswer::Refused);
        };
        self.settle(visit, &row, events).await
    }

    async fn settle(
        &self,
        visit: &Visit<'_>,
        row: &ChallengeRow,
        events: &mut Vec<AccountEvent>,
    ) -> Result<CodeAnswer> {
        let email = Email::parse(&row.email)?;
        let answer = self.act_on(visit, row, &email, events).await?;
        if matches!(answer, CodeAnswer::Refused) {
            let action = Action::CodeRefused {
                account: Some(self.account(visit.tenant, &row.email, row.user_id.as_deref())),
                reason: CodeRefusal::Overtaken,
            };
            events.push(AccountEvent::of(visit, action));
        } else {
            // This attempt, and the one that had the code sent.
            self.absolve(visit, &email, 2).await?;
        }
        Ok(answer)
    }

    async fn act_on(
        &self,
        visit: &Visit<'_>,
        row: &ChallengeRow,
        email: &Email,
        events: &mut Vec<AccountEvent>,
    ) -> Result<CodeAnswer> {
        let signed_in = match (row.purpose.parse()?, &row.user_id, &row.password_hash) {
            (Purpose::Register, None, Some(hash)) => self.finish_register(visit, email, hash, events).await?,
            (Purpose::SignIn, Some(user), _) => self.finish_login(visit, email, user, events).await?,
            (Purpose::Reset, Some(user), Some(hash)) => self.finish_reset(visit, user, hash, events).await?,
            (Purpose::StepUp, Some(user), _) => {
                let sign_in = row.sign_in.as_deref().unwrap_or_default();
                let proved = self.finish_step_up(visit, user, sign_in, events).await?;
                return Ok(proved.map_or(CodeAnswer::Refused, CodeAnswer::Proved));
            }
            _ => None,
        };
        Ok(signed_in.map_or(CodeAnswer::Refused, CodeAnswer::SignedIn))
    }

    /// Counts a try, compares, and uses the code up; or says whose it was and why not.
    async fn use_up(
        &self,
        visit: &Visit<'_>,
        challenge: &str,
        code: &str,
    ) -> Result<std::result::Result<ChallengeRow, (Option<String>, CodeRefusal)>> {
        let challenge = names::or_nobody_s(challenge);
        let row: Option<ChallengeRow> = sqlx::query_as(
            "UPDATE challenges SET tries = tries + 1 WHERE id = $1 AND tenant = $2 AND tries < $3 AND expires_ms > $4
             RETURNING email, purpose, user_id, sign_in, password_hash, code_hash",
        )
        .bind(challenge)
        .bind(visit.tenant)
        .bind(self.policy.code_tries_max)
        .bind(visit.now_ms)
        .fetch_optional(&self.store.pool)
        .await?;
        let presented = self.code_hash(challenge, &digits(code));
        let Some(row) = row else {
            return Ok(Err((None, CodeRefusal::NotAwaited)));
        };
        let account = || Some(self.account(visit.tenant, &row.email, row.user_id.as_deref()));
        if !secret::same(&presented, &row.code_hash) {
            return Ok(Err((account(), CodeRefusal::Wrong)));
        }
        let used = sqlx::query("DELETE FROM challenges WHERE id = $1")
            .bind(challenge)
            .execute(&self.store.pool)
            .await?;
        if used.rows_affected() == 0 {
            return Ok(Err((account(), CodeRefusal::NotAwaited)));
        }
        Ok(Ok(row))
    }

    /// Draws a code and mails it; where it is not for real, the mail says what is the matter instead.
    pub(super) async fn send_code(
        &self,
        visit: &Visit<'_>,
        awaited: &Awaited<'_>,
        events: &mut Vec<AccountEvent>,
    ) -> Result<Challenge> {
        let challenge = Challenge {
            id: secret::id()?,
            expires_ms: visit.now_ms + self.policy.code_ms,
        };
        let code = format!("{:0DIGITS$}", secret::random_below(CODES)?);
        let code_hash = if awaited.for_real {
            self.code_hash(&challenge.id, &code)
        } else {
            // No code has this hash.
            self.pepper.hash("no code", &[&challenge.id, &code])
        };
        sqlx::query(
            "INSERT INTO challenges
                 (id, tenant, email, purpose, user_id, sign_in, password_hash, code_hash, tries, expires_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9)
             ON CONFLICT (tenant, email, purpose) DO UPDATE SET id = excluded.id, user_id = excluded.user_id,
                 sign_in = excluded.sign_in, password_hash = excluded.password_hash, code_hash = excluded.code_hash,
                 tries = 0, expires_ms = excluded.expires_ms",
        )
        .bind(&challenge.id)
        .bind(visit.tenant)
        .bind(awaited.email.as_str())
        .bind(awaited.purpose.word())
        .bind(awaited.user)
        .bind(awaited.sign_in)
        .bind(awaited.password_hash)
        .bind(code_hash)
        .bind(challenge.expires_ms)
        .execute(&self.store.pool)
        .await?;
        let mail = Mail {
            to: awaited.email.clone(),
            subject: awaited.purpose.subject(),
            text: awaited
                .purpose
                .text(awaited.for_real, &code, self.policy.code_ms / 60_000),
            at_ms: visit.now_ms,
        };
        self.mailer.send(mail).await?;
        let action = Action::CodeSent {
            account: self.account(visit.tenant, awaited.email.as_str(), awaited.user),
            purpose: awaited.purpose,
            account_exists: awaited.user.is_some() || (awaited.purpose == Purpose::Register && !awaited.for_real),
        };
        events.push(AccountEvent::of(visit, action));
        Ok(challenge)
    }

    fn code_hash(&self, challenge: &str, code: &str) -> String {
        self.pepper.hash("code", &[challenge, code])
    }
}

impl Purpose {
    fn word(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::SignIn => "sign_in",
            Self::StepUp => "step_up",
            Self::Reset => "reset",
        }
    }

    fn subject(self) -> &'static str {
        match self {
            Self::Register => "Opening an account",
            Self::SignIn => "Your code to sign in",
            Self::StepUp => "Your code to go on",
            Self::Reset => "Choosing a new password",
        }
    }

    fn text(self, for_real: bool, code: &str, minutes: i64) -> String {
        match (self, for_real) {
            (Self::Register, false) => "Somebody wanted to open an account with this address, which has one already. \
                 If it was you: just sign in, or choose a new password. If not: there is nothing to do.\n"
                .to_owned(),
            (_, false) => "Somebody asked for a code with this address, which has no account here. \
                 If it was not you, there is nothing to do.\n"
                .to_owned(),
            (_, true) => {
                let (first, second) = code.split_at(DIGITS / 2);
                format!(
                    "Your code is {first} {second}. It works once, for {minutes} minutes.\n\n\
                     Nobody of us asks you for it. If you did not want it, there is nothing to do, but somebody may know \
                     your password.\n"
                )
            }
        }
    }
}

impl std::str::FromStr for Purpose {
    type Err = crate::error::AccountsError;

    fn from_str(word: &str) -> Result<Self> {
        [Self::Register, Self::SignIn, Self::StepUp, Self::Reset]
            .into_iter()
            .find(|purpose| purpose.word() == word)
            .ok_or(crate::error::AccountsError::Internal(
                "a code has a purpose that this program does not know",
            ))
    }
}

/// The digits of what somebody typed, who may group them.
fn digits(typed: &str) -> String {
    typed
        .chars()
        .filter(|char| !char.is_whitespace() && *char != '-')
        .take(DIGITS + 1)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_may_be_grouped() {
        for (typed, expected) in [
            ("12345678", "12345678"),
            (" 1234 5678\n", "12345678"),
            ("1234-5678", "12345678"),
            ("123456789", "123456789"),
            ("12345678901234567890", "123456789"),
            ("", ""),
        ] {
            assert_eq!(digits(typed), expected, "{typed:?}");
        }
    }
}
