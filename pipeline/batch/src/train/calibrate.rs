//! From cosine to log-likelihood ratio: logistic regression on the scores of people who were kept aside.

use crate::evaluate::Scores;
use anyhow::{Result, bail};
use ductus_scorer::Calibration;

/// Keeps the slope finite where the scores separate without error.
const RIDGE: f64 = 1e-4;
const ROUNDS_MAX: usize = 100;

/// Fits slope and intercept with both kinds of scores weighing the same, so that the logit is the log-likelihood ratio.
pub fn calibrate(scores: &Scores) -> Result<Calibration> {
    let (genuine, impostor) = scores.split();
    if genuine.is_empty() || impostor.is_empty() {
        bail!(
            "calibration needs scores of both kinds, there are {} genuine and {} others",
            genuine.len(),
            impostor.len()
        );
    }
    let weighted = |scores: &[f32], label: f64| -> Vec<(f64, f64, f64)> {
        let weight = 0.5 / scores.len() as f64;
        scores.iter().map(|score| (f64::from(*score), label, weight)).collect()
    };
    let mut points = weighted(&genuine, 1.0);
    points.extend(weighted(&impostor, 0.0));
    let (mut slope, mut intercept) = (0.0, 0.0);
    for _ in 0..ROUNDS_MAX {
        // Newton's step on the weighted log-likelihood less RIDGE/2 · slope².
        let (mut g0, mut g1, mut h00, mut h01, mut h11) = (0.0, -RIDGE * slope, 1e-12, 0.0, RIDGE);
        for &(x, label, weight) in &points {
            let p = 1.0 / (1.0 + (-(slope * x + intercept)).exp());
            let (error, curvature) = (weight * (label - p), weight * p * (1.0 - p));
            g0 += error;
            g1 += error * x;
            h00 += curvature;
            h01 += curvature * x;
            h11 += curvature * x * x;
        }
        let determinant = h00 * h11 - h01 * h01;
        let (d_intercept, d_slope) = ((h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant);
        intercept += d_intercept;
        slope += d_slope;
        if !(slope.is_finite() && intercept.is_finite()) {
            bail!("calibration diverged");
        }
        if d_slope.abs() + d_intercept.abs() < 1e-10 {
            break;
        }
    }
    if slope <= 0.0 {
        bail!("the model tells nobody apart: a higher cosine is no sign of the same person (slope {slope:.3})");
    }
    // Six digits are far below what the scores can tell, and read better.
    let round = |value: f64| (value * 1e6).round() / 1e6;
    Ok(Calibration {
        slope: round(slope),
        intercept: round(intercept),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(genuine: &[f32], impostor: &[f32]) -> Scores {
        let all = genuine
            .iter()
            .map(|s| (0, true, *s))
            .chain(impostor.iter().map(|s| (0, false, *s)))
            .collect();
        Scores { all }
    }

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
        let Calibration { slope, intercept } = calibrate(&scores(&[0.9, 0.5, 0.4], &[0.1, 0.5, -0.2])).unwrap();
        assert!(slope > 0.0 && intercept < 0.0);
        let more = calibrate(&scores(&normal(0.6, 2_000), &normal(0.2, 9_000))).unwrap();
        assert!(
            more.slope > 2.0 && (-more.intercept / more.slope - 0.4).abs() < 0.05,
            "{more:?}"
        );
    }

    #[test]
    fn stays_finite_where_nothing_overlaps_and_refuses_the_wrong_way_round() {
        let apart = calibrate(&scores(&[0.9, 0.8], &[0.1, 0.0])).unwrap();
        assert!(apart.slope.is_finite() && apart.slope > 10.0);
        assert!(calibrate(&scores(&[0.1], &[0.9])).is_err());
        assert!(calibrate(&scores(&[], &[0.9])).is_err());
    }
}
