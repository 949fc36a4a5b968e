//! How a session's latest keystrokes hang together.
//!
//! People's times are not independent draws. At the detail that the contract allows, most of what tells them from draws is:
//! dwell depends on the class of the key; a modifier is still down when the key that it modifies goes down; keys are mostly
//! released in the order in which they went down; slow and fast stretches follow each other.
//!
//! Invariants: a keystroke is kept as class and two durations, no more than asked for; a figure that too few values stand
//! behind is `None`; every figure is finite.

use super::forged;
use crate::clock;
use crate::event::KeyClass;
use crate::window::Keystroke;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Groups of classes with enough keys each: letter, space, backspace, modifier, all other.
const GROUPS: usize = 5;
pub(super) const MODIFIER: usize = 3;
/// Press-press times from here on are pauses and no pace, ms.
const PAUSE_MS: f64 = 1_500.0;
/// A dwell up to here is none, and one up to here is shorter than a key's travel, ms.
const PASTED_MS: f64 = 3.0;
const BRIEF_MS: f64 = 25.0;
/// Fewest values behind a figure.
pub(super) const VALUES_MIN: usize = 20;
/// Modifiers beyond so many say no more.
const MODIFIERS_MAX: usize = 10;

/// Weights of [`structure`] in the score of [`KeyStatistics::independence`], and its constant: logistic regression of 200
/// keys of 900 Aalto people (none of whom the released model keeps aside) against copied histograms of the same people and
/// log-normal draws from the population's figures. With people left out of the fit, one window in a thousand scores 3.5 or
/// more, and so do 82 % of either forgery.
const WEIGHTS: [f64; STRUCTURE] = [
    -5.09, -5.73, -4.8, -4.34, -1.34, -7.2, 3.49, -6.86, -4.83, -12.9, -8.8, 0.5, 8.33,
];
const CONSTANT: f64 = 5.46;
/// Beyond these, the figures that have no bound of their own say no more: some people's modifiers are all early (caps lock),
/// and some dwells are nothing but class.
const EXPLAINED_MAX: f64 = 0.5;
const EXPLAINED_PLAIN_MAX: f64 = 0.4;
const EARLY_MAX: f64 = 5.0;
/// Figures of [`structure`].
const STRUCTURE: usize = 13;

/// A keystroke as it is remembered. Small, because every session remembers many.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Key {
    group: u8,
    /// Press to release, µs; [`UNKNOWN_US`] where it is not known.
    dwell_us: u32,
    /// Press to press from the key before, µs; likewise.
    pace_us: u32,
}

/// No time; over an hour, which no figure counts.
const UNKNOWN_US: u32 = u32::MAX;

impl Key {
    fn dwell_ms(&self) -> Option<f32> {
        known_ms(self.dwell_us)
    }

    fn pace_ms(&self) -> Option<f32> {
        known_ms(self.pace_us)
    }
}

fn known_ms(time_us: u32) -> Option<f32> {
    (time_us != UNKNOWN_US).then_some(time_us as f32 / 1e3)
}

/// The latest keystrokes of a session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Keys {
    latest: VecDeque<Key>,
}

/// Figures of a session's latest keystrokes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct KeyStatistics {
    /// How many keystrokes.
    pub keys: usize,
    /// Standard deviation of ln dwell, modifiers left out.
    pub dwell_spread: Option<f32>,
    /// Standard deviation of ln press-press time.
    pub pace_spread: Option<f32>,
    /// (90 % quantile − median) / (median − 10 % quantile) of press-press times: 1 is symmetric.
    pub pace_skew: Option<f32>,
    /// Share of keys that were down for no time or followed at once.
    pub pasted_share: f32,
    /// Share of dwells that are shorter than a key's travel.
    pub brief_share: f32,
    /// The coarsest grid on which the times lie, µs; 0 where they lie on none.
    pub grid_us: i64,
    /// Log-odds that times like these were drawn independently rather than typed.
    pub independence: Option<f32>,
    /// Log-odds that they were drawn from a person's times, class by class, rather than typed.
    pub forged: Option<f32>,
}

impl Keys {
    pub(super) fn is_sound(&self) -> bool {
        self.latest.iter().all(|key| usize::from(key.group) < GROUPS)
    }

    /// Takes the last `fresh` keystrokes; the oldest beyond `most` give way.
    pub(super) fn take(&mut self, keys: &[Keystroke], fresh: usize, most: usize) {
        let first = keys.len().saturating_sub(fresh);
        for (i, key) in keys.iter().enumerate().skip(first) {
            while self.latest.len() >= most.max(1) {
                self.latest.pop_front();
            }
            // Presses and releases are in order, and what is longer than an hour is a pause of no particular length.
            let span_us =
                |from_us: i64, to_us: i64| to_us.saturating_sub(from_us).clamp(0, i64::from(UNKNOWN_US - 1)) as u32;
            self.latest.push_back(Key {
                group: group(key.class),
                dwell_us: key
                    .release
                    .at_us()
                    .map_or(UNKNOWN_US, |released| span_us(key.press_us, released)),
                pace_us: i
                    .checked_sub(1)
                    .map_or(UNKNOWN_US, |j| span_us(keys[j].press_us, key.press_us)),
            });
        }
    }

    pub(super) fn statistics(&self) -> KeyStatistics {
        let keys: Vec<Timed> = self.latest.iter().map(Timed::of).collect();
        let dwells: Vec<f64> = keys
            .iter()
            .filter(|key| key.group != MODIFIER)
            .filter_map(|key| key.ln_dwell)
            .collect();
        let paces: Vec<f64> = keys.iter().filter_map(|key| key.ln_pace).collect();
        let share = |count: usize| count as f32 / keys.len().max(1) as f32;
        let count = |holds: fn(&Timed) -> bool| share(keys.iter().filter(|key| holds(key)).count());
        KeyStatistics {
            keys: keys.len(),
            dwell_spread: spread(&dwells),
            pace_spread: spread(&paces),
            pace_skew: skew(&keys),
            pasted_share: count(|key| key.dwell_ms.is_some_and(|dwell| dwell <= PASTED_MS)),
            brief_share: count(|key| key.dwell_ms.is_some_and(|dwell| dwell <= BRIEF_MS)),
            grid_us: grid_us(self.latest.iter()),
            ..scores(&keys)
        }
    }

    /// What the score against forgeries weighs.
    pub(super) fn forgery_figures(&self) -> Option<[f64; forged::FIGURES]> {
        let keys: Vec<Timed> = self.latest.iter().map(Timed::of).collect();
        are_enough(&keys).then(|| forged::figures(&keys, &Levelled::of(&keys)))
    }
}

/// A keystroke with its logarithms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timed {
    pub(super) group: usize,
    pub(super) dwell_ms: Option<f64>,
    /// ln ms, of a dwell of 10 ms to 2 s.
    pub(super) ln_dwell: Option<f64>,
    /// Press to press, ms, where it is no pause.
    pub(super) pace_ms: Option<f64>,
    /// ln ms, of at least 5 ms.
    pub(super) ln_pace: Option<f64>,
}

impl Timed {
    fn of(key: &Key) -> Self {
        let dwell_ms = key.dwell_ms().map(f64::from);
        let pace_ms = key
            .pace_ms()
            .map(f64::from)
            .filter(|pace| (0.0..PAUSE_MS).contains(pace));
        Self {
            group: usize::from(key.group),
            dwell_ms,
            ln_dwell: dwell_ms.map(|dwell| dwell.clamp(10.0, 2_000.0).ln()),
            pace_ms,
            ln_pace: pace_ms.map(|pace| pace.max(5.0).ln()),
        }
    }
}

fn group(class: KeyClass) -> u8 {
    match class.coarse() {
        KeyClass::Letter => 0,
        KeyClass::Space => 1,
        KeyClass::Backspace => 2,
        KeyClass::Modifier => MODIFIER as u8,
        _ => 4,
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Standard deviation.
fn spread(values: &[f64]) -> Option<f32> {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() >= VALUES_MIN).then(|| (squares / values.len() as f64).sqrt() as f32)
}

fn skew(keys: &[Timed]) -> Option<f32> {
    let mut paces: Vec<f64> = keys.iter().filter_map(|key| key.pace_ms).collect();
    if paces.len() < VALUES_MIN {
        return None;
    }
    let last = (paces.len() - 1) as f64;
    let mut quantile = |share: f64| {
        *paces
            .select_nth_unstable_by((share * last).round() as usize, f64::total_cmp)
            .1
    };
    let (low, middle, high) = (quantile(0.1), quantile(0.5), quantile(0.9));
    Some(((high - middle) / (middle - low).max(1.0)) as f32)
}

/// The grid of the clock by dwell and pace, µs; 0 where they lie on none or are too few.
fn grid_us<'a>(keys: impl Iterator<Item = &'a Key>) -> i64 {
    let durations: Vec<i64> = keys
        .flat_map(|key| [key.dwell_ms(), key.pace_ms()])
        .flatten()
        .filter(|ms| (PASTED_MS as f32..PAUSE_MS as f32).contains(ms))
        .map(|ms| (f64::from(ms) * 1e3).round() as i64)
        .collect();
    clock::grid_us(&durations).filter(|grid_us| *grid_us > 1).unwrap_or(0)
}

/// The scores of how the times hang together, which take most of the work.
fn scores(keys: &[Timed]) -> KeyStatistics {
    if !are_enough(keys) {
        return KeyStatistics::default();
    }
    let levelled = Levelled::of(keys);
    let score: f64 = structure(keys, &levelled)
        .iter()
        .zip(WEIGHTS)
        .map(|(figure, weight)| figure * weight)
        .sum();
    KeyStatistics {
        independence: Some((score + CONSTANT) as f32),
        forged: Some(forged::score(keys, &levelled)),
        ..KeyStatistics::default()
    }
}

/// The figures that the score weighs: correlations of what is left of ln dwell and ln pace when the means of their classes
/// (for pace: pairs of classes) are taken away, with their absolute values; the share of dwell that its class explains;
/// modifiers that were released too early; releases out of order.
fn structure(keys: &[Timed], levelled: &Levelled) -> [f64; STRUCTURE] {
    let Levelled {
        classes,
        dwells,
        plain,
        dwell,
        pace,
    } = levelled;
    let explained = explained(dwells, classes);
    let explained_plain = self::explained(plain, classes);
    let [dwell_dwell, pace_pace, dwell_next, dwell_pace, pace_second] = [
        correlation(dwell, dwell, 1),
        correlation(pace, pace, 1),
        correlation(dwell, pace, 1),
        correlation(dwell, pace, 0),
        correlation(pace, pace, 2),
    ];
    let (early, inversions) = order(keys);
    [
        dwell_dwell,
        dwell_dwell.abs(),
        pace_pace,
        pace_pace.abs(),
        dwell_next,
        dwell_next.abs(),
        dwell_pace,
        dwell_pace.abs(),
        pace_second,
        explained.sqrt().min(EXPLAINED_MAX),
        explained_plain.sqrt().min(EXPLAINED_PLAIN_MAX),
        early.min(EARLY_MAX),
        inversions,
    ]
}

/// Whether so many keys have a dwell and a pace that a score says anything.
pub(super) fn are_enough(keys: &[Timed]) -> bool {
    let known = |key: &&Timed| key.ln_dwell.is_some() && key.ln_pace.is_some();
    keys.iter().filter(known).count() >= VALUES_MIN
}

/// Times of keys, and what is left of them without the level of what was typed. One value a key each.
pub(super) struct Levelled {
    /// The class of each key.
    pub(super) classes: Vec<usize>,
    /// ln dwell.
    pub(super) dwells: Vec<Option<f64>>,
    /// ln dwell of all but modifiers.
    pub(super) plain: Vec<Option<f64>>,
    /// The same without the mean of its class.
    pub(super) dwell: Vec<Option<f64>>,
    /// ln pace without the mean of its pair of classes.
    pub(super) pace: Vec<Option<f64>>,
}

impl Levelled {
    pub(super) fn of(keys: &[Timed]) -> Self {
        let classes: Vec<usize> = keys.iter().map(|key| key.group).collect();
        let mut pairs = vec![GROUPS * GROUPS; keys.len()];
        for (pair, both) in pairs.iter_mut().skip(1).zip(keys.windows(2)) {
            *pair = both[0].group * GROUPS + both[1].group;
        }
        let not_modifier = |key: &Timed| key.ln_dwell.filter(|_| key.group != MODIFIER);
        let plain: Vec<Option<f64>> = keys.iter().map(not_modifier).collect();
        let paces: Vec<Option<f64>> = keys.iter().map(|key| key.ln_pace).collect();
        Self {
            dwells: keys.iter().map(|key| key.ln_dwell).collect(),
            dwell: residuals(&plain, &classes),
            pace: residuals(&paces, &pairs),
            classes,
            plain,
        }
    }
}

/// Sum and count of the values of each cell.
fn cells(values: &[Option<f64>], cell_of: &[usize]) -> [(f64, f64); GROUPS * GROUPS + 1] {
    let mut cells = [(0.0, 0.0); GROUPS * GROUPS + 1];
    for (value, &cell) in values.iter().zip(cell_of) {
        if let Some(value) = value {
            cells[cell].0 += value;
            cells[cell].1 += 1.0;
        }
    }
    cells
}

/// The values without the mean of their cell.
fn residuals(values: &[Option<f64>], cell_of: &[usize]) -> Vec<Option<f64>> {
    let cells = cells(values, cell_of);
    let left = |(value, &cell): (&Option<f64>, &usize)| value.map(|value| value - cells[cell].0 / cells[cell].1);
    values.iter().zip(cell_of).map(left).collect()
}

/// The share of the variance that lies between the cells, 0-1 (η²).
fn explained(values: &[Option<f64>], cell_of: &[usize]) -> f64 {
    let known: Vec<f64> = values.iter().flatten().copied().collect();
    if known.len() < VALUES_MIN {
        return 0.0;
    }
    let mean = mean(&known);
    let total: f64 = known.iter().map(|value| (value - mean).powi(2)).sum();
    let cells = cells(values, cell_of);
    let filled = cells.iter().filter(|(_, count)| *count > 0.0);
    let between: f64 = filled.map(|(sum, count)| count * (sum / count - mean).powi(2)).sum();
    if total > 1e-12 {
        (between / total).clamp(0.0, 1.0)
    } else {
        0.0
    }
}

/// Correlation of `a` with what stands `lag` keys later in `b`; 0 where there is too little to say.
pub(super) fn correlation(a: &[Option<f64>], b: &[Option<f64>], lag: usize) -> f64 {
    let pairs = || a.iter().zip(b.iter().skip(lag)).filter_map(|(a, b)| a.zip(*b));
    let count = pairs().count();
    if count < VALUES_MIN {
        return 0.0;
    }
    let (mean_a, mean_b) = pairs().fold((0.0, 0.0), |sum, (a, b)| (sum.0 + a, sum.1 + b));
    let (mean_a, mean_b) = (mean_a / count as f64, mean_b / count as f64);
    let (mut both, mut of_a, mut of_b) = (0.0, 0.0, 0.0);
    for (a, b) in pairs() {
        let (a, b) = (a - mean_a, b - mean_b);
        both += a * b;
        of_a += a * a;
        of_b += b * b;
    }
    if of_a * of_b > 1e-12 {
        both / (of_a * of_b).sqrt()
    } else {
        0.0
    }
}

/// How many of up to ten modifiers were up before the key that followed them went down; and ten times the share of keys (at
/// most a tenth) that were released after the key that followed them.
pub(super) fn order(keys: &[Timed]) -> (f64, f64) {
    let (mut modifiers, mut early, mut plain, mut inverted) = (0, 0, 0, 0);
    for pair in keys.windows(2) {
        let (Some(dwell), Some(pace)) = (pair[0].dwell_ms, pair[1].pace_ms) else {
            continue;
        };
        match (pair[0].group == MODIFIER, pair[1].group == MODIFIER, pair[1].dwell_ms) {
            (true, false, _) => {
                modifiers += 1;
                early += usize::from(dwell < pace);
            }
            (false, false, Some(next_dwell)) => {
                plain += 1;
                inverted += usize::from(dwell > pace + next_dwell);
            }
            _ => {}
        }
    }
    let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
    let early = share(early, modifiers) * modifiers.min(MODIFIERS_MAX) as f64;
    (early, 10.0 * share(inverted, plain).min(0.1))
}
