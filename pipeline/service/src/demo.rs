//! The role `demo`: every role in one process around librdkafka's in-process broker, or a real one where that is configured.
//!
//! ```text
//! players ─► publisher ─► broker ─► score ─► broker ─► feed ─► board ─► page        (visitors send through the gateway)
//! ```
//!
//! Invariant: demo and production differ in which adapters are built here, nowhere else: the same clients, the same
//! scoring, the same gateway. Only the broker is librdkafka's mock (5 MiB or 100,000 messages a partition, no compaction),
//! unless `demo.embedded_broker` says otherwise.

mod cluster;
mod once;
mod page;
mod player;
mod recorded;
mod scenario;
mod script;

pub use once::Summary;

use crate::cli::DemoOptions;
use crate::config::Config;
use crate::shutdown::Shutdown;
use crate::{output, score};
use anyhow::ensure;
use cluster::Cluster;
use ductus_dynamics::event::Modality;
use ductus_scorer::{Runtime, live_dir};
use ductus_stream::{Embedders, Score, ScoreHandle, StreamMetrics};
use prometheus::Registry;
use scenario::Cast;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Runs the role.
///
/// # Errors
/// No ONNX Runtime, no models, a taken port, or decisions that did not come in time.
pub fn run(mut config: Config, options: &DemoOptions, shutdown: &Shutdown) -> anyhow::Result<()> {
    if let Some(listen) = &options.listen {
        config.gateway.listen.clone_from(listen);
    }
    if let Some(input) = &options.input {
        config.demo.recordings = Some(input.clone());
    }
    // Told before a broker is built: without these there is nothing to see.
    Runtime::start_from(&config.onnxruntime_candidates())?;
    let dir = &config.models.dir;
    ensure!(
        Modality::ALL
            .into_iter()
            .any(|modality| live_dir(dir, modality).is_ok()),
        "no model is live in {}; start ductus in the folder that holds models, or say --set models.dir=FOLDER",
        dir.display()
    );
    if options.exit {
        let summary = play(config, options.out.as_deref(), None, shutdown)?;
        output::json(&summary)?;
        return Ok(());
    }
    let cast = Cast::of(&config.demo)?;
    page::run(config, &cast, shutdown)
}

/// The scenario once at full speed; `out` takes the decisions, one a line.
///
/// # Errors
/// No ONNX Runtime, no models, or decisions that did not come in time.
pub fn play_once(config: Config, out: Option<&Path>) -> anyhow::Result<Summary> {
    play(config, out, None, &Shutdown::new())
}

/// The same with another embedding step than ONNX models: for tests.
///
/// # Errors
/// The decisions did not come in time.
pub fn play_once_with(config: Config, out: Option<&Path>, embedders: Arc<dyn Embedders>) -> anyhow::Result<Summary> {
    play(config, out, Some(embedders), &Shutdown::new())
}

fn play(
    mut config: Config,
    out: Option<&Path>,
    embedders: Option<Arc<dyn Embedders>>,
    shutdown: &Shutdown,
) -> anyhow::Result<Summary> {
    let cast = Cast::of(&config.demo)?;
    let cluster = Cluster::start(&mut config)?;
    let score = start_score(&config, embedders, &Registry::new())?;
    let played = once::play(&config, &cast, &score, shutdown);
    score.stop();
    // Every decision is there already: all that a shard can miss now is its last commit to a broker that ends as well.
    if let Err(error) = score.join() {
        tracing::debug!(%error, "a shard did not commit at the end");
    }
    drop(cluster);
    let (summary, decisions) = played?;
    if let Some(path) = out {
        once::write(path, &decisions)?;
    }
    Ok(summary)
}

fn start_score(
    config: &Config,
    embedders: Option<Arc<dyn Embedders>>,
    registry: &Registry,
) -> anyhow::Result<ScoreHandle> {
    match embedders {
        None => score::start(config, registry),
        Some(embedders) => {
            let metrics = StreamMetrics::register(registry)?;
            let stop = Arc::new(AtomicBool::new(false));
            Ok(Score::start_with(config.score_config(), metrics, stop, embedders)?)
        }
    }
}
