//! Attackers and odd clocks, for judging and testing: replays, forgeries, scripts, pointers moved by formula.
//!
//! Invariants: pure, the same seeds give the same events on every machine; what is made is valid input: presses come in the
//! order of their numbers, a release never comes before its press, times rise within a modality.

use super::{normal, rng};
use crate::event::{EventKind, InputEvent, KeyClass};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// A stream number apart from those of the synthetic people.
pub(super) const STREAM: u64 = 1 << 40;
/// Press-press times from here on are pauses, which forgers leave out, µs.
const PAUSE_US: i64 = 1_500_000;
/// Time between the events of scripted pointers, µs.
const POINTER_TICK_US: i64 = 10_000;
/// Standard deviation of [`Course::Trembling`] on each axis, pixels.
const TREMOR_PX: f64 = 2.0;

/// One key press with its release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Press {
    /// Class of the key.
    pub class: KeyClass,
    /// When it went down, µs.
    pub down_us: i64,
    /// When it came up, µs.
    pub up_us: i64,
}

/// The presses of a list of events, in their order; those without a release are left out.
pub fn presses(events: &[InputEvent]) -> Vec<Press> {
    let mut found: Vec<(u32, Press)> = Vec::new();
    let mut open = Vec::new();
    for event in events {
        match event.kind {
            EventKind::KeyDown { press, class } => open.push((press, class, event.t_us)),
            EventKind::KeyUp { press } => {
                if let Some(at) = open.iter().position(|(known, ..)| *known == press) {
                    let (press, class, down_us) = open.swap_remove(at);
                    let up_us = event.t_us;
                    found.push((press, Press { class, down_us, up_us }));
                }
            }
            _ => {}
        }
    }
    found.sort_by_key(|(press, _)| *press);
    found.into_iter().map(|(_, press)| press).collect()
}

/// Events of presses, the first at `start_us`, numbered from `first_press` on in the order of time.
pub fn events(presses: &[Press], start_us: i64, first_press: u32) -> Vec<InputEvent> {
    let mut presses = presses.to_vec();
    presses.sort_by_key(|press| press.down_us);
    let shift_us = start_us - presses.first().map_or(0, |press| press.down_us);
    let mut events = Vec::with_capacity(2 * presses.len());
    for (number, press) in (first_press..).zip(&presses) {
        let class = press.class;
        events.push(InputEvent {
            t_us: press.down_us + shift_us,
            kind: EventKind::KeyDown { press: number, class },
        });
        events.push(InputEvent {
            t_us: press.up_us.max(press.down_us) + shift_us,
            kind: EventKind::KeyUp { press: number },
        });
    }
    // Stable: at one instant a press stays before its release, and presses in the order of their numbers.
    events.sort_by_key(|event| event.t_us);
    events
}

/// The presses at another speed.
pub fn scaled(presses: &[Press], factor: f64) -> Vec<Press> {
    let scaled = |t_us: i64| (t_us as f64 * factor).round() as i64;
    let first_us = presses.first().map_or(0, |press| press.down_us);
    let moved = |press: &Press| Press {
        down_us: scaled(press.down_us - first_us),
        up_us: scaled(press.up_us - first_us),
        ..*press
    };
    presses.iter().map(moved).collect()
}

/// Every time moved by up to `most_us` either way.
pub fn jittered(presses: &[Press], most_us: i64, seed: u64) -> Vec<Press> {
    let mut rng = rng(seed, STREAM);
    let mut moved = |t_us: i64| t_us + rng.random_range(-most_us..=most_us);
    let jittered = presses.iter().map(|press| {
        let down_us = moved(press.down_us);
        Press {
            down_us,
            up_us: moved(press.up_us).max(down_us + 1_000),
            ..*press
        }
    });
    jittered.collect()
}

/// Every time as a clock with this grid tells it, which started at an unknown instant.
pub fn quantised(events: &[InputEvent], grid_us: i64, seed: u64) -> Vec<InputEvent> {
    let phase_us = rng(seed, STREAM + 1).random_range(0..grid_us.max(1));
    let told = |t_us: i64| (t_us + phase_us).div_euclid(grid_us.max(1)) * grid_us.max(1);
    let told = events.iter().map(|event| InputEvent {
        t_us: told(event.t_us),
        ..*event
    });
    told.collect()
}

/// Every event held back for a random time up to `most_us`, never overtaking the one before it, as the keystroke anonymiser
/// kloak does: the delay is drawn between what the event before still has to wait and `most_us`.
pub fn delayed(events: &[InputEvent], most_us: i64, seed: u64) -> Vec<InputEvent> {
    let mut rng = rng(seed, STREAM + 2);
    let mut last_us = i64::MIN;
    let delayed = events.iter().map(|event| {
        let least_us = last_us.saturating_sub(event.t_us).clamp(0, most_us);
        last_us = (event.t_us + rng.random_range(least_us..=most_us)).max(last_us);
        InputEvent {
            t_us: last_us,
            ..*event
        }
    });
    delayed.collect()
}

/// Dwell and press-press times of recordings, as an attacker has them who recorded somebody, or many.
#[derive(Clone, Debug, Default)]
pub struct Times {
    /// Dwell, µs, by class.
    dwells: Vec<(KeyClass, i64)>,
    /// Press-press, µs, by the classes of both keys.
    paces: Vec<(KeyClass, KeyClass, i64)>,
}

impl Times {
    /// Adds the times of a recording.
    pub fn add(&mut self, presses: &[Press]) {
        self.dwells
            .extend(presses.iter().map(|press| (press.class, press.up_us - press.down_us)));
        let pairs = presses.windows(2);
        let pairs = pairs.map(|pair| (pair[0].class, pair[1].class, pair[1].down_us - pair[0].down_us));
        self.paces
            .extend(pairs.filter(|(.., pace)| (0..PAUSE_US).contains(pace)));
    }

    /// Dwell and press-press time of each key drawn from all of them: a copied histogram.
    pub fn histogram(&self, classes: &[KeyClass], seed: u64) -> Vec<Press> {
        let dwells: Vec<i64> = self.dwells.iter().map(|(_, dwell)| *dwell).collect();
        let paces: Vec<i64> = self.paces.iter().map(|(.., pace)| *pace).collect();
        type_out(classes, &mut rng(seed, STREAM + 3), |rng, _, _| {
            (pick(&dwells, rng), pick(&paces, rng))
        })
    }

    /// The same with Gaussian times of the same mean and spread.
    pub fn gaussian(&self, classes: &[KeyClass], seed: u64) -> Vec<Press> {
        let dwell = moments(self.dwells.iter().map(|(_, dwell)| *dwell));
        let pace = moments(self.paces.iter().map(|(.., pace)| *pace));
        let draw = |rng: &mut ChaCha8Rng, (mean, sd): (f64, f64)| (mean + sd * normal(rng)).max(1_000.0) as i64;
        type_out(classes, &mut rng(seed, STREAM + 4), |rng, _, _| {
            (draw(rng, dwell), draw(rng, pace))
        })
    }

    /// Log-normal times of the mean and spread of the logarithms, whatever the key: a forgery from published figures.
    pub fn log_normal(&self, classes: &[KeyClass], seed: u64) -> Vec<Press> {
        let ln = |us: i64| (us.max(1_000) as f64).ln();
        let dwell = moments_f64(self.dwells.iter().map(|(_, dwell)| ln(*dwell)));
        let pace = moments_f64(self.paces.iter().map(|(.., pace)| ln(*pace)));
        let draw =
            |rng: &mut ChaCha8Rng, (mean, sd): (f64, f64)| (mean + sd * normal(rng)).clamp(7.0, 14.2).exp() as i64;
        type_out(classes, &mut rng(seed, STREAM + 5), |rng, _, _| {
            (draw(rng, dwell), draw(rng, pace))
        })
    }

    /// Dwell drawn from those of the key's class and press-press time from those of the two keys' classes: the best forgery
    /// without serial structure.
    pub fn forgery(&self, classes: &[KeyClass], seed: u64) -> Vec<Press> {
        type_out(classes, &mut rng(seed, STREAM + 6), |rng, before, class| {
            let all = |known: Vec<i64>, all: Vec<i64>| if known.is_empty() { all } else { known };
            let dwells = self.dwells.iter();
            let own = dwells
                .clone()
                .filter(|(of, _)| *of == class)
                .map(|(_, dwell)| *dwell)
                .collect();
            let dwells = all(own, dwells.map(|(_, dwell)| *dwell).collect());
            let paces = self.paces.iter();
            let own = paces.clone().filter(|(a, b, _)| Some(*a) == before && *b == class);
            let paces = all(
                own.map(|(.., pace)| *pace).collect(),
                paces.map(|(.., pace)| *pace).collect(),
            );
            (pick(&dwells, rng), pick(&paces, rng))
        })
    }
}

/// A script with constant times.
pub fn constant(classes: &[KeyClass], dwell_us: i64, pace_us: i64) -> Vec<Press> {
    type_out(classes, &mut rng(0, STREAM), |_, _, _| (dwell_us, pace_us))
}

/// Text that arrives at once, with a pause every `burst` keys: paste or auto-fill by a tool that sends key events.
pub fn pasted(classes: &[KeyClass], burst: usize) -> Vec<Press> {
    let mut now_us = 0;
    let press = |(i, class): (usize, &KeyClass)| {
        now_us += if i % burst.max(1) == 0 { 2_000_000 } else { 100 };
        Press {
            class: *class,
            down_us: now_us,
            up_us: now_us,
        }
    };
    classes.iter().enumerate().map(press).collect()
}

/// Types classes out; `draw` gives dwell and press-press time from the class before and the key's own.
fn type_out(
    classes: &[KeyClass],
    rng: &mut ChaCha8Rng,
    draw: impl Fn(&mut ChaCha8Rng, Option<KeyClass>, KeyClass) -> (i64, i64),
) -> Vec<Press> {
    let (mut down_us, mut before) = (0, None);
    let mut press = |class: &KeyClass| {
        let (dwell_us, pace_us) = draw(rng, before, *class);
        down_us += if before.is_some() { pace_us } else { 0 };
        before = Some(*class);
        Press {
            class: *class,
            down_us,
            up_us: down_us + dwell_us,
        }
    };
    classes.iter().map(&mut press).collect()
}

fn pick(values: &[i64], rng: &mut ChaCha8Rng) -> i64 {
    if values.is_empty() {
        return 100_000;
    }
    values[rng.random_range(0..values.len())]
}

fn moments(values: impl Iterator<Item = i64>) -> (f64, f64) {
    moments_f64(values.map(|value| value as f64))
}

/// Mean and standard deviation.
fn moments_f64(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        sum += value;
        squares += value * value;
    }
    let mean = sum / f64::max(count, 1.0);
    (mean, (squares / f64::max(count, 1.0) - mean * mean).max(0.0).sqrt())
}

/// How a scripted pointer gets from place to place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// On a line at constant speed.
    Straight,
    /// On a cubic Bézier curve in even steps of its parameter.
    Bezier,
    /// On a cubic Bézier curve, slow at both ends.
    EasedBezier,
    /// The same with the speed of least jerk (Flash & Hogan 1985), a tremor of two pixels and uneven steps.
    Trembling,
}

/// At least `steps` moves of a scripted pointer between random places, from `start_us` on.
pub fn scripted_pointer(course: Course, steps: usize, start_us: i64, seed: u64) -> Vec<InputEvent> {
    let (mut rng, mut hand) = (rng(seed, STREAM + 7), rng(seed, STREAM + 20));
    let mut place = |spread: f64| {
        (
            rng.random_range(0.0..1_600.0 * spread),
            rng.random_range(0.0..900.0 * spread),
            rng.random_range(20..60i64),
        )
    };
    let (mut events, mut t_us, mut from) = (Vec::with_capacity(steps + 64), start_us, (800.0, 450.0));
    while events.len() < steps {
        let (x, y, ticks) = place(1.0);
        let to = (x, y);
        let along = |share: f64| (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share);
        let aside = |at: (f64, f64), by: (f64, f64, i64)| (at.0 + by.0 - 120.0, at.1 + by.1 - 70.0);
        let (first, second) = match course {
            Course::Straight => (along(1.0 / 3.0), along(2.0 / 3.0)),
            _ => (aside(along(0.3), place(0.15)), aside(along(0.7), place(0.15))),
        };
        for tick in 1..=ticks {
            let share = eased(course, tick as f64 / ticks as f64);
            let shake = if course == Course::Trembling {
                (TREMOR_PX * normal(&mut hand), TREMOR_PX * normal(&mut hand))
            } else {
                (0.0, 0.0)
            };
            let weights = bernstein(share);
            let of = |axis: fn((f64, f64)) -> f64| {
                let points = [from, first, second, to].map(axis);
                let on_curve: f64 = points.iter().zip(weights).map(|(point, weight)| point * weight).sum();
                (on_curve + axis(shake)).round() as i32
            };
            t_us += match course {
                Course::Trembling => hand.random_range(6 * POINTER_TICK_US / 10..14 * POINTER_TICK_US / 10),
                _ => POINTER_TICK_US,
            };
            events.push(InputEvent {
                t_us,
                kind: EventKind::Move {
                    x: of(|point| point.0),
                    y: of(|point| point.1),
                },
            });
        }
        from = to;
        t_us += 300_000;
    }
    events
}

/// How far along its curve a stroke is after a share of its time.
fn eased(course: Course, share: f64) -> f64 {
    match course {
        Course::Straight | Course::Bezier => share,
        Course::EasedBezier => share * share * (3.0 - 2.0 * share),
        Course::Trembling => share.powi(3) * (10.0 - 15.0 * share + 6.0 * share * share),
    }
}

/// Weights of the four points of a cubic Bézier curve.
fn bernstein(share: f64) -> [f64; 4] {
    let rest = 1.0 - share;
    [
        rest.powi(3),
        3.0 * rest * rest * share,
        3.0 * rest * share * share,
        share.powi(3),
    ]
}

/// Times moved by up to `most_us` either way and the whole path shifted, the order kept: a recorded pointer played again.
pub fn jittered_path(events: &[InputEvent], most_us: i64, by_px: (i32, i32), seed: u64) -> Vec<InputEvent> {
    let mut rng = rng(seed, STREAM + 8);
    let mut last_us = i64::MIN;
    let moved = events.iter().map(|event| {
        last_us = (event.t_us + rng.random_range(-most_us..=most_us)).max(last_us);
        let (dx, dy) = by_px;
        let kind = match event.kind {
            EventKind::Move { x, y } => EventKind::Move { x: x + dx, y: y + dy },
            EventKind::ButtonDown { button, x, y } => EventKind::ButtonDown {
                button,
                x: x + dx,
                y: y + dy,
            },
            EventKind::ButtonUp { button, x, y } => EventKind::ButtonUp {
                button,
                x: x + dx,
                y: y + dy,
            },
            EventKind::Scroll { dx: sx, dy: sy, x, y } => EventKind::Scroll {
                dx: sx,
                dy: sy,
                x: x + dx,
                y: y + dy,
            },
            other => other,
        };
        InputEvent { t_us: last_us, kind }
    });
    moved.collect()
}
