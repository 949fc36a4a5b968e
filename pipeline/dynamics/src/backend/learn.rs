//! Learning a back-end from people who were seen on several occasions.
//!
//! Source: the study in `models.md`, "Between-sample whitening". Average each person's embeddings per occasion, subtract the
//! person's mean of these, sum the outer products over people: scatter C. Compare in the space of
//! `(e − mean) · A` with `A·Aᵀ = (C + s · mean(diag C) · I)⁻¹`; a Cholesky factor serves as well as eigenvectors, because a
//! rotation changes no cosine. Scatter within an occasion would not do: it is another day that moves a person.
//!
//! Invariants: the same people in the same order give the same bits; a calibration is fitted only to scores of people whom
//! the whitening in use had not seen; sums are kept in double precision.

use super::calibrate::{CalibrateError, calibrate};
use super::judge::{Trial, judge};
use super::{BackEnd, BackEndError, Space, Whitening};
use crate::accuracy::min_cllr;

/// Mean variance that is no more than rounding of unit vectors.
const SCATTER_MIN: f64 = 1e-12;

/// Least square of a diagonal value of the factor, in units of the mean variance.
const PIVOT_MIN: f64 = 1e-12;

/// How a back-end is learned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearnConfig {
    /// Share of the mean variance that is added to every direction, so that none counts without bound: the study's.
    pub shrinkage: f64,
    /// The shares that [`learn`] chooses from.
    pub candidates: [f64; 4],
    /// Whether embeddings may stay as they are where that does better.
    pub plain: bool,
    /// Fewest people with several occasions.
    pub people_min: usize,
    /// Parts of the people: each is judged by a back-end of the others.
    pub folds: usize,
    /// Fewest references to compare with, as a deployment wants them.
    pub references_min: usize,
    /// Most references to compare with.
    pub references_max: usize,
    /// Most other people that each person is compared with.
    pub impostors_max: usize,
}

impl Default for LearnConfig {
    fn default() -> Self {
        Self {
            shrinkage: 0.3,
            candidates: [0.3, 1.0, 3.0, 10.0],
            plain: true,
            people_min: 24,
            folds: 4,
            references_min: 5,
            references_max: 10,
            impostors_max: 50,
        }
    }
}

/// The embeddings of one person, occasion by occasion, each `[D]` and of unit length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Occasions(pub Vec<Vec<Vec<f32>>>);

impl Occasions {
    /// How many of them have an embedding.
    pub fn count(&self) -> usize {
        self.0.iter().filter(|occasion| !occasion.is_empty()).count()
    }
}

/// A back-end and what it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned {
    /// The back-end, learned from everybody; plain cosines where no whitening did better on people it had not seen.
    pub back_end: BackEnd,
    /// The share of the mean variance that did best; none for plain cosines.
    pub shrinkage: Option<f64>,
    /// People with several occasions.
    pub people: usize,
    /// Their occasions.
    pub occasions: usize,
    /// Cosines of people whom the whitening in use had not seen: what the calibration was fitted to.
    pub trials: Vec<Trial>,
}

/// Why no back-end can be learned.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LearnError {
    /// Too few people were seen on several occasions: wait until there are more.
    #[error(
        "{have} people were seen on at least two occasions, but {need} are needed to learn how people change between them"
    )]
    TooFew {
        /// People with at least two occasions.
        have: usize,
        /// Fewest needed.
        need: usize,
    },
    /// The embeddings do not belong together: a mistake in the program.
    #[error("an embedding has {found} values, but the first one has {expected}")]
    Dims {
        /// Of the first embedding.
        expected: usize,
        /// Of another one.
        found: usize,
    },
    /// The scatter is none: nobody moves at all.
    #[error("the embeddings of the same person do not differ between occasions, so there is nothing to learn")]
    NoScatter,
    /// The numbers overflow single precision.
    #[error(transparent)]
    BackEnd(#[from] BackEndError),
    /// The scores tell nobody apart.
    #[error(transparent)]
    Calibrate(#[from] CalibrateError),
}

/// Learns whitening and calibration from people; those with a single occasion are left out. How strong the whitening is, and
/// whether there is any, is decided by the least cost of scores of people whom it had not seen.
///
/// # Errors
///
/// [`LearnError`].
pub fn learn(people: &[Occasions], config: &LearnConfig) -> Result<Learned, LearnError> {
    let people = several(people, config)?;
    let (moments, everybody) = moments(&people)?;
    let crossed = Crossed {
        people: &people,
        moments: &moments,
        everybody: &everybody,
        config,
    };
    let mut best: Option<(Vec<Trial>, Option<f64>)> = None;
    let plain = config.plain.then_some(None);
    for shrinkage in plain.into_iter().chain(config.candidates.map(Some)) {
        let trials = crossed.trials(shrinkage)?;
        if best.as_ref().is_none_or(|(best, _)| cost(&trials) < cost(best)) {
            best = Some((trials, shrinkage));
        }
    }
    let (best, shrinkage) = best.unwrap_or_default();
    let (genuine, impostor) = Trial::split(&best);
    let calibration = calibrate(&genuine, &impostor)?;
    let space = shrinkage.map(|shrinkage| everybody.whitening(shrinkage)).transpose()?;
    Ok(Learned {
        back_end: BackEnd {
            space: space.map(Space::of).unwrap_or_default(),
            calibration,
        },
        shrinkage,
        people: people.len(),
        occasions: people.iter().map(|person| person.count()).sum(),
        trials: best,
    })
}

/// The least cost that the order of the scores allows; endless where there are none of a kind.
fn cost(trials: &[Trial]) -> f64 {
    let (genuine, impostor) = Trial::split(trials);
    min_cllr(&genuine, &impostor).unwrap_or(f64::INFINITY)
}

/// People in folds, each judged by what the others taught.
struct Crossed<'a> {
    people: &'a [&'a Occasions],
    moments: &'a [Moments],
    everybody: &'a Moments,
    config: &'a LearnConfig,
}

impl Crossed<'_> {
    /// Comparisons of all people with those of their fold, whitened with this shrinkage or not at all.
    fn trials(&self, shrinkage: Option<f64>) -> Result<Vec<Trial>, LearnError> {
        let folds = self.config.folds.max(2);
        let mut trials = Vec::new();
        for fold in 0..folds {
            let inside: Vec<usize> = (fold..self.people.len()).step_by(folds).collect();
            let space = match shrinkage {
                Some(shrinkage) => {
                    let mut others = self.everybody.clone();
                    inside
                        .iter()
                        .for_each(|&person| others.take_away(&self.moments[person]));
                    Space::of(others.whitening(shrinkage)?)
                }
                None => Space::default(),
            };
            let judged: Vec<(u32, &Occasions)> = inside
                .iter()
                .map(|&person| (person as u32, self.people[person]))
                .collect();
            trials.extend(judge(&judged, &space, self.config));
        }
        Ok(trials)
    }
}

/// Learns the whitening alone, for those who calibrate on other people: with the numbers of people and of their occasions.
///
/// # Errors
///
/// [`LearnError`].
pub fn whiten(people: &[Occasions], config: &LearnConfig) -> Result<(Whitening, usize, usize), LearnError> {
    let people = several(people, config)?;
    let (_, everybody) = moments(&people)?;
    let occasions = people.iter().map(|person| person.count()).sum();
    Ok((everybody.whitening(config.shrinkage)?, people.len(), occasions))
}

/// The people with several occasions, if they are enough.
fn several<'a>(people: &'a [Occasions], config: &LearnConfig) -> Result<Vec<&'a Occasions>, LearnError> {
    let people: Vec<&Occasions> = people.iter().filter(|person| person.count() >= 2).collect();
    let need = config.people_min.max(2 * config.folds.max(2));
    if people.len() < need {
        let have = people.len();
        return Err(LearnError::TooFew { have, need });
    }
    Ok(people)
}

/// Of each and of all.
fn moments(people: &[&Occasions]) -> Result<(Vec<Moments>, Moments), LearnError> {
    let dims = dims_of(people)?;
    let moments: Vec<Moments> = people.iter().map(|person| Moments::of(person, dims)).collect();
    let mut everybody = Moments::none(dims);
    moments.iter().for_each(|person| everybody.add(person));
    Ok((moments, everybody))
}

fn dims_of(people: &[&Occasions]) -> Result<usize, LearnError> {
    let mut lengths = people.iter().flat_map(|person| person.0.iter().flatten()).map(Vec::len);
    let expected = lengths.next().unwrap_or(0);
    match lengths.find(|&found| found != expected) {
        Some(found) => Err(LearnError::Dims { expected, found }),
        None => Ok(expected),
    }
}

/// What a whitening is made of, as sums over people: people may be added, and taken away again to leave somebody out.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    dims: usize,
    /// Embeddings.
    count: f64,
    /// Their sum, `[D]`.
    sum: Vec<f64>,
    /// Outer products of each person's means per occasion about their mean, `[D × D]`.
    scatter: Vec<f64>,
}

impl Moments {
    /// Of nobody.
    pub fn none(dims: usize) -> Self {
        Self {
            dims,
            count: 0.0,
            sum: vec![0.0; dims],
            scatter: vec![0.0; dims * dims],
        }
    }

    /// Of one person. Embeddings that are not `[dims]` are left out.
    pub fn of(person: &Occasions, dims: usize) -> Self {
        let mut moments = Self::none(dims);
        let mut means: Vec<Vec<f64>> = Vec::with_capacity(person.0.len());
        for occasion in &person.0 {
            let (mut mean, mut count) = (vec![0.0; dims], 0.0);
            for embedding in occasion.iter().filter(|embedding| embedding.len() == dims) {
                add(&mut mean, embedding.iter().map(|value| f64::from(*value)), 1.0);
                count += 1.0;
            }
            if count > 0.0 {
                moments.count += count;
                add(&mut moments.sum, mean.iter().copied(), 1.0);
                mean.iter_mut().for_each(|value| *value /= count);
                means.push(mean);
            }
        }
        let mut centre = vec![0.0; dims];
        for mean in &means {
            add(&mut centre, mean.iter().copied(), 1.0 / means.len() as f64);
        }
        for mean in &mut means {
            add(mean, centre.iter().copied(), -1.0);
            for (row, &value) in moments.scatter.chunks_exact_mut(dims.max(1)).zip(mean.iter()) {
                add(row, mean.iter().copied(), value);
            }
        }
        moments
    }

    /// Adds people of the same number of dimensions.
    pub fn add(&mut self, other: &Self) {
        self.combine(other, 1.0);
    }

    /// Takes away people who were added.
    pub fn take_away(&mut self, other: &Self) {
        self.combine(other, -1.0);
    }

    fn combine(&mut self, other: &Self, sign: f64) {
        self.count += sign * other.count;
        add(&mut self.sum, other.sum.iter().copied(), sign);
        add(&mut self.scatter, other.scatter.iter().copied(), sign);
    }

    /// The whitening, with `shrinkage` of the mean variance added to every direction.
    ///
    /// # Errors
    ///
    /// [`LearnError::NoScatter`] where people do not move, or where `shrinkage` is not positive and they move in too few
    /// directions; [`LearnError::BackEnd`].
    pub fn whitening(&self, shrinkage: f64) -> Result<Whitening, LearnError> {
        let dims = self.dims;
        let factor = cholesky(self.shrunken(shrinkage)?, dims).ok_or(LearnError::NoScatter)?;
        let matrix = inverse_of_lower(&factor, dims);
        let mean = self.sum.iter().map(|value| (value / self.count) as f32).collect();
        Ok(Whitening::new(
            mean,
            matrix.iter().map(|value| *value as f32).collect(),
        )?)
    }

    /// C + s · mean(diag C) · I, divided by the mean variance: cosines do not depend on the scale.
    pub(super) fn shrunken(&self, shrinkage: f64) -> Result<Vec<f64>, LearnError> {
        let dims = self.dims;
        let mean_variance = (0..dims).map(|i| self.scatter[i * dims + i]).sum::<f64>() / dims.max(1) as f64;
        if mean_variance.is_nan() || mean_variance <= SCATTER_MIN {
            return Err(LearnError::NoScatter);
        }
        let mut target: Vec<f64> = self.scatter.iter().map(|value| value / mean_variance).collect();
        for i in 0..dims {
            target[i * dims + i] += shrinkage;
        }
        Ok(target)
    }
}

/// `into += factor · values`
fn add(into: &mut [f64], values: impl Iterator<Item = f64>, factor: f64) {
    for (total, value) in into.iter_mut().zip(values) {
        *total += factor * value;
    }
}

/// Lower triangular L with `L·Lᵀ = matrix` (row-major `[n × n]`, symmetric); `None` unless it is positive definite.
fn cholesky(mut matrix: Vec<f64>, n: usize) -> Option<Vec<f64>> {
    for j in 0..n {
        for i in j..n {
            let known: f64 = (0..j).map(|k| matrix[i * n + k] * matrix[j * n + k]).sum();
            let rest = matrix[i * n + j] - known;
            if i == j {
                if rest.is_nan() || rest <= PIVOT_MIN {
                    return None;
                }
                matrix[j * n + j] = rest.sqrt();
            } else {
                matrix[i * n + j] = rest / matrix[j * n + j];
            }
        }
        for i in 0..j {
            matrix[i * n + j] = 0.0;
        }
    }
    Some(matrix)
}

/// Inverse of a lower triangular matrix with a positive diagonal, lower triangular too.
fn inverse_of_lower(lower: &[f64], n: usize) -> Vec<f64> {
    let mut inverse = vec![0.0; n * n];
    for j in 0..n {
        inverse[j * n + j] = 1.0 / lower[j * n + j];
        for i in j + 1..n {
            let known: f64 = (j..i).map(|k| lower[i * n + k] * inverse[k * n + j]).sum();
            inverse[i * n + j] = -known / lower[i * n + i];
        }
    }
    inverse
}
