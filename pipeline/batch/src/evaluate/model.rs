//! The model that is judged, also with longer windows than its manifest speaks of.

use anyhow::{Context, Result};
use ductus_dynamics::event::Modality;
use ductus_scorer::{Contract, Manifest, Model};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Loads the model in `folder`. Where windows of `steps` steps are longer than it was made for, a copy with a larger limit is
/// loaded: its network reads sequences of any length, and the limit only bounds what the stream sends it.
pub(super) fn load(folder: &Path, modality: Modality, steps: usize, notes: &mut Vec<String>) -> Result<Arc<Model>> {
    let contract = Contract::of(modality);
    let mut manifest = Manifest::load(folder)?;
    if steps <= manifest.steps_max {
        return Ok(Arc::new(Model::load(folder, &contract)?));
    }
    notes.push(format!(
        "windows of {steps} steps, although the model was made for {} at most",
        manifest.steps_max
    ));
    let copy = Borrowed::of(folder)?;
    manifest.steps_max = steps;
    manifest.save(&copy.folder)?;
    Ok(Arc::new(Model::load(&copy.folder, &contract)?))
}

/// A copy of a model's folder that vanishes again; what was loaded from it stays in memory.
struct Borrowed {
    folder: PathBuf,
}

impl Borrowed {
    fn of(model: &Path) -> Result<Self> {
        let name = format!("ductus-evaluate-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let failed = || format!("cannot copy {} to {}", model.display(), folder.display());
        std::fs::create_dir_all(&folder).with_context(failed)?;
        for entry in std::fs::read_dir(model).with_context(failed)? {
            let entry = entry.with_context(failed)?;
            if entry.path().is_file() {
                std::fs::copy(entry.path(), folder.join(entry.file_name())).with_context(failed)?;
            }
        }
        Ok(Self { folder })
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        // A copy that cannot be removed is left to the system's own cleaning.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
