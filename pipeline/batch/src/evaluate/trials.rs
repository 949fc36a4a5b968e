//! What a protocol compares with what.
//!
//! Invariant: a protocol only lays out windows and pairs; embedding, comparing and measuring are the same for all.

use crate::embed::Embeddings;
use anyhow::{Result, bail};
use ductus_dynamics::accuracy;
use ductus_dynamics::backend::{BackEnd, Calibration};
use ductus_dynamics::compare::{ReferenceKey, ReferenceSet};
use ductus_dynamics::event::Modality;
use ductus_dynamics::feature::FeatureWindow;
use ductus_dynamics::wire::{ModelRef, Reference, Sample, VERSION};

/// Genuine comparisons that a person needs for an equal error rate of their own.
pub(super) const SUBJECT_GENUINE_MIN: usize = 5;

/// The windows of a protocol and what is compared.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// Everything that is embedded.
    pub windows: Vec<FeatureWindow>,
    /// The enrolled people: indices of their reference windows.
    pub enrolled: Vec<Vec<usize>>,
    /// The main comparisons.
    pub trials: Trials,
    /// The same with more evidence a decision: windows a probe, and comparisons.
    pub after: Vec<(usize, Trials)>,
    /// What was left out and why, for the report.
    pub notes: Vec<String>,
}

/// Comparisons of probes with enrolled people.
#[derive(Clone, Debug, Default)]
pub struct Trials {
    /// Indices of the windows of each probe; its score is the mean over them.
    pub probes: Vec<Vec<usize>>,
    /// Who is claimed, which probe, and whether it is theirs.
    pub pairs: Vec<Pair>,
}

/// One comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Index into the enrolled people.
    pub enrolled: u32,
    /// Index into the probes.
    pub probe: u32,
    /// Whether the probe is theirs.
    pub genuine: bool,
}

/// Scores of comparisons.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    /// Who was claimed, whether it was genuine, and the score.
    pub all: Vec<(u32, bool, f32)>,
}

/// The measures of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// Genuine comparisons.
    pub genuine: u64,
    /// Impostor comparisons.
    pub impostor: u64,
    /// Mean over people of the equal error rate under each one's own threshold.
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

impl Layout {
    /// Adds windows and gives their indices.
    pub fn add(&mut self, windows: impl IntoIterator<Item = FeatureWindow>) -> Vec<usize> {
        let first = self.windows.len();
        self.windows.extend(windows);
        (first..self.windows.len()).collect()
    }

    /// Every probe against every enrolled person; `owner[i]` is the person of probe `i`.
    pub fn everybody(enrolled: usize, probes: Vec<Vec<usize>>, owner: &[usize]) -> Trials {
        let mut pairs = Vec::with_capacity(enrolled * probes.len());
        for claimed in 0..enrolled {
            for (probe, &owner) in owner.iter().enumerate() {
                pairs.push(Pair {
                    enrolled: claimed as u32,
                    probe: probe as u32,
                    genuine: owner == claimed,
                });
            }
        }
        Trials { probes, pairs }
    }

    /// Refuses what cannot be measured.
    pub fn check(&self) -> Result<()> {
        if self.enrolled.len() < 2 {
            bail!(
                "{} subject(s) have enough data for this protocol, at least 2 are needed: give a folder with more people or \
                 longer sessions",
                self.enrolled.len()
            );
        }
        let genuine = self.trials.pairs.iter().filter(|pair| pair.genuine).count();
        if genuine == 0 || genuine == self.trials.pairs.len() {
            bail!(
                "the protocol finds {genuine} genuine and {} impostor comparisons in this data, and needs both",
                self.trials.pairs.len() - genuine
            );
        }
        Ok(())
    }

    /// Scores the comparisons of `trials` through `dynamics::compare`.
    pub fn score(&self, trials: &Trials, embeddings: &Embeddings) -> Scores {
        let sets: Vec<ReferenceSet> = self
            .enrolled
            .iter()
            .map(|windows| reference_set(windows, embeddings))
            .collect();
        // Scores are cosines here; the calibration is fitted to them later.
        let plain = BackEnd::identity(Calibration {
            slope: 1.0,
            intercept: 0.0,
        });
        let all = trials
            .pairs
            .iter()
            .map(|pair| {
                let probe = &trials.probes[pair.probe as usize];
                let set = &sets[pair.enrolled as usize];
                let sum: f32 = probe
                    .iter()
                    .map(|&window| set.compare(embeddings.of(window), &plain).cosine)
                    .sum();
                (pair.enrolled, pair.genuine, sum / probe.len() as f32)
            })
            .collect();
        Scores { all }
    }
}

/// A reference set of these windows, all of them anchors.
fn reference_set(windows: &[usize], embeddings: &Embeddings) -> ReferenceSet {
    let key = ReferenceKey {
        tenant: "evaluate".to_owned(),
        subject: "evaluate".to_owned(),
        modality: Modality::Keystroke,
        device: "unknown".to_owned(),
        model_sha256: String::new(),
    };
    let model = ModelRef {
        id: String::new(),
        version: String::new(),
        sha256: String::new(),
    };
    let anchors = windows
        .iter()
        .map(|&window| Sample {
            embedding: embeddings.of(window).to_vec(),
            session: String::new(),
            sequence: window as u64,
            end_us: 0,
        })
        .collect();
    let stored = Reference {
        anchors,
        ..ReferenceSet::new(&key, &model).stored()
    };
    debug_assert_eq!(stored.v, VERSION);
    ReferenceSet::from_stored(stored)
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
        let (genuine, impostor) = self.split();
        Measured {
            genuine: genuine.len() as u64,
            impostor: impostor.len() as u64,
            eer_subject: self.eer_subject(),
            eer_global: accuracy::eer(&genuine, &impostor),
            auc: accuracy::auc(&genuine, &impostor),
            fnmr_at_fmr_1pct: accuracy::fnmr_at_fmr(&genuine, &impostor, 0.01),
            fnmr_at_fmr_0_1pct: accuracy::fnmr_at_fmr(&genuine, &impostor, 0.001),
        }
    }

    /// Mean over the people who have enough genuine comparisons; with fewer, one's own threshold fits itself to chance.
    fn eer_subject(&self) -> Option<f64> {
        let mut people: std::collections::BTreeMap<u32, (Vec<f32>, Vec<f32>)> = Default::default();
        for &(claimed, genuine, score) in &self.all {
            let (ours, theirs) = people.entry(claimed).or_default();
            if genuine { ours.push(score) } else { theirs.push(score) }
        }
        let eers: Vec<f64> = people
            .values()
            .filter(|(genuine, _)| genuine.len() >= SUBJECT_GENUINE_MIN)
            .filter_map(|(genuine, impostor)| accuracy::eer(genuine, impostor))
            .collect();
        (!eers.is_empty()).then(|| eers.iter().sum::<f64>() / eers.len() as f64)
    }
}
