//! The model's folder: network, manifest, card and pictures, written together or not at all.

use super::card::card;
use super::fit::Fitted;
use super::recipe::Recipe;
use crate::embed;
use crate::evaluate::{Scores, draw_det, draw_scores};
use anyhow::{Context, Result, bail};
use ductus_dynamics::feature::FeatureWindow;
use ductus_scorer::{BACK_END_FILE, Contract, MODEL_FILE, Manifest, Model};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How far ONNX Runtime may be from the trainer's own forward pass.
const DIFFERENCE_MAX: f32 = 1e-5;

/// File in the model's folder with the people it did not learn from, `tenant/subject`, one a line: `promote` judges a model
/// on these.
pub const HELD_OUT_FILE: &str = "held-out.txt";

/// The card in the model's folder.
pub(crate) const CARD_FILE: &str = "card.md";

/// A model ready to be written.
pub(super) struct Draft<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) fitted: &'a Fitted,
    pub(super) network_bytes: &'a [u8],
    /// The back-end's file, unless plain cosines are compared.
    pub(super) back_end: Option<Vec<u8>>,
    pub(super) manifest: &'a Manifest,
    pub(super) scores: &'a Scores,
    /// How the people were split, in a sentence for the card.
    pub(super) judged: &'a str,
    /// Whom it did not learn from: the content of [`HELD_OUT_FILE`].
    pub(super) kept_aside: String,
    /// Windows to compare ONNX Runtime and the trainer on.
    pub(super) samples: &'a [FeatureWindow],
}

/// Writes the folder beside its place, tries the model through the scorer, and only then moves it there.
pub(super) fn write(out: &Path, draft: &Draft<'_>, force: bool, threads: NonZeroUsize) -> Result<()> {
    let unfinished = beside(out, "unfinished");
    remove(&unfinished)?;
    let mut files = vec![
        (MODEL_FILE, draft.network_bytes.to_vec()),
        (HELD_OUT_FILE, draft.kept_aside.clone().into_bytes()),
        (CARD_FILE, card(draft)?.into_bytes()),
        ("det.svg", draw_det(&draft.manifest.name(), draft.scores)?.into_bytes()),
        (
            "scores.svg",
            draw_scores(&draft.manifest.name(), draft.scores)?.into_bytes(),
        ),
    ];
    files.extend(draft.back_end.clone().map(|bytes| (BACK_END_FILE, bytes)));
    std::fs::create_dir_all(&unfinished).with_context(|| format!("cannot create {}", unfinished.display()))?;
    for (name, bytes) in files {
        let path = unfinished.join(name);
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    draft.manifest.save(&unfinished)?;
    try_out(&unfinished, draft, threads)?;
    if out.exists() {
        if !force {
            bail!(
                "{} is there already; give another --out, or --force to replace it",
                out.display()
            );
        }
        remove(out)?;
    }
    std::fs::rename(&unfinished, out).with_context(|| format!("cannot move the model to {}", out.display()))
}

/// Loads the model as the stream will, and compares its embeddings with the trainer's.
fn try_out(folder: &Path, draft: &Draft<'_>, threads: NonZeroUsize) -> Result<()> {
    let model = Arc::new(Model::load(folder, &Contract::of(draft.recipe.modality))?);
    let theirs = embed::with_model(&model, draft.samples, threads)?;
    let ours = embed::with_network(&draft.fitted.network, draft.samples, threads)?;
    let difference = ours.difference_max(&theirs);
    if difference > DIFFERENCE_MAX {
        bail!(
            "the exported network and the trained one differ by {difference:e} on {} windows, at most {DIFFERENCE_MAX:e} is \
             allowed: nothing was written",
            draft.samples.len()
        );
    }
    Ok(())
}

/// `.<name>.<word>` in the same folder, so that a rename stays on one disk.
fn beside(out: &Path, word: &str) -> PathBuf {
    let name = out.file_name().and_then(|name| name.to_str()).unwrap_or("model");
    out.with_file_name(format!(".{name}.{word}"))
}

fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}
