//! What every long-running role shares: a metrics registry, readiness, and the admin address.
//!
//! Invariant: the admin address is bound before the role starts and answers until the role has drained.

use crate::admin::{self, Linger, Sockets};
use crate::config::Config;
use crate::health::Health;
use crate::metrics;
use crate::shutdown::Shutdown;
use prometheus::{IntCounter, Registry};
use std::time::Duration;

/// Open probes end fast.
const ADMIN_GRACE: Duration = Duration::from_secs(1);
/// Probes and scrapers say at once what they want.
const ADMIN_HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Probes and scrapers are few.
const ADMIN_SOCKETS_MAX: usize = 256;

/// Runs `work` as `role` between binding the admin address and letting it go. `work` returns when it has drained.
///
/// # Errors
/// The admin address is taken, or what `work` says.
pub fn run(
    role: &str,
    config: &Config,
    shutdown: &Shutdown,
    work: impl FnOnce(&Health, &Registry) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let registry = Registry::new();
    metrics::register_build(&registry, role)?;
    let health = Health::new(shutdown);
    // The admin server goes last, so that a probe sees the role drain.
    let over = Shutdown::new();
    let admin = match admin_address(role, &config.telemetry.listen) {
        None => None,
        Some(address) => {
            let listener = admin::bind(&address, "telemetry.listen")?;
            tracing::info!(address = %listener.local_addr()?, role, "metrics and probes are served");
            let router = admin::router(health.clone(), registry.clone());
            let refused = IntCounter::new(
                "ductus_admin_sockets_refused_total",
                "Connections to the admin address that found no room.",
            )?;
            registry.register(Box::new(refused.clone()))?;
            let sockets = Sockets {
                head_timeout: ADMIN_HEAD_TIMEOUT,
                max: ADMIN_SOCKETS_MAX,
                grace: ADMIN_GRACE,
                linger: Linger::NONE,
                refused,
            };
            Some(admin::serve(
                admin::runtime()?,
                listener,
                router,
                over.clone(),
                sockets,
                std::future::ready(()),
            )?)
        }
    };
    let outcome = work(&health, &registry);
    over.request();
    if let Some(admin) = admin {
        // A panic there was told by its own thread.
        let _ = admin.join();
    }
    outcome
}

/// Where a role serves probes; the gateway does it on its own address.
fn admin_address(role: &str, listen: &str) -> Option<String> {
    let port = match role {
        "score" => 9464,
        "index" => 9465,
        "archive" => 9466,
        _ => return None,
    };
    match listen {
        "off" => None,
        "" => Some(format!("127.0.0.1:{port}")),
        address => Some(address.to_owned()),
    }
}
