//! The role `score`: starts ONNX Runtime and the shards of `ductus_stream`, and drains them.

use crate::config::Config;
use crate::health::Health;
use crate::shutdown::Shutdown;
use anyhow::Context;
use ductus_scorer::Runtime;
use ductus_stream::{Score, ScoreHandle, StreamMetrics};
use prometheus::Registry;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Between two looks at whether the shards are ready.
const LOOK: Duration = Duration::from_millis(200);

/// Starts ONNX Runtime and the shards.
///
/// # Errors
/// No library, no topics, no broker.
pub fn start(config: &Config, registry: &Registry) -> anyhow::Result<ScoreHandle> {
    Runtime::start_from(&config.onnxruntime_candidates())?;
    let metrics = StreamMetrics::register(registry)?;
    Score::start(config.score_config(), metrics, Arc::new(AtomicBool::new(false))).context("scoring cannot start")
}

/// Runs the role until `shutdown`, then drains it.
///
/// # Errors
/// As [`start`], or a shard that could not finish what it had read.
pub fn run(config: &Config, health: &Health, shutdown: &Shutdown, registry: &Registry) -> anyhow::Result<()> {
    health.lacks("score", "is starting");
    let score = start(config, registry)?;
    loop {
        let missing = (!score.ready()).then(|| "waits for a model, for its shards, or for partitions".to_owned());
        health.set("score", missing);
        if shutdown.wait_timeout(LOOK) {
            break;
        }
    }
    score.stop();
    score
        .join()
        .context("not everything that was read could be finished, it is read again")
}
