//! People who sign in here: accounts, codes by mail, sign-ins, trusted addresses, step-up.
//!
//! Invariants: an account exists once its mailbox answered, never before, so nobody holds another's address in advance; what is
//! asked about an address that has no account costs the same and says the same; every answer to a wrong thing is one word.
//!
//! | parameter | value | from |
//! |---|---|---|
//! | code | 8 digits, 10 min, 5 tries, single use, HMAC at rest | NIST SP 800-63B-4 §3.1.3.2 (6 digits or more, 10 min, used once); OWASP Multifactor Authentication |
//! | sign-in | 30 days, 7 days idle | NIST SP 800-63B-4 §2.1.3 (AAL1: 30 days) |
//! | proof before authentication factors change | within 5 min | OWASP ASVS 4.0.3 §3.7.1 (a second verification before such changes) |
//! | access token | 10 min | RFC 9700 §2.2 (short-lived) |
//! | refresh token | new at each use, reuse ends the family | RFC 9700 §4.14.2 |
//! | same answer for all | registration, sign-in, reset | OWASP Authentication, *Authentication Responses*; OWASP Forgot Password |

mod addresses;
mod codes;
mod login;
mod passkeys;
mod profile;
mod register;
mod sign_ins;

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use addresses::{Approval, TrustAnswer, TrustedAddress};
pub use codes::CodeAnswer;
pub use login::LoginAnswer;
pub use passkeys::{Ceremony, PasskeyView, Passkeys};
pub use profile::{Me, PasswordAnswer, StepUp, UserView};
pub use register::RegisterAnswer;
pub use sign_ins::{Access, AccessToken, Proof, SignedIn};

use crate::error::{AccountsError, Result};
use crate::event::{AccountEvent, Action, ThrottleScope};
use crate::mail::{Email, Mailer};
use crate::names;
use crate::password::{BreachList, PasswordPolicy, Passwords};
use crate::secret::Pepper;
use crate::signing::SigningKeys;
use crate::store::Store;
use crate::throttle::{Rule, Throttle, ThrottlePolicy};

/// Limits of accounts.
#[derive(Debug, Clone)]
pub struct AccountsPolicy {
    /// Passwords and what their hashes cost.
    pub passwords: PasswordPolicy,
    /// Attempts.
    pub throttle: ThrottlePolicy,
    /// Life of a code, in ms. Default 10 minutes.
    pub code_ms: i64,
    /// Tries at one code. Default 5.
    pub code_tries_max: i64,
    /// Whether every sign-in needs a code; otherwise those from addresses that are not trusted, and while risk asks. Default no.
    pub code_always: bool,
    /// How long a second proof is good for what would let another become the user, in ms. Default 5 minutes.
    pub proof_ms: i64,
    /// Life of an access token, in ms. Default 10 minutes.
    pub access_ms: i64,
    /// Longest life of a sign-in, in ms. Default 30 days.
    pub sign_in_ms: i64,
    /// How long a sign-in may lie unused, in ms. Default 7 days.
    pub sign_in_idle_ms: i64,
    /// Sign-ins of one user at once; the oldest ends for a new one. Default 20.
    pub sign_ins_max: i64,
    /// How long an address stays trusted, in ms. Default 90 days.
    pub trust_ms: i64,
    /// Trusted addresses of one user; the oldest goes for a new one. Default 20.
    pub trusted_max: i64,
    /// Life of a link that approves an address, in ms. Default 1 hour.
    pub approval_ms: i64,
    /// How far two gateways' clocks may differ, in ms. Default 2 s.
    pub skew_ms: i64,
    /// Where people reach the gateway, without a slash at the end: links in mails begin with it.
    pub public_url: String,
}

impl AccountsPolicy {
    /// The defaults, for a gateway that people reach at this address.
    #[must_use]
    pub fn at(public_url: &str) -> Self {
        const DAY_MS: i64 = 24 * 3_600_000;
        Self {
            passwords: PasswordPolicy::default(),
            throttle: ThrottlePolicy::default(),
            code_ms: 10 * 60_000,
            code_tries_max: 5,
            code_always: false,
            proof_ms: 5 * 60_000,
            access_ms: 10 * 60_000,
            sign_in_ms: 30 * DAY_MS,
            sign_in_idle_ms: 7 * DAY_MS,
            sign_ins_max: 20,
            trust_ms: 90 * DAY_MS,
            trusted_max: 20,
            approval_ms: 3_600_000,
            skew_ms: 2_000,
            public_url: public_url.trim_end_matches('/').to_owned(),
        }
    }
}

/// Who asks from where, and when.
#[derive(Debug, Clone, Copy)]
pub struct Visit<'a> {
    /// Whose accounts.
    pub tenant: &'a str,
    /// The client's network address: the peer's, or what a trusted proxy says, never what a client says.
    pub address: IpAddr,
    /// Now, in ms.
    pub now_ms: i64,
}

/// What Ductus does with what a user types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Learn it; nobody is stopped.
    Train,
    /// Guard by it.
    Auth,
}

impl Mode {
    fn word(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Auth => "auth",
        }
    }
}

impl FromStr for Mode {
    type Err = AccountsError;

    fn from_str(word: &str) -> Result<Self> {
        [Self::Train, Self::Auth]
            .into_iter()
            .find(|mode| mode.word() == word)
            .ok_or(AccountsError::Invalid("a mode is train or auth"))
    }
}

/// A code that is awaited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Challenge {
    /// What the code is to be sent back with.
    pub id: String,
    /// When it ends, in ms.
    pub expires_ms: i64,
}

/// Users, their sign-ins and what they trust.
#[derive(Debug, Clone)]
pub struct Accounts {
    store: Store,
    policy: Arc<AccountsPolicy>,
    keys: SigningKeys,
    pepper: Pepper,
    passwords: Passwords,
    throttle: Arc<Throttle>,
    mailer: Arc<dyn Mailer>,
}

#[derive(sqlx::FromRow)]
struct UserRow {
    id: String,
    password_hash: String,
    raised_ms: Option<i64>,
}

impl Accounts {
    /// Accounts in this database. `keys` sign access tokens; `pepper` hashes codes and makes refresh tokens: both must outlive a
    /// restart, or everybody signs in again. `breaches`: the list of known passwords, where there is one.
    ///
    /// # Errors
    /// Where the policy cannot be used.
    pub async fn new(
        store: Store,
        policy: AccountsPolicy,
        keys: SigningKeys,
        pepper: Pepper,
        mailer: Arc<dyn Mailer>,
        breaches: Option<Arc<dyn BreachList>>,
    ) -> Result<Self> {
        let is_http = ["https://", "http://"]
            .iter()
            .any(|scheme| policy.public_url.starts_with(scheme));
        if !is_http
            || policy
                .public_url
                .contains(|char: char| char.is_whitespace() || char.is_control())
        {
            return Err(AccountsError::Setting(
                "the public address for links in mails must be https://… or http://…".to_owned(),
            ));
        }
        Ok(Self {
            passwords: Passwords::new(policy.passwords.clone(), breaches).await?,
            throttle: Arc::new(Throttle::new(store.clone(), &policy.throttle)),
            store,
            policy: Arc::new(policy),
            keys,
            pepper,
            mailer,
        })
    }

    /// Removes what has ended: codes, links, trusted addresses, sign-ins, attempts. To be called now and then.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn purge(&self, now_ms: i64) -> Result<()> {
        for statement in [
            "DELETE FROM challenges WHERE expires_ms <= $1",
            "DELETE FROM approvals WHERE expires_ms <= $1",
            "DELETE FROM trusted_addresses WHERE expires_ms <= $1",
            "DELETE FROM sign_ins WHERE expires_ms <= $1",
            "DELETE FROM ceremonies WHERE expires_ms <= $1",
        ] {
            sqlx::query(statement).bind(now_ms).execute(&self.store.pool).await?;
        }
        self.throttle.clean(now_ms).await
    }

    async fn find(&self, tenant: &str, email: &Email) -> Result<Option<UserRow>> {
        let user = sqlx::query_as("SELECT id, password_hash, raised_ms FROM users WHERE tenant = $1 AND email = $2")
            .bind(tenant)
            .bind(email.as_str())
            .fetch_optional(&self.store.pool)
            .await?;
        Ok(user)
    }

    /// How the audit names an account: by its id, or by a keyed hash where there is none or nobody looked.
    fn account(&self, tenant: &str, email: &str, user: Option<&str>) -> String {
        let unknown = || format!("hash:{}", &self.pepper.hash("account", &[tenant, email])[..16]);
        user.map_or_else(unknown, str::to_owned)
    }

    /// Counts an attempt of somebody at an account; gives the wait, and notes it, where it came too soon.
    async fn admit(
        &self,
        visit: &Visit<'_>,
        email: Option<&Email>,
        scopes: &[ThrottleScope],
        events: &mut Vec<AccountEvent>,
    ) -> Result<std::result::Result<(), i64>> {
        for scope in scopes {
            let (key, rule) = self.attempt(visit, email, *scope);
            if let Err(wait_ms) = self.throttle.admit(&key, rule, visit.now_ms).await? {
                let action = Action::Throttled {
                    account: email.map(|email| self.account(visit.tenant, email.as_str(), None)),
                    scope: *scope,
                    wait_ms,
                };
                events.push(AccountEvent::of(visit, action));
                return Ok(Err(wait_ms));
            }
        }
        Ok(Ok(()))
    }

    /// Somebody has proved to be the owner: their attempts are forgotten, and the address has one less.
    async fn absolve(&self, visit: &Visit<'_>, email: &Email, attempts: u32) -> Result<()> {
        let (pair, _) = self.attempt(visit, Some(email), ThrottleScope::Pair);
        self.throttle.forget(&pair).await?;
        let (address, rule) = self.attempt(visit, None, ThrottleScope::Address);
        for _ in 0..attempts {
            self.throttle.take_back(&address, rule).await?;
        }
        Ok(())
    }

    fn attempt(&self, visit: &Visit<'_>, email: Option<&Email>, scope: ThrottleScope) -> (String, Rule) {
        let (email, policy) = (email.map_or("", Email::as_str), &self.policy.throttle);
        let network = addresses::network(visit.address).to_string();
        match scope {
            ThrottleScope::Pair => (
                self.pepper.hash("attempts of a pair", &[visit.tenant, email, &network]),
                policy.pair,
            ),
            // One for all tenants: whoever guesses at many is one.
            ThrottleScope::Address => (self.pepper.hash("attempts of an address", &[&network]), policy.address),
            ThrottleScope::Mails => (self.pepper.hash("mails", &[visit.tenant, email]), policy.mails),
        }
    }
}

fn check_visit(visit: &Visit<'_>) -> Result<()> {
    names::check_id(visit.tenant)
}
