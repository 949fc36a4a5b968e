//! ONNX Runtime for Ductus: load a model, check its contract, embed batches of windows, swap models.
//!
//! ```no_run
//! use ductus_dynamics::event::Modality;
//! use ductus_scorer::{Contract, ModelSlot, Runtime, candidates, live_dir};
//! # use std::path::Path;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (ort_dylib_path, cache, window) = (None, Path::new("cache"), vec![0.0; 20 * 17]);
//! Runtime::start_from(&candidates(None, ort_dylib_path, Some(cache)))?;
//! let folder = live_dir(Path::new("models"), Modality::Keystroke)?;
//! let slot = ModelSlot::load(&folder, Contract::of(Modality::Keystroke))?;
//!
//! // in every shard thread
//! let turn = slot.current();
//! let mut embedder = turn.model.embedder()?; // again where `slot.generation()` is another
//! let mut embeddings = Vec::new();
//! embedder.embed(&[&window], &mut embeddings)?;
//! # Ok(())
//! # }
//! ```
//!
//! # The network
//!
//! `model.onnx` takes `x` (float32, `[batch, steps, features]`, zero padded) and `lengths` (int32, `[batch]`) and gives
//! `embedding` (float32, `[batch, dims]`, unit length); batch and steps are symbolic. `manifest.toml` beside it says what the
//! network needs and how it was made: [`Manifest`].
//!
//! # One-time questions
//!
//! [`probe`] compares samples with references in memory, outside the stream and with its code: is it this person, who is it.
//!
//! # Invariants
//!
//! 1. ONNX Runtime sees no byte whose hash, layout and modality were not checked ([`Model::load`]).
//! 2. One window gives one embedding, bit for bit, in whatever company it goes through the network ([`Batching`]).
//! 3. A batch runs on one model: that of its embedder ([`Embedder::model`]).
//! 4. A refused model changes nothing: the running one stays ([`ModelSlot::swap`]).
//! 5. No logging, no environment variables, no threads of its own: what happens is returned.

mod back_end;
mod embedder;
mod error;
mod gate;
mod manifest;
mod model;
pub mod probe;
mod runtime;
mod swap;

pub use back_end::{BACK_END_FILE, back_end_bytes};
pub use ductus_dynamics::backend::Calibration;
pub use embedder::{BATCH_WINDOWS_MAX, Batching, Embedder};
pub use error::{EmbedError, ModelError};
pub use gate::{Gate, GateBasis, GateFigure, GateMeasure, GateRow, GateVerdict};
pub use manifest::{
    Accuracy, BackEndSource, DataSource, MANIFEST_FILE, MANIFEST_FORMAT, MODEL_FILE, Manifest, Training, live_dir,
    sha256_hex,
};
pub use model::{Contract, Model};
pub use runtime::{CACHED_LIBRARY, Candidate, Runtime, candidates, locate};
pub use swap::{ModelSlot, Turn};

/// Of the property tests; their seed is that of the whole workspace (`.cargo/config.toml`).
#[cfg(test)]
fn proptest_config(cases: u32) -> proptest::test_runner::Config {
    proptest::test_runner::Config {
        cases,
        failure_persistence: None,
        ..Default::default()
    }
}
