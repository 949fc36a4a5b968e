//! Losses on a batch of unit vectors with the person of each.
//!
//! All three are functions of the cosine between two embeddings alone (the squared distance of unit vectors is
//! `2 - 2·cosine`), so each only says how the loss moves with every cosine; one place turns that into the gradient of
//! the embeddings. Summation runs in index order and in f64.

use crate::error::LearnError;
use crate::matmul::{Matrix, Store, multiply};

/// What "alike" and "different" mean to the trainer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loss {
    /// Siamese pairs (Hadsell, Chopra, LeCun 2006): d² between sequences of one person, averaged over those pairs, plus
    /// (margin − d)² between different people, averaged over the pairs closer than the margin.
    Contrastive {
        /// Distance beyond which different people no longer push each other.
        margin: f32,
    },
    /// Semi-hard triplets (Schroff et al. 2015): each pair of one person against the nearest other person who is
    /// farther away than the pair, where that is less than `margin` farther in squared distance.
    Triplet {
        /// How much farther, in squared distance, another person should be.
        margin: f32,
    },
    /// Supervised contrastive (Khosla et al. 2020): each sequence should pick out those of its person among all others
    /// by a softmax of the cosines.
    SupervisedContrastive {
        /// The cosines are divided by this.
        temperature: f32,
    },
}

impl Loss {
    /// Supervised contrastive at temperature 0.1: the best of models.md.
    pub const BEST: Self = Self::SupervisedContrastive { temperature: 0.1 };

    /// Refuses parameters outside their bounds.
    pub fn validate(&self) -> Result<(), LearnError> {
        let (field, found, most) = match *self {
            Self::Contrastive { margin } => ("margin", margin, 2.0),
            Self::Triplet { margin } => ("margin", margin, 4.0),
            Self::SupervisedContrastive { temperature } => ("temperature", temperature, 10.0),
        };
        if found >= 1e-3 && found <= most {
            return Ok(());
        }
        Err(LearnError::setting(field, found, format!("from 0.001 to {most}")))
    }

    /// The loss of a batch; overwrites `d_embeddings` with its gradient. `people[i]` tells whose embedding `i` is.
    pub(crate) fn evaluate(&self, embeddings: &[f32], people: &[usize], d_embeddings: &mut Vec<f32>) -> f64 {
        let count = people.len();
        let dims = embeddings.len().checked_div(count).unwrap_or(0);
        let vectors = Matrix::new(embeddings, count, dims);
        let mut cosines = vec![0.0; count * count];
        multiply(vectors, vectors.transposed(), &mut cosines, Store::Overwrite);
        let mut d_cosines = vec![0.0; count * count];
        let loss = match *self {
            Self::Contrastive { margin } => contrastive(margin, &cosines, people, &mut d_cosines),
            Self::Triplet { margin } => triplet(margin, &cosines, people, &mut d_cosines),
            Self::SupervisedContrastive { temperature } => {
                supervised_contrastive(temperature, &cosines, people, &mut d_cosines)
            }
        };
        // A cosine depends on both of its vectors: d e_i = Σ_j (d s_ij + d s_ji) e_j.
        let gradient = Matrix::new(&d_cosines, count, count);
        d_embeddings.resize(embeddings.len(), 0.0);
        multiply(gradient, vectors, d_embeddings, Store::Overwrite);
        multiply(gradient.transposed(), vectors, d_embeddings, Store::Add);
        loss
    }
}

fn contrastive(margin: f32, cosines: &[f32], people: &[usize], d_cosines: &mut [f32]) -> f64 {
    // The slope of a distance has no bound at zero; closer than this, pairs count as this far apart.
    const SQUARED_MIN: f32 = 1e-9;
    let count = people.len();
    let (mut alike, mut close, mut different) = (0_usize, 0_usize, 0.0_f64);
    let mut same = 0.0_f64;
    let pairs = |i: usize| i * count + i + 1..(i + 1) * count;
    for i in 0..count {
        let row = cosines[pairs(i)]
            .iter()
            .zip(&mut d_cosines[pairs(i)])
            .zip(&people[i + 1..]);
        for ((&cosine, slope), person) in row {
            let squared = (2.0 - 2.0 * cosine).max(SQUARED_MIN);
            if *person == people[i] {
                alike += 1;
                same += f64::from(squared);
                *slope = -2.0;
            } else if squared < margin * margin {
                let distance = squared.sqrt();
                let lacking = margin - distance;
                close += 1;
                different += f64::from(lacking * lacking);
                *slope = 2.0 * lacking / distance;
            }
        }
    }
    let (per_alike, per_close) = (1.0 / alike.max(1) as f64, 1.0 / close.max(1) as f64);
    for i in 0..count {
        for (slope, person) in d_cosines[pairs(i)].iter_mut().zip(&people[i + 1..]) {
            *slope *= if *person == people[i] {
                per_alike as f32
            } else {
                per_close as f32
            };
        }
    }
    same * per_alike + different * per_close
}

fn triplet(margin: f32, cosines: &[f32], people: &[usize], d_cosines: &mut [f32]) -> f64 {
    let count = people.len();
    let (mut active, mut loss) = (0_usize, 0.0_f64);
    for anchor in 0..count {
        let row = &cosines[anchor * count..(anchor + 1) * count];
        let slopes = &mut d_cosines[anchor * count..(anchor + 1) * count];
        for positive in (0..count).filter(|&p| p != anchor && people[p] == people[anchor]) {
            let mut nearest: Option<usize> = None;
            for other in (0..count).filter(|&o| people[o] != people[anchor] && row[o] < row[positive]) {
                if nearest.is_none_or(|best| row[other] > row[best]) {
                    nearest = Some(other);
                }
            }
            let Some(negative) = nearest else { continue };
            let lacking = 2.0 * (row[negative] - row[positive]) + margin;
            if lacking > 0.0 {
                active += 1;
                loss += f64::from(lacking);
                slopes[positive] -= 2.0;
                slopes[negative] += 2.0;
            }
        }
    }
    let per_active = 1.0 / active.max(1) as f64;
    d_cosines.iter_mut().for_each(|slope| *slope *= per_active as f32);
    loss * per_active
}

fn supervised_contrastive(temperature: f32, cosines: &[f32], people: &[usize], d_cosines: &mut [f32]) -> f64 {
    let count = people.len();
    let positives: Vec<usize> = people
        .iter()
        .map(|person| people.iter().filter(|other| *other == person).count() - 1)
        .collect();
    // Whoever is alone in the batch has nothing to pick out, and serves as the others' contrast only.
    let anchors = positives.iter().filter(|&&positives| positives > 0).count();
    let per_anchor = 1.0 / anchors.max(1) as f32;
    let mut loss = 0.0_f64;
    for anchor in (0..count).filter(|&i| positives[i] > 0) {
        let row = &cosines[anchor * count..(anchor + 1) * count];
        let slopes = &mut d_cosines[anchor * count..(anchor + 1) * count];
        let others = || (0..count).filter(|&j| j != anchor);
        let highest = others().map(|j| row[j]).fold(f32::NEG_INFINITY, f32::max);
        for j in others() {
            slopes[j] = ((row[j] - highest) / temperature).exp();
        }
        let total: f32 = slopes.iter().sum();
        let per_positive = 1.0 / positives[anchor] as f32;
        for j in others() {
            let mut target = 0.0;
            if people[j] == people[anchor] {
                target = per_positive;
                let log_share = (row[j] - highest) / temperature - total.ln();
                loss -= f64::from(per_anchor * per_positive * log_share);
            }
            slopes[j] = (slopes[j] / total - target) * per_anchor / temperature;
        }
    }
    loss
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;

    fn unit_vectors(count: usize, dims: usize) -> Vec<f32> {
        let mut values: Vec<f32> = (0..count * dims)
            .map(|i| (i as f32 * 0.73 + (i * i) as f32 * 0.11).sin())
            .collect();
        for vector in values.chunks_exact_mut(dims) {
            let norm = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
            vector.iter_mut().for_each(|v| *v /= norm);
        }
        values
    }

    #[test]
    fn values_agree_with_the_definitions() {
        let losses = [
            Loss::Contrastive { margin: 1.0 },
            Loss::Contrastive { margin: 2.0 },
            Loss::Triplet { margin: 0.2 },
            Loss::Triplet { margin: 1.5 },
            Loss::SupervisedContrastive { temperature: 0.1 },
            Loss::SupervisedContrastive { temperature: 1.0 },
        ];
        let people = [0, 0, 1, 1, 2, 2, 2, 3];
        let embeddings = unit_vectors(people.len(), 5);
        let exact: Vec<f64> = embeddings.iter().map(|&v| f64::from(v)).collect();
        for loss in losses {
            let value = loss.evaluate(&embeddings, &people, &mut Vec::new());
            let expected = reference::loss(&loss, &exact, &people);
            assert!(
                (value - expected).abs() < 1e-5 * (1.0 + expected.abs()),
                "{loss:?}: {value} not {expected}"
            );
            assert!(value > 0.0, "{loss:?} has something to say about this batch");
        }
    }

    #[test]
    fn a_batch_without_pairs_has_no_loss_and_no_gradient() {
        let embeddings = [1.0, 0.0, -1.0, 0.0];
        for loss in [
            Loss::Contrastive { margin: 1.0 },
            Loss::Triplet { margin: 0.2 },
            Loss::BEST,
        ] {
            for people in [&[0, 1][..], &[]] {
                let mut gradient = vec![7.0];
                let value = loss.evaluate(&embeddings[..2 * people.len()], people, &mut gradient);
                assert_eq!((value, gradient), (0.0, vec![0.0; 2 * people.len()]), "{loss:?}");
            }
        }
    }

    #[test]
    fn parameters_have_bounds() {
        assert!(Loss::BEST.validate().is_ok());
        for bad in [0.0, -1.0, 11.0, f32::NAN] {
            for loss in [
                Loss::Contrastive { margin: bad },
                Loss::Triplet { margin: bad },
                Loss::SupervisedContrastive { temperature: bad },
            ] {
                assert!(loss.validate().is_err(), "{loss:?}");
            }
        }
    }
}
