//! The embedding step of a shard, and its place in the line: a trait, so that the line runs without a network in tests.
//!
//! Invariants: which model a window is embedded with is said by who asks, never chosen here; a batch's embeddings are all of
//! one model.

use crate::models::Models;
use ductus_dynamics::backend::BackEnd;
use ductus_dynamics::event::Modality;
use ductus_dynamics::wire::ModelRef;
use ductus_scorer::{Embedder, Model};
use std::sync::Arc;

/// Models of a modality that a thread keeps ready: the one in use, the one before, which partitions that are being rebuilt
/// may still use, and the next.
const READY_MAX: usize = 3;

/// Embeds windows for one thread.
pub trait Embed {
    /// The model that was announced last, or was live from the start; none where there is none to use. Called often.
    fn newest(&mut self, modality: Modality) -> Option<Arc<LiveModel>>;

    /// The model that a checkpoint names; none where it is not to be found any more.
    fn recorded(&mut self, modality: Modality, model: &ModelRef) -> Option<Arc<LiveModel>>;

    /// Embeds `windows`, each `[steps × FEATURES]`, into `out`: as many rows, in order. `out` is cleared first.
    ///
    /// # Errors
    ///
    /// [`EmbedFailure`]; nothing of the batch was embedded.
    fn embed(
        &mut self,
        modality: Modality,
        model: &ModelRef,
        windows: &[&[f32]],
        out: &mut Vec<f32>,
    ) -> Result<(), EmbedFailure>;
}

/// Makes one [`Embed`] a shard.
pub trait Embedders: Send + Sync {
    /// An embedder for the calling thread.
    fn embedder(&self) -> Box<dyn Embed>;

    /// Whether any model is there to use.
    fn loaded(&self) -> bool;
}

/// A model in use.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveModel {
    /// What decisions say of it.
    pub model: ModelRef,
    /// How its embeddings are compared.
    pub back_end: BackEnd,
}

/// Why a batch was not embedded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmbedFailure {
    /// One window is at fault: leave it out.
    Window {
        /// Its place in the batch.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The engine is at fault: make a new embedder.
    Engine(String),
}

/// One ONNX session for each model that the thread's partitions use.
pub(crate) struct ModelEmbedder {
    models: Arc<Models>,
    ready: [Vec<Ready>; Modality::ALL.len()],
    /// Generation of the newest model, and that model.
    newest: [(u64, Option<Arc<LiveModel>>); Modality::ALL.len()],
}

struct Ready {
    live: Arc<LiveModel>,
    embedder: Embedder,
}

impl ModelEmbedder {
    pub(crate) fn new(models: Arc<Models>) -> Self {
        Self {
            models,
            ready: [Vec::new(), Vec::new()],
            newest: [(0, None), (0, None)],
        }
    }

    /// Makes a session for the model, unless there is one.
    fn take_up(&mut self, modality: Modality, model: &Arc<Model>) -> Option<Arc<LiveModel>> {
        let wanted = model.manifest().model_ref();
        let ready = &mut self.ready[modality.index()];
        if let Some(ready) = ready.iter().find(|ready| ready.live.model == wanted) {
            return Some(Arc::clone(&ready.live));
        }
        match model.embedder() {
            Ok(embedder) => {
                let live = Arc::new(LiveModel {
                    model: wanted,
                    back_end: model.back_end().clone(),
                });
                if ready.len() >= READY_MAX {
                    ready.remove(0);
                }
                ready.push(Ready {
                    live: Arc::clone(&live),
                    embedder,
                });
                Some(live)
            }
            Err(error) => {
                tracing::error!(modality = modality.name(), %error, "shard keeps its model, no session for the new one");
                None
            }
        }
    }
}

impl Embed for ModelEmbedder {
    fn newest(&mut self, modality: Modality) -> Option<Arc<LiveModel>> {
        let slot = self.models.slot(modality)?;
        let generation = slot.generation();
        if self.newest[modality.index()].0 != generation {
            let model = slot.current().model;
            // One that gives no session is said once, and the one before stays the newest.
            let live = self.take_up(modality, &model);
            let newest = &mut self.newest[modality.index()];
            *newest = (generation, live.or_else(|| newest.1.take()));
        }
        self.newest[modality.index()].1.clone()
    }

    fn recorded(&mut self, modality: Modality, model: &ModelRef) -> Option<Arc<LiveModel>> {
        let model = self.models.find(modality, model)?;
        self.take_up(modality, &model)
    }

    fn embed(
        &mut self,
        modality: Modality,
        model: &ModelRef,
        windows: &[&[f32]],
        out: &mut Vec<f32>,
    ) -> Result<(), EmbedFailure> {
        if !self.ready[modality.index()]
            .iter()
            .any(|ready| ready.live.model == *model)
        {
            // More models in use than are kept ready: this one's turn again.
            self.recorded(modality, model);
        }
        let ready = &mut self.ready[modality.index()];
        let Some(ready) = ready.iter_mut().find(|ready| ready.live.model == *model) else {
            let (name, version) = (modality.name(), &model.version);
            return Err(EmbedFailure::Engine(format!(
                "the {name} model {version} is not to be found any more"
            )));
        };
        ready.embedder.embed(windows, out).map_err(|error| {
            let reason = error.to_string();
            match error.window() {
                Some(index) => EmbedFailure::Window { index, reason },
                None => EmbedFailure::Engine(reason),
            }
        })
    }
}
