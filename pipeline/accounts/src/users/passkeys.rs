//! Passkeys (WebAuthn): another answer to a challenge than the code from the mailbox, and one that no false page can ask for.
//!
//! A passkey stands beside the password, not in its place: signing in asks for the password first, then for the passkey or the
//! code. The library does the cryptography; between the two halves of a ceremony its state lies in SQL.
//!
//! Invariants: a ceremony is used up by its first answer, right or wrong, within minutes; user verification is required (NIST SP
//! 800-63B-4 §3.2.3, and what makes a passkey two factors by itself); a counter that went back is refused, as two have the key.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use webauthn_rs::prelude::{
    AuthenticationResult, Passkey, PasskeyAuthentication, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Url, Uuid, Webauthn, WebauthnBuilder,
};

use super::sign_ins::{Live, Proof};
use super::{AccessToken, Accounts, CodeAnswer, Visit, check_visit};
use crate::error::{AccountsError, Result};
use crate::event::{AccountEvent, Action, Audited, ThrottleScope};
use crate::names;
use crate::secret;

/// Life of a ceremony, in ms: what browsers give people to find their key (WebAuthn §15.1 recommends 5 min).
const CEREMONY_MS: i64 = 5 * 60_000;
/// Passkeys of one user.
const PASSKEYS_MAX: u8 = 10;
/// What the page is told while the browser asks for the key.
const RP_NAME: &str = "Ductus";

/// The first half of a ceremony: what the page hands to the browser.
#[derive(Debug, Clone, Serialize)]
pub struct Ceremony {
    /// What the browser's answer is to be sent back with.
    pub id: String,
    /// For `navigator.credentials.create` or `.get`.
    pub options: Value,
    /// When it ends, in ms.
    pub expires_ms: i64,
}

/// A passkey as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PasskeyView {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub label: String,
    /// Since when, in ms.
    pub created_ms: i64,
    /// When it was used last, in ms.
    pub used_ms: Option<i64>,
}

/// Registers passkeys and takes them as second factors.
#[derive(Debug, Clone)]
pub struct Passkeys {
    accounts: Accounts,
    webauthn: Arc<Webauthn>,
}

impl Passkeys {
    /// For the pages of these accounts' public address, whose host the passkeys are bound to.
    ///
    /// # Errors
    /// Where the address has no host name: browsers make no passkeys for a bare network address.
    pub fn new(accounts: Accounts) -> Result<Self> {
        let refused = || AccountsError::Setting("passkeys need a public address with a host name".to_owned());
        let origin = Url::parse(&accounts.policy.public_url).map_err(|_| refused())?;
        let host = origin.domain().ok_or_else(refused)?;
        let webauthn = WebauthnBuilder::new(host, &origin).and_then(|builder| builder.rp_name(RP_NAME).build());
        let webauthn = Arc::new(webauthn.map_err(|_| refused())?);
        Ok(Self { accounts, webauthn })
    }

    /// Begins to add a passkey. None: the sign-in has ended, or has given no second proof for a while.
    ///
    /// # Errors
    /// Where the user has as many as they may have, or the database fails.
    pub async fn begin_register(&self, visit: &Visit<'_>, who: &AccessToken) -> Result<Option<Ceremony>> {
        check_visit(visit)?;
        let live = self.accounts.live(who, visit.now_ms).await?;
        let Some(Live { email, .. }) = live.filter(|live| live.proof == Proof::Fresh) else {
            return Ok(None);
        };
        let known = self.of(&who.user).await?;
        if known.len() >= usize::from(PASSKEYS_MAX) {
            return Err(AccountsError::Limit(
                "the user has as many passkeys as they may have: remove one",
            ));
        }
        let known = known.iter().map(|passkey| passkey.cred_id().clone()).collect();
        let (options, state) = self
            .webauthn
            .start_passkey_registration(handle(&who.user), email.as_str(), email.as_str(), Some(known))
            .map_err(|_| AccountsError::Internal("a passkey could not be asked for"))?;
        let id = secret::id()?;
        let ceremony = self
            .remember(visit, &who.user, "register", id, &options, &state)
            .await?;
        Ok(Some(ceremony))
    }

    /// Adds the passkey that the browser made. False: not this one, or not any more.
    ///
    /// # Errors
    /// Where the label is refused or the database fails.
    pub async fn finish_register(
        &self,
        visit: &Visit<'_>,
        who: &AccessToken,
        ceremony: &str,
        label: &str,
        answer: &Value,
    ) -> Result<Audited<bool>> {
        names::check_label(label)?;
        let refused = || {
            let user = Some(who.user.clone());
            Audited::with(false, AccountEvent::of(visit, Action::PasskeyRefused { user }))
        };
        let is_live = self
            .accounts
            .live(who, visit.now_ms)
            .await?
            .is_some_and(|live| live.proof != Proof::Asked);
        let Some((user, state)) = self.recall::<PasskeyRegistration>(visit, "register", ceremony).await? else {
            return Ok(refused());
        };
        let passkey = serde_json::from_value::<RegisterPublicKeyCredential>(answer.clone())
            .ok()
            .and_then(|answer| self.webauthn.finish_passkey_registration(&answer, &state).ok());
        let Some(passkey) = passkey.filter(|_| is_live && user == who.user) else {
            return Ok(refused());
        };
        let made = sqlx::query(
            "INSERT INTO passkeys (credential, user_id, label, passkey, created_ms)
             SELECT $1, $2, $3, $4, $5 WHERE (SELECT count(*) FROM passkeys WHERE user_id = $2) < $6
             ON CONFLICT (credential) DO NOTHING",
        )
        .bind(id_of(&passkey))
        .bind(&user)
        .bind(label)
        .bind(write(&passkey)?)
        .bind(visit.now_ms)
        .bind(i64::from(PASSKEYS_MAX))
        .execute(&self.accounts.store.pool)
        .await?;
        if made.rows_affected() == 0 {
            return Ok(refused());
        }
        let action = Action::PasskeyAdded {
            user,
            passkey: id_of(&passkey),
        };
        Ok(Audited::with(true, AccountEvent::of(visit, action)))
    }

    /// Whether a passkey can answer a challenge (of a sign-in or a step-up): it is awaited, and its user has one.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn may_confirm(&self, visit: &Visit<'_>, challenge: &str) -> Result<bool> {
        check_visit(visit)?;
        match self.accounts.awaited_user(visit, challenge).await? {
            Some(user) => Ok(!self.of(&user).await?.is_empty()),
            None => Ok(false),
        }
    }

    /// Begins to answer a challenge (of a sign-in or a step-up) with a passkey. None: it is not awaited, or its user has none.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn begin_confirm(&self, visit: &Visit<'_>, challenge: &str) -> Result<Option<Ceremony>> {
        check_visit(visit)?;
        let Some(user) = self.accounts.awaited_user(visit, challenge).await? else {
            return Ok(None);
        };
        let known = self.of(&user).await?;
        if known.is_empty() {
            return Ok(None);
        }
        let (options, state) = self
            .webauthn
            .start_passkey_authentication(&known)
            .map_err(|_| AccountsError::Internal("a passkey could not be asked for"))?;
        let ceremony = self
            .remember(visit, &user, "confirm", challenge.to_owned(), &options, &state)
            .await?;
        Ok(Some(ceremony))
    }

    /// Takes the browser's answer in place of the code, and does what the challenge was for. The id is that of the challenge.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn confirm(&self, visit: &Visit<'_>, challenge: &str, answer: &Value) -> Result<Audited<CodeAnswer>> {
        check_visit(visit)?;
        let mut events = Vec::new();
        let scopes = [ThrottleScope::Address];
        if let Err(retry_after_ms) = self.accounts.admit(visit, None, &scopes, &mut events).await? {
            let answer = CodeAnswer::Throttled { retry_after_ms };
            return Ok(Audited { answer, events });
        }
        let Some(user) = self.check(visit, challenge, answer, &mut events).await? else {
            let answer = CodeAnswer::Refused;
            return Ok(Audited { answer, events });
        };
        let answer = self
            .accounts
            .confirm_proved(visit, challenge, &user, &mut events)
            .await?;
        Ok(Audited { answer, events })
    }

    /// The user's passkeys, the newest first.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn list(&self, who: &AccessToken) -> Result<Vec<PasskeyView>> {
        let rows: Vec<(String, String, i64, Option<i64>)> = sqlx::query_as(
            "SELECT credential, label, created_ms, used_ms FROM passkeys WHERE user_id = $1
             ORDER BY created_ms DESC, credential LIMIT $2",
        )
        .bind(&who.user)
        .bind(i64::from(PASSKEYS_MAX))
        .fetch_all(&self.accounts.store.pool)
        .await?;
        let view = |(id, label, created_ms, used_ms)| PasskeyView {
            id,
            label,
            created_ms,
            used_ms,
        };
        Ok(rows.into_iter().map(view).collect())
    }

    /// Removes one of the user's passkeys. False: there is no such, or the sign-in has ended or has given no second
    /// proof for a while.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn remove(&self, visit: &Visit<'_>, who: &AccessToken, id: &str) -> Result<Audited<bool>> {
        if self
            .accounts
            .live(who, visit.now_ms)
            .await?
            .is_none_or(|live| live.proof != Proof::Fresh)
        {
            return Ok(Audited::quiet(false));
        }
        let removed = sqlx::query("DELETE FROM passkeys WHERE credential = $1 AND user_id = $2")
            .bind(id)
            .bind(&who.user)
            .execute(&self.accounts.store.pool)
            .await?;
        if removed.rows_affected() == 0 {
            return Ok(Audited::quiet(false));
        }
        let action = Action::PasskeyRemoved {
            user: who.user.clone(),
            passkey: id.to_owned(),
        };
        Ok(Audited::with(true, AccountEvent::of(visit, action)))
    }

    /// Whose passkey answered; none, and noted, where none of theirs did.
    async fn check(
        &self,
        visit: &Visit<'_>,
        challenge: &str,
        answer: &Value,
        events: &mut Vec<AccountEvent>,
    ) -> Result<Option<String>> {
        let recalled = self
            .recall::<PasskeyAuthentication>(visit, "confirm", challenge)
            .await?;
        let user = recalled.as_ref().map(|(user, _)| user.clone());
        let result = recalled.and_then(|(user, state)| {
            let answer = serde_json::from_value::<PublicKeyCredential>(answer.clone()).ok()?;
            let result = self.webauthn.finish_passkey_authentication(&answer, &state).ok()?;
            Some((user, result))
        });
        if let Some((user, result)) = result
            && self.note_use(visit, &user, &result).await?
        {
            return Ok(Some(user));
        }
        events.push(AccountEvent::of(visit, Action::PasskeyRefused { user }));
        Ok(None)
    }

    /// Keeps the counter of a passkey that was used. False: it was removed meanwhile, or used at the same moment.
    async fn note_use(&self, visit: &Visit<'_>, user: &str, result: &AuthenticationResult) -> Result<bool> {
        let used = self
            .of(user)
            .await?
            .into_iter()
            .find(|passkey| passkey.cred_id() == result.cred_id());
        let Some(mut passkey) = used else { return Ok(false) };
        let before = write(&passkey)?;
        passkey.update_credential(result);
        let noted = sqlx::query(
            "UPDATE passkeys SET passkey = $1, used_ms = $2 WHERE credential = $3 AND user_id = $4 AND passkey = $5",
        )
        .bind(write(&passkey)?)
        .bind(visit.now_ms)
        .bind(id_of(&passkey))
        .bind(user)
        .bind(before)
        .execute(&self.accounts.store.pool)
        .await?;
        Ok(noted.rows_affected() > 0)
    }

    async fn of(&self, user: &str) -> Result<Vec<Passkey>> {
        let rows: Vec<(String,)> =
            sqlx::query_as("SELECT passkey FROM passkeys WHERE user_id = $1 ORDER BY created_ms")
                .bind(user)
                .fetch_all(&self.accounts.store.pool)
                .await?;
        rows.iter().map(|(passkey,)| read(passkey)).collect()
    }

    async fn remember(
        &self,
        visit: &Visit<'_>,
        user: &str,
        kind: &str,
        id: String,
        options: &impl Serialize,
        state: &impl Serialize,
    ) -> Result<Ceremony> {
        let expires_ms = visit.now_ms + CEREMONY_MS;
        sqlx::query(
            "INSERT INTO ceremonies (user_id, kind, id, state, expires_ms) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (user_id, kind) DO UPDATE SET id = excluded.id, state = excluded.state,
                 expires_ms = excluded.expires_ms",
        )
        .bind(user)
        .bind(kind)
        .bind(&id)
        .bind(write(state)?)
        .bind(expires_ms)
        .execute(&self.accounts.store.pool)
        .await?;
        let options =
            serde_json::to_value(options).map_err(|_| AccountsError::Internal("options could not be written"))?;
        Ok(Ceremony {
            id,
            options,
            expires_ms,
        })
    }

    /// User and state of a ceremony, which is used up.
    async fn recall<S: serde::de::DeserializeOwned>(
        &self,
        visit: &Visit<'_>,
        kind: &str,
        id: &str,
    ) -> Result<Option<(String, S)>> {
        let row: Option<(String, String)> = sqlx::query_as(
            "DELETE FROM ceremonies WHERE id = $1 AND kind = $2 AND expires_ms > $3
                 AND user_id IN (SELECT id FROM users WHERE tenant = $4)
             RETURNING user_id, state",
        )
        .bind(names::or_nobody_s(id))
        .bind(kind)
        .bind(visit.now_ms)
        .bind(visit.tenant)
        .fetch_optional(&self.accounts.store.pool)
        .await?;
        row.map(|(user, state)| Ok((user, read(&state)?))).transpose()
    }
}

/// What authenticators know a user by: says nothing about them.
fn handle(user: &str) -> Uuid {
    let digest = Sha256::digest(user.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Uuid::from_bytes(bytes)
}

fn id_of(passkey: &Passkey) -> String {
    let id: &[u8] = passkey.cred_id().as_ref();
    secret::hex(id)
}

fn write(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|_| AccountsError::Internal("a passkey could not be written"))
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|_| AccountsError::Internal("a stored passkey cannot be read"))
}
