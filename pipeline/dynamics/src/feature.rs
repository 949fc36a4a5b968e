//! From a window to numbers: the one definition of the feature layout, for the stream, the trainer and the evaluator.
//!
//! Invariants: a feature window depends on its own window only; every value is finite and within ±[`CLIP`]; an undefined
//! value is 0, the mean of its feature. Times are turned into features in f64 and rounded to f32 once, so that another
//! implementation of the same formulas (`schemas/golden/`) finds the same bits.
//!
//! The recipe and its constants were measured on 1,700 people of the Aalto desktop recordings (keystroke; after Acien et al.,
//! TypeNet, IEEE TBIOM 2022, with logarithmic times) and on users 1-60 of SapiMouse (pointer; Antal, Fejér, Buza, SACI 2021).

use crate::event::{Button, KeyClass, Modality};
use crate::window::{Keystroke, PointerKind, PointerStep, Steps, Window};
use sha2::{Digest, Sha256};

/// Values are clipped to ± this many standard deviations.
pub const CLIP: f64 = 5.0;
/// Features of a key press: six dense ones, then the class, one-hot.
pub const KEYSTROKE_FEATURES: usize = 6 + KeyClass::ALL.len();
/// Features of a pointer event.
pub const POINTER_FEATURES: usize = 15;

/// A dense feature and how it is normalised.
struct Feature {
    name: &'static str,
    mean: f64,
    sd: f64,
}

const fn feature(name: &'static str, mean: f64, sd: f64) -> Feature {
    Feature { name, mean, sd }
}

const KEYSTROKE: [Feature; 6] = [
    feature("ln dwell s, 0.01..1", -2.264, 0.407),
    feature("ln press-press s, 0.005..3", -1.687, 0.687),
    feature("slog release-release s, -1..3", 1.531, 0.652),
    feature("slog flight (release-press) s, -1..3", 0.789, 1.011),
    feature("overlap: flight < 0", 0.217, 0.412),
    feature("keys still down of the four before, at most 3", 0.226, 0.434),
];

const POINTER: [Feature; POINTER_FEATURES] = [
    feature("ln dt ms, 1..5000", 2.858, 0.697),
    feature("slog dx px", 0.0, 2.306),
    feature("slog dy px", 0.0, 1.728),
    feature("ln((d + 0.5) px / dt ms)", -0.861, 1.738),
    feature("sine of direction", 0.0, 0.552),
    feature("cosine of direction", 0.0, 0.789),
    feature("sine of turn", 0.0, 0.295),
    feature("cosine of turn", 0.821, 0.366),
    feature("change of ln speed", 0.0, 1.082),
    feature("press", 0.031, 0.174),
    feature("release", 0.031, 0.174),
    feature("drag", 0.137, 0.344),
    feature("secondary button", 0.009, 0.094),
    feature("scroll", 0.02, 0.14),
    feature("dt > 200 ms", 0.013, 0.114),
];

/// Number of features a step of `modality`.
pub fn features(modality: Modality) -> usize {
    match modality {
        Modality::Keystroke => KEYSTROKE_FEATURES,
        Modality::Pointer => POINTER_FEATURES,
    }
}

/// Hexadecimal SHA-256 over names, order and constants of the layout: a model is only used with the layout it learned.
pub fn layout_hash(modality: Modality) -> String {
    let mut text = format!("ductus features 1 {} clip {CLIP}\n", modality.name());
    let dense: &[Feature] = match modality {
        Modality::Keystroke => &KEYSTROKE,
        Modality::Pointer => &POINTER,
    };
    for Feature { name, mean, sd } in dense {
        text.push_str(&format!("{name} {mean} {sd}\n"));
    }
    if modality == Modality::Keystroke {
        for class in KeyClass::ALL {
            text.push_str(&format!("class {}\n", class.name()));
        }
    }
    crate::id::hex(&Sha256::digest(text))
}

/// Features of one window, `[len × FEATURES]`, row-major; nothing is padded.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureWindow {
    /// Keystroke or pointer.
    pub modality: Modality,
    /// Steps.
    pub len: usize,
    /// The values, `[len × FEATURES]`.
    pub values: Vec<f32>,
}

impl FeatureWindow {
    /// The features of a window.
    pub fn of(window: &Window) -> Self {
        let mut values = Vec::with_capacity(window.steps.len() * features(window.modality));
        match &window.steps {
            Steps::Keys(keys) => keystroke_features(keys, &mut values),
            Steps::Pointer(steps) => pointer_features(steps, &mut values),
        }
        Self {
            modality: window.modality,
            len: window.steps.len(),
            values,
        }
    }
}

/// Appends `[keys × KEYSTROKE_FEATURES]` values to `out`.
pub fn keystroke_features(keys: &[Keystroke], out: &mut Vec<f32>) {
    for (i, key) in keys.iter().enumerate() {
        let before = i.checked_sub(1).map(|j| &keys[j]);
        let release = key.release.at_us();
        let release_before = before.and_then(|key| key.release.at_us());
        let flight = release_before.map(|released| seconds(key.press_us - released));
        let dense = [
            release.map(|released| seconds(released - key.press_us).clamp(0.01, 1.0).ln()),
            before.map(|before| seconds(key.press_us - before.press_us).clamp(0.005, 3.0).ln()),
            release
                .zip(release_before)
                .map(|(now, then)| slog(seconds(now - then).clamp(-1.0, 3.0), 0.05)),
            flight.map(|flight| slog(flight.clamp(-1.0, 3.0), 0.05)),
            flight.map(|flight| f64::from(u8::from(flight < 0.0))),
            Some(f64::from(still_down(keys, i).min(3))),
        ];
        out.extend(
            dense
                .iter()
                .zip(&KEYSTROKE)
                .map(|(value, feature)| value.map_or(0.0, |value| normalise(value, feature))),
        );
        out.extend(
            KeyClass::ALL
                .iter()
                .map(|class| f32::from(u8::from(*class == key.class))),
        );
    }
}

/// How many of the four presses before press `i` were released only after it.
fn still_down(keys: &[Keystroke], i: usize) -> u8 {
    let press_us = keys[i].press_us;
    keys[i.saturating_sub(4)..i]
        .iter()
        .filter(|key| key.release.at_us().is_some_and(|released| released > press_us))
        .map(|_| 1)
        .sum()
}

/// Appends `[steps × POINTER_FEATURES]` values to `out`.
pub fn pointer_features(steps: &[PointerStep], out: &mut Vec<f32>) {
    // Direction and log speed of the step before; a step without movement has no direction (0, 0).
    let mut direction_before = (0.0, 0.0);
    let mut speed_before = None;
    for (i, step) in steps.iter().enumerate() {
        let before = i.checked_sub(1).map_or(step, |j| &steps[j]);
        let dt_ms = (step.t_us - before.t_us) as f64 / 1e3;
        let (dx, dy) = (f64::from(step.x - before.x), f64::from(step.y - before.y));
        let distance = (dx * dx + dy * dy).sqrt();
        let ln_dt = dt_ms.clamp(1.0, 5_000.0).ln();
        let ln_speed = (distance + 0.5).ln() - ln_dt;
        let direction = if distance > 0.0 {
            (dy / distance, dx / distance)
        } else {
            (0.0, 0.0)
        };
        let turn = (
            direction.0 * direction_before.1 - direction.1 * direction_before.0,
            direction.1 * direction_before.1 + direction.0 * direction_before.0,
        );
        let flag = |set: bool| f64::from(u8::from(set));
        let values = [
            ln_dt,
            slog(dx, 1.0),
            slog(dy, 1.0),
            ln_speed,
            direction.0,
            direction.1,
            turn.0,
            turn.1,
            ln_speed - speed_before.unwrap_or(ln_speed),
            flag(matches!(step.kind, PointerKind::Press(_))),
            flag(matches!(step.kind, PointerKind::Release(_))),
            flag(step.drag && step.kind == PointerKind::Move),
            flag(matches!(
                step.kind,
                PointerKind::Press(Button::Secondary) | PointerKind::Release(Button::Secondary)
            )),
            flag(step.kind == PointerKind::Scroll),
            flag(dt_ms > 200.0),
        ];
        out.extend(
            values
                .iter()
                .zip(&POINTER)
                .map(|(value, feature)| normalise(*value, feature)),
        );
        direction_before = direction;
        speed_before = Some(ln_speed);
    }
}

fn normalise(value: f64, feature: &Feature) -> f32 {
    ((value - feature.mean) / feature.sd).clamp(-CLIP, CLIP) as f32
}

fn seconds(us: i64) -> f64 {
    us as f64 / 1e6
}

/// Logarithm with a sign: sign(a) · ln(1 + |a| / scale).
fn slog(a: f64, scale: f64) -> f64 {
    a.signum() * (1.0 + a.abs() / scale).ln()
}

#[cfg(test)]
mod tests;
