//! Measures of accuracy over comparison scores: EER, DET, FNMR at a given FMR, AUC, Cllr.
//!
//! Invariants: a higher score means more alike and `threshold <= score` accepts; ties between genuine and impostor scores
//! are counted on both sides and never broken by order.

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
            fmr: 1.0 - refused_impostor as f64 / i,
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

/// Cost of log-likelihood ratios in bits (Brümmer & du Preez, Computer Speech & Language 2006): 0 is perfect, 1 says nothing.
pub fn cllr(genuine: &[f32], impostor: &[f32]) -> Option<f64> {
    if genuine.is_empty() || impostor.is_empty() {
        return None;
    }
    let cost = |llr: f64| (1.0 + (-llr).exp()).log2();
    let g: f64 = genuine.iter().map(|llr| cost(f64::from(*llr))).sum::<f64>() / genuine.len() as f64;
    let i: f64 = impostor.iter().map(|llr| cost(-f64::from(*llr))).sum::<f64>() / impostor.len() as f64;
    Some((g + i) / 2.0)
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
        assert!((cllr(&[0.0], &[0.0]).unwrap() - 1.0).abs() < 1e-12);
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
    }
}
