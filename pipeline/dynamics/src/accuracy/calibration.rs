//! Whether log-likelihood ratios mean what they say: their cost, the least cost that their order allows, and how often what
//! they call likely is true.

/// Cost of log-likelihood ratios (natural) in bits (Brümmer & du Preez, Computer Speech & Language 2006): 0 is perfect, 1 says
/// nothing. `None` without scores of both kinds.
pub fn cllr(genuine: &[f32], impostor: &[f32]) -> Option<f64> {
    if genuine.is_empty() || impostor.is_empty() {
        return None;
    }
    let g: f64 = genuine.iter().map(|llr| cost(f64::from(*llr))).sum::<f64>() / genuine.len() as f64;
    let i: f64 = impostor.iter().map(|llr| cost(-f64::from(*llr))).sum::<f64>() / impostor.len() as f64;
    Some((g + i) / 2.0)
}

/// log2(1 + exp(-llr)), which stays finite where the exponential does not.
fn cost(llr: f64) -> f64 {
    let natural = if llr < 0.0 {
        -llr + llr.exp().ln_1p()
    } else {
        (-llr).exp().ln_1p()
    };
    natural / std::f64::consts::LN_2
}

/// Costs of many people's log-likelihood ratios, to be added up again and again with some of the people counted more often than
/// others: for [`cllr`] what [`Ranked`](super::Ranked) is for rates.
#[derive(Clone, Debug, PartialEq)]
pub struct Costs {
    /// Of each person: bits and number of genuine, bits and number of impostor ratios.
    people: Vec<[f64; 4]>,
}

impl Costs {
    /// Adds up natural log-likelihood ratios, each with the person who was claimed and whether it was genuine.
    pub fn of(llrs: &[(u32, bool, f32)]) -> Self {
        let people = llrs.iter().map(|(person, ..)| *person as usize + 1).max().unwrap_or(0);
        let mut people = vec![[0.0; 4]; people];
        for &(person, genuine, llr) in llrs {
            let llr = f64::from(llr);
            let (side, bits) = if genuine { (0, cost(llr)) } else { (2, cost(-llr)) };
            let sums = &mut people[person as usize];
            sums[side] += bits;
            sums[side + 1] += 1.0;
        }
        Self { people }
    }

    /// [`cllr`] where each person counts `weights[person]` times; a person beyond the end of `weights` does not count. `None`
    /// where no genuine or no impostor ratio counts.
    pub fn cllr(&self, weights: &[u32]) -> Option<f64> {
        let mut sums = [0.0; 4];
        for (person, weight) in self.people.iter().zip(weights) {
            for (sum, value) in sums.iter_mut().zip(person) {
                *sum += f64::from(*weight) * value;
            }
        }
        let [genuine_bits, genuine, impostor_bits, impostor] = sums;
        (genuine > 0.0 && impostor > 0.0).then(|| (genuine_bits / genuine + impostor_bits / impostor) / 2.0)
    }
}

/// The least [`cllr`] that any rising function of the scores can reach, by pooling adjacent violators (Brümmer & du Preez
/// 2006): what is left is the fault of the order and not of the calibration. `None` without scores of both kinds.
pub fn min_cllr(genuine: &[f32], impostor: &[f32]) -> Option<f64> {
    if genuine.is_empty() || impostor.is_empty() {
        return None;
    }
    // The best ratio of a block is that of its shares, and its cost follows.
    let bits = |own: f64, other: f64| {
        if own == 0.0 {
            0.0
        } else {
            own * ((own + other) / own).log2()
        }
    };
    Some(
        blocks(genuine, impostor)
            .iter()
            .map(|block| (bits(block.genuine, block.impostor) + bits(block.impostor, block.genuine)) / 2.0)
            .sum(),
    )
}

/// Scores between which a rising function cannot tell: shares of all genuine and of all impostor scores.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Block {
    genuine: f64,
    impostor: f64,
}

/// Blocks by rising score, whose share of genuine scores rises too.
fn blocks(genuine: &[f32], impostor: &[f32]) -> Vec<Block> {
    let mut scores: Vec<(f32, bool)> = genuine
        .iter()
        .map(|score| (*score, true))
        .chain(impostor.iter().map(|score| (*score, false)))
        .collect();
    scores.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (per_genuine, per_impostor) = (1.0 / genuine.len() as f64, 1.0 / impostor.len() as f64);
    let mut blocks: Vec<Block> = Vec::new();
    for equal in scores.chunk_by(|a, b| a.0 == b.0) {
        let ours = equal.iter().filter(|(_, genuine)| *genuine).count();
        let mut block = Block {
            genuine: ours as f64 * per_genuine,
            impostor: (equal.len() - ours) as f64 * per_impostor,
        };
        while let Some(before) = blocks
            .last()
            .filter(|before| before.genuine * block.impostor >= block.genuine * before.impostor)
        {
            block.genuine += before.genuine;
            block.impostor += before.impostor;
            blocks.pop();
        }
        blocks.push(block);
    }
    blocks
}

/// One bin of a reliability picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reliability {
    /// Mean probability, 0-1, that the scores of the bin give to "the same person".
    pub predicted: f64,
    /// How often it is true, 0-1.
    pub observed: f64,
    /// Share of all trials in the bin, 0-1.
    pub share: f64,
}

/// How often is true what log-likelihood ratios (natural) call likely, in bins of equal width of probability. Genuine and
/// impostor trials weigh the same together, as if either were as likely beforehand. Empty bins are left out.
pub fn reliability(genuine: &[f32], impostor: &[f32], bins: usize) -> Vec<Reliability> {
    let mut sums = vec![(0.0, 0.0, 0.0); bins];
    for (llrs, truth) in [(genuine, 1.0), (impostor, 0.0)] {
        for llr in llrs {
            let weight = 0.5 / llrs.len() as f64;
            let probability = 1.0 / (1.0 + (-f64::from(*llr)).exp());
            let bin = ((probability * bins as f64) as usize).min(bins.saturating_sub(1));
            if let Some((all, predicted, observed)) = sums.get_mut(bin) {
                *all += weight;
                *predicted += weight * probability;
                *observed += weight * truth;
            }
        }
    }
    let filled = sums.into_iter().filter(|(all, ..)| *all > 0.0);
    filled
        .map(|(all, predicted, observed)| Reliability {
            predicted: predicted / all,
            observed: observed / all,
            share: all,
        })
        .collect()
}

/// Shares of the scores in `bins` bins of equal width from `low` to `high`; scores outside count to the bin at the edge.
pub fn histogram(scores: &[f32], low: f32, high: f32, bins: usize) -> Vec<f64> {
    let mut shares = vec![0.0; bins];
    let width = f64::from(high - low).max(f64::MIN_POSITIVE);
    for score in scores {
        let bin = (f64::from(score - low) / width * bins as f64) as usize;
        if let Some(share) = shares.get_mut(bin.min(bins.saturating_sub(1))) {
            *share += 1.0 / scores.len() as f64;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_costs() {
        assert!((cllr(&[0.0], &[0.0]).unwrap() - 1.0).abs() < 1e-12);
        assert_eq!(cllr(&[], &[0.0]), None);
        // The wrong way round and very sure: 1,000 nats are 1,443 bits, and no infinity.
        assert!((cllr(&[-1_000.0], &[1_000.0]).unwrap() - 1_442.695).abs() < 1e-3);
        assert_eq!(min_cllr(&[1.0, 2.0], &[-1.0, 0.0]), Some(0.0));
        assert!((min_cllr(&[0.0], &[0.0]).unwrap() - 1.0).abs() < 1e-12);
        assert!((min_cllr(&[0.0], &[1.0]).unwrap() - 1.0).abs() < 1e-12);
        // Half of the genuine scores and a quarter of the impostors' are one block; the rest is without error.
        let expected = (0.5 * 1.5f64.log2() + 0.25 * 3f64.log2()) / 2.0;
        assert!((min_cllr(&[1.0, 3.0], &[0.0, 0.1, 0.2, 2.0]).unwrap() - expected).abs() < 1e-12);
    }

    #[test]
    fn honest_ratios_lie_on_the_diagonal() {
        // Four in five of the genuine and one in five of the impostors get the ratio 4 to 1.
        let four = 4f32.ln();
        let genuine = [four, four, four, four, -four];
        let impostor = [-four, -four, -four, -four, four];
        let bins = reliability(&genuine, &impostor, 10);
        assert_eq!(bins.len(), 2);
        for bin in bins {
            assert!((bin.predicted - bin.observed).abs() < 1e-6, "{bin:?}");
            assert!((bin.share - 0.5).abs() < 1e-12);
        }
        assert_eq!(histogram(&[-2.0, 0.1, 0.9, 5.0], 0.0, 1.0, 2), [0.5, 0.5]);
    }

    proptest! {
        #![proptest_config(crate::proptest_config(256))]

        #[test]
        fn a_weight_is_so_many_copies(
            llrs in proptest::collection::vec((0u32..4, proptest::bool::ANY, (-9i8..9).prop_map(f32::from)), 1..60),
            weights in proptest::collection::vec(0u32..4, 4),
        ) {
            let of = |wanted: bool| -> Vec<f32> {
                let side = llrs.iter().filter(|(_, genuine, _)| *genuine == wanted);
                side.flat_map(|(person, _, llr)| vec![*llr; weights[*person as usize] as usize]).collect()
            };
            let (found, copies) = (Costs::of(&llrs).cllr(&weights), cllr(&of(true), &of(false)));
            prop_assert_eq!(found.is_some(), copies.is_some());
            prop_assert!(found.zip(copies).is_none_or(|(found, copies)| (found - copies).abs() < 1e-9));
        }

        #[test]
        fn no_calibration_beats_the_least_cost(
            genuine in proptest::collection::vec(-6i8..6, 1..40),
            impostor in proptest::collection::vec(-6i8..6, 1..40),
            slope in 0.1f32..5.0,
            intercept in -3f32..3.0,
        ) {
            let scores = |scores: &[i8], slope: f32, intercept: f32| -> Vec<f32> {
                scores.iter().map(|score| slope * f32::from(*score) + intercept).collect()
            };
            let least = min_cllr(&scores(&genuine, 1.0, 0.0), &scores(&impostor, 1.0, 0.0)).unwrap();
            let (g, i) = (scores(&genuine, slope, intercept), scores(&impostor, slope, intercept));
            prop_assert!(least <= cllr(&g, &i).unwrap() + 1e-9);
            prop_assert!((0.0..=1.0 + 1e-9).contains(&least));
            // It depends on the order alone.
            prop_assert!((least - min_cllr(&g, &i).unwrap()).abs() < 1e-9);
        }
    }
}
