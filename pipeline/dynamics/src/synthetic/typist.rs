//! A synthetic typist: log-normal dwell and press-to-press times around personal means, slower at word boundaries.

use super::{Population, normal, rng};
use crate::event::{EventKind, InputEvent, KeyClass};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

// Over 300 participants of the public Aalto desktop recordings (Dhakal, Feit, Kristensson, Oulasvirta, CHI 2018): per-person
// means and within-person spreads of logarithms of milliseconds. That a log-normal law fits such times well: González et al.,
// Heliyon 7 (2021) e08413.
const LN_DWELL: Population = Population { mean: 4.637, sd: 0.185 };
const LN_DWELL_SPREAD: Population = Population { mean: 0.347, sd: 0.059 };
const LN_PRESS_PRESS: Population = Population { mean: 5.088, sd: 0.328 };
const LN_PRESS_PRESS_SPREAD: Population = Population { mean: 0.504, sd: 0.081 };
const LN_WORD_BOUNDARY: Population = Population { mean: 0.248, sd: 0.137 };
/// How far a person's dwell on one class of keys lies from that person's mean (assumed, not measured).
const LN_DWELL_OF_CLASS: Population = Population { mean: 0.0, sd: 0.15 };

/// A person who types.
#[derive(Clone, Debug)]
pub struct Typist {
    seed: u64,
    ln_dwell: f64,
    ln_dwell_spread: f64,
    ln_press_press: f64,
    ln_press_press_spread: f64,
    ln_word_boundary: f64,
    /// Added to `ln_dwell` for space, modifiers and all other keys that are not letters.
    ln_dwell_of_class: [f64; 3],
    /// Share of words with a correction.
    corrections: f64,
    /// Whether times hang together.
    flows: bool,
}

/// Correlation of what is left of dwell, and of pace, with that of the key before, and of both with each other, in a typist
/// who flows: more than in most people of the Aalto recordings, so that nobody takes them for draws.
const FLOW: f64 = 0.45;
/// How long a modifier stays down after the key that it modifies went down, µs.
const MODIFIER_HOLD_US: i64 = 40_000;

impl Typist {
    /// Draws a person.
    pub fn draw(seed: u64) -> Self {
        let mut rng = rng(seed, 0);
        Self {
            seed,
            ln_dwell: LN_DWELL.draw(&mut rng),
            ln_dwell_spread: LN_DWELL_SPREAD.draw(&mut rng).max(0.1),
            ln_press_press: LN_PRESS_PRESS.draw(&mut rng),
            ln_press_press_spread: LN_PRESS_PRESS_SPREAD.draw(&mut rng).max(0.15),
            ln_word_boundary: LN_WORD_BOUNDARY.draw(&mut rng),
            ln_dwell_of_class: std::array::from_fn(|_| LN_DWELL_OF_CLASS.draw(&mut rng)),
            corrections: rng.random_range(0.01..0.12),
            flows: false,
        }
    }

    /// The same person, whose times hang together as people's do: fast and slow stretches follow each other, and a modifier
    /// stays down until its key is down. Detectors of copied histograms leave them alone ([`crate::liveness`]).
    #[must_use]
    pub fn flowing(self) -> Self {
        Self { flows: true, ..self }
    }

    /// About `keys` key presses of prose from `start_us` on, press numbers from `first_press` on; presses and releases in the
    /// order of time. The same `session` number gives the same events.
    pub fn session(&self, session: u64, keys: usize, start_us: i64, first_press: u32) -> Vec<InputEvent> {
        let mut rng = rng(self.seed, session + 1);
        let mut events = Vec::with_capacity(2 * keys);
        let mut press_us = start_us;
        let mut flow = Flow::default();
        for (press, class) in (first_press..).zip(prose(&mut rng, keys, self.corrections)) {
            let (dwell, pace) = (normal(&mut rng), normal(&mut rng));
            let (dwell, pace) = if self.flows {
                flow.next(dwell, pace)
            } else {
                (dwell, pace)
            };
            let (mut dwell_us, pace_us) = (self.dwell_us(class, dwell), self.press_press_us(class, pace));
            if self.flows && class == KeyClass::Modifier {
                dwell_us = dwell_us.max(pace_us + MODIFIER_HOLD_US);
            }
            let release_us = press_us + dwell_us;
            events.push(InputEvent {
                t_us: press_us,
                kind: EventKind::KeyDown { press, class },
            });
            events.push(InputEvent {
                t_us: release_us,
                kind: EventKind::KeyUp { press },
            });
            press_us += pace_us;
        }
        events.sort_by_key(|event| event.t_us);
        events
    }

    fn dwell_us(&self, class: KeyClass, deviation: f64) -> i64 {
        let of_class = match class {
            KeyClass::Letter => 0.0,
            KeyClass::Space => self.ln_dwell_of_class[0],
            KeyClass::Modifier => self.ln_dwell_of_class[1] + 0.6,
            _ => self.ln_dwell_of_class[2],
        };
        to_us((self.ln_dwell + of_class + self.ln_dwell_spread * deviation).clamp(2.5, 6.5))
    }

    fn press_press_us(&self, class: KeyClass, deviation: f64) -> i64 {
        let boundary = match class {
            KeyClass::Letter => 0.0,
            _ => self.ln_word_boundary,
        };
        to_us((self.ln_press_press + boundary + self.ln_press_press_spread * deviation).clamp(2.7, 8.0))
    }
}

/// What is left of dwell and pace, from key to key: two autoregressive series of unit variance that share a part.
#[derive(Default)]
struct Flow {
    dwell: f64,
    pace: f64,
}

impl Flow {
    fn next(&mut self, dwell: f64, pace: f64) -> (f64, f64) {
        let rest = (1.0 - FLOW * FLOW).sqrt();
        let shared = FLOW * dwell + rest * pace;
        self.dwell = FLOW * self.dwell + rest * dwell;
        self.pace = FLOW * self.pace + rest * shared;
        (self.dwell, self.pace)
    }
}

/// Microseconds of a logarithm of milliseconds, on the 100 µs grid of a browser's clock.
fn to_us(ln_ms: f64) -> i64 {
    (ln_ms.exp() * 10.0).round() as i64 * 100
}

/// Key classes of English-like prose: words of 1-10 letters, sentences with a capital and a full stop, corrections.
fn prose(rng: &mut ChaCha8Rng, keys: usize, corrections: f64) -> Vec<KeyClass> {
    let mut classes = Vec::with_capacity(keys + 16);
    while classes.len() < keys {
        classes.push(KeyClass::Modifier);
        let words = rng.random_range(5..13);
        for word in 0..words {
            let letters = 1 + rng.random_range(0..6) + rng.random_range(0..5);
            classes.extend(std::iter::repeat_n(KeyClass::Letter, letters));
            if rng.random_bool(corrections) {
                classes.extend([KeyClass::Backspace, KeyClass::Letter]);
            }
            if word + 1 == words || rng.random_bool(0.08) {
                classes.push(KeyClass::Punctuation);
            }
            classes.push(KeyClass::Space);
        }
    }
    classes.truncate(keys);
    classes
}
