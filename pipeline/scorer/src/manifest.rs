//! `manifest.toml`: what a model is, what it needs, how it was made and how good it was.
//!
//! Invariants: unknown fields and unknown formats are refused, so that a manifest never means less than its writer thought;
//! numbers that would poison a decision (a calibration that is not finite or that turns the order round) are refused here,
//! once, and need no check later.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use ductus_dynamics::backend::Calibration;
use ductus_dynamics::event::{KeyDetail, Modality};
use ductus_dynamics::wire::ModelRef;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::ModelError;
use crate::gate::Gate;

/// The manifest's file name inside a model folder.
pub const MANIFEST_FILE: &str = "manifest.toml";
/// The network's file name inside a model folder.
pub const MODEL_FILE: &str = "model.onnx";
/// The only manifest format this build reads and writes.
pub const MANIFEST_FORMAT: u32 = 1;

/// No window is longer, whatever a manifest says: it bounds the memory of one batch.
const STEPS_MAX: usize = 4096;
/// No embedding is wider, whatever a manifest says.
const EMBEDDING_DIMS_MAX: usize = 4096;

/// A model's description, in the order it is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this file's own layout: [`MANIFEST_FORMAT`].
    pub format: u32,
    /// Name of the family, as decisions carry it: `keystroke`.
    pub id: String,
    /// Name of this training, and of its folder: `2026-11-21-pace-ensemble`.
    pub version: String,
    /// What its windows are made of.
    pub modality: Modality,
    /// Hash of `model.onnx`, 64 lowercase hexadecimal digits.
    pub sha256: String,
    /// Hash of the feature layout it was trained on.
    pub layout_hash: String,
    /// Features a step.
    pub features: usize,
    /// Length of an embedding.
    pub embedding_dims: usize,
    /// The longest window it was made for.
    pub steps_max: usize,
    /// How finely its training data named keys; a pointer model says `class`.
    pub detail: KeyDetail,
    /// From cosine in the back-end's space to log-likelihood ratio.
    pub calibration: Calibration,
    /// The space of comparisons, where it is not the network's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<BackEndSource>,
    /// How it was made.
    pub training: Training,
    /// What was measured on people it had not seen.
    pub accuracy: Accuracy,
    /// The comparison that its last promotion rested on, where another model was live; only the registry's copy has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
}

/// A back-end that was learned from people, stored in [`BACK_END_FILE`](crate::BACK_END_FILE).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackEndSource {
    /// Hash of the file, 64 lowercase hexadecimal digits.
    pub sha256: String,
    /// People whom it was learned from.
    pub people: usize,
    /// Their occasions.
    pub occasions: usize,
    /// Whose data it was learned from, by data set or tenant.
    pub data: Vec<DataSource>,
}

/// How to make the model again, and whose data is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// The exact command.
    pub command: String,
    /// Its seed.
    pub seed: u64,
    /// True when the terms of any data set forbid commercial use of the model.
    pub non_commercial: bool,
    /// The day the training began, `2026-11-21`.
    pub started: String,
    /// Every data set that went in.
    pub data: Vec<DataSource>,
}

/// A data set a model learned from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSource {
    /// Its name.
    pub name: String,
    /// Its licence or terms of use.
    pub terms: String,
    /// How many of its people were used.
    pub subjects: usize,
}

/// What `ductus-batch evaluate` measured, as fractions; absent where the protocol has no such number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accuracy {
    /// Which protocol.
    pub protocol: String,
    /// People it was measured on, none of whom it was trained on.
    pub subjects: usize,
    /// Genuine comparisons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub genuine: Option<u64>,
    /// Impostor comparisons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impostor: Option<u64>,
    /// Mean of each person's equal error rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eer_subject: Option<f64>,
    /// Equal error rate with one threshold for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eer_global: Option<f64>,
    /// Area under the curve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auc: Option<f64>,
    /// False non-match rate where the false match rate is 1 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fnmr_at_fmr_1pct: Option<f64>,
    /// False non-match rate where the false match rate is 0.1 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fnmr_at_fmr_0_1pct: Option<f64>,
    /// Cost of the calibrated ratios in bits, each half of the people calibrated by the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cllr: Option<f64>,
    /// The least cost that the order of the scores allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_cllr: Option<f64>,
}

impl Manifest {
    /// Reads and checks the manifest in the model folder `dir`. Does not look at the network: see [`Manifest::check`].
    ///
    /// # Errors
    ///
    /// [`ModelError::NotFound`], [`ModelError::Io`] or [`ModelError::BadManifest`].
    pub fn load(dir: &Path) -> Result<Self, ModelError> {
        let path = dir.join(MANIFEST_FILE);
        Self::from_bytes(&read(&path)?, &path)
    }

    /// Reads and checks the manifest that the file `path` holds.
    ///
    /// # Errors
    ///
    /// [`ModelError::BadManifest`]
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, ModelError> {
        let text = std::str::from_utf8(bytes).map_err(|_| bad(path, "it is not UTF-8 text"))?;
        let manifest: Self = toml::from_str(text).map_err(|error| bad(path, &explain(text, &error)))?;
        manifest.check_values().map_err(|reason| bad(path, &reason))?;
        Ok(manifest)
    }

    /// The text for the file `path`.
    ///
    /// # Errors
    ///
    /// [`ModelError::BadManifest`] for one that [`Manifest::from_bytes`] would refuse.
    pub fn to_text(&self, path: &Path) -> Result<String, ModelError> {
        self.check_values().map_err(|reason| bad(path, &reason))?;
        toml::to_string(self).map_err(|error| bad(path, &error.to_string()))
    }

    /// Checks the manifest and writes it to the model folder `dir`, so that a reader sees the old or the new one, never half.
    ///
    /// # Errors
    ///
    /// [`ModelError::BadManifest`] for one that [`Manifest::load`] would refuse, [`ModelError::Io`].
    pub fn save(&self, dir: &Path) -> Result<(), ModelError> {
        let path = dir.join(MANIFEST_FILE);
        let text = self.to_text(&path)?;
        let unfinished = dir.join(".manifest.toml.unfinished");
        let io = |source| ModelError::Io {
            path: path.clone(),
            source,
        };
        std::fs::write(&unfinished, text).map_err(io)?;
        std::fs::rename(&unfinished, &path).map_err(io)
    }

    /// Checks the network beside the manifest against hash and layout, and gives its bytes: who uses these uses exactly
    /// what was checked, even when the file changes in between.
    ///
    /// # Errors
    ///
    /// [`ModelError::LayoutMismatch`], [`ModelError::NotFound`], [`ModelError::Io`] or [`ModelError::HashMismatch`].
    pub fn check(&self, dir: &Path, expected_layout_hash: &str) -> Result<Vec<u8>, ModelError> {
        if self.layout_hash != expected_layout_hash {
            return Err(ModelError::LayoutMismatch {
                model: self.name(),
                expected: expected_layout_hash.to_owned(),
                found: self.layout_hash.clone(),
            });
        }
        let path = dir.join(MODEL_FILE);
        let bytes = read(&path)?;
        check_hash(&path, &bytes, &self.sha256)?;
        Ok(bytes)
    }

    /// `id/version`, as errors and logs name the model.
    pub fn name(&self) -> String {
        format!("{}/{}", self.id, self.version)
    }

    /// How decisions, references and announcements name the model. Version and hash together: versions that differ only in
    /// their back-end share a network, and its hash.
    pub fn model_ref(&self) -> ModelRef {
        ModelRef {
            id: self.id.clone(),
            version: self.version.clone(),
            sha256: self.sha256.clone(),
        }
    }

    fn check_values(&self) -> Result<(), String> {
        if self.format != MANIFEST_FORMAT {
            return Err(format!(
                "its format is {}, but this build knows only {MANIFEST_FORMAT}",
                self.format
            ));
        }
        for (field, value) in [("id", &self.id), ("version", &self.version)] {
            if !is_plain_name(value) {
                return Err(format!("{field} must be 1 to 64 of the characters A-Z a-z 0-9 . _ -"));
            }
        }
        let back_end = self
            .backend
            .as_ref()
            .map(|back_end| ("backend.sha256", &back_end.sha256));
        let gate = self
            .gate
            .as_ref()
            .map(|gate| ("gate.against_sha256", &gate.against_sha256));
        for (field, value) in [Some(("sha256", &self.sha256)), back_end, gate].into_iter().flatten() {
            if value.len() != 64 || !value.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
                return Err(format!("{field} must be 64 lowercase hexadecimal digits"));
            }
        }
        for (field, value, max) in [
            ("features", self.features, usize::MAX),
            ("embedding_dims", self.embedding_dims, EMBEDDING_DIMS_MAX),
            ("steps_max", self.steps_max, STEPS_MAX),
        ] {
            if value == 0 || value > max {
                return Err(format!("{field} is {value}, but must be from 1 to {max}"));
            }
        }
        let Calibration { slope, intercept } = self.calibration;
        // As decisions reckon with them: in single precision.
        if !((slope as f32).is_finite() && slope as f32 > 0.0 && (intercept as f32).is_finite()) {
            return Err(format!(
                "calibration has slope {slope} and intercept {intercept}, but both must be finite in single precision and the slope positive"
            ));
        }
        self.check_figures()
    }

    /// A figure that is no number would be worse than none of another model, and so pass every comparison with it.
    fn check_figures(&self) -> Result<(), String> {
        let Accuracy {
            eer_subject,
            eer_global,
            auc,
            fnmr_at_fmr_1pct,
            fnmr_at_fmr_0_1pct,
            cllr,
            min_cllr,
            ..
        } = self.accuracy;
        let measured = [
            ("accuracy.eer_subject", eer_subject),
            ("accuracy.eer_global", eer_global),
            ("accuracy.auc", auc),
            ("accuracy.fnmr_at_fmr_1pct", fnmr_at_fmr_1pct),
            ("accuracy.fnmr_at_fmr_0_1pct", fnmr_at_fmr_0_1pct),
            ("accuracy.cllr", cllr),
            ("accuracy.min_cllr", min_cllr),
        ];
        let measured = measured.into_iter().filter_map(|(field, value)| Some((field, value?)));
        let figures = self
            .gate
            .iter()
            .flat_map(|gate| &gate.rows)
            .flat_map(|row| &row.figures);
        let compared = figures.flat_map(|figure| {
            [
                ("candidate of a figure of the gate", figure.candidate),
                ("live of a figure of the gate", figure.live),
            ]
        });
        for (field, value) in measured.chain(compared) {
            if !(value.is_finite() && value >= 0.0) {
                return Err(format!("{field} is {value}, but must be finite and not negative"));
            }
        }
        Ok(())
    }
}

/// The hash that manifests, decisions and references name a model by: 64 lowercase hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

/// Refuses bytes that are not those of the manifest.
pub(crate) fn check_hash(path: &Path, bytes: &[u8], expected: &str) -> Result<(), ModelError> {
    let found = sha256_hex(bytes);
    if found == expected {
        return Ok(());
    }
    Err(ModelError::HashMismatch {
        path: path.to_owned(),
        expected: expected.to_owned(),
        found,
        bytes: bytes.len() as u64,
    })
}

/// The folder of the version that `models/<modality>/live` names.
///
/// # Errors
///
/// [`ModelError::NotFound`] without such a file or folder, [`ModelError::BadManifest`] when it holds no plain name.
pub fn live_dir(models: &Path, modality: Modality) -> Result<PathBuf, ModelError> {
    let family = models.join(modality.name());
    let pointer = family.join("live");
    let text = read(&pointer)?;
    let version = std::str::from_utf8(&text).map(str::trim).unwrap_or_default();
    if !is_plain_name(version) {
        return Err(bad(
            &pointer,
            "it must hold one line, the name of a version folder beside it",
        ));
    }
    let dir = family.join(version);
    if dir.is_dir() {
        Ok(dir)
    } else {
        Err(ModelError::NotFound { path: dir })
    }
}

/// One folder name, no path: nothing in a manifest may point elsewhere.
fn is_plain_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=64).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with('.')
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, ModelError> {
    std::fs::read(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => ModelError::NotFound { path: path.to_owned() },
        _ => ModelError::Io {
            path: path.to_owned(),
            source,
        },
    })
}

fn bad(path: &Path, reason: &str) -> ModelError {
    ModelError::BadManifest {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

/// TOML's own message is several lines with a drawing; errors here are one line.
fn explain(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = 1 + before.bytes().filter(|&b| b == b'\n').count();
    format!("line {line}: {}", error.message().replace('\n', ", "))
}
