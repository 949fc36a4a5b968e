//! A mixture of normal distributions learned from the background, whose means are adapted to each person (GMM-UBM).

use super::Method;
use super::background::{Background, Others, PARTNERS};
use super::gaussian::{VARIANCE_MIN, log_normal};
use super::statistics::Statistics;
use crate::evaluate::compare::for_each;
use crate::evaluate::layout::{Enrolled, Layout, Trials, below};
use crate::evaluate::scores::Scores;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;

const COMPONENTS_MAX: usize = 4;
/// Background windows that a component needs.
const WINDOWS_A_COMPONENT: usize = 200;
const ROUNDS: usize = 20;
/// Windows that a component's prior mean counts for when it is adapted; Reynolds's 16 is meant for hundreds of frames.
const RELEVANCE: f32 = 4.0;
const SEED: u64 = 7;

/// Weighted normal distributions, dimensions apart.
#[derive(Clone, Default)]
struct Components {
    log_weights: Vec<f32>,
    /// `[components × dims]`.
    means: Vec<f32>,
    /// `[components × dims]`.
    variances: Vec<f32>,
    /// `-½ Σ ln variance` of each, computed once.
    log_norms: Vec<f32>,
}

/// The backgrounds' mixtures, and each enrolment's adapted means against each of its backgrounds.
pub(super) struct Mixture<'a> {
    statistics: &'a Statistics,
    background: &'a Background,
    universal: BTreeMap<(usize, usize), Components>,
    adapted: Vec<Vec<Vec<f32>>>,
}

impl<'a> Mixture<'a> {
    pub(super) fn new(
        layout: &Layout,
        statistics: &'a Statistics,
        background: &'a Background,
        threads: NonZeroUsize,
    ) -> Self {
        let universal = background.map(|others| Components::learn(statistics, others));
        let adapted = for_each(&layout.enrolled, threads, |enrolled| {
            (0..PARTNERS)
                .map(|partner| {
                    let universal = universal.get(&background.key(enrolled.person, partner));
                    universal.map_or(Vec::new(), |universal| universal.adapt(statistics, enrolled))
                })
                .collect()
        });
        Self {
            statistics,
            background,
            universal,
            adapted,
        }
    }
}

impl Method for Mixture<'_> {
    fn name(&self) -> &'static str {
        "gmm_ubm"
    }

    fn score(&self, enrolled: &[Enrolled], trials: &Trials, threads: NonZeroUsize) -> Scores {
        trials.score_windows(enrolled, threads, |claimed, probe, window| {
            let partner = self.background.partner(probe);
            let Some(universal) = self
                .universal
                .get(&self.background.key(enrolled[claimed].person, partner))
            else {
                return 0.0;
            };
            let row = self.statistics.row(window);
            universal.log_likelihood(row, &self.adapted[claimed][partner])
                - universal.log_likelihood(row, &universal.means)
        })
    }
}

impl Components {
    /// Expectation and maximisation from rows that were drawn as first means.
    fn learn(statistics: &Statistics, others: &Others) -> Self {
        let count = (others.rows.len() / WINDOWS_A_COMPONENT).clamp(1, COMPONENTS_MAX);
        let mut rng = ChaCha8Rng::seed_from_u64(SEED);
        let mut components = Self {
            log_weights: vec![-(count as f32).ln(); count],
            ..Self::default()
        };
        for _ in 0..count {
            let row = others.rows[below(&mut rng, others.rows.len())];
            components.means.extend(statistics.row(row));
            components.variances.extend(&others.variance);
        }
        components.update_norms(statistics.dims);
        for _ in 0..ROUNDS {
            components.improve(statistics, &others.rows);
        }
        components
    }

    fn improve(&mut self, statistics: &Statistics, rows: &[usize]) {
        let (dims, count) = (statistics.dims, self.log_weights.len());
        let mut weights = vec![1e-6; count];
        let (mut firsts, mut seconds) = (vec![0.0; count * dims], vec![0.0; count * dims]);
        let mut shares = Vec::new();
        for &row in rows {
            let row = statistics.row(row);
            self.shares(row, &mut shares);
            for (component, &share) in shares.iter().enumerate() {
                weights[component] += share;
                for (i, value) in row.iter().enumerate() {
                    firsts[component * dims + i] += share * value;
                    seconds[component * dims + i] += share * value * value;
                }
            }
        }
        for (component, &weight) in weights.iter().enumerate() {
            // A component that nothing belongs to stays where it is.
            if weight < 1.0 {
                continue;
            }
            self.log_weights[component] = (weight / rows.len() as f32).ln();
            for i in component * dims..(component + 1) * dims {
                let mean = firsts[i] / weight;
                self.means[i] = mean;
                self.variances[i] = (seconds[i] / weight - mean * mean).max(10.0 * VARIANCE_MIN);
            }
        }
        self.update_norms(dims);
    }

    /// Means drawn towards the references of an enrolment, each as far as it answers for them.
    fn adapt(&self, statistics: &Statistics, enrolled: &Enrolled) -> Vec<f32> {
        let dims = statistics.dims;
        let mut means = self.means.clone();
        let mut weights = vec![0.0; self.log_weights.len()];
        let mut sums = vec![0.0; means.len()];
        let mut shares = Vec::new();
        for reference in &enrolled.references {
            let row = statistics.row(reference.window);
            self.shares(row, &mut shares);
            for (component, &share) in shares.iter().enumerate() {
                weights[component] += share;
                for (i, value) in row.iter().enumerate() {
                    sums[component * dims + i] += share * value;
                }
            }
        }
        for (i, mean) in means.iter_mut().enumerate() {
            let weight = weights[i / dims];
            *mean = (sums[i] + RELEVANCE * *mean) / (weight + RELEVANCE);
        }
        means
    }

    /// How much each component answers for a row; they add up to 1.
    fn shares(&self, row: &[f32], out: &mut Vec<f32>) {
        self.log_densities(row, &self.means, out);
        let total = log_sum(out);
        out.iter_mut().for_each(|density| *density = (*density - total).exp());
    }

    fn log_likelihood(&self, row: &[f32], means: &[f32]) -> f32 {
        let mut densities = Vec::with_capacity(COMPONENTS_MAX);
        self.log_densities(row, means, &mut densities);
        log_sum(&densities)
    }

    fn log_densities(&self, row: &[f32], means: &[f32], out: &mut Vec<f32>) {
        out.clear();
        let parts = means.chunks(row.len()).zip(self.variances.chunks(row.len()));
        for ((log_weight, log_norm), (means, variances)) in self.log_weights.iter().zip(&self.log_norms).zip(parts) {
            let apart: f32 = row
                .iter()
                .zip(means)
                .zip(variances)
                .map(|((value, mean), variance)| (value - mean) * (value - mean) / variance)
                .sum();
            out.push(log_weight + log_norm - 0.5 * apart);
        }
    }

    fn update_norms(&mut self, dims: usize) {
        for variance in &mut self.variances {
            *variance = variance.max(VARIANCE_MIN);
        }
        let norms = self.variances.chunks(dims.max(1));
        self.log_norms = norms
            .map(|variances| variances.iter().map(|variance| log_normal(0.0, 0.0, *variance)).sum())
            .collect();
    }
}

/// ln Σ exp, without overflow.
fn log_sum(logs: &[f32]) -> f32 {
    let most = logs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    most + logs.iter().map(|log| (log - most).exp()).sum::<f32>().ln()
}
