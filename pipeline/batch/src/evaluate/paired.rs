//! Two models on the same comparisons: how far apart they are, and how far chance in the choice of people moves that. Whoever is
//! drawn is drawn for both models, so what is hard about a person falls out of the difference.
//!
//! Invariant: the same scores give the same intervals, whatever the number of threads.

use super::bootstrap::{drawn, draws, interval};
use super::scores::Scores;
use ductus_dynamics::accuracy::{Costs, Ranked};
use std::collections::BTreeSet;
use std::num::NonZeroUsize;

/// How to draw.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draws {
    /// How often.
    pub(crate) resamples: usize,
    /// Share of the draws that an interval leaves out on either side.
    pub(crate) tail: f64,
    /// On how many threads.
    pub(crate) threads: NonZeroUsize,
}

/// One measure of two models on the same comparisons.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Paired {
    pub(crate) ours: f64,
    pub(crate) theirs: f64,
    /// Of ours − theirs.
    pub(crate) interval: [f64; 2],
}

/// Measures of one model: equal error rate under one threshold, FNMR at FMR 1 %, Cllr in bits; higher is worse.
type Measures = [f64; 3];

/// Compares log-likelihood ratios of two models by the equal error rate under one threshold, FNMR at FMR 1 %, and Cllr, over
/// these claimed people alone. `None` where comparisons of one kind are missing.
pub(crate) fn paired(ours: &Scores, theirs: &Scores, people: &[u32], how: &Draws) -> Option<[Paired; 3]> {
    let (ours, theirs) = (Side::of(ours, people), Side::of(theirs, people));
    let weights = |places: &[usize]| {
        let mut weights = vec![0; ours.ranked.people().max(theirs.ranked.people())];
        for &place in places {
            // Somebody without a comparison weighs nothing.
            if let Some(weight) = weights.get_mut(people[place] as usize) {
                *weight += 1;
            }
        }
        weights
    };
    let everybody: Vec<usize> = (0..people.len()).collect();
    let measured = weights(&everybody);
    let (our, their) = (ours.measures(&measured)?, theirs.measures(&measured)?);
    let differences: Vec<Option<Measures>> = draws(how.resamples, how.threads, |number| {
        let weights = weights(&drawn(number, people.len()));
        let (our, their) = (ours.measures(&weights)?, theirs.measures(&weights)?);
        Some(std::array::from_fn(|i| our[i] - their[i]))
    });
    let interval = |i: usize| interval(differences.iter().flatten().map(|difference| difference[i]), how.tail);
    let intervals = [interval(0)?, interval(1)?, interval(2)?];
    Some(std::array::from_fn(|i| Paired {
        ours: our[i],
        theirs: their[i],
        interval: intervals[i],
    }))
}

/// The comparisons of one model, ready to be measured again and again.
struct Side {
    ranked: Ranked,
    costs: Costs,
}

impl Side {
    fn of(scores: &Scores, people: &[u32]) -> Self {
        let people: BTreeSet<u32> = people.iter().copied().collect();
        let own = scores.all.iter().filter(|(claimed, ..)| people.contains(claimed));
        let own: Vec<(u32, bool, f32)> = own.copied().collect();
        Self {
            ranked: Ranked::of(&own),
            costs: Costs::of(&own),
        }
    }

    fn measures(&self, weights: &[u32]) -> Option<Measures> {
        let rates = self.ranked.rates(weights)?;
        Some([rates.eer_nearest, rates.fnmr_at_fmr_1pct, self.costs.cllr(weights)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Thirty people, some of whom are hard to tell; `shift` lowers all genuine scores of those from `from` on.
    fn scores(from: u32, shift: f32) -> Scores {
        let one = |person: u32| {
            let hard = 0.15 * (person % 7) as f32 + if person >= from { shift } else { 0.0 };
            let genuine = (0..8).map(move |i| (person, true, 2.0 - hard - 0.4 * i as f32));
            genuine.chain((0..40).map(move |i| (person, false, 0.5 - 0.1 * i as f32)))
        };
        Scores {
            all: (0..30).flat_map(one).collect(),
        }
    }

    fn draws_on(threads: usize) -> Draws {
        Draws {
            resamples: 400,
            tail: 0.025,
            threads: NonZeroUsize::new(threads).unwrap(),
        }
    }

    #[test]
    fn intervals_are_those_of_the_difference_and_do_not_depend_on_threads() {
        let everybody: Vec<u32> = (0..30).collect();
        let (live, worse) = (scores(30, 0.0), scores(0, 0.5));
        let found = paired(&worse, &live, &everybody, &draws_on(1)).unwrap();
        assert_eq!(Some(found), paired(&worse, &live, &everybody, &draws_on(3)));
        for Paired { ours, theirs, interval } in found {
            let difference = ours - theirs;
            assert!(interval[0] <= difference && difference <= interval[1], "{found:?}");
            assert!(interval[0] > 0.0, "everybody is worse: {found:?}");
        }
        // Paired, a model is no different from itself, however much people differ from each other.
        for Paired { interval, .. } in paired(&live, &live, &everybody, &draws_on(1)).unwrap() {
            assert_eq!(interval, [0.0, 0.0]);
        }
    }

    #[test]
    fn only_the_people_asked_for_count() {
        let (live, worse) = (scores(30, 0.0), scores(20, 0.8));
        let first: Vec<u32> = (0..20).collect();
        let [eer, ..] = paired(&worse, &live, &first, &draws_on(1)).unwrap();
        assert_eq!((eer.ours, eer.interval), (eer.theirs, [0.0, 0.0]));
        let last: Vec<u32> = (20..30).collect();
        let [eer, ..] = paired(&worse, &live, &last, &draws_on(1)).unwrap();
        assert!(eer.ours > eer.theirs);
        assert_eq!(paired(&worse, &live, &[99], &draws_on(1)), None);
    }
}
