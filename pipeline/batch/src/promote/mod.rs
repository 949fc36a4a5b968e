//! The commands `promote` and `promote --roll-back`: which model is live.
//!
//! ```text
//! check ─ compare with the live one ─ copy into the registry ─ references under the new model ─ announce ─ `live`
//! ```
//! Invariants: a model that is worse than the live one on the same people, in all or for a group of them, is refused, and what
//! was found travels in the manifest of the registry's copy; references of the new model stand on
//! their partitions before it is announced, and embeddings of two models never meet in one set; whatever fails before the
//! announcement leaves the live model as it was, and the same command may be given again.

mod compare;
mod gate;
mod groups;
mod kafka;
mod references;
mod registry;

#[cfg(test)]
mod tests;

pub use kafka::KafkaArgs;

use crate::config;
use anyhow::{Context, Result, bail};
use clap::Args;
use ductus_dynamics::event::Modality;
use ductus_dynamics::wire::{ModelAnnouncement, PreviousModel, VERSION};
use ductus_scorer::{Contract, Gate, GateMeasure, Model};
use kafka::Cluster;
use references::Reembedded;
use registry::Registry;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Options of `promote`.
#[derive(Args, Clone, Debug)]
pub struct PromoteArgs {
    /// The model's folder.
    #[arg(required_unless_present = "roll_back", conflicts_with = "roll_back")]
    pub model: Option<PathBuf>,
    /// Return to the model that the live one replaced.
    #[arg(long)]
    pub roll_back: bool,
    /// Of which modality, with `--roll-back`.
    #[arg(long, default_value = "keystroke")]
    pub modality: Modality,
    /// The registry that every process is configured with (`models.dir`).
    #[arg(long, default_value = "models")]
    pub registry: PathBuf,
    /// The history tables: for the windows behind the references, and to compare models.
    #[arg(long)]
    pub history: Option<String>,
    /// Where to announce.
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// Promote although the model is worse, cannot be compared, or leaves people without references.
    #[arg(long)]
    pub force: bool,
    /// The ONNX Runtime library, before `ORT_DYLIB_PATH` and the cache folder.
    #[arg(long)]
    pub onnxruntime: Option<PathBuf>,
}

/// The result of `promote`.
#[derive(Clone, Debug, Serialize)]
pub struct Promoted {
    /// The model that is live now.
    pub model: String,
    /// Hash of its network.
    pub sha256: String,
    /// The model that it replaced.
    pub previous: Option<String>,
    /// Whether it was announced in Kafka; without Kafka only the registry's `live` changed.
    pub announced: bool,
    /// False where it was live already.
    pub changed: bool,
    /// Equal error rates of the new and the live model that were compared, if any.
    pub eer: Option<f64>,
    /// See `eer`.
    pub eer_live: Option<f64>,
    /// The comparison with the model that was live, in all and by group; none where nothing was live.
    pub gate: Option<Gate>,
    /// Reference sets.
    #[serde(flatten)]
    pub references: Reembedded,
}

/// A model that refuses to be promoted: worse, or nobody can tell. `--force` does it anyway.
#[derive(Debug, thiserror::Error)]
#[error("{reason}; --force promotes it anyway{table}")]
pub struct Refused {
    /// Why, in one line.
    pub reason: String,
    /// What was found, in lines of their own; empty where nothing could be compared.
    pub table: String,
}

/// Makes a model live, or returns to the last one.
pub fn promote(args: &PromoteArgs) -> Result<Promoted> {
    config::start_runtime(args.onnxruntime.as_deref())?;
    let cluster = Cluster::connect(&args.kafka)?;
    let registry = Registry::open(&args.registry)?;
    if args.roll_back {
        return roll_back(args, &registry, cluster);
    }
    let folder = args.model.as_deref().context("say which model: promote MODEL_DIR")?;
    let candidate = load(folder)?;
    let modality = candidate.manifest().modality;
    let live = Live::find(&registry, cluster.as_ref(), modality)?;
    if live
        .as_ref()
        .is_some_and(|live| live.this.model == candidate.manifest().model_ref())
    {
        return Ok(Promoted::unchanged(&candidate));
    }
    let gate = match &live {
        None => None,
        Some(live) => Some(match load(&registry.folder(&live.this.path)) {
            Ok(model) => compare::check(&candidate, &model, args)?,
            Err(error) => compare::without_live(&candidate, &live.this, &error, args)?,
        }),
    };
    let path = registry.add(folder, candidate.manifest(), gate.as_ref())?;
    let target = PreviousModel {
        model: candidate.manifest().model_ref(),
        path,
        previous: None,
    };
    let previous = live.map(|live| Box::new(live.this));
    let references = switch(args, &registry, cluster, &candidate, target, previous.clone())?;
    let rates = gate.as_ref().and_then(equal_error_rates);
    Ok(Promoted {
        model: candidate.manifest().name(),
        sha256: candidate.sha256().to_owned(),
        previous: previous.map(|previous| name(&previous)),
        announced: args.kafka.is_set(),
        changed: true,
        eer: rates.map(|(candidate, _)| candidate),
        eer_live: rates.map(|(_, live)| live),
        gate,
        references,
    })
}

/// Of candidate and live model, over everybody.
fn equal_error_rates(gate: &Gate) -> Option<(f64, f64)> {
    let mut figures = gate.rows.first()?.figures.iter();
    let figure = figures.find(|figure| figure.measure == GateMeasure::EerGlobal)?;
    Some((figure.candidate, figure.live))
}

fn roll_back(args: &PromoteArgs, registry: &Registry, cluster: Option<Cluster>) -> Result<Promoted> {
    let live = Live::find(registry, cluster.as_ref(), args.modality)?
        .with_context(|| format!("no {} model is live", args.modality.name()))?;
    let Some(target) = live.this.previous.as_deref().cloned() else {
        bail!(
            "{} replaced no other model, so there is none to return to",
            name(&live.this)
        );
    };
    let model = load(&registry.folder(&target.path))?;
    if model.manifest().model_ref() != target.model {
        bail!(
            "{} in the registry is no longer the model that was live; restore it or promote another one",
            target.path
        );
    }
    // What it replaces stays reachable: rolling back twice goes forward again.
    let replaced = PreviousModel {
        previous: None,
        ..live.this
    };
    let references = switch(
        args,
        registry,
        cluster,
        &model,
        target,
        Some(Box::new(replaced.clone())),
    )?;
    Ok(Promoted {
        model: model.manifest().name(),
        sha256: model.sha256().to_owned(),
        previous: Some(name(&replaced)),
        announced: args.kafka.is_set(),
        changed: true,
        eer: None,
        eer_live: None,
        gate: None,
        references,
    })
}

/// References first, then the announcement, then the registry's default.
fn switch(
    args: &PromoteArgs,
    registry: &Registry,
    cluster: Option<Cluster>,
    model: &Arc<Model>,
    target: PreviousModel,
    previous: Option<Box<PreviousModel>>,
) -> Result<Reembedded> {
    let modality = model.manifest().modality;
    let mut references = Reembedded::default();
    if let Some(mut cluster) = cluster {
        if let Some(live) = &previous {
            references = references::move_to(args, &mut cluster, model, &live.model.sha256)?;
        }
        cluster.announce(&ModelAnnouncement {
            v: VERSION,
            modality,
            model: target.model.clone(),
            layout_hash: model.manifest().layout_hash.clone(),
            path: target.path.clone(),
            previous: previous.clone(),
            announced_us: now_us(),
        })?;
    }
    registry.set_live(modality, &target, previous.as_deref())?;
    Ok(references)
}

impl Promoted {
    fn unchanged(model: &Model) -> Self {
        Self {
            model: model.manifest().name(),
            sha256: model.sha256().to_owned(),
            previous: None,
            announced: false,
            changed: false,
            eer: None,
            eer_live: None,
            gate: None,
            references: Reembedded::default(),
        }
    }
}

/// What is live now: what was announced, else what the registry names.
struct Live {
    this: PreviousModel,
}

impl Live {
    fn find(registry: &Registry, cluster: Option<&Cluster>, modality: Modality) -> Result<Option<Self>> {
        let announced = match cluster {
            Some(cluster) => cluster.announced(modality)?,
            None => None,
        };
        if let Some(ModelAnnouncement {
            model, path, previous, ..
        }) = announced
        {
            return Ok(Some(Self {
                this: PreviousModel { model, path, previous },
            }));
        }
        Ok(registry.live(modality)?.map(|this| Self { this }))
    }
}

fn load(folder: &Path) -> Result<Arc<Model>> {
    let manifest = ductus_scorer::Manifest::load(folder)?;
    Ok(Arc::new(Model::load(folder, &Contract::of(manifest.modality))?))
}

fn name(model: &PreviousModel) -> String {
    format!("{}/{}", model.model.id, model.model.version)
}

fn now_us() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
