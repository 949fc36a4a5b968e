//! How a session's latest keystrokes hang together.
//!
//! People's times are not independent draws. At the detail that the contract allows, most of what tells them from draws is:
//! dwell depends on the class of the key; a modifier is still down when the key that it modifies goes down; keys are mostly
//! released in the order in which they went down; slow and fast stretches follow each other.
//!
//! Invariants: a keystroke is kept as class and two durations, no more than asked for; a figure that too few values stand
//! behind is `None`; every figure is finite.

use super::dense::{Cell, Columns, Sorted, VALUES_MIN, correlation, explained, sums, with_columns};
use super::forged;
use super::times::{GROUPS, Levelled, MODIFIER, Order, Times};
use crate::clock;
use crate::event::KeyClass;
use crate::window::Keystroke;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// A dwell up to here is none, and one up to here is shorter than a key's travel, ms.
const PASTED_MS: f64 = 3.0;
const BRIEF_MS: f64 = 25.0;
/// Durations from and up to which the grid of a clock is looked for, µs: none, and pauses.
const GRID_FROM_US: u32 = 3_000;
const GRID_UP_TO_US: u32 = 1_500_000;
/// Modifiers beyond so many say no more.
const MODIFIERS_MAX: u64 = 10;

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
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Key {
    /// Press to release, µs; [`UNKNOWN_US`] where it is not known.
    dwell_us: u32,
    /// Press to press from the key before, µs, in the lower [`PACE_BITS`]; the group above them.
    pace_us_and_group: u32,
}

/// No time; over an hour, which no figure counts.
const UNKNOWN_US: u32 = u32::MAX;
/// Bits of a pace: nine minutes, and what is longer is a pause all the same.
const PACE_BITS: u32 = 29;
const PACE_UNKNOWN: u32 = (1 << PACE_BITS) - 1;

impl Key {
    fn new(group: u8, dwell_us: u32, pace_us: u32) -> Self {
        let pace_us = match pace_us {
            UNKNOWN_US => PACE_UNKNOWN,
            known => known.min(PACE_UNKNOWN - 1),
        };
        Self {
            dwell_us,
            // Groups that there are not stay such ones: [`Keys::is_sound`] is asked about them.
            pace_us_and_group: pace_us | (u32::from(group).min(7) << PACE_BITS),
        }
    }

    pub(super) fn group(&self) -> u8 {
        (self.pace_us_and_group >> PACE_BITS) as u8
    }

    fn pace_us(&self) -> u32 {
        match self.pace_us_and_group & PACE_UNKNOWN {
            PACE_UNKNOWN => UNKNOWN_US,
            known => known,
        }
    }

    pub(super) fn dwell_ms(&self) -> Option<f32> {
        known_ms(self.dwell_us)
    }

    pub(super) fn pace_ms(&self) -> Option<f32> {
        known_ms(self.pace_us())
    }
}

fn known_ms(time_us: u32) -> Option<f32> {
    (time_us != UNKNOWN_US).then_some(time_us as f32 / 1e3)
}

/// The latest keystrokes of a session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Keys {
    #[serde(with = "packed")]
    latest: VecDeque<Key>,
}

/// Keys as a checkpoint keeps them: their two words, little endian, one after the other. As numbers of their own they would
/// take as many bytes and most of the time that it takes to seal a session.
mod packed {
    use super::Key;
    use serde::{Deserializer, Serializer, de};
    use std::collections::VecDeque;

    const WORD: usize = size_of::<u32>();

    pub(super) fn serialize<S: Serializer>(keys: &VecDeque<Key>, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::with_capacity(keys.len() * 2 * WORD);
        for key in keys {
            bytes.extend_from_slice(&key.dwell_us.to_le_bytes());
            bytes.extend_from_slice(&key.pace_us_and_group.to_le_bytes());
        }
        serde_bytes::serialize(&bytes, serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<VecDeque<Key>, D::Error> {
        let bytes: &[u8] = serde_bytes::deserialize(deserializer)?;
        let (keys, []) = bytes.as_chunks() else {
            return Err(de::Error::custom("part of a key"));
        };
        let key = |&[a, b, c, d, e, f, g, h]: &[u8; 2 * WORD]| Key {
            dwell_us: u32::from_le_bytes([a, b, c, d]),
            pace_us_and_group: u32::from_le_bytes([e, f, g, h]),
        };
        Ok(keys.iter().map(key).collect())
    }
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
        self.latest.iter().all(|key| usize::from(key.group()) < GROUPS)
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
            let dwell_us = key.release.at_us();
            let dwell_us = dwell_us.map_or(UNKNOWN_US, |released| span_us(key.press_us, released));
            let pace_us = i.checked_sub(1).map(|j| span_us(keys[j].press_us, key.press_us));
            self.latest
                .push_back(Key::new(group(key.class), dwell_us, pace_us.unwrap_or(UNKNOWN_US)));
        }
    }

    /// The figures; the scores of how times hang together, which take most of the work, from so many keys on.
    pub(super) fn statistics(&self, scores_from: usize) -> KeyStatistics {
        with_columns(self.latest.len(), |columns| self.statistics_in(columns, scores_from))
    }

    fn statistics_in(&self, columns: &mut Columns<'_>, scores_from: usize) -> KeyStatistics {
        let times = Times::of(&self.latest, columns);
        let brief = |most: f64| {
            let count: usize = times.dwell_ms[..times.keys()]
                .iter()
                .map(|dwell| usize::from(*dwell <= most))
                .sum();
            count as f32 / times.keys().max(1) as f32
        };
        let scores = if times.keys() >= scores_from {
            scores(&times, columns)
        } else {
            KeyStatistics::default()
        };
        KeyStatistics {
            keys: times.keys(),
            dwell_spread: times.of_plain.spread(),
            pace_spread: times.of_pace.spread(),
            pace_skew: skew(&times, columns),
            pasted_share: brief(PASTED_MS),
            brief_share: brief(BRIEF_MS),
            grid_us: self.grid_us(),
            ..scores
        }
    }

    /// What the score against forgeries weighs.
    pub(super) fn forgery_figures(&self) -> Option<[f64; forged::FIGURES]> {
        with_columns(self.latest.len(), |columns| {
            let times = Times::of(&self.latest, columns);
            times.are_enough().then(|| {
                let (levelled, order) = (times.levelled(columns), times.order(columns));
                forged::figures(&times, &levelled, &order, columns)
            })
        })
    }

    /// The grid of the clock by dwell and pace, µs; 0 where they lie on none or are too few.
    fn grid_us(&self) -> i64 {
        // A duration of 0 lies on every grid.
        let judged = |us: u32| {
            if (GRID_FROM_US..GRID_UP_TO_US).contains(&us) {
                us as f64
            } else {
                0.0
            }
        };
        let mut durations_us = Vec::with_capacity(2 * self.latest.len());
        let (first, second) = self.latest.as_slices();
        for keys in [first, second] {
            durations_us.extend(keys.iter().map(|key| judged(key.dwell_us)));
            durations_us.extend(keys.iter().map(|key| judged(key.pace_us_and_group & PACE_UNKNOWN)));
        }
        clock::grid_us_of(&durations_us)
            .filter(|grid_us| *grid_us > 1)
            .unwrap_or(0)
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

fn skew(times: &Times<'_>, columns: &mut Columns<'_>) -> Option<f32> {
    let known = times.pace_ms.iter().map(|pace| if pace.is_nan() { 0.0 } else { *pace });
    let paces = columns.fill(known);
    let mut paces = Sorted::of(columns.pair(paces, times.pace.known));
    let last = paces.len().checked_sub(1).filter(|last| *last + 1 >= VALUES_MIN)? as f64;
    let mut quantile = |share: f64| paces.at((share * last).round() as usize);
    let (low, middle, high) = (quantile(0.1), quantile(0.5), quantile(0.9));
    Some(((high - middle) / (middle - low).max(1.0)) as f32)
}

/// The scores of how the times hang together.
fn scores<'a>(times: &Times<'a>, columns: &mut Columns<'a>) -> KeyStatistics {
    if !times.are_enough() {
        return KeyStatistics::default();
    }
    let (levelled, order) = (times.levelled(columns), times.order(columns));
    let score: f64 = structure(times, &levelled, &order)
        .iter()
        .zip(WEIGHTS)
        .map(|(figure, weight)| figure * weight)
        .sum();
    KeyStatistics {
        independence: Some((score + CONSTANT) as f32),
        forged: Some(forged::score(times, &levelled, &order, columns)),
        ..KeyStatistics::default()
    }
}

/// The figures that the score weighs: correlations of what is left of ln dwell and ln pace when the means of their classes
/// (for pace: pairs of classes) are taken away, with their absolute values; the share of dwell that its class explains;
/// modifiers that were released too early; releases out of order.
fn structure(times: &Times<'_>, levelled: &Levelled<'_>, order: &Order) -> [f64; STRUCTURE] {
    let Levelled { dwells, dwell, pace } = levelled;
    let mut plain = *dwells;
    plain[MODIFIER] = Cell::default();
    let explained_all = explained(dwells, &times.of_dwell);
    let explained_plain = explained(&plain, &times.of_plain);
    let [dwell_dwell, pace_pace, dwell_next, dwell_pace, pace_second] = [
        correlation(dwell, dwell, 1),
        correlation(pace, pace, 1),
        correlation(dwell, pace, 1),
        correlation(dwell, pace, 0),
        correlation(pace, pace, 2),
    ];
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
        explained_all.sqrt().min(EXPLAINED_MAX),
        explained_plain.sqrt().min(EXPLAINED_PLAIN_MAX),
        order.early_modifiers().min(EARLY_MAX),
        order.inversions(),
    ]
}

impl Times<'_> {
    /// Whether so many keys have a dwell and a pace that a score says anything.
    fn are_enough(&self) -> bool {
        let [known] = sums(self.dwell.known, self.pace.known, |dwell, pace| [dwell * pace]);
        known >= VALUES_MIN as f64
    }
}

impl Order {
    /// How many of up to ten modifiers were up before the key that followed them went down.
    pub(super) fn early_modifiers(&self) -> f64 {
        share(self.early, self.modifiers) * self.modifiers.min(MODIFIERS_MAX) as f64
    }

    /// Ten times the share of keys (at most a tenth) that were released after the key that followed them.
    pub(super) fn inversions(&self) -> f64 {
        10.0 * share(self.inverted, self.pairs).min(0.1)
    }

    /// Share of keys that were still down when the second key after them went down.
    pub(super) fn held(&self) -> f64 {
        share(self.deep, self.triples)
    }
}

fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod reference;
