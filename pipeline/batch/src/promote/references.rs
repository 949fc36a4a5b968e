//! References under another model: the enrolment windows are fetched from history and embedded again.
//!
//! Invariants: a set of the new model holds only embeddings of the new model, stands on the partition of the old set, keeps its
//! samples in their order, and is acknowledged before the model is announced; nothing is written while somebody would be left
//! without references, unless forced; the old set stays as it is, so that rolling back finds it, and a set that the new model
//! left behind gives way only to one that is as complete.

use super::kafka::{Cluster, Stored};
use super::{PromoteArgs, Refused};
use crate::embed::{self, Embeddings};
use anyhow::Result;
use ductus_dynamics::feature::FeatureWindow;
use ductus_dynamics::wire::{ModelRef, Reference, Sample};
use ductus_history::{StoredWindow, Tables, WindowFilter, WindowKey};
use ductus_scorer::{Manifest, Model};
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::Arc;

/// What became of the reference sets of the model that was live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reembedded {
    /// Sets that were written for the new model.
    pub references: usize,
    /// Windows in them.
    pub reference_windows: usize,
    /// Windows that history no longer has: their sets are smaller now.
    pub reference_windows_missing: usize,
    /// Of the sets written, those with fewer anchors than before: these people are compared again once they have typed more.
    pub references_weakened: usize,
    /// Sets that the new model had from an earlier time, more complete than what history could make.
    pub references_kept: usize,
    /// Sets of which history has no window: these people start afresh.
    pub references_lost: usize,
}

/// Writes, for every set of the model with hash `old`, one of `model`.
pub(super) fn move_to(args: &PromoteArgs, cluster: &mut Cluster, model: &Arc<Model>, old: &str) -> Result<Reembedded> {
    let manifest = model.manifest();
    if manifest.sha256 == old {
        // Another back-end of the same network: its references are these.
        return Ok(Reembedded::default());
    }
    let sets = cluster.references(manifest.modality, old)?;
    if sets.is_empty() {
        return Ok(Reembedded::default());
    }
    let history = match &args.history {
        Some(history) => Windows::read(history, &sets, manifest)?,
        None => Windows::default(),
    };
    let embeddings = history.embed(model)?;
    // Sets that the model left behind when it was live before are found again.
    let left = cluster.references(manifest.modality, &manifest.sha256)?;
    let left: HashMap<Whose, usize> = left
        .iter()
        .map(|set| (whose(&set.reference), set.reference.anchors.len()))
        .collect();
    let (written, done) = plan(sets, &left, |reference| {
        with_model(reference, manifest.model_ref(), |sample| {
            history.embedding(&embeddings, reference, sample)
        })
    });
    // Rolling back is for an emergency: it never waits for history.
    if done.references_lost > 0 && !args.force && !args.roll_back {
        return Err(Refused {
            reason: lost(done.references_lost, args.history.is_some()),
            table: String::new(),
        }
        .into());
    }
    if done.references_lost + done.references_weakened > 0 {
        tracing::warn!(
            lost = done.references_lost,
            weakened = done.references_weakened,
            windows_missing = done.reference_windows_missing,
            "people are not compared until they have typed or pointed enough again"
        );
    }
    for stored in &written {
        cluster.put(stored)?;
    }
    cluster.flush()?;
    Ok(done)
}

fn lost(sets: usize, history: bool) -> String {
    let why = if history {
        "the history has none of their windows in a form that the new one reads"
    } else {
        "without --history they cannot be made again for the new one"
    };
    format!("{sets} people have references of the live model, and {why}")
}

/// Tenant, subject and device class: whom and what a set is for.
type Whose = (String, String, String);

fn whose(set: &Reference) -> Whose {
    (set.tenant.clone(), set.subject.clone(), set.device.clone())
}

/// What is written, and what became of all sets. `left` are the anchors of the sets that the new model has already.
fn plan(
    sets: Vec<Stored>,
    left: &HashMap<Whose, usize>,
    moved: impl Fn(&Reference) -> Reference,
) -> (Vec<Stored>, Reembedded) {
    let (mut written, mut done) = (Vec::new(), Reembedded::default());
    for Stored { partition, reference } in sets {
        let (before, moved) = (count(&reference), moved(&reference));
        let after = count(&moved);
        let left = left.get(&whose(&reference));
        done.reference_windows_missing += before - after;
        if after < before && left.is_some_and(|anchors| *anchors >= moved.anchors.len()) {
            done.references_kept += 1;
        } else if after == 0 {
            done.references_lost += 1;
        } else {
            done.references += 1;
            done.reference_windows += after;
            done.references_weakened += usize::from(moved.anchors.len() < reference.anchors.len());
            written.push(Stored {
                partition,
                reference: moved,
            });
        }
    }
    (written, done)
}

fn count(set: &Reference) -> usize {
    set.anchors.len() + set.recent.len()
}

/// Tenant and window: session ids are unique within a tenant.
type Key = (String, WindowKey);

/// The windows behind the sets, as far as history has them.
#[derive(Default)]
struct Windows {
    windows: Vec<StoredWindow>,
    places: HashMap<Key, usize>,
}

impl Windows {
    /// Reads those that are in the model's layout and no longer than it takes.
    fn read(history: &str, sets: &[Stored], manifest: &Manifest) -> Result<Self> {
        let keys: HashSet<WindowKey> = sets
            .iter()
            .flat_map(|set| {
                let samples = set.reference.anchors.iter().chain(&set.reference.recent);
                samples.map(|sample| window_key(&set.reference, sample))
            })
            .collect();
        let filter = WindowFilter {
            keys: Some(keys),
            ..WindowFilter::default()
        };
        let windows = Tables::open(history)?.read_windows(&filter)?;
        let fits = |window: &StoredWindow| {
            window.layout_hash == manifest.layout_hash && (1..=manifest.steps_max).contains(&window.steps)
        };
        let windows: Vec<StoredWindow> = windows.into_iter().filter(fits).collect();
        let places = windows.iter().enumerate();
        let places = places.map(|(place, window)| ((window.tenant.clone(), window.key.clone()), place));
        Ok(Self {
            places: places.collect(),
            windows,
        })
    }

    /// Embeds them all, in their order; none gives none.
    fn embed(&self, model: &Arc<Model>) -> Result<Embeddings> {
        let features: Vec<FeatureWindow> = self
            .windows
            .iter()
            .map(|window| FeatureWindow {
                modality: model.manifest().modality,
                len: window.steps,
                values: window.features.clone(),
            })
            .collect();
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        embed::with_model(model, &features, threads)
    }

    /// The embedding of the very window that a sample was: of the same person, ending at the same instant.
    fn embedding(&self, embeddings: &Embeddings, reference: &Reference, sample: &Sample) -> Option<Vec<f32>> {
        let key = (reference.tenant.clone(), window_key(reference, sample));
        let place = *self.places.get(&key)?;
        let window = &self.windows[place];
        let the_same = window.end_us == sample.end_us && window.subject.as_ref() == Some(&reference.subject);
        the_same.then(|| embeddings.of(place).to_vec())
    }
}
fn window_key(reference: &Reference, sample: &Sample) -> WindowKey {
    WindowKey {
        session: sample.session.clone(),
        modality: reference.modality,
        sequence: sample.sequence,
    }
}

/// The set with the embeddings of another model; samples without one are left out. Anchors that are missing are made up for by
/// the oldest of the recent samples, which were taken within their bound: otherwise whoever types next would become an anchor.
fn with_model(reference: &Reference, model: ModelRef, embedding: impl Fn(&Sample) -> Option<Vec<f32>>) -> Reference {
    let moved = |samples: &[Sample]| -> Vec<Sample> {
        let moved = samples.iter().filter_map(|sample| {
            Some(Sample {
                embedding: embedding(sample)?,
                ..sample.clone()
            })
        });
        moved.collect()
    };
    let (mut anchors, mut recent) = (moved(&reference.anchors), moved(&reference.recent));
    let missing = reference.anchors.len() - anchors.len();
    anchors.extend(recent.drain(..missing.min(recent.len())));
    Reference {
        anchors,
        recent,
        model,
        version: reference.version + 1,
        ..reference.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ductus_dynamics::event::Modality;
    use std::ops::Range;

    /// A set whose samples are told by their sequence.
    fn set(anchors: Range<u64>, recent: Range<u64>) -> Reference {
        let samples = |range: Range<u64>| -> Vec<Sample> {
            let sample = |sequence| Sample {
                embedding: vec![0.0],
                session: "s".to_owned(),
                sequence,
                end_us: sequence as i64,
            };
            range.map(sample).collect()
        };
        Reference {
            v: 1,
            tenant: "t".to_owned(),
            subject: "anna".to_owned(),
            modality: Modality::Keystroke,
            device: "physical".to_owned(),
            model: model("old"),
            version: 7,
            anchors: samples(anchors),
            recent: samples(recent),
            usual: Vec::new(),
            sketches: Vec::new(),
            updated_us: 5,
        }
    }

    fn model(name: &str) -> ModelRef {
        ModelRef {
            id: "keystroke".to_owned(),
            version: name.to_owned(),
            sha256: name.to_owned(),
        }
    }

    #[test]
    fn samples_keep_their_order_and_anchors_are_made_up_for() {
        type Case = (
            &'static [u64],
            Option<usize>,
            &'static [u64],
            &'static [u64],
            Reembedded,
        );
        let written = |reference_windows, missing, references_weakened| Reembedded {
            references: 1,
            reference_windows,
            reference_windows_missing: missing,
            references_weakened,
            ..Reembedded::default()
        };
        let kept = |missing| Reembedded {
            reference_windows_missing: missing,
            references_kept: 1,
            ..Reembedded::default()
        };
        let lost = Reembedded {
            reference_windows_missing: 8,
            references_lost: 1,
            ..Reembedded::default()
        };
        // Windows that history lacks, anchors that the new model has already, and what is written: anchors and recent.
        let cases: [Case; 8] = [
            (&[], None, &[0, 1, 2, 3, 4], &[5, 6, 7], written(8, 0, 0)),
            (&[], Some(5), &[0, 1, 2, 3, 4], &[5, 6, 7], written(8, 0, 0)),
            (&[6], None, &[0, 1, 2, 3, 4], &[5, 7], written(7, 1, 0)),
            (&[1, 3], None, &[0, 2, 4, 5, 6], &[7], written(6, 2, 0)),
            (&[0, 1, 2, 3, 5], None, &[4, 6, 7], &[], written(3, 5, 1)),
            (&[0, 1, 2, 3, 5], Some(2), &[4, 6, 7], &[], written(3, 5, 1)),
            (&[0, 1, 2, 3, 5], Some(5), &[], &[], kept(5)),
            (&[0, 1, 2, 3, 4, 5, 6, 7], None, &[], &[], lost),
        ];
        for (lacking, left, anchors, recent, expected) in cases {
            let stored = Stored {
                partition: 2,
                reference: set(0..5, 5..8),
            };
            let left: HashMap<Whose, usize> = left
                .map(|anchors| (whose(&stored.reference), anchors))
                .into_iter()
                .collect();
            let (written, done) = plan(vec![stored], &left, |reference| {
                with_model(reference, model("new"), |sample| {
                    (!lacking.contains(&sample.sequence)).then(|| vec![1.0 + sample.sequence as f32])
                })
            });
            assert_eq!(done, expected, "without {lacking:?}");
            let sequences = |samples: &[Sample]| -> Vec<u64> { samples.iter().map(|sample| sample.sequence).collect() };
            let found = written.first().map(|stored| {
                let set = &stored.reference;
                assert_eq!(
                    (stored.partition, set.version, set.model.version.as_str()),
                    (2, 8, "new")
                );
                let samples = set.anchors.iter().chain(&set.recent);
                samples.for_each(|sample| assert_eq!(sample.embedding, [1.0 + sample.sequence as f32]));
                (sequences(&set.anchors), sequences(&set.recent))
            });
            assert_eq!(
                found.unwrap_or_default(),
                (anchors.to_vec(), recent.to_vec()),
                "without {lacking:?}"
            );
        }
    }
}
