//! The design that Ductus began with: an LSTM trained with contrastive loss that sees three features of a key press (ln dwell,
//! ln press-press, flight) and nothing of its class; the references of a person are averaged into one embedding, and a probe is
//! judged by its Euclidean distance to that.
//!
//! It is trained and loaded as any model is, on windows in which every other feature is 0.

use super::Compared;
use crate::embed::{self, Embeddings};
use crate::evaluate::layout::{Enrolled, Layout, Trials};
use crate::evaluate::scores::Scores;
use anyhow::{Context, Result};
use ductus_dynamics::event::Modality;
use ductus_dynamics::feature::{FeatureWindow, KEYSTROKE_FEATURES};
use ductus_scorer::{Contract, Model};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

/// The features that it sees: ln dwell, ln press-press, flight.
const SEEN: [usize; 3] = [0, 1, 3];

/// Scores the comparisons with the seed's model in `folder`.
pub(in crate::evaluate) fn score(layout: &Layout, folder: &Path, threads: NonZeroUsize) -> Result<Compared> {
    let model = Model::load(folder, &Contract::of(Modality::Keystroke))
        .with_context(|| format!("cannot load the seed's model {}", folder.display()))?;
    let steps_max = model.manifest().steps_max;
    let windows: Vec<FeatureWindow> = layout.windows.iter().map(|window| seen(window, steps_max)).collect();
    let embeddings = embed::with_model(&Arc::new(model), &windows, threads)?;
    Ok(super::by("seed_lstm", layout, |trials| {
        distances(&layout.enrolled, trials, &embeddings, threads)
    }))
}

/// The window as the seed's network sees it: three features, and no more steps than it was made for.
fn seen(window: &FeatureWindow, steps_max: usize) -> FeatureWindow {
    let len = window.len.min(steps_max);
    let mut values = window.values[..len * KEYSTROKE_FEATURES].to_vec();
    seed_sees(&mut values);
    FeatureWindow {
        modality: window.modality,
        len,
        values,
    }
}

/// Blanks all values of key presses, `[steps × KEYSTROKE_FEATURES]`, but those that the seed's network sees.
pub fn seed_sees(values: &mut [f32]) {
    for (i, value) in values.iter_mut().enumerate() {
        if !SEEN.contains(&(i % KEYSTROKE_FEATURES)) {
            *value = 0.0;
        }
    }
}

fn distances(enrolled: &[Enrolled], trials: &Trials, embeddings: &Embeddings, threads: NonZeroUsize) -> Scores {
    let averages: Vec<Vec<f32>> = enrolled
        .iter()
        .map(|enrolled| {
            let mut sum: Vec<f32> = Vec::new();
            for reference in &enrolled.references {
                let embedding = embeddings.of(reference.window);
                sum.resize(embedding.len(), 0.0);
                sum.iter_mut().zip(embedding).for_each(|(sum, value)| *sum += value);
            }
            let count = enrolled.references.len().max(1) as f32;
            sum.iter().map(|sum| sum / count).collect()
        })
        .collect();
    trials.score_windows(enrolled, threads, |claimed, _, window| {
        let apart = averages[claimed].iter().zip(embeddings.of(window));
        -apart.map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt()
    })
}
