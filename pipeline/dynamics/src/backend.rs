//! The scoring back-end: in which space embeddings are compared, and what a cosine there says as a calibrated log-likelihood
//! ratio. It belongs to a deployment, while the network that made the embeddings may come from elsewhere.
//!
//! Invariants: without a whitening a comparison is the plain cosine, to the bit; stored references hold embeddings as the
//! network gave them and stay valid when only the back-end changes; a back-end never changes, so that what was computed with
//! one may be kept as long as it lives; its numbers are finite and its slope is positive, so a higher cosine is never less alike.

mod calibrate;
mod judge;
mod learn;

#[cfg(test)]
mod tests;

pub use calibrate::{CalibrateError, calibrate, crossed_cost};
pub use judge::{Trial, judge};
pub use learn::{LearnConfig, LearnError, Learned, Moments, Occasions, learn, whiten};

use crate::compare::dot;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Least length that a direction is divided by; shorter ones have none.
const NORM_MIN: f32 = 1e-12;

/// Maps a cosine to a log-likelihood ratio (natural): `slope · cosine + intercept`, fitted by logistic regression on people
/// whom neither network nor whitening had seen; stands in the model's manifest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Per unit of cosine; positive, since a higher cosine is more alike.
    pub slope: f64,
    /// At cosine 0.
    pub intercept: f64,
}

impl Calibration {
    /// Natural log-likelihood ratio of a cosine. In single precision, as a decision carries it.
    pub fn llr(&self, cosine: f32) -> f32 {
        self.slope as f32 * cosine + self.intercept as f32
    }
}

/// Why numbers are no back-end.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BackEndError {
    /// Mean and matrix do not belong together.
    #[error("a whitening of {dims} dimensions needs a mean of {dims} and a matrix of {} values, but has {mean} and {matrix}", dims * dims)]
    Shape {
        /// Dimensions of the mean.
        dims: usize,
        /// Values of the mean.
        mean: usize,
        /// Values of the matrix.
        matrix: usize,
    },
    /// A value is infinite or no number.
    #[error("the {0} of the whitening has a value that is not finite")]
    NotFinite(&'static str),
}

/// Between-sample whitening: `W (e − mean)`, where `WᵀW` is the inverse of the scatter with which the same person moves from
/// one occasion to the next. Directions in which people change from day to day count less.
#[derive(Clone, Debug, PartialEq)]
pub struct Whitening {
    mean: Vec<f32>,
    /// `[D × D]`, row-major.
    matrix: Vec<f32>,
}

impl Whitening {
    /// A whitening with this mean `[D]` and row-major matrix `[D × D]`.
    ///
    /// # Errors
    ///
    /// [`BackEndError`].
    pub fn new(mean: Vec<f32>, matrix: Vec<f32>) -> Result<Self, BackEndError> {
        let dims = mean.len();
        if dims == 0 || matrix.len() != dims * dims {
            return Err(BackEndError::Shape {
                dims,
                mean: mean.len(),
                matrix: matrix.len(),
            });
        }
        for (what, values) in [("mean", &mean), ("matrix", &matrix)] {
            if !values.iter().all(|value| value.is_finite()) {
                return Err(BackEndError::NotFinite(what));
            }
        }
        Ok(Self { mean, matrix })
    }

    /// Length of an embedding.
    pub fn dims(&self) -> usize {
        self.mean.len()
    }

    /// What is taken off an embedding first, `[D]`.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// The matrix, `[D × D]`, row-major.
    pub fn matrix(&self) -> &[f32] {
        &self.matrix
    }

    /// The embedding in the space of comparisons, of unit length.
    pub fn apply(&self, embedding: &[f32]) -> Vec<f32> {
        let centred: Vec<f32> = embedding.iter().zip(&self.mean).map(|(e, mean)| e - mean).collect();
        let moved = self.matrix.chunks_exact(self.dims()).map(|row| dot(row, &centred));
        unit(moved.collect())
    }
}

/// The space in which embeddings are compared; the network's own by default. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Space(Option<Arc<Whitening>>);

impl Space {
    /// The space of a whitening.
    pub fn of(whitening: Whitening) -> Self {
        Self(Some(Arc::new(whitening)))
    }

    /// What leads into it; `None` where embeddings are compared as they are.
    pub fn whitening(&self) -> Option<&Whitening> {
        self.0.as_deref()
    }

    /// Whether both are the very same space.
    pub fn is(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(ours), Some(theirs)) => Arc::ptr_eq(ours, theirs),
            (None, None) => true,
            _ => false,
        }
    }

    /// An embedding of unit length in this space, of unit length too.
    pub fn apply(&self, embedding: &[f32]) -> Vec<f32> {
        match &self.0 {
            Some(whitening) => whitening.apply(embedding),
            None => embedding.to_vec(),
        }
    }

    /// Unit mean of references in this space, `[D]`; empty for none.
    pub fn mean_of<'a>(&self, references: impl Iterator<Item = &'a [f32]>) -> Vec<f32> {
        match &self.0 {
            Some(whitening) => unit_mean(references.map(|reference| whitening.apply(reference))),
            None => unit_mean(references),
        }
    }

    /// Cosine of a [`Space::mean_of`] and a probe as the network gave it.
    pub fn cosine(&self, mean: &[f32], probe: &[f32]) -> f32 {
        match &self.0 {
            Some(whitening) => dot(mean, &whitening.apply(probe)),
            None => dot(mean, probe),
        }
    }

    /// Cosine of a [`Space::mean_of`] and several probes of one stretch of behaviour, judged together: of their unit mean.
    /// What differs from window to window cancels before the cosine is taken, which tells people apart far better than the
    /// mean of the windows' own cosines does (`models/README.md`).
    pub fn cosine_together<'a>(&self, mean: &[f32], probes: impl ExactSizeIterator<Item = &'a [f32]>) -> f32 {
        let mut probes = probes.peekable();
        match (probes.len(), probes.peek()) {
            (1, Some(probe)) => self.cosine(mean, probe),
            _ => dot(mean, &self.mean_of(probes)),
        }
    }

    /// Several probes of one stretch of behaviour as one vector in this space: its product with a [`Space::mean_of`] is
    /// their [`Space::cosine_together`], to the bit.
    pub fn together<'a>(&self, probes: impl ExactSizeIterator<Item = &'a [f32]>) -> Vec<f32> {
        let mut probes = probes.peekable();
        match (probes.len(), probes.peek()) {
            (1, Some(probe)) => self.apply(probe),
            _ => self.mean_of(probes),
        }
    }
}

/// How embeddings of one network are compared. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct BackEnd {
    /// Where.
    pub space: Space,
    /// What a cosine there means.
    pub calibration: Calibration,
}

impl BackEnd {
    /// Plain cosines with this calibration.
    pub fn identity(calibration: Calibration) -> Self {
        Self {
            space: Space::default(),
            calibration,
        }
    }
}

/// Mean of vectors, scaled to unit length; empty for none.
fn unit_mean(vectors: impl Iterator<Item = impl AsRef<[f32]>>) -> Vec<f32> {
    let mut sum: Vec<f32> = Vec::new();
    for vector in vectors {
        let vector = vector.as_ref();
        sum.resize(vector.len(), 0.0);
        for (total, value) in sum.iter_mut().zip(vector) {
            *total += value;
        }
    }
    unit(sum)
}

/// Scaled to unit length.
fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let norm = dot(&vector, &vector).sqrt().max(NORM_MIN);
    for value in &mut vector {
        *value /= norm;
    }
    vector
}
