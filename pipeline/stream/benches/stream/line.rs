//! The whole line over a filled topic: `score` as it runs in production, with models or without.

use crate::fill::{self, Filled, kafka, topics, topics_for};
use crate::process::{Measured, Stopwatch, Task, in_a_process};
use crate::{Anyhow, model};
use ductus_dynamics::event::Modality;
use ductus_dynamics::wire::ModelRef;
use ductus_stream::{
    Embed, EmbedFailure, Embedders, LiveModel, Models, Score, ScoreConfig, ScoreHandle, StreamMetrics,
};
use prometheus::Registry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(5);
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(300);

/// What the line has and has not.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    NoModel,
    NoCheckpoints,
    /// Nor does it look whether a person types.
    NoDetectors,
    Released,
}

/// The consumer group of a run, and the prefix of the topics that it writes to.
pub(crate) fn group(filled: &Filled, kind: Kind, threads: usize, round: usize) -> String {
    format!("{}-{kind:?}-{threads}-{round}", filled.prefix)
}

/// Runs `score` over the topic in a process of its own, from the first record to the last.
pub(crate) fn run(filled: &Filled, kind: Kind, threads: usize, round: usize) -> Anyhow<Measured> {
    in_a_process(&Task {
        what: format!("{kind:?}"),
        prefix: filled.prefix.clone(),
        count: filled.events,
        partitions: filled.load.partitions,
        threads,
        group: group(filled, kind, threads, round),
    })
}

/// Starts it again on what [`run`] left; ends with the first decision.
pub(crate) fn run_again(filled: &Filled) -> Anyhow<Measured> {
    in_a_process(&Task {
        what: "again".to_owned(),
        prefix: filled.prefix.clone(),
        count: 1,
        partitions: filled.load.partitions,
        threads: 1,
        group: group(filled, Kind::NoModel, 1, 0),
    })
}

/// In the process of its own.
pub(crate) fn measure(task: &Task) -> Anyhow<Measured> {
    let released = task.what == "Released";
    let mut config = ScoreConfig {
        kafka: kafka()?,
        topics: topics_for(&task.prefix, &task.group, task.partitions)?,
        group: task.group.clone(),
        shards: task.threads,
        models_dir: model::REGISTRY.into(),
        ..ScoreConfig::default()
    };
    if task.what == "NoCheckpoints" {
        config.checkpoint_interval_ms = 86_400_000;
        config.checkpoint_age_ms_max = 2 * 86_400_000;
        config.checkpoint_bytes_max = usize::MAX;
    }
    config.line.liveness.enabled = task.what != "NoDetectors";
    let (registry, stop) = (Registry::new(), Arc::new(AtomicBool::new(false)));
    let metrics = StreamMetrics::register(&registry)?;
    let watch = Stopwatch::start();
    let stage = Arc::new(Stage::default());
    let score = if released {
        model::runtime()?;
        let (models, _) = Models::start(&config, &metrics, Arc::clone(&stop))?;
        let timed: Arc<dyn Embedders> = Arc::new(Timed(Arc::new(models), Arc::clone(&stage)));
        Score::start_with(config, metrics, stop, timed)?
    } else {
        Score::start_with(
            config,
            metrics,
            stop,
            Arc::new(Timed(Arc::new(NoModels), Arc::clone(&stage))),
        )?
    };
    if task.what == "again" {
        wait(|| decisions(&registry) > 0)?;
    } else {
        wait(|| score.accounting().events >= task.count)?;
    }
    let mut measured = watch.stop(task.count)?;
    if !score.accounting().balances() || score.accounting().windowed < task.count.min(score.accounting().events) {
        return Err(format!("not every event was windowed: {:?}", score.accounting()).into());
    }
    end(score)?;
    if released {
        measured.windows_per_s = Some((stage.windows_per_s(), model::bare_windows_per_s()?));
    }
    Ok(measured)
}

fn wait(mut done: impl FnMut() -> bool) -> Anyhow<()> {
    let start = Instant::now();
    while !done() {
        if start.elapsed() > PATIENCE {
            return Err("the line does not come to the end of the topic".into());
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

fn end(score: ScoreHandle) -> Anyhow<()> {
    score.stop();
    Ok(score.join()?)
}

/// Decisions so far, from the metrics.
fn decisions(registry: &Registry) -> u64 {
    let families = registry.gather();
    let decisions = families
        .iter()
        .filter(|family| family.name() == "ductus_stream_decisions_total");
    let counters = decisions.flat_map(|family| family.get_metric());
    counters.map(|metric| metric.get_counter().get_value() as u64).sum()
}

/// How long embedding took.
#[derive(Default)]
struct Stage {
    windows: AtomicU64,
    ns: AtomicU64,
}

impl Stage {
    fn windows_per_s(&self) -> f64 {
        self.windows.load(Ordering::Relaxed) as f64 * 1e9 / self.ns.load(Ordering::Relaxed) as f64
    }
}

/// Embedding with a stopwatch.
struct Timed(Arc<dyn Embedders>, Arc<Stage>);

impl Embedders for Timed {
    fn embedder(&self) -> Box<dyn Embed> {
        Box::new(TimedEmbed(self.0.embedder(), Arc::clone(&self.1)))
    }

    fn loaded(&self) -> bool {
        self.0.loaded()
    }
}

struct TimedEmbed(Box<dyn Embed>, Arc<Stage>);

impl Embed for TimedEmbed {
    fn newest(&mut self, modality: Modality) -> Option<Arc<LiveModel>> {
        self.0.newest(modality)
    }

    fn recorded(&mut self, modality: Modality, model: &ModelRef) -> Option<Arc<LiveModel>> {
        self.0.recorded(modality, model)
    }

    fn embed(
        &mut self,
        modality: Modality,
        model: &ModelRef,
        windows: &[&[f32]],
        out: &mut Vec<f32>,
    ) -> Result<(), EmbedFailure> {
        let start = Instant::now();
        let embedded = self.0.embed(modality, model, windows, out);
        self.1.windows.fetch_add(windows.len() as u64, Ordering::Relaxed);
        self.1
            .ns
            .fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
        embedded
    }
}

/// No model is live: windows are decided about as insufficient data.
struct NoModels;

impl Embedders for NoModels {
    fn embedder(&self) -> Box<dyn Embed> {
        Box::new(Self)
    }

    fn loaded(&self) -> bool {
        true
    }
}

impl Embed for NoModels {
    fn newest(&mut self, _: Modality) -> Option<Arc<LiveModel>> {
        None
    }

    fn recorded(&mut self, _: Modality, _: &ModelRef) -> Option<Arc<LiveModel>> {
        None
    }

    fn embed(&mut self, _: Modality, _: &ModelRef, _: &[&[f32]], _: &mut Vec<f32>) -> Result<(), EmbedFailure> {
        Err(EmbedFailure::Engine("there is no model".to_owned()))
    }
}

/// A running line in this process, for [`crate::latency`].
pub(crate) fn start_released(filled: &Filled, threads: usize) -> Anyhow<ScoreHandle> {
    model::runtime()?;
    let config = ScoreConfig {
        kafka: fill::kafka()?,
        topics: topics(&filled.prefix, filled.load.partitions),
        group: format!("{}-latency", filled.prefix),
        shards: threads,
        models_dir: model::REGISTRY.into(),
        ..ScoreConfig::default()
    };
    let score = Score::start(config, StreamMetrics::default(), Arc::new(AtomicBool::new(false)))?;
    wait(|| score.ready())?;
    Ok(score)
}
