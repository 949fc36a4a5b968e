//! Strokes of the pointer that are long enough to tell a hand from a formula.
//!
//! Invariants: a stroke lies within the fresh steps of one window, between two pauses or buttons; only numbers of it are
//! kept, no place; every number is finite.

use crate::window::{PointerKind, PointerStep};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// A gap that ends a stroke, µs (as in [`crate::reason`]).
const STROKE_GAP_US: i64 = 200_000;
/// Fewest moves, and least length and distance from start to end, pixels, of a stroke that is judged.
const MOVES_MIN: usize = 10;
const LENGTH_PX_MIN: f64 = 80.0;
const CHORD_PX_MIN: f64 = 40.0;
/// Degree of the curve in time that a stroke of a formula lies on: that of least jerk (Flash & Hogan, J. Neurosci. 5, 1985).
const DEGREE: usize = 5;

/// The shape of one stroke.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Stroke {
    speed_variation: f32,
    roughness: f32,
    deviation_px: f32,
}

/// The latest strokes of a session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Strokes {
    latest: VecDeque<Stroke>,
}

/// Medians over the remembered strokes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StrokeStatistics {
    /// How many strokes.
    pub strokes: usize,
    /// Standard deviation of the speed within a stroke over its mean.
    pub speed_variation: f32,
    /// Root mean square distance from the best quintic in time, over the stroke's length.
    pub roughness: f32,
    /// Largest distance from the chord, pixels.
    pub deviation_px: f32,
}

impl Strokes {
    pub(super) fn is_sound(&self) -> bool {
        let mut numbers = self
            .latest
            .iter()
            .flat_map(|stroke| [stroke.speed_variation, stroke.roughness, stroke.deviation_px]);
        numbers.all(|number| number.is_finite() && number >= 0.0)
    }

    /// Takes the last `fresh` steps; the oldest strokes beyond `most` give way.
    pub(super) fn take(&mut self, steps: &[PointerStep], fresh: usize, most: usize) {
        let fresh = &steps[steps.len().saturating_sub(fresh)..];
        let same = |a: &PointerStep, b: &PointerStep| {
            let moves = a.kind == PointerKind::Move && b.kind == PointerKind::Move;
            moves && b.t_us.saturating_sub(a.t_us) <= STROKE_GAP_US
        };
        for stroke in fresh.chunk_by(same).filter_map(shape) {
            while self.latest.len() >= most.max(1) {
                self.latest.pop_front();
            }
            self.latest.push_back(stroke);
        }
    }

    pub(super) fn statistics(&self) -> StrokeStatistics {
        let of = |value: fn(&Stroke) -> f32| median(self.latest.iter().map(value).collect());
        StrokeStatistics {
            strokes: self.latest.len(),
            speed_variation: of(|stroke| stroke.speed_variation),
            roughness: of(|stroke| stroke.roughness),
            deviation_px: of(|stroke| stroke.deviation_px),
        }
    }
}

fn median(mut values: Vec<f32>) -> f32 {
    values.sort_by(f32::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// The shape of a run of moves; `None` where it is too short to have one.
fn shape(moves: &[PointerStep]) -> Option<Stroke> {
    let (first, last) = (moves.first()?, moves.last()?);
    if moves.len() < MOVES_MIN || last.t_us <= first.t_us {
        return None;
    }
    let at = |step: &PointerStep| {
        (
            f64::from(step.x) - f64::from(first.x),
            f64::from(step.y) - f64::from(first.y),
        )
    };
    let (end_x, end_y) = at(last);
    let chord = end_x.hypot(end_y);
    let (mut length, mut speeds, mut deviation) = (0.0, Vec::with_capacity(moves.len()), 0f64);
    for pair in moves.windows(2) {
        let ((ax, ay), (bx, by)) = (at(&pair[0]), at(&pair[1]));
        let distance = (bx - ax).hypot(by - ay);
        let dt_ms = (pair[1].t_us - pair[0].t_us) as f64 / 1e3;
        length += distance;
        // Two places at one instant have no speed.
        if dt_ms > 0.0 {
            speeds.push(distance / dt_ms);
        }
        deviation = deviation.max((bx * end_y - by * end_x).abs());
    }
    if length < LENGTH_PX_MIN || chord < CHORD_PX_MIN || speeds.len() < MOVES_MIN - 1 {
        return None;
    }
    let mean = speeds.iter().sum::<f64>() / speeds.len() as f64;
    let variance = speeds.iter().map(|speed| (speed - mean).powi(2)).sum::<f64>() / speeds.len() as f64;
    Some(Stroke {
        speed_variation: (variance.sqrt() / mean) as f32,
        roughness: (distance_from_quintic(moves) / length) as f32,
        deviation_px: (deviation / chord) as f32,
    })
}

/// Root mean square distance of the places from the quintic in time that fits them best, pixels. Legendre polynomials made
/// orthogonal on the times themselves (Gram-Schmidt), so that nothing has to be solved.
fn distance_from_quintic(moves: &[PointerStep]) -> f64 {
    let (first, last) = (&moves[0], &moves[moves.len() - 1]);
    let span = (last.t_us - first.t_us) as f64;
    let times: Vec<f64> = moves
        .iter()
        .map(|step| 2.0 * (step.t_us - first.t_us) as f64 / span - 1.0)
        .collect();
    let mut x: Vec<f64> = moves
        .iter()
        .map(|step| f64::from(step.x) - f64::from(first.x))
        .collect();
    let mut y: Vec<f64> = moves
        .iter()
        .map(|step| f64::from(step.y) - f64::from(first.y))
        .collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(DEGREE + 1);
    for power in 0..=DEGREE as i32 {
        let mut next: Vec<f64> = times.iter().map(|time| time.powi(power)).collect();
        for known in &basis {
            let share = dot(&next, known);
            remove(&mut next, known, share);
        }
        let norm = dot(&next, &next).sqrt();
        // Times that coincide span fewer polynomials.
        if norm > 1e-9 {
            next.iter_mut().for_each(|value| *value /= norm);
            basis.push(next);
        }
    }
    for known in &basis {
        for places in [&mut x, &mut y] {
            let share = dot(places, known);
            remove(places, known, share);
        }
    }
    let freedom = (2 * (moves.len() - basis.len())).max(1);
    ((dot(&x, &x) + dot(&y, &y)) / freedom as f64).sqrt()
}

fn remove(values: &mut [f64], direction: &[f64], share: f64) {
    for (value, direction) in values.iter_mut().zip(direction) {
        *value -= share * direction;
    }
}
