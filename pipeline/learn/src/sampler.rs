//! Seeded chance, and the batches drawn with it.
//!
//! Every use of chance has its own ChaCha stream, found from the seed, the purpose and a number (the step, the epoch).
//!
//! Invariants: what a step draws depends on the seed, the data and the step alone, so a checkpoint needs no state of a
//! generator; the values drawn do not depend on the version of the `rand` crate, whose distributions may change.

use crate::dataset::Dataset;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What chance is used for. The discriminants are part of what a seed means: never change one.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Weights = 1,
    People = 2,
    Sequences = 3,
    Augmentation = 4,
}

/// The generator for one purpose and number.
pub(crate) fn stream(seed: u64, purpose: Purpose, number: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // Steps stay far below 2^56.
    rng.set_stream(((purpose as u64) << 56) | number);
    rng
}

/// Uniform in [0, 1).
pub(crate) fn uniform(rng: &mut impl Rng) -> f32 {
    (rng.next_u32() >> 8) as f32 / (1 << 24) as f32
}

/// Uniform below `bound`.
fn below(rng: &mut impl Rng, bound: usize) -> usize {
    ((u128::from(rng.next_u64()) * bound as u128) >> 64) as usize
}

fn shuffle<T>(items: &mut [T], rng: &mut impl Rng) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(rng, last + 1));
    }
}

/// A sequence of the data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Draw {
    pub(crate) person: usize,
    pub(crate) sequence: usize,
}

/// Draws batches of some sequences of some people. Everybody has had a turn before anybody has the next.
#[derive(Debug, Clone)]
pub(crate) struct Sampler {
    seed: u64,
    people_per_batch: usize,
    sequences_per_person: usize,
    /// The people in the order of their turns, for the epoch that it was last asked for.
    turns: Option<(u64, Vec<usize>)>,
}

impl Sampler {
    pub(crate) fn new(seed: u64, people_per_batch: usize, sequences_per_person: usize) -> Self {
        Self {
            seed,
            people_per_batch,
            sequences_per_person,
            turns: None,
        }
    }

    /// The batch of a step: person after person, fewer where the data has fewer.
    pub(crate) fn draw(&mut self, data: &Dataset, step: u64) -> Vec<Draw> {
        let people = self.people_per_batch.min(data.people());
        let batches_per_epoch = (data.people() / people) as u64;
        let start = (step % batches_per_epoch) as usize * people;
        let sequences_per_person = self.sequences_per_person;
        let mut rng = stream(self.seed, Purpose::Sequences, step);
        let mut batch = Vec::with_capacity(people * sequences_per_person);
        for &person in &self.turns(data.people(), step / batches_per_epoch)[start..start + people] {
            let chosen = choose(data, person, sequences_per_person, &mut rng);
            batch.extend(chosen.into_iter().map(|sequence| Draw { person, sequence }));
        }
        batch
    }

    fn turns(&mut self, people: usize, epoch: u64) -> &[usize] {
        if self.turns.as_ref().is_none_or(|(known, _)| *known != epoch) {
            let mut order: Vec<usize> = (0..people).collect();
            shuffle(&mut order, &mut stream(self.seed, Purpose::People, epoch));
            self.turns = Some((epoch, order));
        }
        self.turns.as_ref().map_or(&[], |(_, order)| order)
    }
}

/// Chooses sequences of a person: one of each occasion before a second one of any, otherwise by chance.
fn choose(data: &Dataset, person: usize, count: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut candidates: Vec<usize> = (0..data.sequences(person)).collect();
    shuffle(&mut candidates, rng);
    let mut seen = std::collections::BTreeMap::new();
    let mut ranked: Vec<(usize, usize)> = Vec::with_capacity(candidates.len());
    for sequence in candidates {
        let rank = seen.entry(data.occasion(person, sequence)).or_insert(0_usize);
        ranked.push((*rank, sequence));
        *rank += 1;
    }
    ranked.sort_by_key(|&(rank, _)| rank);
    ranked.truncate(count);
    ranked.into_iter().map(|(_, sequence)| sequence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn data(occasions: &[&[u32]]) -> Dataset {
        let mut data = Dataset::new(1).unwrap();
        for person in occasions {
            data.add_person(person.iter().map(|&occasion| (occasion, &[0.5][..])))
                .unwrap();
        }
        data
    }

    #[test]
    fn everybody_has_a_turn_in_every_epoch() {
        let data = data(&[&[0; 3][..]; 6]);
        let mut sampler = Sampler::new(9, 2, 2);
        for epoch in 0..4 {
            let mut seen = BTreeSet::new();
            for batch in 0..3 {
                let batch = sampler.draw(&data, epoch * 3 + batch);
                assert_eq!(batch.len(), 4);
                seen.extend(batch.iter().map(|draw| draw.person));
            }
            assert_eq!(seen.len(), 6);
        }
    }

    #[test]
    fn a_step_draws_the_same_whatever_came_before() {
        let data = data(&[&[0, 1, 2, 3][..]; 7]);
        let mut sampler = Sampler::new(3, 3, 2);
        let batches: Vec<_> = (0..9).map(|step| sampler.draw(&data, step)).collect();
        for (step, batch) in batches.iter().enumerate().rev() {
            assert_eq!(&Sampler::new(3, 3, 2).draw(&data, step as u64), batch);
        }
        assert_ne!(Sampler::new(4, 3, 2).draw(&data, 0), batches[0]);
    }

    #[test]
    fn occasions_are_spread() {
        let data = data(&[&[0, 0, 0, 0, 1, 2]]);
        for step in 0..20 {
            let batch = Sampler::new(1, 1, 3).draw(&data, step);
            let occasions: BTreeSet<u32> = batch.iter().map(|draw| data.occasion(0, draw.sequence)).collect();
            assert_eq!(occasions.len(), 3, "step {step}");
        }
    }

    #[test]
    fn takes_fewer_where_there_are_fewer() {
        let data = data(&[&[0], &[0, 0, 0]]);
        let batch = Sampler::new(1, 32, 2).draw(&data, 5);
        let of = |person| batch.iter().filter(|draw| draw.person == person).count();
        assert_eq!((of(0), of(1)), (1, 2));
    }

    #[test]
    fn the_meaning_of_a_seed_is_fixed() {
        let mut rng = stream(42, Purpose::Sequences, 7);
        let drawn: Vec<usize> = (0..6).map(|_| below(&mut rng, 1_000)).collect();
        expect_test::expect!["[249, 803, 141, 22, 514, 235]"].assert_eq(&format!("{drawn:?}"));
    }
}
