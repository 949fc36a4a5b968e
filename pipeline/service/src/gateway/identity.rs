//! People who sign in here: `/v1/auth/…`, `/v1/me/…`, `/v1/users`, and the demo's mailbox.
//!
//! | file | routes |
//! |---|---|
//! | `sign_in` | register, reset, login, and the code or passkey that confirms them |
//! | `session` | refresh, logout, logout everywhere |
//! | `me` | one's own account: mode, password, step-up, removal |
//! | `addresses`, `passkeys` | what one's own account trusts |
//! | `users`, `mailbox` | the administrator's list; the demo's mails |
//!
//! What proves what is the business of `ductus_accounts`; here is only how it travels.
//!
//! Invariants: whoever is refused sees one status and one body for every reason that the library keeps to itself; a refresh
//! token travels in a cookie that no script reads, an access token in a body that no cookie carries; what changes a cookie, or
//! acts on one, was sent by a page of ours; everything that happened is audited. Nothing is here while `identity.enabled` is
//! false.

mod addresses;
mod answers;
mod cookie;
mod mailbox;
mod me;
mod passkeys;
mod request;
mod session;
mod sign_in;
mod users;

use super::Gateway;
use super::audit::Audit;
use super::problem::Problem;
use super::webhooks::watch::{Change, Heed};
use crate::accounts::{self, now_ms};
use crate::config::{Config, stays_here};
use crate::shutdown::Shutdown;
use anyhow::ensure;
use ductus_accounts::{
    AccessToken, Accounts, AccountsPolicy, Audited, BreachFolder, BreachList, Mailbox, Mailer, Mode, Passkeys,
    PasswordPolicy, Proof, SigningKeys, SmtpMailer, Store,
};
use ductus_dynamics::wire::{Action, Decision};
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Accounts, and what their routes need besides.
pub(super) struct Identity {
    accounts: Accounts,
    /// None where the public address has no host name that a passkey could be bound to.
    passkeys: Option<Passkeys>,
    /// Where mails end in the demo.
    mailbox: Option<Arc<Mailbox>>,
    tenant: String,
    public_url: String,
    /// Whether cookies go over TLS only.
    secure: bool,
    purge_interval: Duration,
}

impl Identity {
    /// Opens what the configuration names. `mailbox`: takes the mails in place of a mail server.
    ///
    /// # Errors
    /// The mail server, the pepper or the public address cannot be used.
    pub(super) async fn open(
        config: &Config,
        (store, keys): (Store, SigningKeys),
        mailbox: Option<Arc<Mailbox>>,
    ) -> anyhow::Result<Self> {
        let identity = &config.identity;
        let mailer: Arc<dyn Mailer> = match &mailbox {
            Some(mailbox) => Arc::clone(mailbox) as _,
            None => Arc::new(SmtpMailer::new(
                identity.smtp_url.reveal(),
                &identity.smtp_from,
                identity.smtp_timeout_ms,
            )?),
        };
        let breaches = match &identity.breach_folder {
            Some(folder) => {
                ensure!(
                    folder.is_dir(),
                    "identity.breach_folder {} is no folder",
                    folder.display()
                );
                Some(Arc::new(BreachFolder(folder.clone())) as Arc<dyn BreachList>)
            }
            None => None,
        };
        let pepper = accounts::pepper(config)?;
        let accounts = Accounts::new(store, policy(config), keys, pepper, mailer, breaches).await?;
        let passkeys = Passkeys::new(accounts.clone());
        if passkeys.is_err() {
            tracing::warn!("identity.public_url has no host name: there are no passkeys");
        }
        Ok(Self {
            accounts,
            passkeys: passkeys.ok(),
            mailbox,
            tenant: identity.tenant.clone(),
            public_url: identity.public_url.trim_end_matches('/').to_owned(),
            secure: !stays_here(&identity.public_url),
            purge_interval: Duration::from_millis(identity.purge_interval_ms),
        })
    }

    /// Who makes and reads access tokens.
    pub(super) fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// Whether what this person sends may be learned: they are in the mode for it, and risk asks them for no proof.
    ///
    /// # Errors
    /// The accounts database fails.
    pub(super) async fn is_learned(&self, who: &AccessToken) -> ductus_accounts::Result<bool> {
        let me = self.accounts.me(who, now_ms()).await?;
        Ok(me.is_some_and(|me| me.mode == Mode::Train && me.proof != Proof::Asked))
    }

    /// Asks all sign-ins of a decision's user for a second proof, where it asks for one or for the end, and guards the user at
    /// all. `at_ms`: when it was made, by a clock of ours (its record's time in the decisions topic); one that is told again
    /// asks nothing again, and the client's own clock cannot put it off. True: it asked.
    ///
    /// # Errors
    /// The accounts database fails: to be tried again.
    pub(super) async fn raise(&self, decision: &Decision, at_ms: i64) -> ductus_accounts::Result<Audited<bool>> {
        let asks = matches!(decision.action, Action::StepUp | Action::Terminate) && decision.tenant == self.tenant;
        if let Some(subject) = decision.subject.as_deref().filter(|_| asks)
            && self.accounts.mode_of(&self.tenant, subject).await? == Some(Mode::Auth)
        {
            let raised = self.accounts.raise_step_up(&self.tenant, subject, &decision.id, at_ms);
            return raised.await;
        }
        Ok(Audited {
            answer: false,
            events: Vec::new(),
        })
    }

    /// Removes what has ended, now and then, until `shutdown`.
    pub(super) async fn purge_until(self: Arc<Self>, shutdown: Shutdown) {
        let mut turns = tokio::time::interval(self.purge_interval);
        loop {
            tokio::select! {
                _ = turns.tick() => {}
                () = shutdown.requested() => return,
            }
            if let Err(error) = self.accounts.purge(now_ms()).await {
                tracing::warn!(%error, "what has ended cannot be removed from the accounts database");
            }
        }
    }
}

/// The library's defaults, but for what the configuration says.
fn policy(config: &Config) -> AccountsPolicy {
    let identity = &config.identity;
    let ms = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
    AccountsPolicy {
        passwords: PasswordPolicy {
            hashes_at_once: identity.hashes_at_once,
            hashes_waiting_max: identity.hashes_waiting_max,
            ..PasswordPolicy::default()
        },
        code_always: identity.code_always,
        access_ms: i64::from(identity.access_ms),
        sign_in_ms: ms(identity.sign_in_ms),
        sign_in_idle_ms: ms(identity.sign_in_idle_ms),
        ..AccountsPolicy::at(&identity.public_url)
    }
}

/// Hears what is asked of sessions, and asks their users.
pub(super) struct StepUps {
    identity: Arc<Identity>,
    audit: Arc<Audit>,
}

impl StepUps {
    pub(super) fn new(identity: Arc<Identity>, audit: Arc<Audit>) -> Self {
        Self { identity, audit }
    }

    /// [`Identity::raise`], audited.
    pub(super) async fn raise(&self, decision: &Decision, at_ms: i64) -> ductus_accounts::Result<bool> {
        let Audited { answer, events } = self.identity.raise(decision, at_ms).await?;
        self.audit.accounts(events);
        Ok(answer)
    }
}

impl Heed for StepUps {
    fn heed<'a>(&'a self, change: &'a Change) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async {
            self.raise(&change.decision, change.at_ms).await?;
            Ok(())
        })
    }
}

impl Gateway {
    /// What the library answered; its events go into the audit.
    fn note<T>(&self, audited: ductus_accounts::Result<Audited<T>>) -> Result<T, Problem> {
        let Audited { answer, events } = audited.map_err(answers::failed)?;
        self.inner.audit.accounts(events);
        Ok(answer)
    }
}

/// All of them.
pub(super) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(sign_in::register))
        .routes(routes!(sign_in::reset))
        .routes(routes!(sign_in::log_in))
        .routes(routes!(sign_in::confirm))
        .routes(routes!(sign_in::begin_passkey))
        .routes(routes!(sign_in::confirm_passkey))
        .routes(routes!(session::refresh))
        .routes(routes!(session::log_out))
        .routes(routes!(session::log_out_everywhere))
        .routes(routes!(addresses::approval, addresses::approve))
        .routes(routes!(me::view, me::remove))
        .routes(routes!(me::set_mode))
        .routes(routes!(me::step_up))
        .routes(routes!(me::change_password))
        .routes(routes!(addresses::list, addresses::ask, addresses::forget))
        .routes(routes!(passkeys::list, passkeys::add))
        .routes(routes!(passkeys::begin))
        .routes(routes!(passkeys::remove))
        .routes(routes!(users::list))
        .routes(routes!(mailbox::list))
}
