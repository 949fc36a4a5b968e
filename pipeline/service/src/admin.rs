//! `/livez`, `/readyz` and `/metrics`: by themselves for roles without a gateway, and as a part of the gateway.
//!
//! Invariant: none of them waits for anything, so that a probe tells the state and not the load.

mod linger;

pub use linger::Linger;

use crate::health::Health;
use crate::shutdown::Shutdown;
use anyhow::Context;
use axum::extract::{ConnectInfo, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::{Encoder, IntCounter, Registry, TextEncoder};
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tower::ServiceExt;

/// After a connection that could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

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

/// A runtime for a web server.
///
/// # Errors
/// The system gives no threads.
pub fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("http")
        .enable_all()
        .build()
}

/// Bounds on connections.
#[derive(Clone, Debug)]
pub struct Sockets {
    /// How long the head of a request may take to arrive.
    pub head_timeout: Duration,
    /// Most open at once; more are closed unanswered.
    pub max: usize,
    /// How long open requests may take to end after a stop was asked for.
    pub grace: Duration,
    /// How much of a body is read after its answer.
    pub linger: Linger,
    /// Counts those that found no room.
    pub refused: IntCounter,
}

/// Serves `router` on `listener` in a thread of its own until `shutdown`. What else the runtime runs may end within the same
/// grace: `beside` comes when it has.
///
/// # Errors
/// The system gives no thread.
pub fn serve(
    runtime: Runtime,
    listener: TcpListener,
    router: Router,
    shutdown: Shutdown,
    sockets: Sockets,
    beside: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<JoinHandle<()>> {
    let thread = std::thread::Builder::new()
        .name("http-main".to_owned())
        .spawn(move || {
            let grace = sockets.grace;
            let served = runtime.block_on(serve_until(listener, router, shutdown, sockets, beside));
            if let Err(error) = served {
                tracing::error!(%error, "the web server ended");
            }
            runtime.shutdown_timeout(grace);
        })?;
    Ok(thread)
}

/// HTTP/1.1 by hand, because a head that comes too slowly must not hold a connection, which `axum::serve` lets it.
async fn serve_until(
    listener: TcpListener,
    router: Router,
    shutdown: Shutdown,
    sockets: Sockets,
    beside: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = open.join_next() => continue,
            () = shutdown.requested() => break,
        };
        match accepted {
            Ok(_) if open.len() >= sockets.max => sockets.refused.inc(),
            Ok((stream, peer)) => {
                // Answers are small and are waited for.
                let _ = stream.set_nodelay(true);
                let connection = converse(stream, peer, router.clone(), shutdown.clone(), sockets.clone());
                open.spawn(connection);
            }
            Err(error) => {
                // Out of descriptors, mostly: those that are open go on, and in a moment one may be free.
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let ended = async {
        while open.join_next().await.is_some() {}
        beside.await;
    };
    // Whoever takes longer is cut off.
    let _ = tokio::time::timeout(sockets.grace, ended).await;
    Ok(())
}

/// One connection, to its end.
async fn converse(stream: TcpStream, peer: SocketAddr, router: Router, shutdown: Shutdown, sockets: Sockets) {
    let answer = hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(sockets.linger.on(request))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(sockets.head_timeout)
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.requested() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // A client that went away, or spoke something else: its own affair.
        tracing::debug!(%error, "a connection ended");
    }
}
