//! The released models, as they lie in `models/` now: which of them may judge whom is read from their manifests.
//!
//! Invariant: nothing here knows the name of a model.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::files::hex;

/// Files of a model that its figures depend on; the network is named by its hash in the manifest.
const DEPENDED_ON: [&str; 3] = ["manifest.toml", "held-out.txt", "backend.bin"];

/// A released model.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    /// `models/<modality>/<version>`.
    pub(crate) folder: String,
    pub(crate) manifest: Manifest,
    /// People whom it has not seen, of data sets that it has.
    pub(crate) held_out: Vec<String>,
    /// Whether it runs where nothing else was announced.
    pub(crate) is_live: bool,
    /// Hash of all that its figures depend on.
    pub(crate) identity: String,
}

/// What we need of a manifest.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) version: String,
    pub(crate) modality: String,
    pub(crate) sha256: String,
    /// How much the model is told of a key.
    #[serde(default)]
    pub(crate) detail: String,
    #[serde(default)]
    training: Training,
    #[serde(default)]
    pub(crate) accuracy: Option<Accuracy>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Training {
    #[serde(default)]
    data: Vec<Source>,
    #[serde(default)]
    non_commercial: bool,
}

#[derive(Clone, Debug, Deserialize)]
struct Source {
    name: String,
    subjects: u64,
}

/// What `train` measured: in folds by person where the released weights have learned from everybody.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Accuracy {
    pub(crate) protocol: String,
    pub(crate) subjects: u64,
    pub(crate) genuine: Option<u64>,
    pub(crate) impostor: Option<u64>,
    pub(crate) eer_subject: Option<f64>,
    pub(crate) eer_global: Option<f64>,
    pub(crate) auc: Option<f64>,
    pub(crate) fnmr_at_fmr_1pct: Option<f64>,
    pub(crate) fnmr_at_fmr_0_1pct: Option<f64>,
    pub(crate) cllr: Option<f64>,
    pub(crate) min_cllr: Option<f64>,
}

impl Model {
    /// `keystroke/2026-11-21-aalto-ensemble`.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.manifest.modality, self.manifest.version)
    }

    /// Whether it has learned from people of a data set.
    pub(crate) fn knows(&self, dataset: &str) -> bool {
        self.manifest.training.data.iter().any(|source| source.name == dataset)
    }

    /// `aalto, 1700 people`.
    pub(crate) fn learned_from(&self) -> String {
        let data = self.manifest.training.data.iter();
        data.map(|source| format!("{}, {} people", source.name, source.subjects))
            .collect::<Vec<_>>()
            .join("; ")
    }

    pub(crate) fn is_non_commercial(&self) -> bool {
        self.manifest.training.non_commercial
    }

    fn sources(&self) -> BTreeSet<&str> {
        let data = self.manifest.training.data.iter();
        data.map(|source| source.name.as_str()).collect()
    }
}

/// All released models of both modalities.
#[derive(Clone, Debug)]
pub(crate) struct Models(Vec<Model>);

impl Models {
    /// Reads the manifests under `models/`; of models that learned from the same data sets at the same detail, the live one
    /// or else the newest stays.
    pub(crate) fn read(repository: &Path) -> Result<Self> {
        let mut all = Vec::new();
        for modality in ["keystroke", "pointer"] {
            let folder = format!("models/{modality}");
            let live = repository.join(&folder).join("live");
            let live = fs::read_to_string(&live).with_context(|| format!("cannot read {}", live.display()))?;
            let entries = fs::read_dir(repository.join(&folder)).with_context(|| format!("cannot list {folder}"))?;
            for entry in entries {
                let entry = entry.with_context(|| format!("cannot list {folder}"))?;
                if entry.path().join("manifest.toml").is_file() {
                    let version = entry.file_name().to_string_lossy().into_owned();
                    let is_live = version == live.trim();
                    all.push(read(repository, format!("{folder}/{version}"), is_live)?);
                }
            }
        }
        Ok(Self::only(all))
    }

    /// These, of which older ones of a kind give way.
    pub(super) fn only(mut all: Vec<Model>) -> Self {
        all.sort_by_cached_key(|model| Reverse((model.is_live, model.manifest.version.clone())));
        let mut seen = BTreeSet::new();
        all.retain(|model| {
            let sources: Vec<String> = model.sources().into_iter().map(str::to_owned).collect();
            seen.insert((model.manifest.modality.clone(), model.manifest.detail.clone(), sources))
        });
        // The plainest detail first, the default among those.
        all.sort_by_cached_key(|model| (model.manifest.modality.clone(), model.manifest.detail.clone()));
        Self(all)
    }

    /// All of them, keystroke first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Model> {
        self.0.iter()
    }

    /// Those of a modality that kept people of a data set aside.
    pub(crate) fn taught_by(&self, modality: &str, dataset: &str) -> Vec<&Model> {
        let taught = |model: &&Model| {
            model.manifest.modality == modality
                && model.knows(dataset)
                && model
                    .held_out
                    .iter()
                    .any(|name| name.starts_with(&format!("{dataset}/")))
        };
        self.0.iter().filter(taught).collect()
    }

    /// Those of a modality that have never seen a data set.
    pub(crate) fn strangers_to(&self, modality: &str, dataset: &str) -> Vec<&Model> {
        let stranger = |model: &&Model| model.manifest.modality == modality && !model.knows(dataset);
        self.0.iter().filter(stranger).collect()
    }

    /// Those that learned from everybody of a data set, so that only what `train` measured in folds can be told.
    pub(crate) fn judged_in_folds(&self, dataset: &str, protocol: &str) -> Vec<&Model> {
        let folds = |model: &&Model| {
            model.knows(dataset)
                && model.held_out.is_empty()
                && model
                    .manifest
                    .accuracy
                    .as_ref()
                    .is_some_and(|accuracy| accuracy.protocol == protocol)
        };
        self.0.iter().filter(folds).collect()
    }
}

fn read(repository: &Path, folder: String, is_live: bool) -> Result<Model> {
    let path = repository.join(&folder);
    let mut hash = Sha256::new();
    for file in DEPENDED_ON {
        // Only the manifest must be there.
        hash.update(fs::read(path.join(file)).unwrap_or_default());
        hash.update([0]);
    }
    let manifest = path.join("manifest.toml");
    let text = fs::read_to_string(&manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
    let held_out = fs::read_to_string(path.join("held-out.txt")).unwrap_or_default();
    Ok(Model {
        manifest: toml::from_str(&text).with_context(|| format!("{} is no manifest", manifest.display()))?,
        folder,
        held_out: held_out.lines().map(str::to_owned).collect(),
        is_live,
        identity: hex(&hash.finalize()),
    })
}

#[cfg(test)]
pub(super) mod fixtures {
    use super::*;

    /// A model of these sources and with these people held out.
    pub(crate) fn model(modality: &str, version: &str, detail: &str, data: &[(&str, u64)], held_out: &[&str]) -> Model {
        let data = data.iter().map(|(name, subjects)| Source {
            name: (*name).to_owned(),
            subjects: *subjects,
        });
        Model {
            folder: format!("models/{modality}/{version}"),
            manifest: Manifest {
                version: version.to_owned(),
                modality: modality.to_owned(),
                sha256: format!("{version:0<64}"),
                detail: detail.to_owned(),
                training: Training {
                    data: data.collect(),
                    non_commercial: version.contains("aalto"),
                },
                accuracy: None,
            },
            held_out: held_out.iter().map(|name| (*name).to_owned()).collect(),
            is_live: version.contains("pace") || modality == "pointer",
            identity: version.to_owned(),
        }
    }

    /// Two models of Aalto, one of Pace and one of SapiMouse.
    pub(crate) fn models() -> Models {
        let pace = Model {
            manifest: Manifest {
                accuracy: Some(Accuracy {
                    protocol: "pohmm".to_owned(),
                    subjects: 55,
                    genuine: Some(1_094),
                    impostor: Some(10_940),
                    eer_subject: Some(0.121),
                    eer_global: Some(0.133),
                    auc: Some(0.94),
                    fnmr_at_fmr_1pct: Some(0.58),
                    fnmr_at_fmr_0_1pct: Some(0.86),
                    cllr: None,
                    min_cllr: None,
                }),
                ..model("keystroke", "1-pace", "class", &[("pohmm", 115)], &[]).manifest
            },
            ..model("keystroke", "1-pace", "class", &[("pohmm", 115)], &[])
        };
        let aalto = [("aalto", 1_700)];
        Models::only(vec![
            pace,
            model("keystroke", "1-aalto", "class", &aalto, &["aalto/a-1"]),
            model("keystroke", "2-aalto", "class", &aalto, &["aalto/a-1"]),
            model("keystroke", "2-aalto-hand", "hand", &aalto, &["aalto/a-1"]),
            model("pointer", "1-mouse", "class", &[("sapimouse", 72)], &["sapimouse/s-73"]),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_chosen_by_what_they_have_seen() {
        let models = fixtures::models();
        let names = |models: Vec<&Model>| -> Vec<String> {
            models.into_iter().map(|model| model.manifest.version.clone()).collect()
        };
        assert_eq!(
            names(models.all().collect()),
            ["1-pace", "2-aalto", "2-aalto-hand", "1-mouse"]
        );
        assert_eq!(
            names(models.taught_by("keystroke", "aalto")),
            ["2-aalto", "2-aalto-hand"]
        );
        assert_eq!(names(models.taught_by("keystroke", "pohmm")), Vec::<String>::new());
        assert_eq!(names(models.strangers_to("keystroke", "aalto")), ["1-pace"]);
        assert_eq!(names(models.judged_in_folds("pohmm", "pohmm")), ["1-pace"]);
        assert_eq!(names(models.taught_by("pointer", "sapimouse")), ["1-mouse"]);
    }

    #[test]
    fn the_released_models_are_read() {
        let models = Models::read(&crate::environment::repository()).unwrap();
        assert!(
            models
                .all()
                .any(|model| model.is_live && model.manifest.modality == "keystroke")
        );
        assert!(
            models
                .all()
                .all(|model| model.manifest.sha256.len() == 64 && !model.learned_from().is_empty())
        );
    }
}
