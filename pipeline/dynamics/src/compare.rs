//! Probe against references: cosine to their mean in the back-end's space, and what it says as a calibrated log-likelihood
//! ratio.
//!
//! Invariants: higher is more alike; embeddings of two networks never meet, while a set holds through every back-end of its
//! network; the anchors of a set never change once it is mature, and bound how far later samples may drift, so that nobody
//! walks a profile away.

mod stored;

pub use stored::{ReferenceError, read_reference};

use crate::backend::{BackEnd, Space};
use crate::event::Modality;
use crate::reason::{Measures, Usuals};
use crate::wire::{self, Device, ModelRef, Reference, ReferenceRef, Sample};

/// Bounds on references.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReferencePolicy {
    /// References needed before anything is compared; the first ones are the anchors.
    pub anchors: usize,
    /// Later samples that are kept beside them.
    pub recent_max: usize,
    /// Whether references are learned while the subject works (otherwise only by enrolment).
    pub passive: bool,
    /// Least cosine of a later sample to the anchors' mean.
    pub drift_cosine_min: f32,
    /// Highest risk at which later samples are added.
    pub adapt_risk_max: f32,
}

impl Default for ReferencePolicy {
    fn default() -> Self {
        Self {
            anchors: 5,
            recent_max: 10,
            passive: true,
            drift_cosine_min: 0.7,
            adapt_risk_max: 2.0,
        }
    }
}

/// One probe compared with a reference set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Cosine of the probe and the mean of the references, in the back-end's space.
    pub cosine: f32,
    /// Log-likelihood ratio: genuine against impostor.
    pub llr: f32,
}

/// References are kept apart by what the person types or points with.
pub fn device_class(modality: Modality, device: &Device) -> String {
    match modality {
        Modality::Keystroke => format!("{:?}", device.keyboard).to_ascii_lowercase(),
        Modality::Pointer => format!("{:?}", device.pointer).to_ascii_lowercase(),
    }
}

/// Whose references, of what, for which model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReferenceKey {
    /// Tenant.
    pub tenant: String,
    /// Subject.
    pub subject: String,
    /// Keystroke or pointer.
    pub modality: Modality,
    /// Device class.
    pub device: String,
    /// SHA-256 of the model's network, hexadecimal: all versions of one network share references.
    pub model_sha256: String,
}

impl ReferenceKey {
    /// Key of a stored set.
    pub fn of(reference: &Reference) -> Self {
        Self {
            tenant: reference.tenant.clone(),
            subject: reference.subject.clone(),
            modality: reference.modality,
            device: reference.device.clone(),
            model_sha256: reference.model.sha256.clone(),
        }
    }

    /// The key of the record in the compacted topic.
    pub fn record_key(&self) -> String {
        let model = self.model_sha256.get(..8).unwrap_or(&self.model_sha256);
        format!(
            "{}/{}/{}/{}/{model}",
            self.tenant,
            self.subject,
            self.modality.name(),
            self.device
        )
    }
}

/// A subject's references in use: the stored document and the mean that probes are compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct ReferenceSet {
    stored: Reference,
    usual: Usuals,
    /// The space in which `mean` is.
    space: Space,
    mean: Vec<f32>,
    /// As the network gave them: the bound on drift is the same for every back-end.
    anchor_mean: Vec<f32>,
}

impl ReferenceSet {
    /// An empty set.
    pub fn new(key: &ReferenceKey, model: &ModelRef) -> Self {
        Self::from_stored(Reference {
            v: wire::VERSION,
            tenant: key.tenant.clone(),
            subject: key.subject.clone(),
            modality: key.modality,
            device: key.device.clone(),
            model: model.clone(),
            version: 0,
            anchors: Vec::new(),
            recent: Vec::new(),
            usual: Vec::new(),
            sketches: Vec::new(),
            updated_us: 0,
        })
    }

    /// The set of a stored document.
    pub fn from_stored(stored: Reference) -> Self {
        let usual = Usuals::from_wire(stored.modality, &stored.usual);
        let mut set = Self {
            stored,
            usual,
            space: Space::default(),
            mean: Vec::new(),
            anchor_mean: Vec::new(),
        };
        set.update_means();
        set
    }

    /// The document to store.
    pub fn stored(&self) -> Reference {
        Reference {
            usual: self.usual.to_wire(),
            ..self.stored.clone()
        }
    }

    /// How many embeddings there are.
    pub fn count(&self) -> usize {
        self.stored.anchors.len() + self.stored.recent.len()
    }

    /// Rhythms of the latest windows, oldest first.
    pub fn sketches(&self) -> &[wire::Sketch] {
        &self.stored.sketches
    }

    /// Whether the window `[start_us, …]` of `session` shares steps with one whose rhythm is kept.
    pub fn has_sketched(&self, session: &str, start_us: i64) -> bool {
        let ours = |sketch: &&wire::Sketch| sketch.session == session;
        self.stored
            .sketches
            .iter()
            .filter(ours)
            .any(|sketch| start_us < sketch.end_us)
    }

    /// Keeps the rhythm of a window; the oldest beyond `most` give way. It is a change of the set of its own, unless the
    /// window has just been added.
    pub fn remember(&mut self, sketch: wire::Sketch, most: usize) {
        if self.stored.updated_us != sketch.end_us {
            self.stored.version += 1;
            self.stored.updated_us = sketch.end_us;
        }
        self.stored.sketches.push(sketch);
        let beyond = self.stored.sketches.len().saturating_sub(most);
        self.stored.sketches.drain(..beyond);
    }

    /// The key that it is kept under.
    pub fn key(&self) -> ReferenceKey {
        ReferenceKey::of(&self.stored)
    }

    /// The model whose embeddings these are.
    pub fn model(&self) -> &ModelRef {
        &self.stored.model
    }

    /// Embeddings that count towards maturity.
    pub fn anchors(&self) -> usize {
        self.stored.anchors.len()
    }

    /// Event time of the last change, µs since the Unix epoch.
    pub fn updated_us(&self) -> i64 {
        self.stored.updated_us
    }

    /// Unit mean of the references, `[D]`, in [`Self::space`]; empty for no references.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// What is usual for the subject.
    pub fn usual(&self) -> &Usuals {
        &self.usual
    }

    /// How complete the set is, 0-100: 50 when it may be compared with, 100 when it is full.
    pub fn maturity(&self, policy: &ReferencePolicy) -> u8 {
        let part = |have: usize, want: usize| {
            if want == 0 {
                1.0
            } else {
                (have as f32 / want as f32).min(1.0)
            }
        };
        let anchors = part(self.stored.anchors.len(), policy.anchors);
        let recent = part(self.stored.recent.len(), policy.recent_max);
        (50.0 * anchors + 50.0 * recent) as u8
    }

    /// Whether probes may be compared with it.
    pub fn is_mature(&self, policy: &ReferencePolicy) -> bool {
        self.stored.anchors.len() >= policy.anchors
    }

    /// What a decision says of the set.
    pub fn summary(&self, policy: &ReferencePolicy) -> ReferenceRef {
        ReferenceRef {
            version: self.stored.version,
            maturity: self.maturity(policy),
            count: self.count() as u32,
        }
    }

    /// Whether the window `[start_us, …]` of `session` shares steps with the last sample taken from that session.
    pub fn overlaps(&self, session: &str, start_us: i64) -> bool {
        let samples = self.stored.anchors.iter().chain(&self.stored.recent);
        samples
            .filter(|sample| sample.session == session)
            .any(|sample| start_us < sample.end_us)
    }

    /// The space that [`Self::mean`] is in.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// Keeps the mean in the space of `back_end` from now on, so that comparing costs no more than the probe.
    pub fn prepare(&mut self, back_end: &BackEnd) {
        if !self.space.is(&back_end.space) {
            self.space = back_end.space.clone();
            self.mean = self.mean_in(&self.space);
        }
    }

    /// Compares a probe of unit length, `[D]`, as the network gave it. The same with and without [`Self::prepare`].
    pub fn compare(&self, probe: &[f32], back_end: &BackEnd) -> Comparison {
        self.compare_together(std::iter::once(probe), back_end)
    }

    /// Compares several probes of one stretch of behaviour together; see [`Space::cosine_together`].
    pub fn compare_together<'a>(
        &self,
        probes: impl ExactSizeIterator<Item = &'a [f32]>,
        back_end: &BackEnd,
    ) -> Comparison {
        let space = &back_end.space;
        let cosine = if self.space.is(space) {
            space.cosine_together(&self.mean, probes)
        } else {
            space.cosine_together(&self.mean_in(space), probes)
        };
        Comparison {
            cosine,
            llr: back_end.calibration.llr(cosine),
        }
    }

    /// Adds a sample while the set is not mature; after that to the recent ones, the oldest giving way. Returns whether it
    /// was taken: a sample too far from the anchors is not.
    pub fn add(&mut self, sample: Sample, measures: &Measures, policy: &ReferencePolicy) -> bool {
        let updated_us = sample.end_us;
        if self.is_mature(policy) {
            if policy.recent_max == 0 || dot(&self.anchor_mean, &sample.embedding) < policy.drift_cosine_min {
                return false;
            }
            if self.stored.recent.len() >= policy.recent_max {
                self.stored.recent.remove(0);
            }
            self.stored.recent.push(sample);
        } else {
            self.stored.anchors.push(sample);
        }
        self.usual.add(measures);
        self.stored.version += 1;
        self.stored.updated_us = updated_us;
        self.update_means();
        true
    }

    fn update_means(&mut self) {
        let anchors = self.stored.anchors.iter().map(|sample| sample.embedding.as_slice());
        self.anchor_mean = Space::default().mean_of(anchors);
        self.mean = self.mean_in(&self.space);
    }

    fn mean_in(&self, space: &Space) -> Vec<f32> {
        let samples = self.stored.anchors.iter().chain(&self.stored.recent);
        space.mean_of(samples.map(|sample| sample.embedding.as_slice()))
    }
}

/// Inner product; of unit vectors, their cosine.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests;
