//! Changes to windows at the level of event times, on their way into a training batch: the same person at another pace, on
//! another keyboard, on a coarser clock.
//!
//! Invariants: presses keep their order and no key comes up before it went down; what is drawn depends on the generator
//! alone; features are made by `dynamics::feature` afterwards, as ever.

use clap::ValueEnum;
use ductus_dynamics::event::Modality;
use ductus_dynamics::feature::{keystroke_features, pointer_features};
use ductus_dynamics::window::{Keystroke, PointerStep, Release, Steps, Window};
use ductus_learn::ChaCha8Rng;
use rand::Rng;

/// How windows are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Augmentation {
    /// Not at all.
    None,
    /// Speed and dwell by up to a tenth, times by some milliseconds, and the clock made coarse seven times in ten.
    Mixed,
    /// As `mixed`, for every other window.
    Half,
}

impl Augmentation {
    /// What `models.md` found to help across collections; the pointer's sampling rate is left as it is.
    pub fn of(modality: Modality) -> Self {
        match modality {
            Modality::Keystroke => Self::Mixed,
            Modality::Pointer => Self::None,
        }
    }

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Mixed => "mixed",
            Self::Half => "half",
        }
    }
}

/// Speed and dwell change by up to this share.
const SCALE: f64 = 0.1;
/// Times move by up to this, µs.
const NOISE_US: f64 = 8_000.0;
/// How often the clock is made coarse.
const GRID_SHARE: f64 = 0.7;
/// The clocks people have, µs: browsers, timers, and the 64 Hz tick of older systems.
const GRIDS_US: [f64; 4] = [1_000.0, 4_000.0, 8_000.0, 15_625.0];
/// A screen of another resolution, and a mouse of another gain, scale the way by up to this factor.
const SPACE: f64 = 1.25;

/// Writes the features of a changed copy of `window` to `values`, which holds those of the window itself.
pub(super) fn augment(how: Augmentation, window: &Window, rng: &mut ChaCha8Rng, values: &mut Vec<f32>) {
    match how {
        Augmentation::None => return,
        Augmentation::Half if uniform(rng) < 0.5 => return,
        Augmentation::Half | Augmentation::Mixed => {}
    }
    values.clear();
    match &window.steps {
        Steps::Keys(keys) => keystroke_features(&changed_keys(keys, rng), values),
        Steps::Pointer(steps) => pointer_features(&changed_steps(steps, rng), values),
    }
}

fn changed_keys(keys: &[Keystroke], rng: &mut ChaCha8Rng) -> Vec<Keystroke> {
    let start_us = keys.first().map_or(0, |key| key.press_us);
    let (speed, dwell) = (around_one(rng), around_one(rng));
    let noise_us = NOISE_US * uniform(rng);
    let grid = Grid::draw(rng);
    let mut before_us = i64::MIN;
    keys.iter()
        .map(|key| {
            let pressed = speed * (key.press_us - start_us) as f64;
            let press_us = start_us + grid.snap(pressed + noise_us * around_zero(rng));
            let press_us = press_us.max(before_us);
            before_us = press_us;
            let release = match key.release {
                Release::At(t_us) => {
                    let released = pressed + dwell * speed * (t_us - key.press_us) as f64;
                    let t_us = start_us + grid.snap(released + noise_us * around_zero(rng));
                    Release::At(t_us.max(press_us))
                }
                other => other,
            };
            Keystroke {
                press_us,
                release,
                ..*key
            }
        })
        .collect()
}

fn changed_steps(steps: &[PointerStep], rng: &mut ChaCha8Rng) -> Vec<PointerStep> {
    let start_us = steps.first().map_or(0, |step| step.t_us);
    let speed = around_one(rng);
    let space = SPACE.powf(around_zero(rng));
    let scale = |place: i32| (space * f64::from(place)).round() as i32;
    steps
        .iter()
        .map(|step| PointerStep {
            t_us: start_us + (speed * (step.t_us - start_us) as f64) as i64,
            x: scale(step.x),
            y: scale(step.y),
            ..*step
        })
        .collect()
}

/// A clock that only knows multiples of its tick, from some phase on.
struct Grid {
    tick_us: f64,
    phase_us: f64,
}

impl Grid {
    fn draw(rng: &mut ChaCha8Rng) -> Self {
        let coarse = uniform(rng) < GRID_SHARE;
        let tick_us = GRIDS_US[(uniform(rng) * GRIDS_US.len() as f64) as usize % GRIDS_US.len()];
        let phase_us = tick_us * uniform(rng);
        Self {
            tick_us: if coarse { tick_us } else { 0.0 },
            phase_us,
        }
    }

    fn snap(&self, t_us: f64) -> i64 {
        if self.tick_us == 0.0 {
            return t_us as i64;
        }
        (((t_us + self.phase_us) / self.tick_us).floor() * self.tick_us) as i64
    }
}

fn around_one(rng: &mut ChaCha8Rng) -> f64 {
    1.0 + SCALE * around_zero(rng)
}

/// Uniform in [−1, 1).
fn around_zero(rng: &mut ChaCha8Rng) -> f64 {
    2.0 * uniform(rng) - 1.0
}

/// Uniform in [0, 1), independent of the version of the `rand` crate's distributions.
fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    f64::from(rng.next_u32()) / 4_294_967_296.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use ductus_dynamics::event::KeyClass;
    use rand_chacha::rand_core::SeedableRng;

    #[test]
    fn order_survives() {
        let keys: Vec<Keystroke> = (0..50)
            .map(|i| Keystroke {
                press: i,
                press_us: i64::from(i) * 3_000,
                release: if i == 7 {
                    Release::Lost
                } else {
                    Release::At(i64::from(i) * 3_000 + 1_000)
                },
                class: KeyClass::Letter,
            })
            .collect();
        for seed in 0..200 {
            let changed = changed_keys(&keys, &mut ChaCha8Rng::seed_from_u64(seed));
            assert!(changed.is_sorted_by_key(|key| key.press_us));
            assert!(
                changed
                    .iter()
                    .all(|key| key.release.at_us().is_none_or(|t_us| t_us >= key.press_us))
            );
            assert_eq!(changed[7].release, Release::Lost);
        }
    }
}
