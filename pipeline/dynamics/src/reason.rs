//! Measures of a window in human units, what is usual for a subject, and the differences that explain a decision.
//!
//! Invariants: measures explain, they never decide; a measure with too few values says nothing.

use crate::event::{KeyClass, Modality};
use crate::window::{Keystroke, PointerKind, PointerStep, Steps, Window};
use crate::wire::{Reason, Usual};

/// A measure: its name in documents, how a person reads it, its unit.
struct Measure {
    name: &'static str,
    label: &'static str,
    unit: &'static str,
}

const fn measure(name: &'static str, label: &'static str, unit: &'static str) -> Measure {
    Measure { name, label, unit }
}

const KEYSTROKE: [Measure; 9] = [
    measure("dwell_letter", "letter dwell", "ms"),
    measure("dwell_space", "space dwell", "ms"),
    measure("dwell_modifier", "modifier dwell", "ms"),
    measure("dwell_other", "dwell of other keys", "ms"),
    measure("flight_letter_letter", "letter→letter flight", "ms"),
    measure("flight_letter_space", "letter→space flight", "ms"),
    measure("flight_space_letter", "space→letter flight", "ms"),
    measure("flight_other", "flight between other keys", "ms"),
    measure("overlap", "share of overlapping keys", "%"),
];

const POINTER: [Measure; 6] = [
    measure("speed", "pointer speed", "px/s"),
    measure("step_interval", "time between moves", "ms"),
    measure("turn", "turn between moves", "°"),
    measure("pause", "pauses between strokes", "ms"),
    measure("click_dwell", "click dwell", "ms"),
    measure("press_delay", "time from stop to click", "ms"),
];

/// A gap that ends a stroke, ms.
const STROKE_GAP_MS: f64 = 200.0;
/// Fewest values of a measure, in a window and in the usual, that may explain something.
const VALUES_MIN: u64 = 5;
/// Steps of a window hang together: its mean varies about this much more than that of independent values would.
const DESIGN_EFFECT: f64 = 4.0;

fn measures_of(modality: Modality) -> &'static [Measure] {
    match modality {
        Modality::Keystroke => &KEYSTROKE,
        Modality::Pointer => &POINTER,
    }
}

/// Count, mean and squared deviations of one measure (Welford 1962).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Moments {
    count: u64,
    mean: f64,
    m2: f64,
}

impl Moments {
    fn push(&mut self, value: f64) {
        self.count += 1;
        let delta = value - self.mean;
        self.mean += delta / self.count as f64;
        self.m2 += delta * (value - self.mean);
    }

    /// Joins two sets of values (Chan, Golub, LeVeque 1979).
    fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        let (n, m) = (self.count as f64, other.count as f64);
        let delta = other.mean - self.mean;
        self.mean += delta * m / (n + m);
        self.m2 += other.m2 + delta * delta * n * m / (n + m);
        self.count += other.count;
    }

    fn variance(&self) -> f64 {
        if self.count < 2 {
            0.0
        } else {
            self.m2 / (self.count - 1) as f64
        }
    }
}

/// The measures of one window.
#[derive(Clone, Debug, PartialEq)]
pub struct Measures {
    modality: Modality,
    values: Vec<Moments>,
}

impl Measures {
    /// Measures a window.
    pub fn of(window: &Window) -> Self {
        let mut values = vec![Moments::default(); measures_of(window.modality).len()];
        match &window.steps {
            Steps::Keys(keys) => measure_keys(keys, &mut values),
            Steps::Pointer(steps) => measure_pointer(steps, &mut values),
        }
        Self {
            modality: window.modality,
            values,
        }
    }
}

fn measure_keys(keys: &[Keystroke], values: &mut [Moments]) {
    for (i, key) in keys.iter().enumerate() {
        let class = key.class.coarse();
        let dwell = match class {
            KeyClass::Letter => 0,
            KeyClass::Space => 1,
            KeyClass::Modifier => 2,
            _ => 3,
        };
        if let Some(released) = key.release.at_us() {
            values[dwell].push((released - key.press_us) as f64 / 1e3);
        }
        let Some(before) = i.checked_sub(1).map(|j| &keys[j]) else {
            continue;
        };
        let Some(released) = before.release.at_us() else {
            continue;
        };
        let flight_ms = (key.press_us - released) as f64 / 1e3;
        let flight = match (before.class.coarse(), class) {
            (KeyClass::Letter, KeyClass::Letter) => 4,
            (KeyClass::Letter, KeyClass::Space) => 5,
            (KeyClass::Space, KeyClass::Letter) => 6,
            _ => 7,
        };
        // A pause for thought is not a flight.
        if flight_ms < 1_500.0 {
            values[flight].push(flight_ms);
        }
        values[8].push(if flight_ms < 0.0 { 100.0 } else { 0.0 });
    }
}

fn measure_pointer(steps: &[PointerStep], values: &mut [Moments]) {
    let mut direction_before: Option<f64> = None;
    let mut pressed_us = None;
    for pair in steps.windows(2) {
        let (before, step) = (&pair[0], &pair[1]);
        let dt_ms = (step.t_us - before.t_us) as f64 / 1e3;
        let (dx, dy) = (f64::from(step.x - before.x), f64::from(step.y - before.y));
        match step.kind {
            PointerKind::Press(_) => {
                pressed_us = Some(step.t_us);
                values[5].push(dt_ms.min(3_000.0));
            }
            PointerKind::Release(_) => {
                if let Some(pressed_us) = pressed_us.take() {
                    values[4].push((step.t_us - pressed_us) as f64 / 1e3);
                }
            }
            PointerKind::Move if dt_ms > STROKE_GAP_MS => {
                values[3].push(dt_ms.min(10_000.0));
                direction_before = None;
            }
            PointerKind::Move if dt_ms > 0.0 && (dx, dy) != (0.0, 0.0) => {
                values[0].push(dx.hypot(dy) / dt_ms * 1e3);
                values[1].push(dt_ms);
                let direction = dy.atan2(dx);
                if let Some(direction_before) = direction_before {
                    let turn = (direction - direction_before).rem_euclid(std::f64::consts::TAU);
                    values[2].push(turn.min(std::f64::consts::TAU - turn).to_degrees());
                }
                direction_before = Some(direction);
            }
            PointerKind::Move | PointerKind::Scroll => {}
        }
    }
}

/// What is usual for a subject.
#[derive(Clone, Debug, PartialEq)]
pub struct Usuals {
    modality: Modality,
    values: Vec<Moments>,
}

impl Usuals {
    /// Reads the stored form; measures that this version does not know are left out.
    pub fn from_wire(modality: Modality, stored: &[Usual]) -> Self {
        let find = |name: &str| stored.iter().find(|usual| usual.measure == name);
        let values = measures_of(modality)
            .iter()
            .map(|measure| {
                find(measure.name).map_or(Moments::default(), |u| Moments {
                    count: u.count,
                    mean: u.mean,
                    m2: u.m2,
                })
            })
            .collect();
        Self { modality, values }
    }

    /// The stored form.
    pub fn to_wire(&self) -> Vec<Usual> {
        measures_of(self.modality)
            .iter()
            .zip(&self.values)
            .filter(|(_, value)| value.count > 0)
            .map(|(measure, value)| Usual {
                measure: measure.name.to_owned(),
                count: value.count,
                mean: value.mean,
                m2: value.m2,
            })
            .collect()
    }

    /// Adds a window's values.
    pub fn add(&mut self, measures: &Measures) {
        for (mine, theirs) in self.values.iter_mut().zip(&measures.values) {
            mine.merge(theirs);
        }
    }

    /// The differences of a window from the usual that stand out, strongest first, at most `max`.
    pub fn explain(&self, measures: &Measures, max: usize) -> Vec<Reason> {
        let mut reasons: Vec<Reason> = measures_of(self.modality)
            .iter()
            .zip(self.values.iter().zip(&measures.values))
            .filter_map(|(measure, (usual, seen))| difference(measure, usual, seen))
            .collect();
        reasons.sort_by(|a, b| b.z.abs().total_cmp(&a.z.abs()));
        reasons.truncate(max);
        reasons
    }
}

/// The reason that one measure gives, if its difference from the usual is two standard errors or more.
fn difference(measure: &Measure, usual: &Moments, seen: &Moments) -> Option<Reason> {
    if usual.count < VALUES_MIN || seen.count < VALUES_MIN {
        return None;
    }
    let delta = seen.mean - usual.mean;
    let error = (usual.variance() * DESIGN_EFFECT / seen.count as f64
        + usual.variance() * DESIGN_EFFECT / usual.count as f64)
        .sqrt();
    let z = delta / error.max(1e-3);
    (z.abs() >= 2.0).then(|| Reason {
        measure: measure.name.to_owned(),
        text: format!(
            "{} {delta:+.0} {} against the usual, z {z:.1}",
            measure.label, measure.unit
        ),
        delta: delta as f32,
        unit: measure.unit.to_owned(),
        z: z as f32,
    })
}

#[cfg(test)]
mod tests;
