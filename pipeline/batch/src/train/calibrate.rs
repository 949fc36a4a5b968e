//! From cosine to log-likelihood ratio on people who were kept aside, and what the ratios cost.

use crate::evaluate::Scores;
use anyhow::Result;
use ductus_dynamics::{accuracy, backend};
use ductus_scorer::Calibration;

/// Fits slope and intercept with both kinds of scores weighing the same, so that the logit is the log-likelihood ratio.
pub fn calibrate(scores: &Scores) -> Result<Calibration> {
    let (genuine, impostor) = scores.split();
    Ok(backend::calibrate(&genuine, &impostor)?)
}

/// Cost in bits of the calibrated ratios, each half of the people calibrated by the other, and the least cost that the order
/// of the scores allows.
pub fn cost(scores: &Scores) -> (Option<f64>, Option<f64>) {
    let (genuine, impostor) = scores.split();
    (
        backend::crossed_cost(&scores.all),
        accuracy::min_cllr(&genuine, &impostor),
    )
}
