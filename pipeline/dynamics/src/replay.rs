//! Replays: a window that repeats one that the same subject made before, exactly or nearly.
//!
//! A [`Sketch`] holds, of each step of a window, one character out of 56. For a keystroke: the logarithm of the time since
//! the press before it, in steps of a tenth; neither its class nor its dwell. For a pointer event: the direction in eighths
//! and the length of the move, in seven sizes; neither place nor time. So a sketch of 50 keys says how somebody's pace rose
//! and fell during them: less than the raw times, but biometric data nevertheless, which is why few are kept
//! ([`ReplayPolicy::sketches_max`]) and they are erased with the references that they stand in.
//!
//! A window is laid along every sketch in every way. Pace is compared after its mean difference is taken away, so that a replay at another
//! speed is found; moves are compared as they are, so that a path that was moved or timed anew is found.
//!
//! Invariants: a window is never compared with its own steps; a sketch that says nothing (constant pace, no movement) matches
//! nothing; memory and time are bounded by sketches × steps; what an attacker composes of pieces shorter than
//! [`ReplayPolicy::steps_min`], or does not take from what is kept here, is not found.

use crate::event::Modality;
use crate::liveness::{Detector, Finding};
use crate::window::{Keystroke, PointerKind, PointerStep, Steps, Window};
use crate::wire;
use serde::Deserialize;

/// What is kept and what counts as a repetition.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayPolicy {
    /// Most sketches kept with a subject's references, the oldest giving way; 0 switches the detector off.
    pub sketches_max: usize,
    /// Fewest keystrokes that a window must share with an earlier one; of pointer events, twice as many.
    pub steps_min: usize,
    /// Mean difference of ln pace up to which it is the same, once the difference in speed is taken away. The nearest that one
    /// of 60 people came who typed a text of 100 keys four times was 0.119 (Monaco & Tappert, fixed text).
    pub pace_difference_max: f32,
    /// Largest difference of ln speed at which a replay is looked for.
    pub speed_difference_max: f32,
    /// Share of equal moves from which a path is the same.
    pub moves_equal_min: f32,
}

impl Default for ReplayPolicy {
    fn default() -> Self {
        Self {
            sketches_max: 64,
            steps_min: 24,
            pace_difference_max: 0.11,
            speed_difference_max: 0.2,
            moves_equal_min: 0.85,
        }
    }
}

/// Characters in use, from the first on: none of them needs to be escaped in JSON.
const LEVELS: u8 = 56;
const FIRST: u8 = b'#';
/// A step's logarithm per level, and the pace of the lowest one, ms.
const LEVEL: f32 = 0.1;
const PACE_MIN_MS: f64 = 10.0;
/// Mean deviation from the mean, in levels, below which a sketch of pace says nothing.
const SPREAD_LEVELS_MIN: f32 = 2.0;
/// Share of the most frequent move above which a sketch of moves says nothing.
const MOST_FREQUENT_MAX: f32 = 0.5;
/// A move that goes nowhere.
const STILL: u8 = FIRST;

/// The rhythm of a window, one character a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sketch {
    modality: Modality,
    codes: Vec<u8>,
}

impl Sketch {
    /// The sketch of a window.
    pub fn of(window: &Window) -> Self {
        let codes = match &window.steps {
            Steps::Keys(keys) => keys.windows(2).map(pace_code).collect(),
            Steps::Pointer(steps) => steps.windows(2).map(move_code).collect(),
        };
        Self {
            modality: window.modality,
            codes,
        }
    }

    /// The stored form of a window of `session` that ended at `end_us`.
    pub fn to_wire(&self, session: &str, end_us: i64) -> wire::Sketch {
        wire::Sketch {
            session: session.to_owned(),
            end_us,
            codes: self.codes.iter().map(|code| char::from(*code)).collect(),
        }
    }

    /// Whether it is long and varied enough to be known again.
    pub fn says_enough(&self, policy: &ReplayPolicy) -> bool {
        self.codes.len() >= self.least(policy) && says_something(self.modality, &self.codes)
    }

    /// Fewest steps that two windows must share.
    fn least(&self, policy: &ReplayPolicy) -> usize {
        match self.modality {
            Modality::Keystroke => policy.steps_min.max(1),
            Modality::Pointer => 2 * policy.steps_min.max(1),
        }
    }

    /// How like `stored` it is where they are most alike: a difference for pace (less is more alike), a share for moves.
    fn nearest(&self, stored: &[u8], policy: &ReplayPolicy) -> Option<f32> {
        let laid = stretches(&self.codes, stored, self.least(policy));
        match self.modality {
            Modality::Keystroke => laid
                .filter(|(a, b)| may_be_near(a, b, policy))
                .filter(|(a, _)| says_something(Modality::Keystroke, a))
                .filter_map(|(a, b)| difference(a, b, policy.speed_difference_max))
                .min_by(f32::total_cmp),
            Modality::Pointer => laid
                .filter(|(a, b)| may_be_equal(a, b))
                .filter(|(a, _)| says_something(Modality::Pointer, a))
                .map(|(a, b)| equal(a, b))
                .max_by(f32::total_cmp),
        }
    }
}

/// Whether `window` of `session` repeats one of the stored ones; `None` where it does not.
pub fn replayed<'a>(
    window: &Window,
    session: &str,
    stored: impl Iterator<Item = &'a wire::Sketch>,
    policy: &ReplayPolicy,
) -> Option<Finding> {
    if policy.sketches_max == 0 {
        return None;
    }
    let sketch = Sketch::of(window);
    if !sketch.says_enough(policy) {
        return None;
    }
    let others = stored.filter(|other| other.session != session || other.end_us <= window.start_us);
    let nearest = others.filter_map(|other| sketch.nearest(other.codes.as_bytes(), policy));
    let (value, is_replay) = match window.modality {
        Modality::Keystroke => {
            let value = nearest.min_by(f32::total_cmp)?;
            (value, value <= policy.pace_difference_max)
        }
        Modality::Pointer => {
            let value = nearest.max_by(f32::total_cmp)?;
            (value, value >= policy.moves_equal_min)
        }
    };
    let text = match window.modality {
        Modality::Keystroke => format!("the rhythm repeats an earlier window within {:.0} %", 100.0 * value),
        Modality::Pointer => format!("{:.0} % of the moves repeat an earlier window", 100.0 * value),
    };
    is_replay.then_some(Finding {
        detector: Detector::Replayed,
        value: 100.0 * value,
        unit: "%",
        text,
    })
}

/// How near the nearest stored stretch is, whatever the policy's line: what the line is chosen from.
pub fn nearness<'a>(
    window: &Window,
    session: &str,
    stored: impl Iterator<Item = &'a wire::Sketch>,
    policy: &ReplayPolicy,
) -> Option<f32> {
    let all = ReplayPolicy {
        pace_difference_max: f32::INFINITY,
        moves_equal_min: 0.0,
        ..*policy
    };
    replayed(window, session, stored, &all).map(|finding| finding.value / 100.0)
}

fn pace_code(pair: &[Keystroke]) -> u8 {
    let pace_ms = pair[1].press_us.saturating_sub(pair[0].press_us) as f64 / 1e3;
    let level = (pace_ms.max(PACE_MIN_MS) / PACE_MIN_MS).ln() / f64::from(LEVEL);
    // The cast saturates, and the level is at least 0.
    FIRST + (level.round() as u8).min(LEVELS - 1)
}

fn move_code(pair: &[PointerStep]) -> u8 {
    if pair[1].kind != PointerKind::Move {
        return STILL;
    }
    let (dx, dy) = (
        f64::from(pair[1].x) - f64::from(pair[0].x),
        f64::from(pair[1].y) - f64::from(pair[0].y),
    );
    let length = dx.hypot(dy);
    if length < 0.5 {
        return STILL;
    }
    let turns = dy.atan2(dx) / std::f64::consts::TAU + 0.5;
    let direction = (8.0 * turns).round() as u8 % 8;
    let size = (length.log2().max(0.0) as u8).min(6);
    FIRST + 7 * direction + size
}

/// Whether these codes could be told from others.
fn says_something(modality: Modality, codes: &[u8]) -> bool {
    let count = codes.len().max(1) as f32;
    match modality {
        Modality::Keystroke => {
            let mean = codes.iter().map(|code| f32::from(*code)).sum::<f32>() / count;
            let spread = codes.iter().map(|code| (f32::from(*code) - mean).abs()).sum::<f32>() / count;
            spread >= SPREAD_LEVELS_MIN
        }
        Modality::Pointer => {
            let mut counts = [0u32; 256];
            codes.iter().for_each(|code| counts[usize::from(*code)] += 1);
            let most = counts.iter().max().copied().unwrap_or(0) as f32;
            // Standing still is no path, however long it is done.
            most / count <= MOST_FREQUENT_MAX && counts[usize::from(STILL)] as f32 / count <= MOST_FREQUENT_MAX
        }
    }
}

/// Every way to lay `a` along `b` so that at least `least` steps meet: the steps that do.
fn stretches<'a>(a: &'a [u8], b: &'a [u8], least: usize) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    let first = a.len().saturating_sub(least);
    let ahead = (1..=first).map(move |skip| (&a[skip..], b));
    let behind = (0..=b.len().saturating_sub(least)).map(move |skip| (a, &b[skip..]));
    ahead.chain(behind).filter_map(move |(a, b)| {
        let len = a.len().min(b.len());
        (len >= least).then(|| (&a[..len], &b[..len]))
    })
}

/// Steps that tell quickly whether a closer look is worth it.
const GLANCE: usize = 16;

/// Whether the first steps are near enough for stretches of pace that may be the same, with some room.
fn may_be_near(a: &[u8], b: &[u8], policy: &ReplayPolicy) -> bool {
    let (a, b) = (&a[..a.len().min(GLANCE)], &b[..b.len().min(GLANCE)]);
    let sum: u32 = a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
    let most = 1.5 * (policy.pace_difference_max + policy.speed_difference_max) / LEVEL;
    sum as f32 <= most * a.len() as f32
}

/// The same for moves: whether a third of the first ones are equal.
fn may_be_equal(a: &[u8], b: &[u8]) -> bool {
    let (a, b) = (&a[..a.len().min(GLANCE)], &b[..b.len().min(GLANCE)]);
    let equal = a.iter().zip(b).filter(|(a, b)| a == b).count();
    3 * equal >= a.len()
}

/// Mean absolute difference of two stretches of pace, ln, after their mean difference; `None` where that is too large.
fn difference(a: &[u8], b: &[u8], speed_difference_max: f32) -> Option<f32> {
    let count = a.len().max(1) as f32;
    let shift: i32 = a.iter().zip(b).map(|(a, b)| i32::from(*a) - i32::from(*b)).sum();
    let shift = shift as f32 / count;
    if shift.abs() * LEVEL > speed_difference_max {
        return None;
    }
    let sum: f32 = a
        .iter()
        .zip(b)
        .map(|(a, b)| (f32::from(*a) - f32::from(*b) - shift).abs())
        .sum();
    Some(sum / count * LEVEL)
}

/// Share of equal moves.
fn equal(a: &[u8], b: &[u8]) -> f32 {
    let equal = a.iter().zip(b).filter(|(a, b)| a == b).count();
    equal as f32 / a.len().max(1) as f32
}

#[cfg(test)]
mod tests;
