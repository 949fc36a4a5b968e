//! The role `gateway`: event batches in by HTTP and WebSocket, decisions out by server-sent events, and the console page.
//!
//! ```text
//! POST /v1/events ─┐                                               ┌─► GET /v1/sessions…
//! WS   /v1/events ─┴► ingest ─► publisher ─► Kafka ─► feed ─► board ┼─► GET /v1/decisions/stream
//!                                              ├──► catch-up ──────┴─► GET /v1/sessions/{session}/monitor
//!                                              └──► webhooks ────────► https://…
//! ```
//!
//! Invariants: an acknowledged batch is in Kafka, acknowledged by its replicas; nothing of a refused body is echoed or
//! logged; whatever waits is bounded, and beyond the bound the client is told when to come again.

mod about;
mod access;
mod audit;
pub mod board;
mod catch_up;
mod client;
mod connections;
mod decisions;
mod erasures;
mod events;
mod feed;
mod feedback;
mod identify;
mod identity;
mod ingest;
mod input;
mod keys;
mod monitor;
mod oidc;
mod openapi;
mod page;
mod people;
mod place;
mod problem;
pub mod publisher;
mod question;
mod rate;
mod sessions;
mod settings;
mod stream;
mod subjects;
mod webhooks;

use crate::accounts;
use crate::admin::{self, Linger, Sockets};
use crate::config::{AccessMode, Config};
use crate::health::Health;
use crate::metrics::{GatewayMetrics, WebhookMetrics};
use crate::shutdown::Shutdown;
use about::Policy;
use access::{Access, Caller};
use audit::Audit;
use axum::Router;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::map_response;
use axum::response::Response;
use board::Board;
use catch_up::CatchUp;
use client::Clients;
use connections::Connections;
use ductus_accounts::{Audited, Mailbox, Store, Tenants};
use ductus_dynamics::line::Accounting;
use erasures::Eraser;
use feed::Feed;
use feedback::Feedbacks;
use identity::{Identity, StepUps};
use ingest::Ingest;
use people::People;
use prometheus::Registry;
use publisher::Publisher;
use serde_json::Value;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::decompression::RequestDecompressionLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use webhooks::watch::Heed;

/// Scripts, styles and connections of our own only; nobody may frame it. The page itself has a nonce for the styles that its
/// component library puts there, see [`page`].
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// What a gateway shows besides what it sees itself: the demo knows more.
pub trait Extra: Send + Sync + 'static {
    /// The body of `GET /v1/demo`; none outside the demo.
    fn scenario(&self) -> Option<Value> {
        None
    }

    /// What became of the events, where scoring runs in this process.
    fn accounting(&self) -> Option<Accounting> {
        None
    }

    /// What takes mails in place of a mail server, and shows them as `GET /v1/demo/mailbox`; none outside the demo.
    fn mailbox(&self) -> Option<Arc<Mailbox>> {
        None
    }
}

/// A gateway in production: it knows what it sees.
#[derive(Debug)]
pub struct Plain;
impl Extra for Plain {}

/// What the handlers share.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    access: Access,
    audit: Arc<Audit>,
    clients: Clients,
    /// None where nobody signs in here.
    identity: Option<Arc<Identity>>,
    /// What tenants have switched on; none where nothing is kept, and so nothing can be.
    tenants: Option<Tenants>,
    policy: Policy,
    eraser: Eraser,
    feedback: Arc<Feedbacks>,
    ingest: Ingest,
    board: Arc<Board>,
    catch_up: CatchUp,
    /// None where no questions about people are answered.
    people: Option<Arc<People>>,
    /// None where there is no accounts database.
    webhooks: Option<Arc<webhooks::Desk>>,
    extra: Box<dyn Extra>,
    metrics: GatewayMetrics,
    shutdown: Shutdown,
    /// Raised to end every decision stream: readers come back and load anew.
    round: watch::Sender<u64>,
    connections: Connections,
    retry_after_s: u32,
    batch_bytes_max: usize,
    body_bytes_max: usize,
    body_batches_max: usize,
    body_timeout: Duration,
    origins: Vec<String>,
    started: Instant,
}

/// A gateway that runs.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it shares with its handlers.
    pub gateway: Gateway,
    server: JoinHandle<()>,
    feed: JoinHandle<()>,
    references: Option<JoinHandle<()>>,
    webhooks: Option<JoinHandle<()>>,
}

impl Running {
    /// Waits until it has drained.
    pub fn join(self) {
        // A panic of any was told by its own thread.
        let _ = self.server.join();
        self.gateway.inner.audit.flush();
        let _ = self.feed.join();
        for thread in self.references.into_iter().chain(self.webhooks) {
            let _ = thread.join();
        }
    }
}

impl Gateway {
    /// Connects to Kafka, starts to read decisions, and listens.
    ///
    /// # Errors
    /// The address is taken, or librdkafka refuses its settings.
    pub fn start(
        config: &Config,
        listener: TcpListener,
        extra: Box<dyn Extra>,
        health: &Health,
        shutdown: &Shutdown,
        registry: &Registry,
    ) -> anyhow::Result<Running> {
        let address = listener.local_addr()?;
        let metrics = GatewayMetrics::register(registry)?;
        let runtime = admin::runtime()?;
        let publisher = Publisher::open(&config.kafka.settings(), &config.topics.events, "gateway")?;
        let audit = Arc::new(Audit::new(config, publisher.to(&config.topics.audit), metrics.clone()));
        runtime.spawn(Arc::clone(&audit).run(shutdown.clone()));
        let (store, access, identity) =
            runtime.block_on(open_accounts(config, extra.mailbox(), Arc::clone(&audit), &metrics))?;
        let board = Arc::new(Board::new(&config.gateway));
        let feedback = Arc::new(Feedbacks::new(config, publisher.to(&config.topics.feedback)));
        let eraser = Eraser::new(
            publisher.to(&config.topics.references),
            Duration::from_millis(config.gateway.produce_timeout_ms),
        );
        let feed = Feed::open(config, Arc::clone(&board), Arc::clone(&feedback), metrics.clone())?
            .spawn(health.clone(), shutdown.clone())?;
        let (people, references) = match config.questions.enabled {
            true => People::start(config, health, shutdown).map(|(people, thread)| (Some(people), Some(thread)))?,
            false => (None, None),
        };
        if let Some(identity) = &identity {
            // It ends with the runtime, or before.
            let _purge = runtime.spawn(Arc::clone(identity).purge_until(shutdown.clone()));
        }
        let webhooks = match &store {
            None => None,
            Some(store) => {
                let step_ups = |identity| -> Arc<dyn Heed> { Arc::new(StepUps::new(identity, Arc::clone(&audit))) };
                let heed = identity.clone().map(step_ups);
                let metrics = WebhookMetrics::register(registry)?;
                let audit = Arc::clone(&audit);
                Some(webhooks::start(
                    config,
                    store,
                    heed,
                    audit,
                    metrics,
                    runtime.handle(),
                    shutdown,
                )?)
            }
        };
        let (desk, watch, ended) = match webhooks {
            None => (None, None, None),
            Some(running) => (Some(running.desk), Some(running.watch), Some(running.ended)),
        };
        let ingest = Ingest::new(config, publisher, identity.clone(), metrics.clone());
        let gateway = Self {
            inner: Arc::new(Inner {
                access,
                audit,
                clients: Clients::new(&config.gateway),
                identity,
                tenants: store.map(Tenants::new),
                policy: Policy::new(config),
                eraser,
                feedback,
                ingest,
                board,
                catch_up: CatchUp::new(config),
                people,
                webhooks: desk,
                extra,
                metrics,
                shutdown: shutdown.clone(),
                round: watch::Sender::new(0),
                connections: Connections::new(config.gateway.connections_max, config.gateway.connections_each_max),
                retry_after_s: config.gateway.retry_after_s,
                batch_bytes_max: config.limits.batch_bytes_max,
                body_bytes_max: config.gateway.body_bytes_max,
                body_batches_max: config.gateway.body_batches_max,
                body_timeout: Duration::from_millis(config.gateway.body_timeout_ms),
                origins: origins(&config.gateway.cors_origins),
                started: Instant::now(),
            }),
        };
        let router = gateway.router().merge(admin::router(health.clone(), registry.clone()));
        let sockets = Sockets {
            head_timeout: Duration::from_millis(config.gateway.head_timeout_ms),
            max: config.gateway.sockets_max,
            grace: Duration::from_millis(config.gateway.shutdown_grace_ms),
            linger: Linger {
                bytes_max: config.gateway.body_bytes_max,
                timeout: Duration::from_millis(config.gateway.body_timeout_ms),
            },
            refused: gateway.inner.metrics.sockets_refused.clone(),
        };
        let beside = async move {
            if let Some(ended) = ended {
                ended.await;
            }
        };
        let server = admin::serve(runtime, listener, router, shutdown.clone(), sockets, beside)?;
        Ok(Running {
            address,
            gateway,
            server,
            feed,
            references,
            webhooks: watch,
        })
    }

    /// What is shown.
    pub fn board(&self) -> &Board {
        &self.inner.board
    }

    /// What an operation on accounts answered, once auditors are told of it.
    fn audited<T>(&self, caller: &Caller, audited: Audited<T>) -> T {
        self.inner.audit.accounts_of(caller, audited.events);
        audited.answer
    }

    /// Ends every decision stream, so that the pages load anew what is shown.
    pub fn start_round(&self) {
        self.inner.round.send_modify(|round| *round += 1);
    }

    /// Comes when every stream has to end: at a stop, and when a round starts.
    fn end_of_streams(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut round = self.inner.round.subscribe();
        let shutdown = self.inner.shutdown.clone();
        async move {
            tokio::select! {
                _ = round.changed() => {}
                () = shutdown.requested() => {}
            }
        }
    }

    /// The routes of the API, and what they say of themselves.
    fn routes() -> (Router<Self>, OpenApi) {
        OpenApiRouter::with_openapi(openapi::begin())
            .routes(routes!(events::post, events::websocket))
            .layer(RequestDecompressionLayer::new().pass_through_unaccepted(true))
            .routes(routes!(subjects::enrol))
            .routes(routes!(subjects::verify))
            .routes(routes!(identify::identify))
            .routes(routes!(stream::decisions))
            .routes(routes!(sessions::list))
            .routes(routes!(sessions::decisions))
            .routes(routes!(monitor::risk))
            .routes(routes!(monitor::monitor))
            .routes(routes!(decisions::search))
            .routes(routes!(decisions::view))
            .routes(routes!(feedback::give))
            .routes(routes!(subjects::view, erasures::erase))
            .routes(routes!(erasures::remove_references))
            .routes(routes!(erasures::receipt))
            .routes(routes!(settings::view, settings::put))
            .routes(routes!(keys::mint))
            .routes(routes!(keys::list, keys::create))
            .routes(routes!(keys::revoke))
            .routes(routes!(keys::rotate))
            .routes(routes!(webhooks::routes::list, webhooks::routes::add))
            .routes(routes!(webhooks::routes::remove))
            .routes(routes!(webhooks::routes::test))
            .routes(routes!(webhooks::routes::deliveries))
            .routes(routes!(webhooks::routes::retry))
            .routes(routes!(webhooks::routes::jwks))
            .merge(identity::routes())
            .routes(routes!(sessions::stats))
            .routes(routes!(sessions::demo))
            .routes(routes!(about::models))
            .routes(routes!(about::policy))
            .routes(routes!(openapi::document))
            .split_for_parts()
    }

    /// Every route but those of `admin`.
    pub fn router(&self) -> Router {
        let origins: Vec<HeaderValue> = self
            .inner
            .origins
            .iter()
            .filter_map(|origin| HeaderValue::from_str(origin).ok())
            .collect();
        let cors = CorsLayer::new()
            .allow_origin(AllowOrigin::list(origins))
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
            .allow_headers([
                header::AUTHORIZATION,
                header::CONTENT_ENCODING,
                header::CONTENT_TYPE,
                HeaderName::from_static("last-event-id"),
            ])
            .expose_headers([header::RETRY_AFTER]);
        let (routes, _) = Self::routes();
        routes
            .fallback(page::serve)
            .layer(cors)
            .layer(map_response(secure))
            .with_state(self.clone())
    }
}

/// What lies in the accounts database; it is opened once, and only where something is kept in it.
async fn open_accounts(
    config: &Config,
    mailbox: Option<Arc<Mailbox>>,
    audit: Arc<Audit>,
    metrics: &GatewayMetrics,
) -> anyhow::Result<(Option<Store>, Access, Option<Arc<Identity>>)> {
    let enabled = config.identity.enabled;
    let vault = match enabled || config.access.mode == AccessMode::Keys {
        true => Some((accounts::open_store(config).await?, accounts::signing_keys(config)?)),
        false => None,
    };
    let identity = match vault.clone().filter(|_| enabled) {
        Some(vault) => Some(Arc::new(Identity::open(config, vault, mailbox).await?)),
        None => None,
    };
    let accounts = identity.as_ref().map(|identity| identity.accounts().clone());
    let access = Access::new(config, vault.as_ref(), accounts, audit, metrics.clone())?;
    Ok((vault.map(|(store, _)| store), access, identity))
}

/// Headers that every answer carries.
async fn secure(mut response: Response) -> Response {
    const HEADERS: [(HeaderName, &str); 6] = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=()",
        ),
        // Isolated from other origins, a page gets the finer clock: 5 µs instead of 100 µs.
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
    ];
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// 32 hexadecimal digits that nobody can guess.
fn drawn_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

fn origins(list: &str) -> Vec<String> {
    list.split(',')
        .map(|origin| origin.trim().trim_end_matches('/').to_owned())
        .filter(|origin| !origin.is_empty())
        .collect()
}

/// Runs the role until `shutdown`.
///
/// # Errors
/// The address is taken, or Kafka's settings are refused.
pub fn run(config: &Config, health: &Health, shutdown: &Shutdown, registry: &Registry) -> anyhow::Result<()> {
    let listener = admin::bind(&config.gateway.listen, "gateway.listen")?;
    let running = Gateway::start(config, listener, Box::new(Plain), health, shutdown, registry)?;
    tracing::info!(address = %running.address, "gateway listens");
    shutdown.wait();
    running.join();
    Ok(())
}

#[cfg(test)]
mod tests;
