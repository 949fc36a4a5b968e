//! References under another model: the enrolment windows are fetched from history and embedded again.
//!
//! Invariants: a set of the new model holds only embeddings of the new model, stands on the partition of the old set, and is
//! acknowledged before the model is announced; the old set stays as it is, so that rolling back finds it.

use super::kafka::{Cluster, Stored};
use super::{PromoteArgs, Refused};
use crate::embed;
use anyhow::Result;
use ductus_dynamics::feature::FeatureWindow;
use ductus_dynamics::wire::{Reference, Sample};
use ductus_history::{StoredWindow, Tables, WindowFilter, WindowKey};
use ductus_scorer::Model;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
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
    let Some(history) = &args.history else {
        // Sets that the model left behind when it was live before are found again; only the others are lost.
        let kept = cluster.references(manifest.modality, &manifest.sha256)?;
        let person = |set: &Reference| (set.tenant.clone(), set.subject.clone(), set.device.clone());
        let kept: HashSet<_> = kept.iter().map(|set| person(&set.reference)).collect();
        let lost = sets
            .iter()
            .filter(|set| !kept.contains(&person(&set.reference)))
            .count();
        // Rolling back is for an emergency: it never waits for history.
        if lost > 0 && !args.force && !args.roll_back {
            let text = format!(
                "{lost} people have references of the live model, and without --history they cannot be made again for the new one"
            );
            return Err(Refused(text).into());
        }
        return Ok(Reembedded {
            references_lost: lost,
            ..Reembedded::default()
        });
    };
    let windows = windows_of(history, &sets, &manifest.layout_hash, manifest.steps_max)?;
    let features: Vec<FeatureWindow> = windows
        .values()
        .map(|window| FeatureWindow {
            modality: manifest.modality,
            len: window.steps,
            values: window.features.clone(),
        })
        .collect();
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let embeddings = embed::with_model(model, &features, threads)?;
    let place: BTreeMap<&Key, usize> = windows.keys().enumerate().map(|(index, key)| (key, index)).collect();
    let embedding = |key: &Key| place.get(key).map(|index| embeddings.of(*index).to_vec());
    let mut done = Reembedded::default();
    for Stored { partition, reference } in sets {
        let before = reference.anchors.len() + reference.recent.len();
        let moved = with_model(reference, model, &embedding);
        let after = moved.anchors.len() + moved.recent.len();
        done.reference_windows_missing += before - after;
        if after == 0 {
            done.references_lost += 1;
            continue;
        }
        done.references += 1;
        done.reference_windows += after;
        cluster.put(&Stored {
            partition,
            reference: moved,
        })?;
    }
    cluster.flush()?;
    Ok(done)
}

/// Tenant and window: session ids are unique within a tenant.
type Key = (String, WindowKey);

/// The windows behind the sets, as far as history has them in this layout.
fn windows_of(
    history: &str,
    sets: &[Stored],
    layout_hash: &str,
    steps_max: usize,
) -> Result<BTreeMap<Key, StoredWindow>> {
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
    let fits = |window: &StoredWindow| window.layout_hash == layout_hash && (1..=steps_max).contains(&window.steps);
    let fitting = windows.into_iter().filter(fits);
    Ok(fitting
        .map(|window| ((window.tenant.clone(), window.key.clone()), window))
        .collect())
}

fn window_key(reference: &Reference, sample: &Sample) -> WindowKey {
    WindowKey {
        session: sample.session.clone(),
        modality: reference.modality,
        sequence: sample.sequence,
    }
}

/// The set with the embeddings of another model; samples without one are left out.
fn with_model(reference: Reference, model: &Model, embedding: &impl Fn(&Key) -> Option<Vec<f32>>) -> Reference {
    let moved = |samples: &[Sample]| -> Vec<Sample> {
        let moved = samples.iter().filter_map(|sample| {
            let embedding = embedding(&(reference.tenant.clone(), window_key(&reference, sample)))?;
            Some(Sample {
                embedding,
                ..sample.clone()
            })
        });
        moved.collect()
    };
    let (anchors, recent) = (moved(&reference.anchors), moved(&reference.recent));
    Reference {
        anchors,
        recent,
        model: model.manifest().model_ref(),
        version: reference.version + 1,
        ..reference
    }
}
