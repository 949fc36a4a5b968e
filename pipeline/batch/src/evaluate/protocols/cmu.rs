//! Killourhy & Maxion, "Comparing Anomaly-Detection Algorithms for Keystroke Dynamics" (DSN 2009), for
//! `DSL-StrongPasswordData.csv`: the first 200 repetitions of the password by a subject enrol, the other 200 are genuine trials,
//! and the first five of every other subject are impostor trials (51 subjects: 10,200 and 12,750).
//!
//! That the layout is right shows in two of their detectors on the raw timing vectors: scaled Manhattan distance has an equal
//! error rate of .0962, Mahalanobis distance to the nearest neighbour .0996.

use super::blocks::{enrol, note_short, samples};
use crate::corpus::Person;
use crate::evaluate::comparators::Compared;
use crate::evaluate::layout::{Layout, Pair, Probe, Trials};
use crate::evaluate::scores::Scores;
use crate::windows::Cutting;
use anyhow::{Context, Result, bail};
use ductus_dynamics::event::Modality;
use ductus_dynamics::window::WindowConfig;
use std::path::Path;

const TRAIN: usize = 200;
const IMPOSTOR: usize = 5;

/// Lays out subjects with more than 200 repetitions of `keys` keys; a window is a repetition.
pub(super) fn layout(people: &[Person], keys: usize) -> Layout {
    let cutting = Cutting {
        modality: Modality::Keystroke,
        config: WindowConfig {
            steps: keys,
            hop: keys,
            min_steps: keys,
            pause_us: i64::MAX / 4,
        },
    };
    let mut layout = Layout::default();
    let (mut short, mut own) = (0, Vec::new());
    for person in people {
        let mut repetitions = samples(person, &cutting).concat();
        if repetitions.len() <= TRAIN {
            short += 1;
            continue;
        }
        let number = layout.enrolled.len() as u32;
        let probes = repetitions.split_off(TRAIN);
        let enrolled = enrol(&mut layout, number, repetitions);
        own.push(layout.add(probes.into_iter().map(|(_, window)| window)));
        layout.enrolled.push(enrolled);
    }
    layout.trials = trials(&layout, &own);
    note_short(&mut layout, short, "no more than 200 repetitions");
    layout
}

fn trials(layout: &Layout, own: &[Vec<usize>]) -> Trials {
    let mut trials = Trials::default();
    let add = |trials: &mut Trials, claimed: u32, owner: u32, window: usize| {
        trials.pairs.push(Pair {
            enrolled: claimed,
            probe: trials.probes.len() as u32,
            genuine: claimed == owner,
        });
        trials.probes.push(Probe {
            windows: vec![window],
            owner: Some(owner),
        });
    };
    for claimed in &layout.enrolled {
        for &window in &own[claimed.person as usize] {
            add(&mut trials, claimed.person, claimed.person, window);
        }
        for other in layout.enrolled.iter().filter(|other| other.person != claimed.person) {
            for reference in &other.references[..IMPOSTOR] {
                add(&mut trials, claimed.person, other.person, reference.window);
            }
        }
    }
    trials
}

/// The timing vectors of a file, subject by subject, in its order, seconds.
pub(super) struct Vectors {
    /// `H.`, `DD.` and `UD.` columns in the order of the file.
    names: Vec<String>,
    subjects: Vec<(String, Vec<Vec<f64>>)>,
}

impl Vectors {
    /// Reads the file of the folder whose header has the password's columns. Rows that are no numbers, or whose dwell is
    /// negative, are left out, as `import` leaves them out.
    pub(super) fn read(dir: &Path) -> Result<Self> {
        let entries = std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
        let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.sort();
        let texts = files
            .iter()
            .filter(|file| {
                file.extension()
                    .is_some_and(|extension| extension.eq_ignore_ascii_case("csv"))
            })
            .filter_map(|file| std::fs::read(file).ok());
        for text in texts {
            if let Some(vectors) = Self::parse(&String::from_utf8_lossy(&text)) {
                return Ok(vectors);
            }
        }
        bail!(
            "{} holds no file with the columns of DSL-StrongPasswordData.csv",
            dir.display()
        )
    }

    fn parse(text: &str) -> Option<Self> {
        let fields = |line: &'_ str| -> Vec<String> {
            let parts = line.trim_end_matches('\r').split(',');
            parts.map(|part| part.trim().trim_matches('"').to_owned()).collect()
        };
        let mut lines = text.lines();
        let header = fields(lines.next()?.trim_start_matches('\u{feff}'));
        let subject = header.iter().position(|name| name == "subject")?;
        header.iter().position(|name| name == "sessionIndex")?;
        let is_time = |name: &str| ["H.", "DD.", "UD."].iter().any(|prefix| name.starts_with(prefix));
        let times: Vec<usize> = (0..header.len()).filter(|&column| is_time(&header[column])).collect();
        let names: Vec<String> = times.iter().map(|&column| header[column].clone()).collect();
        let mut subjects: Vec<(String, Vec<Vec<f64>>)> = Vec::new();
        for line in lines {
            let row = fields(line);
            if row.len() != header.len() {
                continue;
            }
            let Ok(vector) = times
                .iter()
                .map(|&column| row[column].parse())
                .collect::<Result<Vec<f64>, _>>()
            else {
                continue;
            };
            if vector
                .iter()
                .zip(&names)
                .any(|(value, name)| name.starts_with("H.") && *value < 0.0)
            {
                continue;
            }
            match subjects.iter_mut().find(|(name, _)| *name == row[subject]) {
                Some((_, vectors)) => vectors.push(vector),
                None => subjects.push((row[subject].clone(), vec![vector])),
            }
        }
        Some(Self { names, subjects })
    }

    /// Keys of the password.
    pub(super) fn keys(&self) -> usize {
        self.names.iter().filter(|name| name.starts_with("H.")).count()
    }

    /// The two detectors that show whether the layout is the authors'.
    pub(super) fn check(&self) -> Vec<Compared> {
        // Press to press is dwell plus release to press: without these columns the covariance can be inverted.
        let independent: Vec<usize> = (0..self.names.len())
            .filter(|&i| !self.names[i].starts_with("DD."))
            .collect();
        let manhattan = self.score(|train| {
            let detector = Manhattan::of(train);
            Box::new(move |vector: &[f64]| -detector.distance(vector))
        });
        let nearest = self.score(move |train| {
            let chosen = |vector: &[f64]| -> Vec<f64> { independent.iter().map(|&i| vector[i]).collect() };
            let detector = Nearest::of(&train.iter().map(|vector| chosen(vector)).collect::<Vec<_>>());
            let independent = independent.clone();
            Box::new(move |vector: &[f64]| {
                let chosen: Vec<f64> = independent.iter().map(|&i| vector[i]).collect();
                -detector.distance(&chosen)
            })
        });
        let compared = |name, scores| Compared {
            name,
            scores,
            after: None,
        };
        vec![
            compared("manhattan_scaled_raw", manhattan),
            compared("mahalanobis_nearest_raw", nearest),
        ]
    }

    fn score(&self, train: impl Fn(&[Vec<f64>]) -> Detector) -> Scores {
        let subjects: Vec<&Vec<Vec<f64>>> = self
            .subjects
            .iter()
            .map(|(_, vectors)| vectors)
            .filter(|vectors| vectors.len() > TRAIN)
            .collect();
        let mut all = Vec::new();
        for (claimed, vectors) in subjects.iter().enumerate() {
            let detector = train(&vectors[..TRAIN]);
            let mut add = |genuine, vector: &[f64]| all.push((claimed as u32, genuine, detector(vector) as f32));
            vectors[TRAIN..].iter().for_each(|vector| add(true, vector));
            let others = subjects.iter().enumerate().filter(|(other, _)| *other != claimed);
            others
                .flat_map(|(_, vectors)| &vectors[..IMPOSTOR])
                .for_each(|vector| add(false, vector));
        }
        Scores { all }
    }
}

/// Gives a timing vector a score, higher for more alike.
type Detector = Box<dyn Fn(&[f64]) -> f64>;

/// Scaled Manhattan distance: to the mean, each time by its mean absolute deviation.
struct Manhattan {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl Manhattan {
    fn of(train: &[Vec<f64>]) -> Self {
        let mean = mean(train);
        let apart: Vec<Vec<f64>> = train
            .iter()
            .map(|vector| {
                vector
                    .iter()
                    .zip(&mean)
                    .map(|(value, mean)| (value - mean).abs())
                    .collect()
            })
            .collect();
        Self {
            deviation: self::mean(&apart),
            mean,
        }
    }

    fn distance(&self, vector: &[f64]) -> f64 {
        let terms = vector.iter().zip(&self.mean).zip(&self.deviation);
        terms
            .map(|((value, mean), deviation)| (value - mean).abs() / deviation.max(1e-9))
            .sum()
    }
}

/// Mahalanobis distance to the nearest of the training vectors.
struct Nearest {
    /// Lower Cholesky factor of the covariance, row by row.
    factor: Vec<Vec<f64>>,
    /// Training vectors in the space where the distance is Euclid's.
    train: Vec<Vec<f64>>,
}

impl Nearest {
    fn of(train: &[Vec<f64>]) -> Self {
        let factor = cholesky(covariance(train));
        Self {
            train: train.iter().map(|vector| solve(&factor, vector)).collect(),
            factor,
        }
    }

    fn distance(&self, vector: &[f64]) -> f64 {
        let vector = solve(&self.factor, vector);
        let squared = |other: &Vec<f64>| -> f64 { other.iter().zip(&vector).map(|(a, b)| (a - b) * (a - b)).sum() };
        self.train.iter().map(squared).fold(f64::INFINITY, f64::min).sqrt()
    }
}

fn mean(vectors: &[Vec<f64>]) -> Vec<f64> {
    let mut mean = vec![0.0; vectors.first().map_or(0, Vec::len)];
    for vector in vectors {
        for (sum, value) in mean.iter_mut().zip(vector) {
            *sum += value / vectors.len() as f64;
        }
    }
    mean
}

fn covariance(vectors: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mean = mean(vectors);
    let mut covariance = vec![vec![0.0; mean.len()]; mean.len()];
    for vector in vectors {
        for (i, row) in covariance.iter_mut().enumerate() {
            for (j, sum) in row.iter_mut().enumerate() {
                *sum += (vector[i] - mean[i]) * (vector[j] - mean[j]) / (vectors.len().max(2) - 1) as f64;
            }
        }
    }
    covariance
}

/// The lower factor of a symmetric matrix; a dimension without variance gets a tiny one.
fn cholesky(mut matrix: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let size = matrix.len();
    let least = 1e-12 + 1e-9 * (0..size).map(|i| matrix[i][i]).sum::<f64>() / size.max(1) as f64;
    for j in 0..size {
        let squares: f64 = (0..j).map(|k| matrix[j][k] * matrix[j][k]).sum();
        let pivot = (matrix[j][j] - squares).max(least).sqrt();
        matrix[j][j] = pivot;
        for i in j + 1..size {
            let products: f64 = (0..j).map(|k| matrix[i][k] * matrix[j][k]).sum();
            matrix[i][j] = (matrix[i][j] - products) / pivot;
        }
    }
    matrix
}

/// Solves `factor · x = vector` for a lower triangular factor.
fn solve(factor: &[Vec<f64>], vector: &[f64]) -> Vec<f64> {
    let mut solved: Vec<f64> = Vec::with_capacity(vector.len());
    for (row, value) in factor.iter().zip(vector) {
        let known: f64 = row.iter().zip(&solved).map(|(a, x)| a * x).sum();
        let pivot = row[solved.len()];
        solved.push((value - known) / pivot);
    }
    solved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mahalanobis_distance_knows_the_covariance() {
        // Along (1, 1) the spread is ten times that across; a step across is that much farther.
        let train: Vec<Vec<f64>> = (-50..=50)
            .flat_map(|i| [-1.0, 1.0].map(|side| vec![f64::from(i) + side, f64::from(i) - side]))
            .collect();
        let nearest = Nearest::of(&train);
        assert!(nearest.distance(&train[7]) < 1e-9);
        let (along, across) = (nearest.distance(&[61.0, 61.0]), nearest.distance(&[11.0, -11.0]));
        assert!(across > 5.0 * along, "{along} {across}");
        let spread = covariance(&[vec![0.0], vec![2.0]]);
        assert_eq!(spread, [[2.0]]);
    }
}
