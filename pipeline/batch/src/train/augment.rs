//! Changes to windows at the level of event times, on their way into a training batch: the same person at another pace, on
//! another keyboard, on a coarser clock, or going on with something else that they typed.
//!
//! Invariants: presses keep their order and no key comes up before it went down; what is drawn depends on the generator
//! alone; features are made by `dynamics::feature` afterwards, as ever.

use clap::ValueEnum;
use ductus_dynamics::event::{KeyClass, Modality};
use ductus_dynamics::feature::{keystroke_features, pointer_features};
use ductus_dynamics::window::{Keystroke, PointerStep, Release, Steps, Window};
use ductus_learn::ChaCha8Rng;
use rand::Rng;
use rand_chacha::rand_core::SeedableRng;

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
            Modality::Keystroke => Self::Half,
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

/// What is done to windows on their way into a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Changes {
    /// How their times are changed.
    pub times: Augmentation,
    /// Share of the windows that go on as another window of the same person.
    pub splice: f64,
    /// How far a person is turned into one who was never recorded, the same for all of their windows in a batch: pace and
    /// dwell are scaled by up to e^±persona, those of each key class by up to half of that besides.
    pub persona: f64,
}

impl Changes {
    /// Whether windows stay as they are.
    pub(super) fn are_none(&self) -> bool {
        self.times == Augmentation::None && self.splice <= 0.0 && self.persona <= 0.0
    }

    /// Who `person` is in the batch of `step`, if anybody else.
    pub(super) fn persona(&self, seed: u64, step: u64, person: usize) -> Option<Persona> {
        (self.persona > 0.0).then(|| Persona::draw(self.persona, seed, step, person))
    }

    /// Writes the features of a changed copy of `window` to `values`, which holds those of the window itself; `own` are all
    /// windows of its person, who is turned into `persona`.
    pub(super) fn apply(
        &self,
        window: &Window,
        own: &[Window],
        persona: Option<&Persona>,
        rng: &mut ChaCha8Rng,
        values: &mut Vec<f32>,
    ) {
        let mut changed = splice(self.splice, window, own, rng);
        if let (Some(persona), Steps::Keys(keys)) = (persona, changed.as_ref().unwrap_or(&window.steps)) {
            changed = Some(Steps::Keys(persona.apply(keys)));
        }
        let steps = changed.as_ref().unwrap_or(&window.steps);
        let timed = match self.times {
            Augmentation::None => false,
            Augmentation::Half => uniform(rng) >= 0.5,
            Augmentation::Mixed => true,
        };
        if !timed && changed.is_none() {
            return;
        }
        values.clear();
        match steps {
            Steps::Keys(keys) if timed => keystroke_features(&changed_keys(keys, rng), values),
            Steps::Keys(keys) => keystroke_features(keys, values),
            Steps::Pointer(steps) if timed => pointer_features(&changed_steps(steps, rng), values),
            Steps::Pointer(steps) => pointer_features(steps, values),
        }
    }
}

/// Somebody who was never recorded: by how much the pace and the dwell of each key class differ from those of a person who was.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Persona {
    pace: [f64; KeyClass::ALL.len()],
    dwell: [f64; KeyClass::ALL.len()],
}

impl Persona {
    /// The one that `person` is in the batch of `step`, whatever else is drawn there.
    pub(super) fn draw(scale: f64, seed: u64, step: u64, person: usize) -> Self {
        let mut key = [0; 32];
        for (bytes, number) in key.chunks_exact_mut(8).zip([seed, step, person as u64]) {
            bytes.copy_from_slice(&number.to_le_bytes());
        }
        let mut rng = ChaCha8Rng::from_seed(key);
        let (pace, dwell) = (scale * around_zero(&mut rng), scale * around_zero(&mut rng));
        let mut of = |all: f64| KeyClass::ALL.map(|_| (all + 0.5 * scale * around_zero(&mut rng)).exp());
        Self {
            pace: of(pace),
            dwell: of(dwell),
        }
    }

    /// The keys as this person would have typed them; the first one is pressed when it was.
    fn apply(&self, keys: &[Keystroke]) -> Vec<Keystroke> {
        let start_us = keys.first().map_or(0, |key| key.press_us);
        let (mut before_us, mut pressed) = (start_us, 0.0);
        keys.iter()
            .map(|key| {
                let class = key.class as usize;
                pressed += self.pace[class] * (key.press_us - before_us) as f64;
                before_us = key.press_us;
                let press_us = start_us + pressed as i64;
                let release = match key.release {
                    Release::At(t_us) => {
                        Release::At(press_us + (self.dwell[class] * (t_us - key.press_us) as f64) as i64)
                    }
                    lost => lost,
                };
                Keystroke {
                    press_us,
                    release,
                    ..*key
                }
            })
            .collect()
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

/// Fewest keys that a spliced window takes from either side, and fewest of a window that can be spliced.
const SPLICE_SIDE_MIN: usize = 8;
const SPLICE_KEYS_MIN: usize = 20;

/// With the chance `share` the window goes on, after a place drawn by chance, as another window of the same person does from
/// a place drawn by chance, up to the length of the longer. What stays the same of both is the person, not the sentence.
fn splice(share: f64, window: &Window, own: &[Window], rng: &mut ChaCha8Rng) -> Option<Steps> {
    if share <= 0.0 || uniform(rng) >= share {
        return None;
    }
    let other = &own[below(own.len(), rng)];
    let (Steps::Keys(ours), Steps::Keys(theirs)) = (&window.steps, &other.steps) else {
        return None;
    };
    if ours.len().min(theirs.len()) < SPLICE_KEYS_MIN {
        return None;
    }
    let kept = SPLICE_SIDE_MIN + below(ours.len() - 2 * SPLICE_SIDE_MIN + 1, rng);
    let wanted = ours.len().max(theirs.len()) - kept;
    let from = 1 + below(theirs.len().saturating_sub(wanted).max(1), rng);
    // The interval into the first key of the other window is the one it had there.
    let shift_us = ours[kept - 1].press_us - theirs[from - 1].press_us;
    let others = theirs[from..].iter().take(wanted).map(|key| Keystroke {
        press_us: key.press_us + shift_us,
        release: match key.release {
            Release::At(t_us) => Release::At(t_us + shift_us),
            lost => lost,
        },
        ..*key
    });
    Some(Steps::Keys(ours[..kept].iter().copied().chain(others).collect()))
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

/// Uniform over `0..count`, at least one.
fn below(count: usize, rng: &mut ChaCha8Rng) -> usize {
    ((uniform(rng) * count as f64) as usize).min(count.saturating_sub(1))
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
    use ductus_dynamics::wire::Closed;

    /// A window of keys 100 ms apart, the dwell of key `i` being `dwell_us + i`, so that each can be told.
    fn window(keys: u32, start_us: i64, dwell_us: i64) -> Window {
        let key = |i: u32| {
            let press_us = start_us + i64::from(i) * 100_000;
            Keystroke {
                press: i,
                press_us,
                release: Release::At(press_us + dwell_us + i64::from(i)),
                class: KeyClass::Letter,
            }
        };
        Window {
            modality: Modality::Keystroke,
            sequence: 0,
            start_us,
            end_us: start_us,
            closed: Closed::Count,
            fresh: keys as usize,
            steps: Steps::Keys((0..keys).map(key).collect()),
        }
    }

    #[test]
    fn a_splice_is_both_windows_in_their_order() {
        let dwell = |key: &Keystroke| key.release.at_us().map(|t_us| t_us - key.press_us);
        for seed in 0..500 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let (ours, theirs) = (1 + below(60, &mut rng) as u32, 1 + below(60, &mut rng) as u32);
            let windows = [window(ours, 0, 50_000), window(theirs, -7_000_000, 70_000)];
            let Some(Steps::Keys(keys)) = splice(1.0, &windows[0], &windows[1..], &mut rng) else {
                assert!(ours.min(theirs) < SPLICE_KEYS_MIN as u32, "seed {seed}");
                continue;
            };
            let of = |tens_ms: i64| -> Vec<i64> {
                keys.iter()
                    .filter_map(dwell)
                    .filter(|us| us / 10_000 == tens_ms)
                    .collect()
            };
            let (first, second) = (of(5), of(7));
            assert_eq!(first.len() + second.len(), keys.len(), "seed {seed}");
            assert!(
                first.len() >= SPLICE_SIDE_MIN && keys.len() <= ours.max(theirs) as usize,
                "seed {seed}"
            );
            assert!(first.is_sorted() && second.is_sorted(), "seed {seed}");
            assert!(
                keys.windows(2)
                    .all(|pair| pair[1].press_us - pair[0].press_us == 100_000),
                "seed {seed}"
            );
        }
    }

    #[test]
    fn a_persona_is_the_same_for_every_window_of_a_person_in_a_batch() {
        let persona = |step, person| Persona::draw(0.3, 1, step, person);
        assert_eq!(persona(4, 7), persona(4, 7));
        assert_ne!(persona(4, 7), persona(4, 8));
        assert_ne!(persona(4, 7), persona(5, 7));
        let Steps::Keys(keys) = window(30, 5, 50_000).steps else {
            unreachable!("a window of keys has keys")
        };
        let changed = persona(4, 7).apply(&keys);
        let letter = KeyClass::Letter as usize;
        let interval_us = 100_000.0 * persona(4, 7).pace[letter];
        for pair in changed.windows(2) {
            assert!(((pair[1].press_us - pair[0].press_us) as f64 - interval_us).abs() < 2.0);
        }
        assert_eq!(changed[0].press_us, 5);
    }

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
