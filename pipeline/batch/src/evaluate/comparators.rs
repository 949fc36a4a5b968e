//! A yardstick without learning: scaled Manhattan distance on plain statistics of the same windows (Killourhy & Maxion, DSN
//! 2009, whose best detector it was). A model that does not beat it has learned nothing worth having.
//!
//! Invariant: it sees the windows, references and comparisons of the protocol, and nothing else.

use super::trials::{Layout, Scores, Trials};
use ductus_dynamics::event::Modality;
use ductus_dynamics::feature::{FeatureWindow, POINTER_FEATURES};

/// Dense features of a key press; the class behind them says what was typed, not how.
const KEYSTROKE_DENSE: usize = 6;
/// Keeps a deviation of nothing from deciding alone.
const DEVIATION_MIN: f32 = 1e-3;

/// Scores of the comparisons of `trials`; higher is more alike.
pub fn scaled_manhattan(layout: &Layout, trials: &Trials) -> Scores {
    let statistics: Vec<Vec<f32>> = layout.windows.iter().map(statistics).collect();
    let people: Vec<Usual> = layout
        .enrolled
        .iter()
        .map(|windows| Usual::of(windows, &statistics))
        .collect();
    let pooled = pooled(&people);
    let distance = |usual: &Usual, window: usize| -> f32 {
        let terms = statistics[window]
            .iter()
            .zip(&usual.mean)
            .zip(usual.deviation.iter().zip(&pooled));
        // With five references a deviation of one's own is chance for half; the population's steadies it.
        terms
            .map(|((x, mean), (own, all))| (x - mean).abs() / ((own + all) / 2.0).max(DEVIATION_MIN))
            .sum()
    };
    let all = trials.pairs.iter().map(|pair| {
        let probe = &trials.probes[pair.probe as usize];
        let usual = &people[pair.enrolled as usize];
        let sum: f32 = probe.iter().map(|&window| distance(usual, window)).sum();
        (pair.enrolled, pair.genuine, -sum / probe.len() as f32)
    });
    Scores { all: all.collect() }
}

/// Mean and mean absolute deviation of a person's reference windows.
struct Usual {
    mean: Vec<f32>,
    deviation: Vec<f32>,
}

impl Usual {
    fn of(windows: &[usize], statistics: &[Vec<f32>]) -> Self {
        let rows: Vec<&[f32]> = windows.iter().map(|&window| statistics[window].as_slice()).collect();
        let mean = mean_of(&rows);
        let apart: Vec<Vec<f32>> = rows
            .iter()
            .map(|row| row.iter().zip(&mean).map(|(x, mean)| (x - mean).abs()).collect())
            .collect();
        let deviation = mean_of(&apart.iter().map(Vec::as_slice).collect::<Vec<_>>());
        Self { mean, deviation }
    }
}

fn pooled(people: &[Usual]) -> Vec<f32> {
    mean_of(
        &people
            .iter()
            .map(|usual| usual.deviation.as_slice())
            .collect::<Vec<_>>(),
    )
}

fn mean_of(rows: &[&[f32]]) -> Vec<f32> {
    let mut mean = vec![0.0; rows.first().map_or(0, |row| row.len())];
    for row in rows {
        mean.iter_mut()
            .zip(*row)
            .for_each(|(sum, value)| *sum += value / rows.len() as f32);
    }
    mean
}

/// Mean and standard deviation over the steps of each dense feature.
fn statistics(window: &FeatureWindow) -> Vec<f32> {
    let features = window.values.len() / window.len.max(1);
    let dense = match window.modality {
        Modality::Keystroke => KEYSTROKE_DENSE,
        Modality::Pointer => POINTER_FEATURES,
    };
    let steps = window.len as f32;
    let column = |feature: usize| window.values.iter().skip(feature).step_by(features.max(1)).copied();
    (0..dense.min(features))
        .flat_map(|feature| {
            let mean = column(feature).sum::<f32>() / steps;
            let variance = column(feature)
                .map(|value| (value - mean) * (value - mean))
                .sum::<f32>()
                / steps;
            [mean, variance.sqrt()]
        })
        .collect()
}
