//! Scores of many people in order, measured again and again with some of the people counted more often than others: what a
//! bootstrap over people needs, in one pass over the scores each.
//!
//! Invariant: a weight of `n` gives what `n` copies of the person's scores would give.

/// Measures under one threshold for everybody.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// (FMR + FNMR) / 2 where |FMR - FNMR| is least, 0-1; of two such points the stricter one.
    pub eer_nearest: f64,
    /// Chance that a genuine score is above an impostor's, ties counting half.
    pub auc: f64,
    /// FNMR at the lowest threshold whose FMR is at most 1 %.
    pub fnmr_at_fmr_1pct: f64,
    /// FNMR at the lowest threshold whose FMR is at most 0.1 %.
    pub fnmr_at_fmr_0_1pct: f64,
}

/// Scores by rising value.
#[derive(Clone, Debug)]
pub struct Ranked {
    entries: Vec<Entry>,
    /// Genuine and impostor scores of each person.
    counts: Vec<(u64, u64)>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    person: u32,
    genuine: bool,
    /// The next score is greater.
    last: bool,
}

impl Ranked {
    /// Orders scores, each with the person who was claimed and whether it was genuine.
    pub fn of(scores: &[(u32, bool, f32)]) -> Self {
        let mut sorted: Vec<&(u32, bool, f32)> = scores.iter().collect();
        sorted.sort_unstable_by(|a, b| a.2.total_cmp(&b.2));
        let people = scores
            .iter()
            .map(|(person, ..)| *person as usize + 1)
            .max()
            .unwrap_or(0);
        let mut counts = vec![(0, 0); people];
        let mut entries = Vec::with_capacity(sorted.len());
        for (i, &&(person, genuine, score)) in sorted.iter().enumerate() {
            let count = &mut counts[person as usize];
            if genuine {
                count.0 += 1
            } else {
                count.1 += 1
            }
            let last = sorted.get(i + 1).is_none_or(|next| next.2 > score);
            entries.push(Entry { person, genuine, last });
        }
        Self { entries, counts }
    }

    /// Scores of nobody in particular, all of person 0.
    pub(super) fn of_two(genuine: &[f32], impostor: &[f32]) -> Self {
        let scores = |scores: &[f32], genuine: bool| -> Vec<(u32, bool, f32)> {
            scores.iter().map(|score| (0, genuine, *score)).collect()
        };
        Self::of(&[scores(genuine, true), scores(impostor, false)].concat())
    }

    /// One more than the largest number of a person.
    pub fn people(&self) -> usize {
        self.counts.len()
    }

    /// The measures where each person counts `weights[person]` times; a person beyond the end of `weights` does not count.
    /// `None` where no genuine or no impostor score counts.
    pub fn rates(&self, weights: &[u32]) -> Option<Rates> {
        let weight = |person: usize| weights.get(person).copied().map_or(0, u64::from);
        let total = self.counts.iter().enumerate().fold((0, 0), |sum, (person, count)| {
            (sum.0 + weight(person) * count.0, sum.1 + weight(person) * count.1)
        });
        if total.0 == 0 || total.1 == 0 {
            return None;
        }
        let mut sweep = Sweep::new(total.0, total.1);
        let (mut genuine, mut impostor) = (0, 0);
        for entry in &self.entries {
            let weight = weight(entry.person as usize);
            if entry.genuine {
                genuine += weight
            } else {
                impostor += weight
            }
            if entry.last && genuine + impostor > 0 {
                sweep.refuse(genuine, impostor);
                (genuine, impostor) = (0, 0);
            }
        }
        Some(sweep.rates())
    }
}

/// A threshold on its way from accept-all to refuse-all, in whole numbers of trials.
struct Sweep {
    genuine: u64,
    impostor: u64,
    refused_genuine: u64,
    accepted_impostor: u64,
    /// Least |FMR - FNMR| · genuine · impostor so far, and refused genuine and accepted impostors there.
    nearest: (u128, u64, u64),
    /// Twice the pairs in which the genuine score is above, ties counting one.
    wins: u128,
    fnmr_at_1pct: Option<f64>,
    fnmr_at_0_1pct: Option<f64>,
}

impl Sweep {
    fn new(genuine: u64, impostor: u64) -> Self {
        let mut sweep = Self {
            genuine,
            impostor,
            refused_genuine: 0,
            accepted_impostor: impostor,
            nearest: (u128::MAX, 0, impostor),
            wins: 0,
            fnmr_at_1pct: None,
            fnmr_at_0_1pct: None,
        };
        sweep.look();
        sweep
    }

    /// Raises the threshold above the next score, which so many trials share.
    fn refuse(&mut self, genuine: u64, impostor: u64) {
        let below = self.impostor - self.accepted_impostor;
        self.wins += u128::from(genuine) * u128::from(2 * below + impostor);
        self.refused_genuine += genuine;
        self.accepted_impostor -= impostor;
        self.look();
    }

    fn look(&mut self) {
        let fmr = u128::from(self.accepted_impostor) * u128::from(self.genuine);
        let fnmr = u128::from(self.refused_genuine) * u128::from(self.impostor);
        let apart = fmr.abs_diff(fnmr);
        if apart <= self.nearest.0 {
            self.nearest = (apart, self.refused_genuine, self.accepted_impostor);
        }
        let (fmr, fnmr) = (self.fmr(self.accepted_impostor), self.fnmr(self.refused_genuine));
        if fmr <= 0.01 {
            self.fnmr_at_1pct.get_or_insert(fnmr);
        }
        if fmr <= 0.001 {
            self.fnmr_at_0_1pct.get_or_insert(fnmr);
        }
    }

    fn fmr(&self, accepted: u64) -> f64 {
        accepted as f64 / self.impostor as f64
    }

    fn fnmr(&self, refused: u64) -> f64 {
        refused as f64 / self.genuine as f64
    }

    /// After the last score everything is refused, so every rate was met.
    fn rates(&self) -> Rates {
        let (_, refused, accepted) = self.nearest;
        Rates {
            eer_nearest: (self.fnmr(refused) + self.fmr(accepted)) / 2.0,
            auc: self.wins as f64 / (2.0 * self.genuine as f64 * self.impostor as f64),
            fnmr_at_fmr_1pct: self.fnmr_at_1pct.unwrap_or(1.0),
            fnmr_at_fmr_0_1pct: self.fnmr_at_0_1pct.unwrap_or(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{auc, fnmr_at_fmr};
    use super::*;
    use proptest::prelude::*;

    fn scores() -> impl Strategy<Value = Vec<(u32, bool, f32)>> {
        proptest::collection::vec((0u32..4, proptest::bool::ANY, (-5i8..5).prop_map(f32::from)), 2..60)
    }

    proptest! {
        #![proptest_config(crate::proptest_config(256))]

        #[test]
        fn a_weight_is_so_many_copies(scores in scores(), weights in proptest::collection::vec(0u32..4, 4)) {
            let copies: Vec<(u32, bool, f32)> = scores
                .iter()
                .flat_map(|score| vec![*score; weights[score.0 as usize] as usize])
                .collect();
            prop_assert_eq!(Ranked::of(&scores).rates(&weights), Ranked::of(&copies).rates(&[1; 4]));
        }

        #[test]
        fn the_same_as_measured_alone(scores in scores()) {
            let of = |wanted: bool| -> Vec<f32> {
                scores.iter().filter(|(_, genuine, _)| *genuine == wanted).map(|(_, _, score)| *score).collect()
            };
            let (genuine, impostor) = (of(true), of(false));
            match Ranked::of(&scores).rates(&[1; 4]) {
                None => prop_assert!(genuine.is_empty() || impostor.is_empty()),
                Some(rates) => {
                    prop_assert!((rates.auc - auc(&genuine, &impostor).unwrap()).abs() < 1e-9);
                    prop_assert_eq!(Some(rates.fnmr_at_fmr_1pct), fnmr_at_fmr(&genuine, &impostor, 0.01));
                    prop_assert_eq!(Some(rates.fnmr_at_fmr_0_1pct), fnmr_at_fmr(&genuine, &impostor, 0.001));
                }
            }
        }
    }
}
