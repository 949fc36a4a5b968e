//! The embedding step of a shard, and its place in the line: a trait, so that the line runs without a network in tests.
//!
//! Invariants: what is live changes only in [`Embed::refresh`], between two batches; a batch's embeddings are all of the
//! model that [`Embed::live`] names.

use crate::models::Models;
use ductus_dynamics::backend::BackEnd;
use ductus_dynamics::event::Modality;
use ductus_dynamics::wire::ModelRef;
use ductus_scorer::{EmbedError, ModelHandle};
use std::sync::Arc;

/// Embeds windows for one thread.
pub trait Embed {
    /// Takes up another model if there is one; tells whether anything changed. Called between batches.
    fn refresh(&mut self) -> bool;

    /// The model of a modality; none where there is none to use.
    fn live(&self, modality: Modality) -> Option<&LiveModel>;

    /// Embeds `windows`, each `[steps × FEATURES]`, into `out`: as many rows, in order. `out` is cleared first.
    ///
    /// # Errors
    ///
    /// [`EmbedFailure`]; nothing of the batch was embedded.
    fn embed(&mut self, modality: Modality, windows: &[&[f32]], out: &mut Vec<f32>) -> Result<(), EmbedFailure>;
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

/// Follows the slots of [`Models`] with one ONNX session a modality.
pub(crate) struct SlotEmbedder {
    models: Arc<Models>,
    live: [Option<Live>; Modality::ALL.len()],
    /// Windows since a session failed to be made are embedded with the model before, which is said once a generation.
    complained: [u64; Modality::ALL.len()],
}

struct Live {
    handle: ModelHandle,
    model: LiveModel,
}

impl Live {
    fn of(handle: ModelHandle) -> Self {
        let model = LiveModel {
            model: handle.model().manifest().model_ref(),
            back_end: handle.model().back_end().clone(),
        };
        Self { handle, model }
    }
}

impl SlotEmbedder {
    pub(crate) fn new(models: Arc<Models>) -> Self {
        Self {
            models,
            live: [None, None],
            complained: [0; Modality::ALL.len()],
        }
    }

    fn refresh_one(&mut self, modality: Modality) -> bool {
        let Some(slot) = self.models.slot(modality) else {
            return false;
        };
        let generation = slot.generation();
        let live = &mut self.live[modality.index()];
        if live.as_ref().is_some_and(|live| live.handle.generation() == generation)
            || self.complained[modality.index()] == generation
        {
            return false;
        }
        match slot.handle() {
            Ok(handle) => {
                *live = Some(Live::of(handle));
                true
            }
            Err(error) => {
                tracing::error!(modality = modality.name(), %error, "shard keeps its model, no session for the new one");
                self.complained[modality.index()] = generation;
                false
            }
        }
    }
}

impl Embed for SlotEmbedder {
    fn refresh(&mut self) -> bool {
        let changed = Modality::ALL.map(|modality| self.refresh_one(modality));
        changed.contains(&true)
    }

    fn live(&self, modality: Modality) -> Option<&LiveModel> {
        self.live[modality.index()].as_ref().map(|live| &live.model)
    }

    fn embed(&mut self, modality: Modality, windows: &[&[f32]], out: &mut Vec<f32>) -> Result<(), EmbedFailure> {
        let Some(live) = &mut self.live[modality.index()] else {
            return Err(EmbedFailure::Engine(format!("no {} model is loaded", modality.name())));
        };
        live.handle.embed(windows, out).map(|_| ()).map_err(|error| {
            let reason = error.to_string();
            match error {
                EmbedError::WindowShape { index, .. }
                | EmbedError::WindowTooLong { index, .. }
                | EmbedError::NotFinite { index, .. }
                | EmbedError::BadEmbedding { index } => EmbedFailure::Window { index, reason },
                _ => EmbedFailure::Engine(reason),
            }
        })
    }
}
