//! What a protocol compares with what.
//!
//! Invariant: a protocol only lays out windows and pairs; embedding, comparing and measuring are the same for all.

use super::scores::Scores;
use crate::embed::Embeddings;
use anyhow::{Result, bail};
use ductus_dynamics::feature::FeatureWindow;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::num::NonZeroUsize;

/// The windows of a protocol and what is compared.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// Everything that is embedded.
    pub windows: Vec<FeatureWindow>,
    /// The enrolled people; one person may stand here several times, with other references each.
    pub enrolled: Vec<Enrolled>,
    /// The same enrolments with fewer or more references: how many, and which.
    pub galleries: Vec<(usize, Vec<Enrolled>)>,
    /// The main comparisons.
    pub trials: Trials,
    /// The same with more evidence a decision: windows a probe, and comparisons.
    pub after: Vec<(usize, Trials)>,
    /// What was left out and why, for the report.
    pub notes: Vec<String>,
}

/// One enrolment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolled {
    /// Number of the person.
    pub person: u32,
    /// The reference windows.
    pub references: Vec<Reference>,
}

/// One reference window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Index into the windows.
    pub window: usize,
    /// Number of the session it is from, within the person.
    pub occasion: u32,
}

/// What is compared with an enrolment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Indices of its windows; they are judged together.
    pub windows: Vec<usize>,
    /// Number of the person it is of, where the data tells.
    pub owner: Option<u32>,
}

/// Comparisons of probes with enrolled people.
#[derive(Clone, Debug, Default)]
pub struct Trials {
    /// The probes.
    pub probes: Vec<Probe>,
    /// Who is claimed, which probe, and whether it is theirs.
    pub pairs: Vec<Pair>,
}

/// One comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Index into the enrolments.
    pub enrolled: u32,
    /// Index into the probes.
    pub probe: u32,
    /// Whether the probe is theirs.
    pub genuine: bool,
}

impl Layout {
    /// Adds windows and gives their indices.
    pub fn add(&mut self, windows: impl IntoIterator<Item = FeatureWindow>) -> Vec<usize> {
        let first = self.windows.len();
        self.windows.extend(windows);
        (first..self.windows.len()).collect()
    }

    /// How many people are enrolled.
    pub fn people(&self) -> usize {
        let mut people: Vec<u32> = self.enrolled.iter().map(|enrolled| enrolled.person).collect();
        people.sort_unstable();
        people.dedup();
        people.len()
    }

    /// Refuses what cannot be measured.
    pub fn check(&self) -> Result<()> {
        let people = self.people();
        if people < 2 {
            let why = self.notes.join("; ");
            bail!(
                "{people} subject(s) have enough data for this protocol, at least 2 are needed: give a folder with more people \
                 or longer sessions{}{why}",
                if why.is_empty() { "" } else { "; " }
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

    /// Cosines of the comparisons of `trials`, through `dynamics::compare`.
    pub fn score(&self, trials: &Trials, embeddings: &Embeddings) -> Scores {
        super::compare::cosines(&self.enrolled, trials, embeddings)
    }

    /// Gives everybody's references to somebody else, who keeps their own probes: whatever tells people apart by more than
    /// their references shows as an error rate that is not 50 %.
    pub fn shuffle_labels(&mut self, seed: u64) {
        shuffle(&mut self.enrolled, seed);
        for (_, gallery) in &mut self.galleries {
            shuffle(gallery, seed);
        }
    }
}

/// Passes the references on along a random ring of the people. Of several enrolments of one person each goes to the one of
/// the same number.
fn shuffle(enrolled: &mut [Enrolled], seed: u64) {
    let mut people: Vec<u32> = enrolled.iter().map(|enrolled| enrolled.person).collect();
    people.sort_unstable();
    people.dedup();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // Fisher and Yates; the next one on the ring is never oneself.
    for i in (1..people.len()).rev() {
        people.swap(i, below(&mut rng, i + 1));
    }
    let of = |person: u32| -> Vec<usize> { (0..enrolled.len()).filter(|&i| enrolled[i].person == person).collect() };
    let mut moved: Vec<(usize, Vec<Reference>)> = Vec::new();
    for (i, &person) in people.iter().enumerate() {
        let from = of(people[(i + 1) % people.len()]);
        for (number, to) in of(person).into_iter().enumerate() {
            if let Some(&from) = from.get(number).or(from.last()) {
                moved.push((to, enrolled[from].references.clone()));
            }
        }
    }
    for (to, references) in moved {
        enrolled[to].references = references;
    }
}

/// A number from 0 to `end` - 1, independent of the version of the `rand` crate's distributions.
pub(super) fn below(rng: &mut ChaCha8Rng, end: usize) -> usize {
    ((u64::from(rng.next_u32()) * end as u64) >> 32) as usize
}

impl Trials {
    /// Every probe against every enrolled person.
    pub fn everybody(enrolled: &[Enrolled], probes: Vec<Probe>) -> Self {
        let mut pairs = Vec::with_capacity(enrolled.len() * probes.len());
        for (claimed, enrolled) in enrolled.iter().enumerate() {
            for (probe, Probe { owner, .. }) in probes.iter().enumerate() {
                pairs.push(Pair {
                    enrolled: claimed as u32,
                    probe: probe as u32,
                    genuine: *owner == Some(enrolled.person),
                });
            }
        }
        Self { probes, pairs }
    }

    /// Scores of all pairs; `score` gives that of one window against an enrolment for a probe's owner, and a probe has the
    /// mean over its windows.
    pub(super) fn score_windows(
        &self,
        enrolled: &[Enrolled],
        threads: NonZeroUsize,
        score: impl Fn(usize, &Probe, usize) -> f32 + Sync,
    ) -> Scores {
        self.score(enrolled, threads, |claimed, probe| {
            let sum: f32 = probe.windows.iter().map(|&window| score(claimed, probe, window)).sum();
            sum / probe.windows.len().max(1) as f32
        })
    }

    /// Scores of all pairs; `score` gives that of a probe, all its windows together, against an enrolment.
    pub(super) fn score(
        &self,
        enrolled: &[Enrolled],
        threads: NonZeroUsize,
        score: impl Fn(usize, &Probe) -> f32 + Sync,
    ) -> Scores {
        let one = |pair: &Pair| {
            let (claimed, probe) = (pair.enrolled as usize, &self.probes[pair.probe as usize]);
            (enrolled[claimed].person, pair.genuine, score(claimed, probe))
        };
        let mut all = vec![(0, false, 0.0); self.pairs.len()];
        let share = self.pairs.len().div_ceil(threads.get()).max(1);
        std::thread::scope(|scope| {
            for (pairs, scores) in self.pairs.chunks(share).zip(all.chunks_mut(share)) {
                scope.spawn(|| {
                    for (pair, score) in pairs.iter().zip(scores) {
                        *score = one(pair);
                    }
                });
            }
        });
        Scores { all }
    }
}
