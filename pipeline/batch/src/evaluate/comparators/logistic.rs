//! A logistic classifier a person: their references against windows of the background, by stochastic gradient descent.

use super::Method;
use super::background::{Background, Others, PARTNERS};
use super::statistics::Statistics;
use crate::evaluate::compare::for_each;
use crate::evaluate::layout::{Enrolled, Layout, Trials, below};
use crate::evaluate::scores::Scores;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::num::NonZeroUsize;

/// Windows of other people that a classifier learns from.
const OTHERS_MAX: usize = 256;
const ROUNDS: usize = 20;
/// What a step keeps away from large weights.
const RIDGE: f32 = 1e-3;
const RATE: f32 = 0.1;
const SEED: u64 = 11;

/// A classifier for each enrolment against each of its backgrounds.
pub(super) struct Logistic<'a> {
    statistics: &'a Statistics,
    background: &'a Background,
    people: Vec<Vec<Option<Classifier>>>,
}

/// Weights on values whose mean and variance are those of the background.
struct Classifier {
    weights: Vec<f32>,
    bias: f32,
}

impl<'a> Logistic<'a> {
    pub(super) fn new(
        layout: &Layout,
        statistics: &'a Statistics,
        background: &'a Background,
        threads: NonZeroUsize,
    ) -> Self {
        let people = for_each(&layout.enrolled, threads, |enrolled| {
            (0..PARTNERS)
                .map(|partner| {
                    let others = background.of(enrolled.person, partner)?;
                    Some(Classifier::learn(statistics, enrolled, others))
                })
                .collect()
        });
        Self {
            statistics,
            background,
            people,
        }
    }
}

impl Method for Logistic<'_> {
    fn name(&self) -> &'static str {
        "sgd_logistic"
    }

    fn score(&self, enrolled: &[Enrolled], trials: &Trials, threads: NonZeroUsize) -> Scores {
        trials.score_windows(enrolled, threads, |claimed, probe, window| {
            let classifier = &self.people[claimed][self.background.partner(probe)];
            let row = self.statistics.row(window);
            classifier.as_ref().map_or(0.0, |classifier| classifier.log_odds(row))
        })
    }
}

impl Classifier {
    fn learn(statistics: &Statistics, enrolled: &Enrolled, others: &Others) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(SEED);
        let own = enrolled.references.iter().map(|reference| (reference.window, 1.0));
        let drawn = (0..OTHERS_MAX.min(others.rows.len()))
            .map(|_| (others.rows[below(&mut rng, others.rows.len())], 0.0))
            .collect::<Vec<_>>();
        let weight_own = drawn.len() as f32 / enrolled.references.len().max(1) as f32;
        let mut rows: Vec<(usize, f32)> = own.chain(drawn).collect();
        let scales: Vec<f32> = others
            .variance
            .iter()
            .map(|variance| 1.0 / variance.max(1e-6).sqrt())
            .collect();
        let standard = |row: usize, i: usize| (statistics.row(row)[i] - others.mean[i]) * scales[i];
        let (mut weights, mut bias) = (vec![0.0; statistics.dims], 0.0);
        let mut step = 0.0;
        for _ in 0..ROUNDS {
            for i in (1..rows.len()).rev() {
                rows.swap(i, below(&mut rng, i + 1));
            }
            for &(row, label) in &rows {
                let values = || (0..statistics.dims).map(|i| standard(row, i));
                let odds: f32 = bias
                    + weights
                        .iter()
                        .zip(values())
                        .map(|(weight, value): (&f32, f32)| weight * value)
                        .sum::<f32>();
                let error = label - 1.0 / (1.0 + (-odds).exp());
                // Both sides weigh the same; a step is no larger than what the few own windows can bear.
                let importance = if label > 0.5 {
                    weight_own.sqrt()
                } else {
                    1.0 / weight_own.max(1.0).sqrt()
                };
                let rate = RATE / (1.0 + step / rows.len() as f32);
                for (weight, value) in weights.iter_mut().zip(values()) {
                    *weight += rate * (importance * error * value - RIDGE * *weight);
                }
                bias += rate * importance * error;
                step += 1.0;
            }
        }
        // From here on rows need no scaling.
        let weights: Vec<f32> = weights
            .iter()
            .zip(&scales)
            .map(|(weight, scale)| weight * scale)
            .collect();
        let shift: f32 = weights
            .iter()
            .zip(&others.mean)
            .map(|(weight, mean)| weight * mean)
            .sum();
        Self {
            weights,
            bias: bias - shift,
        }
    }

    fn log_odds(&self, row: &[f32]) -> f32 {
        self.bias
            + self
                .weights
                .iter()
                .zip(row)
                .map(|(weight, value)| weight * value)
                .sum::<f32>()
    }
}
