//! Comparing by the model: embeddings of probes with those of references, by a back-end that can be exchanged.
//!
//! Invariant: a comparison is the stream's own, `dynamics::compare`.

use super::layout::{Enrolled, Trials};
use super::scores::Scores;
use crate::embed::Embeddings;
use ductus_dynamics::backend;
use ductus_dynamics::compare::{ReferenceKey, ReferenceSet};
use ductus_dynamics::event::Modality;
use ductus_dynamics::wire::{ModelRef, Reference, Sample, VERSION};
use ductus_scorer::Model;
use std::num::NonZeroUsize;

/// How embeddings are compared.
pub(super) trait BackEnd {
    /// The name in reports.
    fn name(&self) -> &'static str;

    /// Calibrated log-likelihood ratios (natural) of the comparisons of `trials`.
    fn score(&self, enrolled: &[Enrolled], trials: &Trials, embeddings: &Embeddings, threads: NonZeroUsize) -> Scores;
}

/// Cosine to the mean of the references in the space of the model's own back-end, calibrated as its manifest says.
pub(super) struct Shipped {
    back_end: backend::BackEnd,
}

impl Shipped {
    pub(super) fn of(model: &Model) -> Self {
        Self {
            back_end: model.back_end().clone(),
        }
    }
}

impl BackEnd for Shipped {
    fn name(&self) -> &'static str {
        "shipped"
    }

    fn score(&self, enrolled: &[Enrolled], trials: &Trials, embeddings: &Embeddings, threads: NonZeroUsize) -> Scores {
        let sets: Vec<ReferenceSet> = enrolled
            .iter()
            .map(|enrolled| reference_set(enrolled, embeddings))
            .collect();
        trials.score(enrolled, threads, |claimed, _, window| {
            sets[claimed].compare(embeddings.of(window), &self.back_end).llr
        })
    }
}

/// Plain cosines, for those who calibrate them later.
pub(super) fn cosines(enrolled: &[Enrolled], trials: &Trials, embeddings: &Embeddings) -> Scores {
    let sets: Vec<ReferenceSet> = enrolled
        .iter()
        .map(|enrolled| reference_set(enrolled, embeddings))
        .collect();
    let plain = backend::BackEnd::identity(backend::Calibration {
        slope: 1.0,
        intercept: 0.0,
    });
    trials.score(enrolled, NonZeroUsize::MIN, |claimed, _, window| {
        sets[claimed].compare(embeddings.of(window), &plain).cosine
    })
}

/// A reference set of these windows, all of them anchors.
fn reference_set(enrolled: &Enrolled, embeddings: &Embeddings) -> ReferenceSet {
    let key = ReferenceKey {
        tenant: "evaluate".to_owned(),
        subject: "evaluate".to_owned(),
        modality: Modality::Keystroke,
        device: "unknown".to_owned(),
        model_sha256: String::new(),
    };
    let model = ModelRef {
        id: String::new(),
        version: String::new(),
        sha256: String::new(),
    };
    let anchors = enrolled
        .references
        .iter()
        .map(|reference| Sample {
            embedding: embeddings.of(reference.window).to_vec(),
            session: String::new(),
            sequence: reference.window as u64,
            end_us: 0,
        })
        .collect();
    let stored = Reference {
        anchors,
        ..ReferenceSet::new(&key, &model).stored()
    };
    debug_assert_eq!(stored.v, VERSION);
    ReferenceSet::from_stored(stored)
}
