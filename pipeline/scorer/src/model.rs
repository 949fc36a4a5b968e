//! A model that was checked, ready to be shared by every shard thread.
//!
//! Invariants: a [`Model`] exists only after its manifest, hash, feature layout, names, types and shapes were checked and a
//! canary window came out as a unit vector; every session is made from the very bytes that were checked, never from the file
//! again; a model never changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ductus_dynamics::backend::BackEnd;
use ductus_dynamics::event::Modality;
use ductus_dynamics::feature;
use ductus_dynamics::wire::ModelRef;
use ort::session::Session;
use ort::value::{Outlet, TensorElementType, ValueType};

use crate::back_end;
use crate::embedder::{Batching, Embedder, Engine};
use crate::error::{EmbedError, ModelError};
use crate::manifest::Manifest;
use crate::runtime::Runtime;

/// Names of the network's inputs and output: see the crate's documentation.
pub(crate) const INPUT_WINDOWS: &str = "x";
pub(crate) const INPUT_LENGTHS: &str = "lengths";
pub(crate) const OUTPUT: &str = "embedding";

/// How far the canary's embedding may be from unit length.
const UNIT_TOLERANCE: f32 = 1e-3;

/// What this build needs of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contract {
    /// What the windows are made of.
    pub modality: Modality,
    /// Hash of the layout that this build's feature code writes.
    pub layout_hash: String,
    /// Features a step.
    pub features: usize,
}

impl Contract {
    /// The contract of this build's own feature code.
    pub fn of(modality: Modality) -> Self {
        Self {
            modality,
            layout_hash: feature::layout_hash(modality),
            features: feature::features(modality),
        }
    }
}

/// A checked model. Cheap to share (`Arc`), one [`Embedder`] a thread.
pub struct Model {
    manifest: Manifest,
    back_end: BackEnd,
    folder: PathBuf,
    bytes: Vec<u8>,
    runtime: &'static Runtime,
    batching: Batching,
}

impl Model {
    /// Loads the model in the folder `dir` and checks it from the outside in: manifest, layout, hash, and only then does
    /// ONNX Runtime see the bytes. [`Runtime::start`] comes first.
    ///
    /// # Errors
    ///
    /// Any [`ModelError`]; nothing of the refused model stays behind.
    pub fn load(dir: &Path, expected: &Contract) -> Result<Self, ModelError> {
        Self::load_only(dir, expected, None)
    }

    /// As [`Model::load`], and only this version with this network will do.
    ///
    /// # Errors
    ///
    /// [`ModelError::NotTheAnnounced`] and as [`Model::load`].
    pub fn load_announced(dir: &Path, expected: &Contract, announced: &ModelRef) -> Result<Self, ModelError> {
        Self::load_only(dir, expected, Some(announced))
    }

    fn load_only(dir: &Path, expected: &Contract, announced: Option<&ModelRef>) -> Result<Self, ModelError> {
        let runtime = Runtime::current()?;
        let manifest = Manifest::load(dir)?;
        let name = manifest.name();
        if let Some(announced) = announced {
            for (what, expected, found) in [
                ("sha256", &announced.sha256, &manifest.sha256),
                ("version", &announced.version, &manifest.version),
            ] {
                if expected != found {
                    return Err(ModelError::NotTheAnnounced {
                        model: name,
                        what,
                        expected: expected.clone(),
                        found: found.clone(),
                    });
                }
            }
        }
        if manifest.modality != expected.modality {
            return Err(ModelError::ModalityMismatch {
                model: name,
                expected: expected.modality.name().to_owned(),
                found: manifest.modality.name().to_owned(),
            });
        }
        let bytes = manifest.check(dir, &expected.layout_hash)?;
        same(&name, "features in the manifest", expected.features, manifest.features)?;
        let back_end = back_end::load(&manifest, dir)?;
        let mut model = Self {
            manifest,
            back_end,
            folder: dir.to_owned(),
            bytes,
            runtime,
            batching: Batching::Together,
        };
        let session = model.session().map_err(|error| ModelError::Rejected {
            model: name,
            reason: one_line(&error),
        })?;
        model.check_shapes(&session)?;
        model.batching = canary(&model, session)?;
        Ok(model)
    }

    /// What the manifest says.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// How its embeddings are compared, with the manifest's calibration.
    pub fn back_end(&self) -> &BackEnd {
        &self.back_end
    }

    /// The folder it was loaded from, to go back to it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Hash of its network, by which references name it.
    pub fn sha256(&self) -> &str {
        &self.manifest.sha256
    }

    /// Length of an embedding.
    pub fn dims(&self) -> usize {
        self.manifest.embedding_dims
    }

    /// How batches are run so that results repeat; see [`Batching`].
    pub fn batching(&self) -> Batching {
        self.batching
    }

    /// A new embedder for the calling thread: some milliseconds, so once a thread and model, not once a batch.
    ///
    /// # Errors
    ///
    /// [`EmbedError::Runtime`].
    pub fn embedder(self: &Arc<Self>) -> Result<Embedder, EmbedError> {
        let session = self.session().map_err(|error| EmbedError::Runtime {
            reason: one_line(&error),
        })?;
        Ok(Embedder::new(Arc::clone(self), session))
    }

    /// One thread within and between operators: shard threads are the parallelism, and a second one would let sums run in
    /// another order. No memory pattern: it is kept for every shape of batch, and shapes vary (5 % slower, 5 MiB more).
    fn session(&self) -> ort::Result<Session> {
        Session::builder(self.runtime.environment())?
            .with_intra_threads(1)?
            .with_inter_threads(1)?
            .with_memory_pattern(false)?
            .commit_from_memory(&self.bytes)
    }

    fn check_shapes(&self, session: &Session) -> Result<(), ModelError> {
        let (features, dims) = (self.manifest.features as i64, self.manifest.embedding_dims as i64);
        let any = -1;
        same(&self.manifest.name(), "the number of inputs", 2, session.inputs().len())?;
        self.check_outlet(
            session.inputs(),
            INPUT_WINDOWS,
            TensorElementType::Float32,
            &[any, any, features],
        )?;
        self.check_outlet(session.inputs(), INPUT_LENGTHS, TensorElementType::Int32, &[any])?;
        self.check_outlet(session.outputs(), OUTPUT, TensorElementType::Float32, &[any, dims])
    }

    fn check_outlet(
        &self,
        outlets: &[Outlet],
        name: &str,
        ty: TensorElementType,
        dims: &[i64],
    ) -> Result<(), ModelError> {
        let outlet = outlets.iter().find(|outlet| outlet.name() == name);
        let found = match outlet.map(Outlet::dtype) {
            Some(ValueType::Tensor { ty, shape, .. }) => describe(*ty, shape),
            Some(other) => other.to_string(),
            None => {
                let names: Vec<_> = outlets.iter().map(Outlet::name).collect();
                format!("missing (there is: {})", names.join(", "))
            }
        };
        same(&self.manifest.name(), &format!("`{name}`"), describe(ty, dims), found)
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model")
            .field("name", &self.manifest.name())
            .field("sha256", &self.manifest.sha256)
            .finish()
    }
}

/// Embeds fixed windows: are they unit vectors, and are they the same ones, bit for bit, alone and padded in company?
fn canary(model: &Model, session: Session) -> Result<Batching, ModelError> {
    let failed = |reason: String| ModelError::CanaryFailed {
        model: model.manifest.name(),
        reason,
    };
    let windows = canary_windows(&model.manifest);
    let windows: Vec<&[f32]> = windows.iter().map(Vec::as_slice).collect();
    let mut engine = Engine::new(model, session);

    let mut together = Vec::new();
    engine
        .embed(&windows, &mut together)
        .map_err(|error| failed(format!("fails: {error}")))?;
    for embedding in together.chunks_exact(model.dims()) {
        let length = embedding.iter().map(|value| value * value).sum::<f32>().sqrt();
        if (length - 1.0).abs() > UNIT_TOLERANCE {
            return Err(failed(format!("has length {length}, but 1 is needed")));
        }
    }

    let mut alone = Vec::new();
    for (window, in_company) in windows.iter().zip(together.chunks_exact(model.dims())) {
        engine
            .embed(&[window], &mut alone)
            .map_err(|error| failed(format!("fails: {error}")))?;
        let same_bits = alone.iter().zip(in_company).all(|(a, b)| a.to_bits() == b.to_bits());
        if !same_bits {
            return Ok(Batching::Alone);
        }
    }
    Ok(Batching::Together)
}

/// Eighteen windows of one step up to the longest, their values between -1 and 1 from a fixed sequence.
fn canary_windows(manifest: &Manifest) -> Vec<Vec<f32>> {
    const COUNT: usize = 18;
    let mut state = 0x9E37_79B9_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..COUNT)
        .map(|i| {
            let steps = 1 + i * (manifest.steps_max - 1) / (COUNT - 1);
            (0..steps * manifest.features).map(|_| next()).collect()
        })
        .collect()
}

fn same<T: PartialEq + ToString>(model: &str, what: &str, expected: T, found: T) -> Result<(), ModelError> {
    if expected == found {
        return Ok(());
    }
    Err(ModelError::ShapeMismatch {
        model: model.to_owned(),
        what: what.to_owned(),
        expected: expected.to_string(),
        found: found.to_string(),
    })
}

/// `f32 [any, any, 17]`
fn describe(ty: TensorElementType, dims: &[i64]) -> String {
    let dims: Vec<_> = dims
        .iter()
        .map(|&dim| if dim < 0 { "any".to_owned() } else { dim.to_string() })
        .collect();
    format!("{ty} [{}]", dims.join(", "))
}

fn one_line(error: &impl std::fmt::Display) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
