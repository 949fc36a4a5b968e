//! A window as a short row of numbers: mean and standard deviation over its steps of each dense feature.

use ductus_dynamics::event::Modality;
use ductus_dynamics::feature::{FeatureWindow, POINTER_FEATURES};

/// Dense features of a key press; the class behind them says what was typed, not how.
const KEYSTROKE_DENSE: usize = 6;

/// The rows of all windows, one after the other.
pub(super) struct Statistics {
    pub(super) dims: usize,
    values: Vec<f32>,
}

impl Statistics {
    /// The rows of windows of one modality.
    pub(super) fn of<'a>(windows: impl Iterator<Item = &'a FeatureWindow>) -> Self {
        let (mut values, mut dims) = (Vec::new(), 0);
        for window in windows {
            let dense = match window.modality {
                Modality::Keystroke => KEYSTROKE_DENSE,
                Modality::Pointer => POINTER_FEATURES,
            };
            dims = 2 * dense;
            append(window, dense, &mut values);
        }
        Self { dims, values }
    }

    /// The row of window `index`.
    pub(super) fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.dims..(index + 1) * self.dims]
    }

    /// Mean of some rows; zeros of none.
    pub(super) fn mean(&self, rows: &[usize]) -> Vec<f32> {
        let mut mean = vec![0.0; self.dims];
        for &row in rows {
            add(&mut mean, self.row(row));
        }
        scale(&mut mean, rows.len());
        mean
    }

    /// Mean over some rows of `apart(value - centre)`.
    pub(super) fn spread(&self, rows: &[usize], centre: &[f32], apart: impl Fn(f32) -> f32) -> Vec<f32> {
        let mut spread = vec![0.0; self.dims];
        for &row in rows {
            for ((sum, value), centre) in spread.iter_mut().zip(self.row(row)).zip(centre) {
                *sum += apart(value - centre);
            }
        }
        scale(&mut spread, rows.len());
        spread
    }
}

/// Adds a row to a sum.
pub(super) fn add(sum: &mut [f32], row: &[f32]) {
    sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
}

/// Divides a sum by a count; zero stays zero.
pub(super) fn scale(sum: &mut [f32], count: usize) {
    let count = count.max(1) as f32;
    sum.iter_mut().for_each(|sum| *sum /= count);
}

fn append(window: &FeatureWindow, dense: usize, out: &mut Vec<f32>) {
    let features = (window.values.len() / window.len.max(1)).max(1);
    let steps = window.len.max(1) as f32;
    for feature in 0..dense {
        let column = || window.values.iter().skip(feature).step_by(features).copied();
        let mean = column().sum::<f32>() / steps;
        let variance = column().map(|value| (value - mean) * (value - mean)).sum::<f32>() / steps;
        out.extend([mean, variance.sqrt()]);
    }
}
