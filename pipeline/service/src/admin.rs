//! `/livez`, `/readyz` and `/metrics`: by themselves for roles without a gateway, and as a part of the gateway.
//!
//! Invariant: none of them waits for anything, so that a probe tells the state and not the load.

use crate::health::Health;
use crate::shutdown::Shutdown;
use anyhow::Context;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use prometheus::{Encoder, Registry, TextEncoder};
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

#[derive(Clone)]
struct Admin {
    health: Health,
    registry: Registry,
}

/// The three routes.
pub fn router(health: Health, registry: Registry) -> Router {
    Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Admin { health, registry })
}

async fn readyz(State(admin): State<Admin>) -> Response {
    let readiness = admin.health.readiness();
    let status = if readiness.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(readiness)).into_response()
}

async fn metrics(State(admin): State<Admin>) -> Response {
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    match encoder.encode(&admin.registry.gather(), &mut text) {
        Ok(()) => ([(header::CONTENT_TYPE, encoder.format_type().to_owned())], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Binds `listen`, so that a taken port is told before anything starts.
///
/// # Errors
/// The address is no address, or is taken.
pub fn bind(listen: &str, key: &str) -> anyhow::Result<TcpListener> {
    let listener =
        TcpListener::bind(listen).with_context(|| format!("cannot listen on {listen}; set {key} to a free address"))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves `router` on `listener` in a thread of its own until `shutdown`, then lets open requests end within `grace`.
///
/// # Errors
/// The system gives no thread or no runtime.
pub fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: Shutdown,
    grace: std::time::Duration,
) -> anyhow::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("http")
        .enable_all()
        .build()?;
    let thread = std::thread::Builder::new()
        .name("http-main".to_owned())
        .spawn(move || {
            let served = runtime.block_on(serve_until(listener, router, shutdown, grace));
            if let Err(error) = served {
                tracing::error!(%error, "the web server ended");
            }
            runtime.shutdown_timeout(grace);
        })?;
    Ok(thread)
}

/// The same inside a runtime.
///
/// # Errors
/// The listener fails.
pub async fn serve_until(
    listener: TcpListener,
    router: Router,
    shutdown: Shutdown,
    grace: std::time::Duration,
) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let stopping = shutdown.clone();
    let server = axum::serve(listener, service).with_graceful_shutdown(async move { stopping.requested().await });
    tokio::select! {
        served = server => served,
        () = async {
            shutdown.requested().await;
            tokio::time::sleep(grace).await;
        } => Ok(()),
    }
}
