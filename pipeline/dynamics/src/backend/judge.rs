//! Comparisons by occasion: one occasion of a person against references from their other ones, and against other people's.
//!
//! Invariant: references and probes of a comparison never share an occasion, as in a deployment where people come back.

use super::{LearnConfig, Occasions, Space};
use crate::compare::dot;

/// One comparison.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// Who was claimed.
    pub person: u32,
    /// Whether it was them.
    pub genuine: bool,
    /// Cosine in the space of comparisons.
    pub cosine: f32,
}

impl Trial {
    /// Genuine and impostor cosines.
    pub fn split(trials: &[Self]) -> (Vec<f32>, Vec<f32>) {
        let of = |genuine: bool| {
            let of_kind = trials.iter().filter(|trial| trial.genuine == genuine);
            of_kind.map(|trial| trial.cosine).collect()
        };
        (of(true), of(false))
    }
}

/// Compares people with one another in `space`: for each occasion of each person, its embeddings and those of
/// as old an occasion of other people against references from the person's other occasions.
pub fn judge(people: &[(u32, &Occasions)], space: &Space, config: &LearnConfig) -> Vec<Trial> {
    let moved: Vec<Vec<Vec<Vec<f32>>>> = people
        .iter()
        .map(|(_, person)| {
            let filled = person.0.iter().filter(|occasion| !occasion.is_empty());
            filled
                .map(|occasion| occasion.iter().map(|embedding| space.apply(embedding)).collect())
                .collect()
        })
        .collect();
    // The embeddings are in the space already: what is left is the plain cosine.
    let plain = Space::default();
    let mut trials = Vec::new();
    for (place, (number, _)) in people.iter().enumerate() {
        let own = &moved[place];
        for left_out in 0..own.len() {
            let references = references(own, left_out, config.references_max);
            if references.len() < config.references_min {
                continue;
            }
            let mean = plain.mean_of(references.into_iter());
            let mut compare = |probes: &[Vec<f32>], genuine: bool| {
                trials.extend(probes.iter().map(|probe| Trial {
                    person: *number,
                    genuine,
                    cosine: dot(&mean, probe),
                }));
            };
            compare(&own[left_out], true);
            for step in 1..people.len().min(config.impostors_max + 1) {
                let other = &moved[(place + step) % people.len()];
                if let Some(occasion) = other.get(left_out % other.len().max(1)) {
                    compare(occasion, false);
                }
            }
        }
    }
    trials
}

/// At most `count` embeddings of all occasions but one, in turn: the first of each, then the second of each.
fn references(occasions: &[Vec<Vec<f32>>], left_out: usize, count: usize) -> Vec<&[f32]> {
    let longest = occasions.iter().map(Vec::len).max().unwrap_or(0);
    let others = || {
        occasions
            .iter()
            .enumerate()
            .filter(move |(place, _)| *place != left_out)
    };
    let turns = (0..longest).flat_map(|turn| others().filter_map(move |(_, occasion)| occasion.get(turn)));
    turns.take(count).map(Vec::as_slice).collect()
}
