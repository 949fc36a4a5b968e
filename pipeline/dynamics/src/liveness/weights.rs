//! Weights of the score against forged times, in the order of [`super::FIGURE_NAMES`], and its constant.
//!
//! Written by `ductus-batch forgeries`, which says on whom it was learned and what it finds; do not edit by hand.

use super::forged::FIGURES;

pub(super) const WEIGHTS: [f64; FIGURES] = [
    -3.24,  // dwell with the dwell before
    -3.59,  // the same without its sign
    -4.44,  // dwell with the second dwell before
    -0.92,  // pace with the pace before
    -4.49,  // the same without its sign
    -4.7,   // pace with the second pace before
    -3.07,  // pace with the third pace before
    4.85,   // dwell with the pace to its key
    -4.89,  // the same without its sign
    -1.85,  // pace with the dwell before
    -6.83,  // the same without its sign
    -8.61,  // pace with the second dwell before
    6.1,    // pace with the end of a word
    -3.42,  // the same without its sign
    -5.65,  // variance of dwell between tens of keys
    -10.54, // variance of pace between tens of keys
    -3.09,  // variance of dwell between words
    0.32,   // modifiers up before their key
    3.26,   // keys let go out of order, root
    -7.33,  // three keys down at once
    3.56,   // dwell explained by class, root
];
pub(super) const CONSTANT: f64 = 1.08;
