//! What can go wrong, sorted by what the caller does next.
//!
//! Invariant: every text names what is wrong, where, and what was expected and found; none of them holds a feature value,
//! so errors may be logged.

use std::fmt;
use std::path::PathBuf;

use crate::runtime::Candidate;

/// Why a model cannot be used. Nothing of a refused model stays behind: whoever has a running one keeps it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// No ONNX Runtime anywhere: install it, or say where it is.
    #[error("onnx runtime library not found; looked at {}; {REMEDY}", Looked(.looked))]
    LibraryNotFound {
        /// Every place that was looked at, in order.
        looked: Vec<Candidate>,
    },
    /// The library found is older than the API this build was written against: replace it.
    #[error(
        "onnx runtime library {path} is version {found}, but 1.{} or newer is needed; {REMEDY}",
        ort::MINOR_VERSION
    )]
    LibraryTooOld {
        /// The file.
        path: PathBuf,
        /// The version it says it has.
        found: String,
    },
    /// The file is there but is not a library that works on this machine: replace it.
    #[error("onnx runtime library {path} cannot be loaded: {reason}; {REMEDY}")]
    LibraryUnusable {
        /// The file.
        path: PathBuf,
        /// What the loader said.
        reason: String,
    },
    /// [`Runtime::start`](crate::Runtime::start) was not called: a mistake in the program.
    #[error("onnx runtime has not been started in this process; call Runtime::start before the first model is loaded")]
    LibraryNotStarted,

    /// No model at this place: correct the path, or put the model there.
    #[error("{path} does not exist; a model is a folder with model.onnx and manifest.toml")]
    NotFound {
        /// What was looked for.
        path: PathBuf,
    },
    /// The file exists but cannot be read: permissions or a failing disk.
    #[error("cannot access {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The manifest is not what this build understands: rewrite it, or use the build that wrote it.
    #[error("manifest {path} is refused: {reason}")]
    BadManifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The bytes are not the ones the manifest describes (cut short, or another model's): copy the model again.
    #[error(
        "{path} is refused: sha256 is {found} over {bytes} bytes, but its manifest says {expected}; \
         the file was cut short or replaced, copy the model folder again"
    )]
    HashMismatch {
        /// The file.
        path: PathBuf,
        /// The manifest's hash.
        expected: String,
        /// The file's hash.
        found: String,
        /// The file's length: a short copy shows here.
        bytes: u64,
    },
    /// The back-end's file has the right hash and cannot be used all the same: learn it again.
    #[error("back-end {path} is refused: {reason}")]
    BadBackEnd {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The model in the folder is not the announced one: wait for the registry's copy, or announce again.
    #[error("model {model} is refused: its {what} is {found}, but {expected} was announced")]
    NotTheAnnounced {
        /// Which model lies in the folder.
        model: String,
        /// Hash or version.
        what: &'static str,
        /// What was announced.
        expected: String,
        /// What its manifest says.
        found: String,
    },
    /// The announcement cannot be followed: a mistake of whoever promoted the model.
    #[error("announcement of model {model} is refused: {reason}")]
    BadAnnouncement {
        /// Which model was announced.
        model: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The model is for another modality: point to the right folder.
    #[error("model {model} is refused: it is for {found}, but {expected} is needed here")]
    ModalityMismatch {
        /// Which model.
        model: String,
        /// What the caller scores.
        expected: String,
        /// What the manifest says.
        found: String,
    },
    /// The model was trained on another feature layout: retrain it, or use the build it was trained with.
    #[error(
        "model {model} is refused: it was trained on feature layout {found}, but this build makes {expected}; \
         retrain it with this build's ductus-batch"
    )]
    LayoutMismatch {
        /// Which model.
        model: String,
        /// The layout hash of this build.
        expected: String,
        /// The layout hash in the manifest.
        found: String,
    },
    /// Inputs or outputs are not the contract's: export the model again.
    #[error("model {model} is refused: {what} is {found}, but {expected} is needed")]
    ShapeMismatch {
        /// Which model.
        model: String,
        /// Which input, output or number.
        what: String,
        /// What the contract asks for.
        expected: String,
        /// What the model has.
        found: String,
    },
    /// ONNX Runtime does not take the graph although the bytes are the right ones: export the model again.
    #[error("model {model} is refused by onnx runtime: {reason}")]
    Rejected {
        /// Which model.
        model: String,
        /// What ONNX Runtime said.
        reason: String,
    },
    /// The model loads, but its first embedding is no unit vector: do not use it.
    #[error("model {model} is refused: its embedding of the canary window {reason}")]
    CanaryFailed {
        /// Which model.
        model: String,
        /// What was seen.
        reason: String,
    },
}

/// Why a batch was not embedded. Nothing of the batch was: the window named is the one to leave out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EmbedError {
    /// A window that is empty or no whole number of steps: a mistake in the program.
    #[error(
        "window {index} of the batch has {values} values, which is no whole, positive number of steps of {features} features"
    )]
    WindowShape {
        /// Its place in the batch.
        index: usize,
        /// How many values it has.
        values: usize,
        /// How many features a step has.
        features: usize,
    },
    /// A window longer than the model was made for: cut windows as the model's manifest says.
    #[error("window {index} of the batch has {steps} steps, but the model takes at most {steps_max}")]
    WindowTooLong {
        /// Its place in the batch.
        index: usize,
        /// Its steps.
        steps: usize,
        /// The manifest's bound.
        steps_max: usize,
    },
    /// A window with a value that is infinite or no number: leave it out, and look at the feature code.
    #[error("window {index} of the batch has a value that is not finite at step {step}")]
    NotFinite {
        /// Its place in the batch.
        index: usize,
        /// The first such step.
        step: usize,
    },
    /// The model answered with something that is no embedding: leave the window out.
    #[error("the embedding of window {index} of the batch is not finite")]
    BadEmbedding {
        /// Its place in the batch.
        index: usize,
    },
    /// ONNX Runtime failed, out of memory for instance: make a new embedder, or stop.
    #[error("onnx runtime failed: {reason}")]
    Runtime {
        /// What it said.
        reason: String,
    },
}

impl EmbedError {
    /// The place of the window that is at fault: leave it out. None where the engine is.
    pub fn window(&self) -> Option<usize> {
        match self {
            Self::WindowShape { index, .. }
            | Self::WindowTooLong { index, .. }
            | Self::NotFinite { index, .. }
            | Self::BadEmbedding { index } => Some(*index),
            Self::Runtime { .. } => None,
        }
    }
}

/// What mends a missing library, in the same words everywhere.
const REMEDY: &str = "run `cargo xtask demo` once, which fetches it, or set ORT_DYLIB_PATH to a libonnxruntime.so";

struct Looked<'a>(&'a [Candidate]);

impl fmt::Display for Looked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no place, because none was given");
        }
        for (i, candidate) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{} ({})", candidate.path.display(), candidate.source)?;
        }
        Ok(())
    }
}
