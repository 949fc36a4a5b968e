//! The times of a session's latest keystrokes, in columns: as they are, their logarithms, and what is left of these without
//! the level of what was typed. All figures are counted over these.
//!
//! Invariants: one value a key in every column; a pause is no pace.

use super::dense::{Cell, Column, Columns, LAG_MAX, Moments, Series, ln};
use super::keys::Key;
use std::collections::VecDeque;

/// Groups of classes with enough keys each: letter, space, backspace, modifier, all other.
pub(super) const GROUPS: usize = 5;
pub(super) const LETTER: usize = 0;
pub(super) const MODIFIER: usize = 3;
/// Press-press times from here on are pauses and no pace, ms.
pub(super) const PAUSE_MS: f32 = 1_500.0;
/// Pairs of groups; the first key has none before it, as if of one more group.
const PAIRS: usize = (GROUPS + 1) * GROUPS;

/// Times of keys, one value a key in each column.
#[derive(Debug)]
pub(super) struct Times<'a> {
    /// The group of each key.
    groups: Vec<u8>,
    /// Press to release, ms; not a number where it is not known.
    pub(super) dwell_ms: &'a [f64],
    /// Press to press, ms; not a number where it is not known or a pause.
    pub(super) pace_ms: &'a [f64],
    /// ln dwell.
    pub(super) dwell: Column<'a>,
    /// ln dwell of all but modifiers.
    pub(super) plain: Column<'a>,
    /// ln pace.
    pub(super) pace: Column<'a>,
    /// Moments of these three.
    pub(super) of_dwell: Moments,
    pub(super) of_plain: Moments,
    pub(super) of_pace: Moments,
}

/// What is left of times without the level of what was typed.
#[derive(Debug)]
pub(super) struct Levelled<'a> {
    /// ln dwell by group, modifiers among them.
    pub(super) dwells: [Cell; GROUPS],
    /// ln dwell without the mean of its group; of all but modifiers.
    pub(super) dwell: Series<'a>,
    /// ln pace without the mean of its pair of groups.
    pub(super) pace: Series<'a>,
}

impl<'a> Times<'a> {
    pub(super) fn of(keys: &VecDeque<Key>, columns: &mut Columns<'a>) -> Self {
        let groups: Vec<u8> = keys.iter().map(Key::group).collect();
        let dwell_ms = columns.fill_from(keys, |key| key.dwell_ms().map_or(f64::NAN, f64::from));
        let pace_ms = columns.fill_from(keys, |key| {
            let pace = key.pace_ms().filter(|pace| *pace < PAUSE_MS);
            pace.map_or(f64::NAN, f64::from)
        });
        let dwell = logarithms(dwell_ms, 10.0, 2_000.0, columns);
        let pace = logarithms(pace_ms, 5.0, f64::from(PAUSE_MS), columns);
        let plain = columns.fill(groups.iter().map(|group| weight(usize::from(*group) != MODIFIER)));
        let plain = columns.only(dwell, plain);
        Self {
            of_dwell: dwell.moments(),
            of_plain: plain.moments(),
            of_pace: pace.moments(),
            groups,
            dwell_ms,
            pace_ms,
            dwell,
            plain,
            pace,
        }
    }

    /// How many keys.
    pub(super) fn keys(&self) -> usize {
        self.groups.len()
    }

    /// 1 for each letter and 0 for all other keys.
    pub(super) fn letters(&self, columns: &mut Columns<'a>) -> &'a [f64] {
        let letter = |group: &u8| weight(usize::from(*group) == LETTER);
        columns.fill(self.groups.iter().map(letter))
    }

    pub(super) fn levelled(&self, columns: &mut Columns<'a>) -> Levelled<'a> {
        let mut pairs = vec![0_u8; self.keys()];
        // Two of each, in turns: a sum need not wait for the one before it.
        let mut cells = [([Cell::default(); GROUPS], [Cell::default(); PAIRS]); 2];
        let times = self.dwell.values.iter().zip(self.dwell.known);
        let times = times.zip(self.pace.values.iter().zip(self.pace.known));
        let (mut before, mut turn) = (GROUPS, 0);
        for (((dwell, pace), group), pair) in times.zip(&self.groups).zip(&mut pairs) {
            let group = usize::from(*group) % GROUPS;
            let (dwells, paces) = &mut cells[turn];
            turn = 1 - turn;
            dwells[group].add(*dwell.0, *dwell.1);
            *pair = (before * GROUPS + group) as u8;
            paces[usize::from(*pair) % PAIRS].add(*pace.0, *pace.1);
            before = group;
        }
        let [(mut dwells, mut paces), (other_dwells, other_paces)] = cells;
        let all = dwells.iter_mut().chain(&mut paces);
        for (cell, other) in all.zip(other_dwells.iter().chain(&other_paces)) {
            cell.add(other.sum, other.count);
        }
        let (of_group, of_pair) = (dwells.map(|cell| cell.mean()), paces.map(|cell| cell.mean()));
        let dwell = self.groups.iter().zip(self.plain.values).zip(self.plain.known);
        let dwell = dwell.map(|((group, value), known)| (value - of_group[usize::from(*group) % GROUPS]) * known);
        let pace = pairs.iter().zip(self.pace.values).zip(self.pace.known);
        let pace = pace.map(|((pair, value), known)| (value - of_pair[usize::from(*pair) % PAIRS]) * known);
        let (dwell, pace) = (columns.fill(dwell), columns.fill(pace));
        Levelled {
            dwells,
            dwell: Series::of(columns.pair(dwell, self.plain.known)),
            pace: Series::of(columns.pair(pace, self.pace.known)),
        }
    }

    /// In which order keys went down and came up.
    pub(super) fn order(&self, columns: &mut Columns<'a>) -> Order {
        // What is not known, and what does not count, is not a number: whatever is compared with it is false.
        let off = columns.fill(self.groups.iter().map(|group| match usize::from(*group) {
            MODIFIER => f64::NAN,
            _ => 0.0,
        }));
        let mut plain = |times: &[f64]| {
            let plain = times.iter().zip(off).map(|(time, off)| time + off);
            columns.fill_and_end(plain, f64::NAN)
        };
        let (plain, pace) = (plain(self.dwell_ms), plain(self.pace_ms));
        let modifier = self.dwell_ms.iter().zip(off);
        let modifier = modifier.map(|(time, off)| if off.is_nan() { *time } else { f64::NAN });
        let modifier = columns.fill_and_end(modifier, f64::NAN);
        let keys = plain.len() - LAG_MAX;
        let counted = modifier[..keys].iter().zip(&plain[..keys]);
        let next = pace[1..].iter().zip(&plain[1..]).zip(&pace[2..]);
        let mut order = Order::default();
        for ((modifier, dwell), ((pace, next_dwell), second_pace)) in counted.zip(next) {
            order.modifiers += u64::from(!(modifier + pace).is_nan());
            order.early += u64::from(modifier < pace);
            let released = pace + next_dwell;
            order.pairs += u64::from(!(dwell + released).is_nan());
            order.inverted += u64::from(*dwell > released);
            let second = pace + second_pace;
            order.triples += u64::from(!(dwell + second).is_nan());
            order.deep += u64::from(*dwell > second);
        }
        order
    }
}

impl<'a> Columns<'a> {
    /// The next one, with a value of each key; over both halves of the queue, so that each is a dense loop.
    fn fill_from(&mut self, keys: &VecDeque<Key>, value: impl Fn(&Key) -> f64) -> &'a [f64] {
        let (first, second) = keys.as_slices();
        let column = self.empty();
        for (keys, at) in [(first, 0), (second, first.len())] {
            for (place, key) in column[at..].iter_mut().zip(keys) {
                *place = value(key);
            }
        }
        column
    }
}

/// Logarithms of times within bounds, ms.
fn logarithms<'a>(times_ms: &[f64], least: f64, most: f64, columns: &mut Columns<'a>) -> Column<'a> {
    let known = columns.fill(times_ms.iter().map(|ms| weight(!ms.is_nan())));
    let logarithm = |(ms, known): (&f64, &f64)| {
        // What is not a number is not larger, and is left out by its weight.
        let within = if *ms > least { *ms } else { least };
        ln(if within > most { most } else { within }) * known
    };
    let values = columns.fill(times_ms.iter().zip(known).map(logarithm));
    columns.pair(values, known)
}

/// Counts of presses and releases.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Order {
    /// Modifiers before another key, and those of them that were up before it went down.
    pub(super) modifiers: u64,
    pub(super) early: u64,
    /// Pairs of keys without modifiers, and those of them that were let go in the wrong order.
    pub(super) pairs: u64,
    pub(super) inverted: u64,
    /// Threes of keys without modifiers, and those of them whose first was still down when the third went down.
    pub(super) triples: u64,
    pub(super) deep: u64,
}

fn weight(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}
