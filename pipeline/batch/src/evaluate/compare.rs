//! Comparing by the model: embeddings of probes with those of references, by a back-end that can be exchanged.
//!
//! Invariant: a comparison is the stream's own, `dynamics::compare`.

use super::layout::{Enrolled, Trials};
use super::scores::Scores;
use crate::embed::Embeddings;
use ductus_dynamics::backend::{self, LearnConfig, Moments, Occasions, Space};
use ductus_dynamics::compare::{ReferenceKey, ReferenceSet};
use ductus_dynamics::event::Modality;
use ductus_dynamics::wire::{ModelRef, Reference, Sample, VERSION};
use ductus_scorer::Model;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

/// How embeddings are compared.
pub(super) trait BackEnd {
    /// Scores of the comparisons of `trials`, higher for more alike.
    fn score(&self, enrolled: &[Enrolled], trials: &Trials, embeddings: &Embeddings, threads: NonZeroUsize) -> Scores;
}

/// Cosine to the mean of the references in the space of the model's own back-end, calibrated as its manifest says: natural
/// log-likelihood ratios.
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

impl Shipped {
    /// Log-likelihood ratio of the claimed person less that of the nearest other who is enrolled: what a closed circle of
    /// people may ask, as two-class learners do that are shown everybody's references.
    pub(super) fn against_nearest(
        &self,
        enrolled: &[Enrolled],
        trials: &Trials,
        embeddings: &Embeddings,
        threads: NonZeroUsize,
    ) -> Scores {
        let sets: Vec<ReferenceSet> = enrolled
            .iter()
            .map(|enrolled| reference_set(enrolled, embeddings))
            .collect();
        trials.score(enrolled, threads, |claimed, probe| {
            let windows = || probe.windows.iter().map(|&window| embeddings.of(window));
            let ratio = |set: &ReferenceSet| set.compare_together(windows(), &self.back_end).llr;
            let others = sets.iter().zip(enrolled);
            let nearest = others
                .filter(|(_, other)| other.person != enrolled[claimed].person)
                .map(|(set, _)| ratio(set))
                .reduce(f32::max);
            ratio(&sets[claimed]) - nearest.unwrap_or(0.0)
        })
    }
}

impl BackEnd for Shipped {
    fn score(&self, enrolled: &[Enrolled], trials: &Trials, embeddings: &Embeddings, threads: NonZeroUsize) -> Scores {
        let sets: Vec<ReferenceSet> = enrolled
            .iter()
            .map(|enrolled| reference_set(enrolled, embeddings))
            .collect();
        trials.score(enrolled, threads, |claimed, probe| {
            sets[claimed]
                .compare_together(
                    probe.windows.iter().map(|&window| embeddings.of(window)),
                    &self.back_end,
                )
                .llr
        })
    }
}

/// Cosine to the mean of the references after between-sample whitening, as a deployment would learn it from its own people: for
/// every comparison from the references of everybody but the claimed and the probed person.
pub(super) struct Learned {
    people: BTreeMap<u32, Moments>,
    all: Moments,
    shrinkage: f64,
}

impl Learned {
    /// What everybody's references say of how people move between occasions; `None` where too few people have several.
    pub(super) fn of(enrolled: &[Enrolled], embeddings: &Embeddings) -> Option<Self> {
        let mut windows: BTreeMap<u32, BTreeSet<(u32, usize)>> = BTreeMap::new();
        for Enrolled { person, references } in enrolled {
            let references = references
                .iter()
                .map(|reference| (reference.occasion, reference.window));
            windows.entry(*person).or_default().extend(references);
        }
        let config = LearnConfig::default();
        let dims = embeddings.of(windows.values().next()?.first()?.1).len();
        let (mut people, mut all, mut several) = (BTreeMap::new(), Moments::none(dims), 0);
        for (person, windows) in windows {
            let mut occasions: BTreeMap<u32, Vec<Vec<f32>>> = BTreeMap::new();
            for (occasion, window) in windows {
                occasions
                    .entry(occasion)
                    .or_default()
                    .push(embeddings.of(window).to_vec());
            }
            several += usize::from(occasions.len() > 1);
            let moments = Moments::of(&Occasions(occasions.into_values().collect()), dims);
            all.add(&moments);
            people.insert(person, moments);
        }
        // Two of them are left out of every comparison.
        (several >= config.people_min + 2).then_some(Self {
            people,
            all,
            shrinkage: config.shrinkage,
        })
    }

    /// The space that nobody of `left_out` had a part in; the network's own where nothing can be learned.
    fn space(&self, left_out: (u32, u32)) -> Space {
        let mut moments = self.all.clone();
        let (a, b) = left_out;
        for person in [Some(a), (a != b).then_some(b)].into_iter().flatten() {
            if let Some(own) = self.people.get(&person) {
                moments.take_away(own);
            }
        }
        moments.whitening(self.shrinkage).map(Space::of).unwrap_or_default()
    }
}

impl BackEnd for Learned {
    fn score(&self, enrolled: &[Enrolled], trials: &Trials, embeddings: &Embeddings, threads: NonZeroUsize) -> Scores {
        // Comparisons between the same two people share a space.
        let mut groups: BTreeMap<(u32, u32), Vec<usize>> = BTreeMap::new();
        for (index, pair) in trials.pairs.iter().enumerate() {
            let claimed = enrolled[pair.enrolled as usize].person;
            let owner = trials.probes[pair.probe as usize].owner.unwrap_or(claimed);
            groups
                .entry((claimed.min(owner), claimed.max(owner)))
                .or_default()
                .push(index);
        }
        let groups: Vec<((u32, u32), Vec<usize>)> = groups.into_iter().collect();
        let scored = for_each(&groups, threads, |(people, indices)| {
            let space = self.space(*people);
            let mut means: BTreeMap<u32, Vec<f32>> = BTreeMap::new();
            let mut scores = Vec::with_capacity(indices.len());
            for &index in indices {
                let pair = &trials.pairs[index];
                let claimed = &enrolled[pair.enrolled as usize];
                let mean = means.entry(pair.enrolled).or_insert_with(|| {
                    let references = claimed.references.iter();
                    space.mean_of(references.map(|reference| embeddings.of(reference.window)))
                });
                let windows = &trials.probes[pair.probe as usize].windows;
                let score = space.cosine_together(mean, windows.iter().map(|&window| embeddings.of(window)));
                scores.push((index, (claimed.person, pair.genuine, score)));
            }
            scores
        });
        let mut all = vec![(0, false, 0.0); trials.pairs.len()];
        for (index, score) in scored.into_iter().flatten() {
            all[index] = score;
        }
        Scores { all }
    }
}

/// Applies `make` to every item, on a few threads.
pub(super) fn for_each<I: Sync, T: Send>(items: &[I], threads: NonZeroUsize, make: impl Fn(&I) -> T + Sync) -> Vec<T> {
    let share = items.len().div_ceil(threads.get()).max(1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = items
            .chunks(share)
            .map(|part| scope.spawn(|| part.iter().map(&make).collect::<Vec<T>>()))
            .collect();
        let parts = workers.into_iter().map(|worker| match worker.join() {
            Ok(part) => part,
            // As if it had happened on this thread.
            Err(panic) => std::panic::resume_unwind(panic),
        });
        parts.flatten().collect()
    })
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
    trials.score(enrolled, NonZeroUsize::MIN, |claimed, probe| {
        sets[claimed]
            .compare_together(probe.windows.iter().map(|&window| embeddings.of(window)), &plain)
            .cosine
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
