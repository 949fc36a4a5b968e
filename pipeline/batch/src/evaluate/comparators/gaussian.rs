//! A normal distribution a person, dimensions apart, against that of the background.

use super::Method;
use super::background::{Background, Others};
use super::statistics::Statistics;
use crate::evaluate::layout::{Enrolled, Layout, Trials};
use crate::evaluate::scores::Scores;
use std::num::NonZeroUsize;

/// As many windows of the background as a person's own variance has to outweigh.
const PRIOR_WINDOWS: f32 = 5.0;
pub(super) const VARIANCE_MIN: f32 = 1e-3;

/// Mean, variance and number of references of each enrolment.
pub(super) struct Gaussian<'a> {
    statistics: &'a Statistics,
    background: &'a Background,
    people: Vec<(Vec<f32>, Vec<f32>, f32)>,
}

impl<'a> Gaussian<'a> {
    pub(super) fn new(layout: &Layout, statistics: &'a Statistics, background: &'a Background) -> Self {
        let people = layout.enrolled.iter().map(|enrolled| {
            let rows: Vec<usize> = enrolled.references.iter().map(|reference| reference.window).collect();
            let mean = statistics.mean(&rows);
            let variance = statistics.spread(&rows, &mean, |apart| apart * apart);
            (mean, variance, rows.len() as f32)
        });
        Self {
            statistics,
            background,
            people: people.collect(),
        }
    }

    /// Log-likelihood ratio of a window.
    fn ratio(&self, claimed: usize, others: &Others, window: usize) -> f32 {
        let (mean, own, count) = &self.people[claimed];
        let terms = self.statistics.row(window).iter().enumerate();
        terms
            .map(|(i, value)| {
                let variance = (own[i] * count + others.within[i] * PRIOR_WINDOWS) / (count + PRIOR_WINDOWS);
                log_normal(*value, mean[i], variance) - log_normal(*value, others.mean[i], others.variance[i])
            })
            .sum()
    }
}

/// Logarithm of the density of a normal distribution, but for a constant.
pub(super) fn log_normal(value: f32, mean: f32, variance: f32) -> f32 {
    let variance = variance.max(VARIANCE_MIN);
    -0.5 * (variance.ln() + (value - mean) * (value - mean) / variance)
}

impl Method for Gaussian<'_> {
    fn name(&self) -> &'static str {
        "gaussian"
    }

    fn score(&self, enrolled: &[Enrolled], trials: &Trials, threads: NonZeroUsize) -> Scores {
        trials.score_windows(enrolled, threads, |claimed, probe, window| {
            let others = self
                .background
                .of(enrolled[claimed].person, self.background.partner(probe));
            others.map_or(0.0, |others| self.ratio(claimed, others, window))
        })
    }
}
