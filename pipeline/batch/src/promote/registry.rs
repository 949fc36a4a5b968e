//! The registry: `models/<modality>/<version>/`, `models/<modality>/live` and `previous`, each file one line.
//!
//! Invariants: a version that is there is never overwritten, but for what the gate of its last promotion found; `live` changes by a rename, so that a reader sees the old or the
//! new name, never half of one.

use super::gate;
use crate::train::{CARD_FILE, with_gate};
use anyhow::{Context, Result, bail};
use ductus_dynamics::event::Modality;
use ductus_dynamics::wire::PreviousModel;
use ductus_scorer::{Gate, Manifest, ModelError, live_dir};
use std::path::{Path, PathBuf};

/// The folder that every process is configured with.
pub(super) struct Registry {
    root: PathBuf,
}

impl Registry {
    pub(super) fn open(root: &Path) -> Result<Self> {
        std::fs::create_dir_all(root).with_context(|| format!("cannot create the registry {}", root.display()))?;
        Ok(Self { root: root.to_owned() })
    }

    /// The folder of a model by its path in announcements.
    pub(super) fn folder(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Copies a model into the registry, unless it is there, and gives its path in it. The copy's manifest and card say what
    /// `gate` found; the rest of it is never changed.
    pub(super) fn add(&self, folder: &Path, manifest: &Manifest, gate: Option<&Gate>) -> Result<String> {
        let path = format!("{}/{}", manifest.modality.name(), manifest.version);
        let place = self.folder(&path);
        if place.exists() {
            let there = Manifest::load(&place)?;
            if there.sha256 != manifest.sha256 {
                bail!(
                    "{} in the registry is another model (sha256 {}…): train again under another name",
                    place.display(),
                    &there.sha256[..16]
                );
            }
            if there.backend != manifest.backend || there.calibration != manifest.calibration {
                bail!(
                    "{} in the registry compares with another back-end: make it again under another name",
                    place.display()
                );
            }
            note(&place, there, gate)?;
            return Ok(path);
        }
        let unfinished = place.with_file_name(format!(".{}.unfinished", manifest.version));
        copy(folder, &unfinished)
            .map_err(anyhow::Error::from)
            .and_then(|()| note(&unfinished, manifest.clone(), gate))
            .and_then(|()| Ok(std::fs::rename(&unfinished, &place)?))
            .with_context(|| format!("cannot copy the model to {}", place.display()))?;
        Ok(path)
    }

    /// What `live` names, with what `previous` names behind it.
    pub(super) fn live(&self, modality: Modality) -> Result<Option<PreviousModel>> {
        let folder = match live_dir(&self.root, modality) {
            Ok(folder) => folder,
            Err(ModelError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut live = self.entry(modality, &folder)?;
        let before = std::fs::read_to_string(self.pointer(modality, PREVIOUS)).unwrap_or_default();
        let before = self.root.join(modality.name()).join(before.trim());
        if before.is_dir() && before.join(ductus_scorer::MANIFEST_FILE).is_file() {
            live.previous = Some(Box::new(self.entry(modality, &before)?));
        }
        Ok(Some(live))
    }

    /// Names the default.
    pub(super) fn set_live(
        &self,
        modality: Modality,
        live: &PreviousModel,
        previous: Option<&PreviousModel>,
    ) -> Result<()> {
        if let Some(previous) = previous {
            self.write(modality, PREVIOUS, &previous.model.version)?;
        }
        self.write(modality, LIVE, &live.model.version)
    }

    fn entry(&self, modality: Modality, folder: &Path) -> Result<PreviousModel> {
        let manifest = Manifest::load(folder)?;
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let path = format!("{}/{name}", modality.name());
        Ok(PreviousModel {
            model: manifest.model_ref(),
            path,
            previous: None,
        })
    }

    fn pointer(&self, modality: Modality, name: &str) -> PathBuf {
        self.root.join(modality.name()).join(name)
    }

    fn write(&self, modality: Modality, name: &str, version: &str) -> Result<()> {
        let place = self.pointer(modality, name);
        let unfinished = self.pointer(modality, &format!(".{name}.unfinished"));
        std::fs::write(&unfinished, format!("{version}\n"))
            .and_then(|()| std::fs::rename(&unfinished, &place))
            .with_context(|| format!("cannot write {}", place.display()))
    }
}

const LIVE: &str = "live";
const PREVIOUS: &str = "previous";

/// Writes what the gate found into manifest and card, each by a rename.
fn note(folder: &Path, manifest: Manifest, gate: Option<&Gate>) -> Result<()> {
    let manifest = Manifest {
        gate: gate.cloned(),
        ..manifest
    };
    let card = folder.join(CARD_FILE);
    if let Ok(text) = std::fs::read_to_string(&card) {
        let told = gate.map(|gate| (gate, gate::table(&gate.rows)));
        let text = with_gate(&text, told.as_ref().map(|(gate, table)| (*gate, table.as_str())));
        let unfinished = folder.join(".card.md.unfinished");
        std::fs::write(&unfinished, text)
            .and_then(|()| std::fs::rename(&unfinished, &card))
            .with_context(|| format!("cannot write {}", card.display()))?;
    }
    Ok(manifest.save(folder)?)
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    if to.exists() {
        std::fs::remove_dir_all(to)?;
    }
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
