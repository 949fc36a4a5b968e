//! The yardsticks of ingest: a handler that puts the body of each request into Kafka and says so once Kafka has it, and no
//! more. Here in axum; `infra/bench/peers/fastapi_peer.py` is the same in FastAPI.
//!
//! Invariants: what is produced is what the gateway produces, byte for byte and under the same key (which the header
//! `x-record-key` tells, because nothing here reads the body), by the same client with the same settings; as many threads
//! serve as in the gateway.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

const TASK: &str = "DUCTUS_BENCH_BARE";
/// Names the record's key.
pub(crate) const RECORD_KEY: &str = "x-record-key";
/// Threads of the gateway's web server.
const THREADS: usize = 2;
const PRODUCE: Duration = Duration::from_secs(5);

/// What a yardstick is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) address: SocketAddr,
    pub(crate) topic: String,
    /// librdkafka's properties.
    pub(crate) producer: HashMap<String, String>,
}

impl Task {
    /// This program again, with this task.
    pub(crate) fn command(&self) -> anyhow::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.env(TASK, serde_json::to_string(self)?);
        Ok(command)
    }
}

/// The task of this process, if it has one.
pub(crate) fn told() -> anyhow::Result<Option<Task>> {
    match std::env::var(TASK) {
        Ok(task) => Ok(Some(serde_json::from_str(&task)?)),
        Err(_) => Ok(None),
    }
}

#[derive(Clone)]
struct Bare {
    producer: FutureProducer,
    topic: String,
}

/// Serves until it is ended.
pub(crate) fn serve(task: &Task) -> anyhow::Result<()> {
    let producer = ClientConfig::from_iter(task.producer.clone()).create()?;
    let bare = Bare {
        producer,
        topic: task.topic.clone(),
    };
    let router = Router::new()
        .route("/readyz", get(async || "ready"))
        .route("/v1/events", post(take))
        .with_state(bare);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(task.address).await?;
        let listener = listener.tap_io(|stream| {
            // Answers are small and are waited for.
            let _ = stream.set_nodelay(true);
        });
        Ok(axum::serve(listener, router).await?)
    })
}

async fn take(State(bare): State<Bare>, headers: HeaderMap, body: Bytes) -> Response {
    let key = headers
        .get(RECORD_KEY)
        .and_then(|key| key.to_str().ok())
        .unwrap_or_default();
    let record = FutureRecord::to(&bare.topic).key(key).payload(&body[..]);
    match bare.producer.send(record, Timeout::After(PRODUCE)).await {
        Ok(_) => (StatusCode::ACCEPTED, r#"{"accepted":20,"rejected":0}"#).into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
