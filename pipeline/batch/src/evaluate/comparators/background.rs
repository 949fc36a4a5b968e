//! Other people: what a comparison may know besides the references of the claimed person.
//!
//! People are put into [`FOLDS`] folds. The background of a comparison is everybody outside the folds of the claimed and of
//! the probed person, so that there are few backgrounds to learn from and none holds either of the two. With people from
//! elsewhere (`--background`) there is only that one.

use super::statistics::{Statistics, add, scale};
use crate::evaluate::layout::{Enrolled, Layout, Probe};
use ductus_dynamics::feature::FeatureWindow;
use std::collections::{BTreeMap, BTreeSet};

/// Folds of people.
const FOLDS: usize = 8;
/// Fewest windows of a background that anything is learned from.
const WINDOWS_MIN: usize = 8;

/// Which folds a background leaves out besides that of the claimed person; [`FOLDS`] for none.
pub(super) const PARTNERS: usize = FOLDS + 1;

/// Rows and plain measures of some other people.
#[derive(Default)]
pub(super) struct Others {
    /// Their rows in the statistics.
    pub(super) rows: Vec<usize>,
    /// Mean over the rows.
    pub(super) mean: Vec<f32>,
    /// Variance over the rows.
    pub(super) variance: Vec<f32>,
    /// Mean over people of the variance within each.
    pub(super) within: Vec<f32>,
    /// Mean over people of the mean absolute deviation within each.
    pub(super) deviation: Vec<f32>,
}

/// The backgrounds of all comparisons.
pub(super) struct Background {
    from_elsewhere: bool,
    by_key: BTreeMap<(usize, usize), Others>,
}

impl Background {
    /// `others` are people from elsewhere, whose rows follow those of the layout.
    pub(super) fn new(layout: &Layout, others: &[Vec<FeatureWindow>], statistics: &Statistics) -> Self {
        let from_elsewhere = !others.is_empty();
        let mut by_key = BTreeMap::new();
        if from_elsewhere {
            let mut first = layout.windows.len();
            let people: Vec<Vec<usize>> = others
                .iter()
                .map(|windows| {
                    let rows = (first..first + windows.len()).collect();
                    first += windows.len();
                    rows
                })
                .collect();
            by_key.insert((FOLDS, FOLDS), Others::of(people.iter(), statistics));
            return Self { from_elsewhere, by_key };
        }
        let people = references(&layout.enrolled);
        let occupied: BTreeSet<usize> = people.keys().map(|person| fold(*person)).collect();
        for &a in &occupied {
            for &b in occupied.iter().filter(|b| **b >= a).chain([&FOLDS]) {
                let outside = people.iter().filter(|(person, _)| ![a, b].contains(&fold(**person)));
                by_key.insert((a, b), Others::of(outside.map(|(_, rows)| rows), statistics));
            }
        }
        Self { from_elsewhere, by_key }
    }

    /// Whether every background is worth learning from.
    pub(super) fn is_enough(&self) -> bool {
        !self.by_key.is_empty() && self.by_key.values().all(|others| others.rows.len() >= WINDOWS_MIN)
    }

    /// The place of a probe's owner among the backgrounds of a claimed person.
    pub(super) fn partner(&self, probe: &Probe) -> usize {
        match probe.owner {
            Some(owner) if !self.from_elsewhere => fold(owner),
            _ => FOLDS,
        }
    }

    /// The background of a claimed person against a partner; nothing where there is no such partner.
    pub(super) fn of(&self, person: u32, partner: usize) -> Option<&Others> {
        self.by_key.get(&self.key(person, partner))
    }

    /// Makes something of every background once.
    pub(super) fn map<T>(&self, make: impl Fn(&Others) -> T) -> BTreeMap<(usize, usize), T> {
        self.by_key.iter().map(|(key, others)| (*key, make(others))).collect()
    }

    /// How [`Background::map`] names the background.
    pub(super) fn key(&self, person: u32, partner: usize) -> (usize, usize) {
        if self.from_elsewhere {
            return (FOLDS, FOLDS);
        }
        let own = fold(person);
        (own.min(partner), own.max(partner))
    }
}

fn fold(person: u32) -> usize {
    person as usize % FOLDS
}

/// Rows of everybody's references, each once.
fn references(enrolled: &[Enrolled]) -> BTreeMap<u32, Vec<usize>> {
    let mut people: BTreeMap<u32, BTreeSet<usize>> = BTreeMap::new();
    for enrolled in enrolled {
        let windows = enrolled.references.iter().map(|reference| reference.window);
        people.entry(enrolled.person).or_default().extend(windows);
    }
    people
        .into_iter()
        .map(|(person, rows)| (person, rows.into_iter().collect()))
        .collect()
}

impl Others {
    fn of<'a>(people: impl Iterator<Item = &'a Vec<usize>>, statistics: &Statistics) -> Self {
        let mut others = Self {
            within: vec![0.0; statistics.dims],
            deviation: vec![0.0; statistics.dims],
            ..Self::default()
        };
        let mut count = 0;
        for rows in people {
            let mean = statistics.mean(rows);
            add(
                &mut others.within,
                &statistics.spread(rows, &mean, |apart| apart * apart),
            );
            add(&mut others.deviation, &statistics.spread(rows, &mean, f32::abs));
            others.rows.extend(rows);
            count += 1;
        }
        scale(&mut others.within, count);
        scale(&mut others.deviation, count);
        others.mean = statistics.mean(&others.rows);
        others.variance = statistics.spread(&others.rows, &others.mean, |apart| apart * apart);
        others
    }
}
