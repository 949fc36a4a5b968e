//! Webhooks: applications and identity providers are told when something else is asked of a session.
//!
//! ```text
//! decisions ─► watch (a consumer group) ─► deliveries in SQL ─► deliver ─► https://…        POST /v1/webhooks ─► routes
//!                 │  then the offset                 ▲             │ message: Standard Webhooks; set: security event token
//!                 └─► heed (identity)                └── failed ───┘ reach: which addresses, and how long
//! ```
//!
//! Invariants: an offset is committed once its deliveries are in SQL, and their ids follow from webhook and decision, so that
//! a crash anywhere loses none and doubles none (ADR 21); whoever receives one may receive it again, under the same id; several
//! gateways share the work through SQL and none waits for another; what fails is tried within bounds, then kept as dead; no
//! secret, no address and nothing that a receiver answered is logged.

mod deliver;
mod message;
mod reach;
pub(super) mod routes;
mod set;
pub(super) mod watch;

use super::audit::Audit;
use crate::accounts;
use crate::config::{self, Config};
use crate::metrics::WebhookMetrics;
use crate::shutdown::Shutdown;
use ductus_accounts::{Deliveries, SessionActions, Store, WebhookPolicy, WebhookSecrets, Webhooks};
use futures::future::BoxFuture;
use reach::Reach;
use set::Issuer;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use watch::Heed;

/// What routes, watch and deliverer share.
pub(super) struct Desk {
    webhooks: Webhooks,
    deliveries: Deliveries,
    actions: SessionActions,
    secrets: WebhookSecrets,
    issuer: Issuer,
    reach: Reach,
    settings: config::Webhooks,
    audit: Arc<Audit>,
    metrics: WebhookMetrics,
    /// Something was put in.
    wake: Notify,
}

impl Desk {
    pub(super) fn open(
        config: &Config,
        store: &Store,
        audit: Arc<Audit>,
        metrics: WebhookMetrics,
    ) -> anyhow::Result<Self> {
        let settings = config.webhooks.clone();
        let policy = WebhookPolicy {
            webhooks_per_tenant_max: i64::from(settings.webhooks_per_tenant_max),
            deliveries_per_webhook_max: i64::from(settings.deliveries_per_webhook_max),
        };
        Ok(Self {
            webhooks: Webhooks::new(store.clone(), policy.clone()),
            deliveries: Deliveries::new(store.clone(), policy),
            actions: SessionActions::new(store.clone()),
            secrets: accounts::webhook_secrets(&settings)?,
            issuer: Issuer::open(&settings)?,
            reach: Reach::open(&settings)?,
            settings,
            audit,
            metrics,
            wake: Notify::new(),
        })
    }

    /// Removes what is kept of a subject.
    pub(super) async fn forget(&self, tenant: &str, subject: &str) -> ductus_accounts::Result<()> {
        self.deliveries.erase_subject(tenant, subject).await?;
        Ok(())
    }
}

/// Watch and deliverer at work.
pub(super) struct Running {
    pub(super) desk: Arc<Desk>,
    /// The thread that reads decisions.
    pub(super) watch: JoinHandle<()>,
    /// Comes when nothing needs the runtime any more: every attempt has ended, and so has the watch.
    pub(super) ended: BoxFuture<'static, ()>,
}

/// Starts both, until `shutdown`. `heed` is told of every change before it counts as read.
///
/// # Errors
/// A key or a certificate cannot be read, or the system gives no thread.
pub(super) fn start(
    config: &Config,
    store: &Store,
    heed: Option<Arc<dyn Heed>>,
    audit: Arc<Audit>,
    metrics: WebhookMetrics,
    runtime: &Handle,
    shutdown: &Shutdown,
) -> anyhow::Result<Running> {
    let desk = Arc::new(Desk::open(config, store, audit, metrics)?);
    let (done, watched) = oneshot::channel();
    let watch = watch::Watch::new(Arc::clone(&desk), config, heed, runtime.clone(), shutdown.clone());
    let thread = std::thread::Builder::new().name("webhook-watch".to_owned());
    let watch = thread.spawn(move || {
        watch.run();
        // Nobody listens where the server ended first.
        let _ = done.send(());
    })?;
    let delivered = runtime.spawn(deliver::run(Arc::clone(&desk), shutdown.clone()));
    Ok(Running {
        desk,
        watch,
        ended: Box::pin(async {
            // A panic of either was told by itself.
            let _ = delivered.await;
            let _ = watched.await;
        }),
    })
}
