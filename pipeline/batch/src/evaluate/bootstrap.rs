//! How far chance in the choice of people moves a measure: a bootstrap over people (Efron 1979; for biometrics Bolle, Ratha &
//! Pankanti, "Error analysis of pattern recognition systems", CVIU 2004: whole people are drawn and not single scores, because
//! the scores of one person belong together).
//!
//! Invariant: the same scores give the same intervals, whatever the number of threads.

use super::layout::below;
use super::scores::mean;
use ductus_dynamics::accuracy::Ranked;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::Serialize;
use std::num::NonZeroUsize;

const SEED: u64 = 20_261_121;
/// What the intervals leave out on either side.
const TAIL: f64 = 0.025;

/// 95 % intervals, `[low, high]`; null where the measure is or where nothing was drawn.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Intervals {
    /// Of `eer_subject`.
    pub eer_subject_ci: Option<[f64; 2]>,
    /// Of `eer_global`.
    pub eer_global_ci: Option<[f64; 2]>,
    /// Of `auc`.
    pub auc_ci: Option<[f64; 2]>,
    /// Of `fnmr_at_fmr_1pct`.
    pub fnmr_at_fmr_1pct_ci: Option<[f64; 2]>,
    /// Of `fnmr_at_fmr_0_1pct`.
    pub fnmr_at_fmr_0_1pct_ci: Option<[f64; 2]>,
}

/// One draw: the measures in the order of [`Intervals`].
type Draw = [Option<f64>; 5];

/// Draws as many claimed people as there are, with replacement, `resamples` times. `subjects` are the people, each with an
/// equal error rate of their own where they have one.
pub(super) fn intervals(
    ranked: &Ranked,
    subjects: &[(u32, Option<f64>)],
    resamples: usize,
    threads: NonZeroUsize,
) -> Intervals {
    let draws: Vec<Draw> = draws(resamples, threads, |number| draw(ranked, subjects, number));
    let interval = |measure: usize| interval(draws.iter().filter_map(|draw| draw[measure]), TAIL);
    Intervals {
        eer_subject_ci: interval(0),
        eer_global_ci: interval(1),
        auc_ci: interval(2),
        fnmr_at_fmr_1pct_ci: interval(3),
        fnmr_at_fmr_0_1pct_ci: interval(4),
    }
}

/// What `draw` finds for each number from 0 to `resamples` - 1, in their order.
pub(super) fn draws<T: Clone + Default + Send>(
    resamples: usize,
    threads: NonZeroUsize,
    draw: impl Fn(u64) -> T + Sync,
) -> Vec<T> {
    let mut draws: Vec<T> = vec![T::default(); resamples];
    let share = resamples.div_ceil(threads.get()).max(1);
    let draw = &draw;
    std::thread::scope(|scope| {
        for (first, draws) in (0..).step_by(share).zip(draws.chunks_mut(share)) {
            scope.spawn(move || {
                for (number, slot) in (first..).zip(draws) {
                    *slot = draw(number);
                }
            });
        }
    });
    draws
}

/// As many places of a list as it has, drawn with replacement; the same for the same number.
pub(super) fn drawn(number: u64, places: usize) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    rng.set_stream(number);
    (0..places).map(|_| below(&mut rng, places)).collect()
}

/// The range of the values without the share `tail` on either side.
pub(super) fn interval(values: impl Iterator<Item = f64>, tail: f64) -> Option<[f64; 2]> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values.get((share * values.len() as f64) as usize).copied();
    Some([at(tail)?, at(1.0 - tail)?])
}

fn draw(ranked: &Ranked, subjects: &[(u32, Option<f64>)], number: u64) -> Draw {
    let drawn = drawn(number, subjects.len());
    let mut weights = vec![0; ranked.people()];
    for &index in &drawn {
        weights[subjects[index].0 as usize] += 1;
    }
    let rates = ranked.rates(&weights);
    [
        mean(drawn.iter().filter_map(|&index| subjects[index].1)),
        rates.map(|rates| rates.eer_nearest),
        rates.map(|rates| rates.auc),
        rates.map(|rates| rates.fnmr_at_fmr_1pct),
        rates.map(|rates| rates.fnmr_at_fmr_0_1pct),
    ]
}

#[cfg(test)]
mod tests {
    use crate::evaluate::scores::Scores;
    use std::num::NonZeroUsize;

    /// Twenty people with six genuine and nineteen impostor scores each, the better the higher their number.
    fn scores() -> Scores {
        let one = |person: u32| {
            let genuine = (0..6).map(move |i| (person, true, 0.4 + 0.02 * person as f32 - 0.1 * i as f32));
            let impostor = (0..19).map(move |i| (person, false, 0.3 - 0.05 * i as f32));
            genuine.chain(impostor)
        };
        Scores {
            all: (0..20).flat_map(one).collect(),
        }
    }

    #[test]
    fn intervals_hold_the_measure_and_do_not_depend_on_threads() {
        let threads = |count| NonZeroUsize::new(count).unwrap();
        let figures = scores().figures(200, threads(1));
        assert_eq!(figures, scores().figures(200, threads(3)));
        let (measured, intervals) = (figures.measured, figures.intervals);
        for (value, interval) in [
            (measured.eer_subject, intervals.eer_subject_ci),
            (measured.eer_global, intervals.eer_global_ci),
            (measured.auc, intervals.auc_ci),
        ] {
            let (value, [low, high]) = (value.unwrap(), interval.unwrap());
            assert!(low < value && value < high, "{value} in {low}..{high}");
        }
    }

    #[test]
    fn few_genuine_scores_give_no_rate_of_ones_own() {
        let few = Scores {
            all: scores()
                .all
                .into_iter()
                .filter(|score| !score.1 || score.2 > 0.5)
                .collect(),
        };
        let figures = few.figures(20, NonZeroUsize::MIN);
        assert_eq!(figures.measured.eer_subject, None);
        assert_eq!(figures.intervals.eer_subject_ci, None);
        assert!(figures.intervals.eer_global_ci.is_some());
    }
}
