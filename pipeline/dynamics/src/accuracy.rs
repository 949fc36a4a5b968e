//! Measures of accuracy over comparison scores: EER, DET, FNMR at a given FMR, AUC, Cllr.
//!
//! Invariants: a higher score means more alike and `threshold <= score` accepts; ties between genuine and impostor scores
//! are counted on both sides and never broken by order; scores are numbers, never NaN.
//!
//! Two equal error rates are in use. [`eer`] interpolates between the operating points around FMR = FNMR. Published
//! per-subject figures take (FMR + FNMR) / 2 at the nearest point, [`eer_nearest`]: with five genuine scores a person the
//! former is up to twice the latter, with thousands they agree. Reports use the published one and say so.

mod calibration;
mod ranked;

pub use calibration::{Costs, Reliability, cllr, histogram, min_cllr, reliability};
pub use ranked::{Ranked, Rates};

/// One operating point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OperatingPoint {
    /// Scores from here on are accepted.
    pub threshold: f32,
    /// False match rate: impostor scores accepted.
    pub fmr: f64,
    /// False non-match rate: genuine scores refused.
    pub fnmr: f64,
}

/// The detection error trade-off: one point for each distinct score, by rising threshold, from accept-all to refuse-all.
/// Empty where either side has no score.
pub fn det(genuine: &[f32], impostor: &[f32]) -> Vec<OperatingPoint> {
    if genuine.is_empty() || impostor.is_empty() {
        return Vec::new();
    }
    let mut scores: Vec<(f32, bool)> = genuine
        .iter()
        .map(|s| (*s, true))
        .chain(impostor.iter().map(|s| (*s, false)))
        .collect();
    scores.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (g, i) = (genuine.len() as f64, impostor.len() as f64);
    let (mut refused_genuine, mut refused_impostor) = (0u64, 0u64);
    let mut points = Vec::new();
    for group in scores.chunk_by(|a, b| a.0 == b.0) {
        points.push(OperatingPoint {
            threshold: group[0].0,
            fmr: (impostor.len() as u64 - refused_impostor) as f64 / i,
            fnmr: refused_genuine as f64 / g,
        });
        let ours = group.iter().filter(|(_, genuine)| *genuine).count() as u64;
        refused_genuine += ours;
        refused_impostor += group.len() as u64 - ours;
    }
    points.push(OperatingPoint {
        threshold: f32::INFINITY,
        fmr: 0.0,
        fnmr: 1.0,
    });
    points
}

/// Equal error rate, 0-1, interpolated between the two operating points around FMR = FNMR; `None` without scores.
pub fn eer(genuine: &[f32], impostor: &[f32]) -> Option<f64> {
    let points = det(genuine, impostor);
    points.windows(2).find_map(|pair| {
        let (a, b) = (&pair[0], &pair[1]);
        let (before, after) = (a.fmr - a.fnmr, b.fmr - b.fnmr);
        (before >= 0.0 && after <= 0.0).then(|| {
            let share = if before - after > 0.0 {
                before / (before - after)
            } else {
                0.5
            };
            a.fnmr + share * (b.fnmr - a.fnmr)
        })
    })
}

/// Equal error rate, 0-1, as published figures take it: (FMR + FNMR) / 2 at the operating point where |FMR - FNMR| is least,
/// of two such points the stricter one; `None` without scores of both kinds.
pub fn eer_nearest(genuine: &[f32], impostor: &[f32]) -> Option<f64> {
    Ranked::of_two(genuine, impostor)
        .rates(&[1])
        .map(|rates| rates.eer_nearest)
}

/// FNMR at the lowest threshold whose FMR is at most `fmr`.
pub fn fnmr_at_fmr(genuine: &[f32], impostor: &[f32], fmr: f64) -> Option<f64> {
    det(genuine, impostor)
        .iter()
        .find(|point| point.fmr <= fmr)
        .map(|point| point.fnmr)
}

/// Area under the ROC curve: the chance that a genuine score is above an impostor's, ties counting half.
pub fn auc(genuine: &[f32], impostor: &[f32]) -> Option<f64> {
    let points = det(genuine, impostor);
    (!points.is_empty()).then(|| {
        points
            .windows(2)
            .map(|pair| (pair[0].fmr - pair[1].fmr) * (2.0 - pair[0].fnmr - pair[1].fnmr) / 2.0)
            .sum()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_values() {
        let genuine = [0.9, 0.8, 0.7, 0.3];
        let impostor = [0.1, 0.2, 0.6, 0.4];
        assert_eq!(eer(&genuine, &impostor), Some(0.25));
        assert_eq!(auc(&genuine, &impostor), Some(14.0 / 16.0));
        assert_eq!(fnmr_at_fmr(&genuine, &impostor, 0.0), Some(0.25));
        assert_eq!(eer(&[1.0, 1.0], &[1.0, 1.0]), Some(0.5));
        assert_eq!(eer(&[], &impostor), None);
        assert_eq!(eer_nearest(&[], &impostor), None);
    }

    #[test]
    fn five_genuine_scores_show_the_two_conventions() {
        // One genuine score of five lies below a single impostor: the rates meet between FNMR 0 and 20 %.
        let genuine = [0.9, 0.8, 0.7, 0.6, 0.1];
        let impostor: Vec<f32> = (0..100).map(|i| if i == 0 { 0.5 } else { -0.01 * i as f32 }).collect();
        assert_eq!(eer_nearest(&genuine, &impostor), Some(0.005));
        assert!((eer(&genuine, &impostor).unwrap() - 0.01).abs() < 1e-12);
    }

    proptest! {
        #![proptest_config(crate::proptest_config(256))]

        #[test]
        fn auc_counts_pairs(genuine in proptest::collection::vec(-5i8..5, 1..30), impostor in proptest::collection::vec(-5i8..5, 1..30)) {
            let genuine: Vec<f32> = genuine.into_iter().map(f32::from).collect();
            let impostor: Vec<f32> = impostor.into_iter().map(f32::from).collect();
            let wins: f64 = genuine
                .iter()
                .flat_map(|g| impostor.iter().map(move |i| if g > i { 1.0 } else if g == i { 0.5 } else { 0.0 }))
                .sum();
            let expected = wins / (genuine.len() * impostor.len()) as f64;
            prop_assert!((auc(&genuine, &impostor).unwrap() - expected).abs() < 1e-9);
            let eer = eer(&genuine, &impostor).unwrap();
            prop_assert!((0.0..=1.0).contains(&eer));
        }

        #[test]
        fn the_nearest_point_is_one_of_the_trade_off(
            genuine in proptest::collection::vec(-5i8..5, 1..30),
            impostor in proptest::collection::vec(-5i8..5, 1..30),
        ) {
            let genuine: Vec<f32> = genuine.into_iter().map(f32::from).collect();
            let impostor: Vec<f32> = impostor.into_iter().map(f32::from).collect();
            let nearest = eer_nearest(&genuine, &impostor).unwrap();
            let points = det(&genuine, &impostor);
            let apart = |point: &OperatingPoint| (point.fmr - point.fnmr).abs();
            let least = points.iter().map(apart).fold(f64::MAX, f64::min);
            let is_nearest = |point: &OperatingPoint| (apart(point) - least).abs() < 1e-9;
            let is_it = |point: &OperatingPoint| ((point.fmr + point.fnmr) / 2.0 - nearest).abs() < 1e-9;
            prop_assert!(points.iter().any(|point| is_nearest(point) && is_it(point)));
        }
    }
}
