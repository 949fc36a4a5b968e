//! One thread's session: windows in, unit vectors out, in the same order.
//!
//! Invariants: an embedding is bitwise the same whether its window goes alone or in any batch, whatever the padding, or
//! replays would differ (see [`Batching`]); nothing runs before every window of the call was checked; in the steady state
//! nothing is allocated per window, the two input buffers are reused.
//!
//! Measured (ONNX Runtime 1.31.1, AVX-512, what `learn` exports, one to three layers, hidden 8 to 128): batches of any size
//! and padding to any length change no bit, so a batch is padded only to its own longest window. That is a property of the
//! graph, too: a `ReduceSum` over the middle axis of `[batch, steps, features]` adds in another order for a batch of one;
//! over the first axis of `[steps, …]` it does not. So every load measures it again, with the canary of
//! [`Model::load`](crate::Model::load).

use std::sync::Arc;

use ort::session::Session;
use ort::value::TensorRef;

use crate::error::EmbedError;
use crate::model::{INPUT_LENGTHS, INPUT_WINDOWS, Model, OUTPUT};

/// Windows that go through the network together at most: beyond 16 to 64 nothing is gained but memory.
pub const BATCH_WINDOWS_MAX: usize = 64;

/// How windows go through the network so that results repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batching {
    /// Up to [`BATCH_WINDOWS_MAX`] together, padded to the longest of them: the canary came out bitwise the same alone and
    /// in company.
    Together,
    /// One at a time, padded to the model's longest window: slow, but repeatable where `Together` is not (another processor
    /// or library whose sums run in another order for another batch).
    Alone,
}

/// A model at work in one thread.
pub struct Embedder {
    model: Arc<Model>,
    engine: Engine,
}

impl Embedder {
    pub(crate) fn new(model: Arc<Model>, session: Session) -> Self {
        let engine = Engine::new(&model, session);
        Self { model, engine }
    }

    /// Embeds `windows`, each `[steps × features]` row by row, into `out`: `windows.len()` rows of [`Model::dims`] values,
    /// in the order of the windows. `out` is cleared first; any number of windows will do.
    ///
    /// # Errors
    ///
    /// [`EmbedError`], naming the window to leave out; `out` is empty then.
    pub fn embed(&mut self, windows: &[&[f32]], out: &mut Vec<f32>) -> Result<(), EmbedError> {
        self.engine.embed(windows, out)
    }

    /// The model at work: its hash goes with every embedding, because those of two models never mix.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }
}

/// The session and its buffers, apart from the [`Model`], so that a model can try itself before it exists.
pub(crate) struct Engine {
    session: Session,
    features: usize,
    dims: usize,
    steps_max: usize,
    batching: Batching,
    /// `[batch × steps × features]`, zero padded.
    padded: Vec<f32>,
    lengths: Vec<i32>,
}

impl Engine {
    pub(crate) fn new(model: &Model, session: Session) -> Self {
        let manifest = model.manifest();
        Self {
            session,
            features: manifest.features,
            dims: manifest.embedding_dims,
            steps_max: manifest.steps_max,
            batching: model.batching(),
            padded: Vec::new(),
            lengths: Vec::new(),
        }
    }

    pub(crate) fn embed(&mut self, windows: &[&[f32]], out: &mut Vec<f32>) -> Result<(), EmbedError> {
        out.clear();
        if windows.is_empty() {
            return Ok(());
        }
        for (index, window) in windows.iter().enumerate() {
            self.check(index, window)?;
        }
        // Batches of even size: 65 windows go as 33 and 32, not as 64 and a straggler.
        let size = match self.batching {
            Batching::Together => windows.len().div_ceil(windows.len().div_ceil(BATCH_WINDOWS_MAX)),
            Batching::Alone => 1,
        };
        out.reserve(windows.len() * self.dims);
        for (batch, first) in windows.chunks(size).zip((0..).step_by(size)) {
            if let Err(error) = self.run(batch, first, out) {
                out.clear();
                return Err(error);
            }
        }
        Ok(())
    }

    fn check(&self, index: usize, window: &[f32]) -> Result<(), EmbedError> {
        let (features, steps_max) = (self.features, self.steps_max);
        if window.is_empty() || !window.len().is_multiple_of(features) {
            return Err(EmbedError::WindowShape {
                index,
                values: window.len(),
                features,
            });
        }
        let steps = window.len() / features;
        if steps > steps_max {
            return Err(EmbedError::WindowTooLong {
                index,
                steps,
                steps_max,
            });
        }
        // An infinite or missing value would come out as no number at the far end, where nobody sees why.
        if !all_finite(window) {
            let at = window.iter().position(|value| !value.is_finite()).unwrap_or_default();
            return Err(EmbedError::NotFinite {
                index,
                step: at / features,
            });
        }
        Ok(())
    }

    /// One batch; `first` is the place of its first window in the call, for the error.
    fn run(&mut self, batch: &[&[f32]], first: usize, out: &mut Vec<f32>) -> Result<(), EmbedError> {
        let steps = match self.batching {
            Batching::Together => batch
                .iter()
                .map(|window| window.len() / self.features)
                .max()
                .unwrap_or_default(),
            Batching::Alone => self.steps_max,
        };
        self.padded.clear();
        self.lengths.clear();
        for (row, window) in batch.iter().enumerate() {
            self.padded.extend_from_slice(window);
            self.padded.resize((row + 1) * steps * self.features, 0.0);
            self.lengths.push((window.len() / self.features) as i32);
        }

        let failed = |error: ort::Error| EmbedError::Runtime {
            reason: error.to_string(),
        };
        let x = TensorRef::from_array_view(([batch.len(), steps, self.features], &*self.padded)).map_err(failed)?;
        let lengths = TensorRef::from_array_view(([batch.len()], &*self.lengths)).map_err(failed)?;
        let outputs = self
            .session
            .run(ort::inputs![INPUT_WINDOWS => x, INPUT_LENGTHS => lengths])
            .map_err(failed)?;
        let (shape, embeddings) = outputs[OUTPUT].try_extract_tensor::<f32>().map_err(failed)?;
        if embeddings.len() != batch.len() * self.dims {
            let reason = format!(
                "the output has shape {shape:?} for {} windows of {} values",
                batch.len(),
                self.dims
            );
            return Err(EmbedError::Runtime { reason });
        }
        if let Some(row) = embeddings
            .chunks_exact(self.dims)
            .position(|embedding| !all_finite(embedding))
        {
            return Err(EmbedError::BadEmbedding { index: first + row });
        }
        out.extend_from_slice(embeddings);
        Ok(())
    }
}

/// Without a branch per value, so that the compiler can take eight at a time.
fn all_finite(values: &[f32]) -> bool {
    values.iter().fold(true, |finite, value| finite & value.is_finite())
}
