//! Sign-ins: short access tokens, and refresh tokens that are new at each use.
//!
//! A refresh token is `dr_<sign-in>_<generation>_<HMAC over both>`: nothing of it is stored but the newest generation. One that
//! we made and that is not the newest was used before, so two have it, and the sign-in ends for both (RFC 9700 §4.14.2).
//!
//! Invariants: of two that refresh at once with one token, one succeeds; a sign-in ends by its end, by idleness, by logging out;
//! an access token outlives that by its own few minutes, so what must not is asked through [`Accounts::me`].

use serde::{Deserialize, Serialize};

use super::{Accounts, Mode, Visit};
use crate::error::Result;
use crate::event::{AccountEvent, Action, Audited, RefreshRefusal};
use crate::mail::Email;
use crate::secret::{self, Secret};
use crate::signing::ISSUER;
use crate::tokens::{TokenRefusal, check_times};

const KIND: &str = "ductus-user+jwt";
const AUDIENCE: &str = "ductus/user";
const REFRESH_PREFIX: &str = "dr_";
/// Longest text that is looked at as a refresh token, in bytes.
const REFRESH_LEN_MAX: usize = 160;

/// An access token, as it is handed out.
#[derive(Debug, Clone)]
pub struct Access {
    /// The token itself.
    pub token: Secret,
    /// When it ends, in ms; a whole second.
    pub expires_ms: i64,
}

/// What whoever signed in gets.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The user, who is the subject of their events too.
    pub user: String,
    /// The sign-in.
    pub sign_in: String,
    /// For requests.
    pub access: Access,
    /// For the next access token; for one use.
    pub refresh: Secret,
    /// When the sign-in ends at the latest, in ms.
    pub expires_ms: i64,
    /// Whether risk asks for a second proof.
    pub step_up: bool,
}

/// What an access token says that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// Whose data it reaches.
    pub tenant: String,
    /// The user, who is the subject of their events too.
    pub user: String,
    /// The sign-in.
    pub sign_in: String,
    /// Whether risk asked for a second proof when the token was made.
    pub step_up: bool,
    /// When it ends, in ms.
    pub expires_ms: i64,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    jti: String,
    tenant: String,
    sub: String,
    sid: String,
    step_up: bool,
    iat: i64,
    exp: i64,
}

/// A sign-in that lives.
pub(super) struct Live {
    pub(super) email: Email,
    pub(super) mode: Mode,
    pub(super) proof: Proof,
}

/// How a sign-in stands with its second proof, a code or a passkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Risk asks for one: until it is given nothing of the account is changed.
    Asked,
    /// None, or none for a while: whoever sits there now may be another.
    Old,
    /// A moment ago.
    Fresh,
}

/// Whether risk asks for a second proof: raised after the sign-in proved itself last.
fn steps_up(raised_ms: Option<i64>, proved_ms: Option<i64>) -> bool {
    raised_ms.is_some_and(|raised| proved_ms.is_none_or(|proved| proved <= raised))
}

impl Accounts {
    /// What an access token says, if it holds now. Whoever refuses audits [`AccountEvent::token_refused`].
    ///
    /// # Errors
    /// Where it does not hold; why is not for the caller.
    pub fn verify_access(&self, token: &str, now_ms: i64) -> std::result::Result<AccessToken, TokenRefusal> {
        let claims: Claims = self.keys.verify(KIND, AUDIENCE, token)?;
        check_times(claims.iat, claims.exp, self.policy.skew_ms, now_ms)?;
        Ok(AccessToken {
            tenant: claims.tenant,
            user: claims.sub,
            sign_in: claims.sid,
            step_up: claims.step_up,
            expires_ms: claims.exp.saturating_mul(1_000),
        })
    }

    /// New tokens for a refresh token, which is used up. None: sign in again.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn refresh(&self, visit: &Visit<'_>, token: &str) -> Result<Audited<Option<SignedIn>>> {
        let Some((sign_in, generation)) = self.read_refresh(token) else {
            return Ok(refused(visit, None, None, RefreshRefusal::Forged));
        };
        let row: Option<(String, i64, Option<i64>)> = sqlx::query_as(
            "UPDATE sign_ins SET generation = generation + 1, used_ms = $1
             WHERE id = $2 AND generation = $3 AND revoked_ms IS NULL AND expires_ms > $1 AND used_ms > $4
                 AND user_id IN (SELECT id FROM users WHERE tenant = $5)
             RETURNING user_id, expires_ms, proved_ms",
        )
        .bind(visit.now_ms)
        .bind(&sign_in)
        .bind(generation)
        .bind(visit.now_ms.saturating_sub(self.policy.sign_in_idle_ms))
        .bind(visit.tenant)
        .fetch_optional(&self.store.pool)
        .await?;
        let Some((user, expires_ms, proved_ms)) = row else {
            return self.refuse_refresh(visit, &sign_in, generation).await;
        };
        let raised: Option<(Option<i64>,)> = sqlx::query_as("SELECT raised_ms FROM users WHERE id = $1")
            .bind(&user)
            .fetch_optional(&self.store.pool)
            .await?;
        let step_up = steps_up(raised.and_then(|(raised_ms,)| raised_ms), proved_ms);
        let signed_in = self.tokens(visit, &user, &sign_in, generation + 1, expires_ms, step_up)?;
        let event = AccountEvent::of(visit, Action::Refreshed { user, sign_in });
        Ok(Audited::with(Some(signed_in), event))
    }

    /// Ends the sign-in of a refresh token, whether or not it is the newest. False: there is nothing to end.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn log_out(&self, visit: &Visit<'_>, token: &str) -> Result<Audited<bool>> {
        let Some((sign_in, _)) = self.read_refresh(token) else {
            return Ok(Audited::quiet(false));
        };
        let Some(user) = self.end_sign_in(visit, &sign_in).await? else {
            return Ok(Audited::quiet(false));
        };
        let event = AccountEvent::of(visit, Action::LoggedOut { user, sign_in });
        Ok(Audited::with(true, event))
    }

    /// Ends all sign-ins of the user.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn log_out_everywhere(&self, visit: &Visit<'_>, who: &AccessToken) -> Result<Audited<()>> {
        let event = self.end_sign_ins(visit, &who.user, None).await?;
        Ok(Audited::with((), event))
    }

    /// Begins a sign-in; the oldest ends where there are too many.
    pub(super) async fn start_sign_in(
        &self,
        visit: &Visit<'_>,
        user: &str,
        second_factor: bool,
        events: &mut Vec<AccountEvent>,
    ) -> Result<SignedIn> {
        let sign_in = secret::id()?;
        let expires_ms = visit.now_ms + self.policy.sign_in_ms;
        let proved_ms = second_factor.then_some(visit.now_ms);
        sqlx::query(
            "INSERT INTO sign_ins (id, user_id, generation, created_ms, used_ms, expires_ms, proved_ms)
             VALUES ($1, $2, 0, $3, $3, $4, $5)",
        )
        .bind(&sign_in)
        .bind(user)
        .bind(visit.now_ms)
        .bind(expires_ms)
        .bind(proved_ms)
        .execute(&self.store.pool)
        .await?;
        sqlx::query(
            "DELETE FROM sign_ins WHERE user_id = $1 AND id IN (SELECT id FROM sign_ins WHERE user_id = $1
             ORDER BY created_ms DESC, id LIMIT 1000000 OFFSET $2)",
        )
        .bind(user)
        .bind(self.policy.sign_ins_max)
        .execute(&self.store.pool)
        .await?;
        let action = Action::SignedIn {
            user: user.to_owned(),
            sign_in: sign_in.clone(),
            second_factor,
        };
        events.push(AccountEvent::of(visit, action));
        // Without a second factor nobody gets here while risk asks for one of the user's new sign-ins.
        self.tokens(visit, user, &sign_in, 0, expires_ms, false)
    }

    pub(super) fn access(&self, visit: &Visit<'_>, user: &str, sign_in: &str, step_up: bool) -> Result<Access> {
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            jti: secret::id()?,
            tenant: visit.tenant.to_owned(),
            sub: user.to_owned(),
            sid: sign_in.to_owned(),
            step_up,
            iat: visit.now_ms.div_euclid(1_000),
            exp: (visit.now_ms + self.policy.access_ms).div_euclid(1_000),
        };
        Ok(Access {
            token: self.keys.sign(KIND, &claims)?,
            expires_ms: claims.exp * 1_000,
        })
    }

    /// Ends all sign-ins of a user, but one.
    pub(super) async fn end_sign_ins(&self, visit: &Visit<'_>, user: &str, but: Option<&str>) -> Result<AccountEvent> {
        let ended =
            sqlx::query("UPDATE sign_ins SET revoked_ms = $1 WHERE user_id = $2 AND revoked_ms IS NULL AND id <> $3")
                .bind(visit.now_ms)
                .bind(user)
                .bind(but.unwrap_or_default())
                .execute(&self.store.pool)
                .await?;
        let action = Action::LoggedOutEverywhere {
            user: user.to_owned(),
            sign_ins: ended.rows_affected(),
        };
        Ok(AccountEvent::of(visit, action))
    }

    /// Address and state of whoever holds a token, while the sign-in and the account live.
    pub(super) async fn live(&self, who: &AccessToken, now_ms: i64) -> Result<Option<Live>> {
        let row: Option<(String, String, Option<i64>, Option<i64>)> = sqlx::query_as(
            "SELECT users.email, users.mode, users.raised_ms, sign_ins.proved_ms FROM sign_ins
             JOIN users ON users.id = sign_ins.user_id
             WHERE sign_ins.id = $1 AND users.id = $2 AND users.tenant = $3
                 AND sign_ins.revoked_ms IS NULL AND sign_ins.expires_ms > $4",
        )
        .bind(&who.sign_in)
        .bind(&who.user)
        .bind(&who.tenant)
        .bind(now_ms)
        .fetch_optional(&self.store.pool)
        .await?;
        let Some((email, mode, raised_ms, proved_ms)) = row else {
            return Ok(None);
        };
        Ok(Some(Live {
            email: Email::parse(&email)?,
            mode: mode.parse()?,
            proof: self.proof(raised_ms, proved_ms, now_ms),
        }))
    }

    /// How a sign-in stands that gave its second proof at `proved_ms`, where risk asked for one at `raised_ms`.
    pub(super) fn proof(&self, raised_ms: Option<i64>, proved_ms: Option<i64>, now_ms: i64) -> Proof {
        match proved_ms {
            _ if steps_up(raised_ms, proved_ms) => Proof::Asked,
            Some(proved_ms) if now_ms < proved_ms.saturating_add(self.policy.proof_ms) => Proof::Fresh,
            _ => Proof::Old,
        }
    }

    fn tokens(
        &self,
        visit: &Visit<'_>,
        user: &str,
        sign_in: &str,
        generation: i64,
        expires_ms: i64,
        step_up: bool,
    ) -> Result<SignedIn> {
        Ok(SignedIn {
            user: user.to_owned(),
            sign_in: sign_in.to_owned(),
            access: self.access(visit, user, sign_in, step_up)?,
            refresh: self.write_refresh(sign_in, generation),
            expires_ms,
            step_up,
        })
    }

    /// Says why a token that we made does not hold, and ends the sign-in where it was used twice.
    async fn refuse_refresh(
        &self,
        visit: &Visit<'_>,
        sign_in: &str,
        generation: i64,
    ) -> Result<Audited<Option<SignedIn>>> {
        let reused: Option<(String,)> = sqlx::query_as(
            "UPDATE sign_ins SET revoked_ms = $1 WHERE id = $2 AND generation > $3 AND revoked_ms IS NULL
                 AND user_id IN (SELECT id FROM users WHERE tenant = $4)
             RETURNING user_id",
        )
        .bind(visit.now_ms)
        .bind(sign_in)
        .bind(generation)
        .bind(visit.tenant)
        .fetch_optional(&self.store.pool)
        .await?;
        let sign_in = Some(sign_in.to_owned());
        Ok(match reused {
            Some((user,)) => refused(visit, Some(user), sign_in, RefreshRefusal::Reused),
            None => refused(visit, None, sign_in, RefreshRefusal::Ended),
        })
    }

    async fn end_sign_in(&self, visit: &Visit<'_>, sign_in: &str) -> Result<Option<String>> {
        let row: Option<(String,)> = sqlx::query_as(
            "UPDATE sign_ins SET revoked_ms = $1 WHERE id = $2 AND revoked_ms IS NULL
                 AND user_id IN (SELECT id FROM users WHERE tenant = $3)
             RETURNING user_id",
        )
        .bind(visit.now_ms)
        .bind(sign_in)
        .bind(visit.tenant)
        .fetch_optional(&self.store.pool)
        .await?;
        Ok(row.map(|(user,)| user))
    }

    fn write_refresh(&self, sign_in: &str, generation: i64) -> Secret {
        let mac = self.pepper.hash("refresh", &[sign_in, &generation.to_string()]);
        Secret::new(format!("{REFRESH_PREFIX}{sign_in}_{generation}_{mac}"))
    }

    /// Sign-in and generation of a token that we made.
    fn read_refresh(&self, token: &str) -> Option<(String, i64)> {
        if token.len() > REFRESH_LEN_MAX {
            return None;
        }
        let mut parts = token.strip_prefix(REFRESH_PREFIX)?.splitn(3, '_');
        let (sign_in, generation) = (parts.next()?, parts.next()?.parse().ok()?);
        // Written anew, so that there is one text for each token.
        let ours = self.write_refresh(sign_in, generation);
        secret::same(ours.expose(), token).then(|| (sign_in.to_owned(), generation))
    }
}

fn refused(
    visit: &Visit<'_>,
    user: Option<String>,
    sign_in: Option<String>,
    reason: RefreshRefusal,
) -> Audited<Option<SignedIn>> {
    let action = Action::RefreshRefused { user, sign_in, reason };
    Audited::with(None, AccountEvent::of(visit, action))
}
