//! From cosine to log-likelihood ratio: logistic regression (Platt), both kinds of scores weighing the same, so that the
//! logit is the log-likelihood ratio whatever the numbers of each.

use super::Calibration;
use crate::accuracy::cllr;

/// Keeps the slope finite where the scores separate without error.
const RIDGE: f64 = 1e-4;
const ROUNDS_MAX: usize = 100;
/// Parts of the people that a calibration is judged in.
const PARTS: u32 = 2;

/// Why scores cannot be calibrated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CalibrateError {
    /// Scores of one kind are missing.
    #[error("calibration needs scores of both kinds, there are {genuine} genuine and {impostor} others")]
    OneKind {
        /// Genuine scores.
        genuine: usize,
        /// Impostor scores.
        impostor: usize,
    },
    /// A score is infinite or no number.
    #[error("calibration diverged")]
    Diverged,
    /// The order is the wrong way round, or there is none.
    #[error("the model tells nobody apart: a higher cosine is no sign of the same person (slope {slope:.3})")]
    NoOrder {
        /// The slope found.
        slope: f64,
    },
}

/// Fits slope and intercept to cosines.
///
/// # Errors
///
/// [`CalibrateError`].
pub fn calibrate(genuine: &[f32], impostor: &[f32]) -> Result<Calibration, CalibrateError> {
    if genuine.is_empty() || impostor.is_empty() {
        return Err(CalibrateError::OneKind {
            genuine: genuine.len(),
            impostor: impostor.len(),
        });
    }
    let (mut slope, mut intercept) = (0.0, 0.0);
    for _ in 0..ROUNDS_MAX {
        let (d_slope, d_intercept) = newton(genuine, impostor, slope, intercept);
        slope += d_slope;
        intercept += d_intercept;
        if !(slope.is_finite() && intercept.is_finite()) {
            return Err(CalibrateError::Diverged);
        }
        if d_slope.abs() + d_intercept.abs() < 1e-10 {
            break;
        }
    }
    if slope <= 0.0 {
        return Err(CalibrateError::NoOrder { slope });
    }
    // Six digits are far below what the scores can tell, and read better.
    let round = |value: f64| (value * 1e6).round() / 1e6;
    Ok(Calibration {
        slope: round(slope).max(1e-6),
        intercept: round(intercept),
    })
}

/// Newton's step on the weighted log-likelihood less RIDGE/2 · slope².
fn newton(genuine: &[f32], impostor: &[f32], slope: f64, intercept: f64) -> (f64, f64) {
    let (mut g0, mut g1, mut h00, mut h01, mut h11) = (0.0, -RIDGE * slope, 1e-12, 0.0, RIDGE);
    for (scores, label) in [(genuine, 1.0), (impostor, 0.0)] {
        let weight = 0.5 / scores.len() as f64;
        for &score in scores {
            let x = f64::from(score);
            let p = 1.0 / (1.0 + (-(slope * x + intercept)).exp());
            let (error, curvature) = (weight * (label - p), weight * p * (1.0 - p));
            g0 += error;
            g1 += error * x;
            h00 += curvature;
            h01 += curvature * x;
            h11 += curvature * x * x;
        }
    }
    let determinant = h00 * h11 - h01 * h01;
    ((h00 * g1 - h01 * g0) / determinant, (h11 * g0 - h01 * g1) / determinant)
}

/// Cost in bits ([`cllr`]) of calibrated scores on people whom the calibration was not fitted to: people by number in two
/// parts, each calibrated by the other. `scores` are (claimed person, genuine, cosine). `None` where a part has too little.
pub fn crossed_cost(scores: &[(u32, bool, f32)]) -> Option<f64> {
    let part = |wanted: &dyn Fn(u32) -> bool| -> (Vec<f32>, Vec<f32>) {
        let of = |kind: bool| {
            let chosen = scores
                .iter()
                .filter(|(person, genuine, _)| *genuine == kind && wanted(*person));
            chosen.map(|(.., score)| *score).collect()
        };
        (of(true), of(false))
    };
    let (mut all_genuine, mut all_impostor) = (Vec::new(), Vec::new());
    for number in 0..PARTS {
        let (genuine, impostor) = part(&|person| person % PARTS != number);
        let calibration = calibrate(&genuine, &impostor).ok()?;
        let (genuine, impostor) = part(&|person| person % PARTS == number);
        all_genuine.extend(genuine.iter().map(|score| calibration.llr(*score)));
        all_impostor.extend(impostor.iter().map(|score| calibration.llr(*score)));
    }
    cllr(&all_genuine, &all_impostor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_log_likelihood_ratio_of_two_normals() {
        // Means 0.6 and 0.2, both with sd 0.2: llr = (0.4 x − 0.16) / 0.04 = 10 x − 4, whatever the numbers of each.
        let normal = |mean: f32, count: usize| -> Vec<f32> {
            let quantile = |i: usize| {
                // Sum of twelve spread points stands for a normal.
                (0..12)
                    .map(|k| ((i * 12 + k) as f32 * 0.618_034).fract() - 0.5)
                    .sum::<f32>()
            };
            (0..count).map(|i| mean + 0.2 * quantile(i)).collect()
        };
        let Calibration { slope, intercept } = calibrate(&[0.9, 0.5, 0.4], &[0.1, 0.5, -0.2]).unwrap();
        assert!(slope > 0.0 && intercept < 0.0);
        let more = calibrate(&normal(0.6, 2_000), &normal(0.2, 9_000)).unwrap();
        assert!(
            more.slope > 2.0 && (-more.intercept / more.slope - 0.4).abs() < 0.05,
            "{more:?}"
        );
    }

    #[test]
    fn stays_finite_where_nothing_overlaps_and_refuses_the_wrong_way_round() {
        let apart = calibrate(&[0.9, 0.8], &[0.1, 0.0]).unwrap();
        assert!(apart.slope.is_finite() && apart.slope > 10.0);
        assert!(matches!(calibrate(&[0.1], &[0.9]), Err(CalibrateError::NoOrder { .. })));
        assert_eq!(
            calibrate(&[], &[0.9]),
            Err(CalibrateError::OneKind {
                genuine: 0,
                impostor: 1
            })
        );
        assert_eq!(calibrate(&[f32::NAN], &[0.9]), Err(CalibrateError::Diverged));
    }

    #[test]
    fn the_cost_is_that_of_people_who_were_not_fitted_to() {
        // Person 1's scores lie elsewhere: each part is judged by the other's calibration, so the cost is above one bit.
        let mut scores = Vec::new();
        for i in 0..20 {
            let spread = i as f32 * 0.01;
            scores.extend([(0, true, 0.5 + spread), (0, false, 0.3 + spread)]);
            scores.extend([(1, true, 0.2 + spread), (1, false, spread)]);
        }
        assert!(crossed_cost(&scores).unwrap() > 1.0);
        let alike: Vec<_> = scores
            .iter()
            .map(|(person, genuine, score)| (*person, *genuine, score + 0.3 * *person as f32))
            .collect();
        assert!(crossed_cost(&alike).unwrap() < 0.3);
        assert_eq!(crossed_cost(&scores[..2]), None);
    }
}
