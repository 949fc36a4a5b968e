//! Which models are live: the announced ones, else those that `models/<modality>/live` names.
//!
//! Invariants: an announced model that does not fit, in whatever way, is refused with what was expected and found, and the
//! one before keeps running; loading happens here and never in a shard; an announcement's path cannot leave the registry.

use crate::compacted::Follower;
use crate::config::ScoreConfig;
use crate::embed::{Embed, Embedders, ModelEmbedder};
use crate::error::StreamError;
use crate::log::Kept;
use crate::metrics::StreamMetrics;
use ductus_dynamics::event::Modality;
use ductus_dynamics::feature::layout_hash;
use ductus_dynamics::line::LineConfig;
use ductus_dynamics::wire::{ModelAnnouncement, ModelRef, VERSION};
use ductus_scorer::{Contract, Manifest, Model, ModelError, ModelSlot, Turn, live_dir};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long the watcher sleeps in one wait for an announcement: so long it may take to stop.
const WATCH: Duration = Duration::from_millis(200);
/// Announcements taken in one go.
const ANNOUNCEMENTS_MAX: usize = 16;
/// The topic has one partition.
const PARTITION: i32 = 0;

/// The models of a process, shared by its shards.
pub struct Models {
    folder: PathBuf,
    line: LineConfig,
    metrics: StreamMetrics,
    slots: [OnceLock<Arc<ModelSlot>>; Modality::ALL.len()],
}

/// Why an announced model was refused.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the record is no model announcement: {0}")]
    NotJson(#[from] serde_json::Error),
    #[error("its version is {0}, but this build knows only {VERSION}")]
    Version(u8),
    #[error("its path {0:?} leaves the registry, say a folder below it")]
    Path(String),
    #[error("{what} is {found}, but {expected} was expected")]
    Differs {
        what: &'static str,
        expected: String,
        found: String,
    },
    #[error("{0}")]
    Model(#[from] ModelError),
}

impl Models {
    /// No models yet.
    fn new(folder: PathBuf, line: LineConfig, metrics: StreamMetrics) -> Self {
        Self {
            folder,
            line,
            metrics,
            slots: [OnceLock::new(), OnceLock::new()],
        }
    }

    /// Loads what is live, then watches for announcements in a thread of its own until `stop`.
    ///
    /// # Errors
    ///
    /// [`StreamError`] when the announcements cannot be read. A model that is missing or bad is logged: its modality then has
    /// no scores, and every decision says so.
    pub fn start(
        config: &ScoreConfig,
        metrics: &StreamMetrics,
        stop: Arc<AtomicBool>,
    ) -> Result<(Arc<Self>, JoinHandle<()>), StreamError> {
        let timeout = Duration::from_millis(config.request_timeout_ms);
        let follower = Follower::open(&config.kafka, &config.group, &config.topics.models, "models", timeout)?;
        let models = Arc::new(Self::new(
            config.models_dir.clone(),
            config.line.clone(),
            metrics.clone(),
        ));
        let mut last: [Option<Vec<u8>>; Modality::ALL.len()] = [None, None];
        follower.follow(PARTITION, |kept| {
            if let (Some(modality), Some(value)) = (modality_of(kept), kept.value) {
                last[modality.index()] = Some(value.to_vec());
            }
        })?;
        for value in last.iter().flatten() {
            models.announced(value);
        }
        models.load_defaults();
        let watched = Arc::clone(&models);
        let watcher = std::thread::Builder::new()
            .name("model-watcher".to_owned())
            .spawn(move || watched.watch(&follower, &stop))
            .map_err(StreamError::Thread)?;
        Ok((models, watcher))
    }

    /// The model that is live for a modality, and the number of its turn.
    pub fn current(&self, modality: Modality) -> Option<Turn> {
        Some(self.slot(modality)?.current())
    }

    /// The slot of a modality, once it has a model.
    pub(crate) fn slot(&self, modality: Modality) -> Option<&Arc<ModelSlot>> {
        self.slots[modality.index()].get()
    }

    /// A model by its name: the live one, or an earlier one from the registry, `<modality>/<version>`.
    pub(crate) fn find(&self, modality: Modality, model: &ModelRef) -> Option<Arc<Model>> {
        let current = self.slot(modality).map(|slot| slot.current().model);
        if let Some(current) = current.filter(|current| current.manifest().model_ref() == *model) {
            return Some(current);
        }
        let folder = self.folder.join(modality.name()).join(&model.version);
        match Model::load_announced(&folder, &Contract::of(modality), model) {
            Ok(model) => Some(Arc::new(model)),
            Err(error) => {
                tracing::error!(modality = modality.name(), %error, "the model that a checkpoint names cannot be used");
                None
            }
        }
    }

    fn watch(&self, follower: &Follower, stop: &AtomicBool) {
        while !stop.load(Ordering::Acquire) {
            let polled = follower.poll(WATCH, ANNOUNCEMENTS_MAX, |kept| match kept.value {
                Some(value) => self.announced(value),
                None => tracing::warn!("announcement of a model was erased, its model keeps running"),
            });
            if let Err(error) = polled {
                tracing::error!(%error, "announcements of models cannot be read, the models that run stay");
                std::thread::sleep(WATCH);
            }
        }
    }

    fn load_defaults(&self) {
        for modality in Modality::ALL {
            if self.slot(modality).is_some() {
                continue;
            }
            let loaded = live_dir(&self.folder, modality)
                .map_err(Refusal::from)
                .and_then(|folder| self.load(modality, &folder, None));
            if let Err(error) = loaded {
                tracing::error!(modality = modality.name(), %error, "no model is live, nothing is scored for this modality");
            }
        }
    }

    /// Makes an announced model live, or says why not.
    fn announced(&self, value: &[u8]) {
        match self.try_announced(value) {
            Ok(()) => {}
            Err(error) => {
                tracing::error!(%error, "announced model is refused, the one before keeps running");
                self.metrics.model_refused();
            }
        }
    }

    fn try_announced(&self, value: &[u8]) -> Result<(), Refusal> {
        let announcement: ModelAnnouncement = serde_json::from_slice(value)?;
        if announcement.v != VERSION {
            return Err(Refusal::Version(announcement.v));
        }
        let relative = Path::new(&announcement.path);
        let inside = relative.components().all(|part| matches!(part, Component::Normal(_)));
        if !inside || announcement.path.is_empty() {
            return Err(Refusal::Path(announcement.path));
        }
        let (modality, expected) = (announcement.modality, layout_hash(announcement.modality));
        same("layout_hash of the announcement", &expected, &announcement.layout_hash)?;
        let folder = self.folder.join(relative);
        match self.slot(modality) {
            None => self.load(modality, &folder, Some(&announcement.model)),
            Some(slot) if slot.current().model.manifest().model_ref() == announcement.model => Ok(()),
            Some(slot) => {
                self.check(modality, &Manifest::load(&folder)?)?;
                let turn = slot.swap_announced(&self.folder, &announcement)?;
                self.went_live(modality, &turn.model.manifest().model_ref());
                Ok(())
            }
        }
    }

    /// Loads a modality's first model from `folder`; it must be `announced` where one was.
    fn load(&self, modality: Modality, folder: &Path, announced: Option<&ModelRef>) -> Result<(), Refusal> {
        self.check(modality, &Manifest::load(folder)?)?;
        let slot = ModelSlot::load(folder, Contract::of(modality))?;
        let model = slot.current().model.manifest().model_ref();
        if let Some(announced) = announced {
            same("sha256 in the manifest", &announced.sha256, &model.sha256)?;
            same("version in the manifest", &announced.version, &model.version)?;
        }
        // Only the starting thread and then only the watcher come here, each when the slot is empty.
        let _ = self.slots[modality.index()].set(slot);
        self.went_live(modality, &model);
        Ok(())
    }

    /// Whether the model fits how this deployment cuts windows and names keys.
    fn check(&self, modality: Modality, manifest: &Manifest) -> Result<(), Refusal> {
        let steps = self.line.window(modality).steps;
        if manifest.steps_max < steps {
            return Err(Refusal::Differs {
                what: "steps_max in the manifest",
                expected: format!("at least {steps}, as windows are cut,"),
                found: manifest.steps_max.to_string(),
            });
        }
        if modality == Modality::Keystroke {
            let detail = |detail| format!("{detail:?}").to_lowercase();
            let (expected, found) = (detail(self.line.parse.detail), detail(manifest.detail));
            same("key detail in the manifest", &expected, &found)?;
        }
        Ok(())
    }

    fn went_live(&self, modality: Modality, model: &ModelRef) {
        self.metrics.model_live(modality, model);
        tracing::info!(
            modality = modality.name(),
            version = model.version,
            sha256 = model.sha256,
            "model is live"
        );
    }
}

impl Embedders for Arc<Models> {
    fn embedder(&self) -> Box<dyn Embed> {
        Box::new(ModelEmbedder::new(Arc::clone(self)))
    }

    fn loaded(&self) -> bool {
        self.slots.iter().any(|slot| slot.get().is_some())
    }
}

/// The record's key names the modality, so that compaction keeps one announcement of each.
fn modality_of(kept: Kept<'_>) -> Option<Modality> {
    let modality = std::str::from_utf8(kept.key).ok()?.parse().ok();
    if modality.is_none() {
        tracing::error!("announcement of a model has a key that is no modality, it is left out");
    }
    modality
}

fn same(what: &'static str, expected: &str, found: &str) -> Result<(), Refusal> {
    if expected == found {
        Ok(())
    } else {
        Err(Refusal::Differs {
            what,
            expected: expected.to_owned(),
            found: found.to_owned(),
        })
    }
}
