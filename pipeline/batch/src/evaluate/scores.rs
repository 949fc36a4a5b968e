//! Scores of comparisons, and the measures over them.

use super::bootstrap::{self, Intervals};
use ductus_dynamics::accuracy::{self, Ranked};
use ductus_scorer::Accuracy;
use serde::Serialize;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;

/// Genuine comparisons that a person needs for an equal error rate of their own: with fewer, one's own threshold fits itself
/// to chance.
pub(super) const SUBJECT_GENUINE_MIN: usize = 5;

/// Scores of comparisons; higher is more alike.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    /// Number of the person who was claimed, whether it was genuine, and the score.
    pub all: Vec<(u32, bool, f32)>,
}

/// The measures of a report, fractions. Equal error rates are (FMR + FNMR) / 2 at the point where both are nearest, as
/// published figures are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Measured {
    /// Genuine comparisons.
    pub genuine: u64,
    /// Impostor comparisons.
    pub impostor: u64,
    /// Mean over people of the equal error rate under each one's own threshold; only people with at least five genuine
    /// comparisons have one.
    pub eer_subject: Option<f64>,
    /// Equal error rate under one threshold.
    pub eer_global: Option<f64>,
    /// Area under the curve, one threshold.
    pub auc: Option<f64>,
    /// FNMR where FMR is at most 1 %.
    pub fnmr_at_fmr_1pct: Option<f64>,
    /// FNMR where FMR is at most 0.1 %.
    pub fnmr_at_fmr_0_1pct: Option<f64>,
}

impl Measured {
    /// What a manifest says of them.
    pub fn accuracy(&self, protocol: &str, subjects: usize, cllr: Option<f64>, min_cllr: Option<f64>) -> Accuracy {
        Accuracy {
            protocol: protocol.to_owned(),
            subjects,
            genuine: Some(self.genuine),
            impostor: Some(self.impostor),
            eer_subject: self.eer_subject,
            eer_global: self.eer_global,
            auc: self.auc,
            fnmr_at_fmr_1pct: self.fnmr_at_fmr_1pct,
            fnmr_at_fmr_0_1pct: self.fnmr_at_fmr_0_1pct,
            cllr,
            min_cllr,
        }
    }
}

/// Measures with the range that chance gives them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// The measures.
    #[serde(flatten)]
    pub measured: Measured,
    /// 95 % intervals.
    #[serde(flatten)]
    pub intervals: Intervals,
}

impl Scores {
    /// Genuine and impostor scores.
    pub fn split(&self) -> (Vec<f32>, Vec<f32>) {
        let of = |wanted: bool| {
            self.all
                .iter()
                .filter(|(_, genuine, _)| *genuine == wanted)
                .map(|s| s.2)
                .collect()
        };
        (of(true), of(false))
    }

    /// Adds the scores of other people.
    pub fn extend(&mut self, other: Self) {
        let first = self.all.iter().map(|(claimed, ..)| claimed + 1).max().unwrap_or(0);
        self.all.extend(
            other
                .all
                .into_iter()
                .map(|(claimed, genuine, score)| (first + claimed, genuine, score)),
        );
    }

    /// The measures.
    pub fn measure(&self) -> Measured {
        self.measure_ranked(&Ranked::of(&self.all), &self.subject_rates())
    }

    /// The measures and their intervals over `resamples` draws of people.
    pub fn figures(&self, resamples: usize, threads: NonZeroUsize) -> Figures {
        let (ranked, subjects) = (Ranked::of(&self.all), self.subject_rates());
        Figures {
            measured: self.measure_ranked(&ranked, &subjects),
            intervals: bootstrap::intervals(&ranked, &subjects, resamples, threads),
        }
    }

    fn measure_ranked(&self, ranked: &Ranked, subjects: &[(u32, Option<f64>)]) -> Measured {
        let rates = ranked.rates(&vec![1; ranked.people()]);
        let genuine = self.all.iter().filter(|(_, genuine, _)| *genuine).count() as u64;
        Measured {
            genuine,
            impostor: self.all.len() as u64 - genuine,
            eer_subject: mean(subjects.iter().filter_map(|(_, rate)| *rate)),
            eer_global: rates.map(|rates| rates.eer_nearest),
            auc: rates.map(|rates| rates.auc),
            fnmr_at_fmr_1pct: rates.map(|rates| rates.fnmr_at_fmr_1pct),
            fnmr_at_fmr_0_1pct: rates.map(|rates| rates.fnmr_at_fmr_0_1pct),
        }
    }

    /// Everybody who was claimed, and the equal error rate of those with enough genuine comparisons.
    fn subject_rates(&self) -> Vec<(u32, Option<f64>)> {
        let mut people: BTreeMap<u32, (Vec<f32>, Vec<f32>)> = BTreeMap::new();
        for &(claimed, genuine, score) in &self.all {
            let (ours, theirs) = people.entry(claimed).or_default();
            if genuine { ours.push(score) } else { theirs.push(score) }
        }
        let rate = |genuine: &[f32], impostor: &[f32]| {
            (genuine.len() >= SUBJECT_GENUINE_MIN)
                .then(|| accuracy::eer_nearest(genuine, impostor))
                .flatten()
        };
        people
            .iter()
            .map(|(person, (genuine, impostor))| (*person, rate(genuine, impostor)))
            .collect()
    }
}

/// Mean of some numbers; nothing of none.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0u64, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / count as f64)
}
