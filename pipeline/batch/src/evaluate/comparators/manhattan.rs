//! Scaled Manhattan distance (Killourhy & Maxion, DSN 2009).

use super::Method;
use super::background::Background;
use super::statistics::Statistics;
use crate::evaluate::layout::{Enrolled, Layout, Trials};
use crate::evaluate::scores::Scores;
use std::num::NonZeroUsize;

/// Keeps a deviation of nothing from deciding alone.
const DEVIATION_MIN: f32 = 1e-3;

/// Mean and mean absolute deviation of each enrolment.
pub(super) struct Manhattan<'a> {
    statistics: &'a Statistics,
    background: &'a Background,
    people: Vec<(Vec<f32>, Vec<f32>)>,
}

impl<'a> Manhattan<'a> {
    pub(super) fn new(layout: &Layout, statistics: &'a Statistics, background: &'a Background) -> Self {
        let people = layout.enrolled.iter().map(|enrolled| {
            let rows: Vec<usize> = enrolled.references.iter().map(|reference| reference.window).collect();
            let mean = statistics.mean(&rows);
            let deviation = statistics.spread(&rows, &mean, f32::abs);
            (mean, deviation)
        });
        Self {
            statistics,
            background,
            people: people.collect(),
        }
    }

    fn distance(&self, claimed: usize, person: u32, partner: usize, window: usize) -> f32 {
        let (mean, own) = &self.people[claimed];
        // With five references a deviation of one's own is chance for half; other people's steadies it.
        let others = self
            .background
            .of(person, partner)
            .filter(|others| !others.rows.is_empty());
        let usual = |i: usize| others.map_or(own[i], |others| (own[i] + others.deviation[i]) / 2.0);
        let terms = self.statistics.row(window).iter().zip(mean).enumerate();
        terms
            .map(|(i, (value, mean))| (value - mean).abs() / usual(i).max(DEVIATION_MIN))
            .sum()
    }
}

impl Method for Manhattan<'_> {
    fn name(&self) -> &'static str {
        "scaled_manhattan"
    }

    fn score(&self, enrolled: &[Enrolled], trials: &Trials, threads: NonZeroUsize) -> Scores {
        trials.score_windows(enrolled, threads, |claimed, probe, window| {
            -self.distance(
                claimed,
                enrolled[claimed].person,
                self.background.partner(probe),
                window,
            )
        })
    }
}
