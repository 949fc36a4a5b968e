//! Forgers who know more than the times of pairs of keys: what a detector of draws has to be measured against.
//!
//! They work from the same recordings as [`super::attack::Times::forgery`] and keep pauses. Each keeps something that the
//! plain one loses; the last one types nothing but pieces of recordings.
//!
//! Invariants: the same seed gives the same presses; every time is one that was recorded.

use super::attack::{Press, STREAM};
use super::{normal, rng};
use crate::event::KeyClass;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::collections::HashMap;

/// Keys of a piece that [`Keeps::Pieces`] copies at once: too few for the replay detector to know them again.
const PIECE_KEYS: usize = 8;
/// Places that are tried for a piece whose classes fit.
const PLACES: usize = 60;
/// Stream of random numbers of these forgers.
const FORGERY: u64 = STREAM + 9;
/// Dwell and pace of a key for which nothing was recorded, µs.
const UNKNOWN_US: i64 = 100_000;

/// What a forger keeps of how times hang together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// Nothing but pauses: dwell by class, press-press time by pair of classes.
    Pauses,
    /// Dwell and the time to the next press are drawn together, by pair of classes: rollover, and modifiers that stay down.
    Rollover,
    /// Press-press time and dwell are drawn together, by three classes.
    Triples,
    /// As [`Keeps::Pauses`], with the victim's own correlation of dwell and of pace from key to key.
    Correlation,
    /// Pieces of eight keys as they were typed, with the classes that are wanted as far as there are any.
    Pieces,
}

/// A key as it was recorded.
#[derive(Clone, Copy, Debug)]
struct Known {
    class: KeyClass,
    dwell_us: i64,
    /// Press-press time from the key before, µs, and the classes of the two keys before; none at the start.
    pace_us: Option<i64>,
    before: Option<KeyClass>,
    second_before: Option<KeyClass>,
    /// Dwell of the key before, µs.
    dwell_before_us: i64,
}

/// What a forger has: recordings, key by key.
#[derive(Clone, Debug, Default)]
pub struct Forger {
    keys: Vec<Known>,
}

impl Forger {
    /// Adds a recording.
    pub fn add(&mut self, presses: &[Press]) {
        for (i, press) in presses.iter().enumerate() {
            let before = i.checked_sub(1).map(|j| presses[j]);
            self.keys.push(Known {
                class: press.class,
                dwell_us: press.up_us - press.down_us,
                pace_us: before.map(|before| press.down_us - before.down_us),
                before: before.map(|before| before.class),
                second_before: i.checked_sub(2).map(|j| presses[j].class),
                dwell_before_us: before.map_or(UNKNOWN_US, |before| before.up_us - before.down_us),
            });
        }
    }

    /// Types `classes`, keeping what `keeps` says.
    pub fn forge(&self, keeps: Keeps, classes: &[KeyClass], seed: u64) -> Vec<Press> {
        let mut rng = rng(seed, FORGERY + keeps as u64);
        let timed = match keeps {
            Keeps::Pieces => self.pieces(classes, &mut rng),
            Keeps::Correlation => self.correlated(classes, &mut rng),
            Keeps::Pauses | Keeps::Rollover | Keeps::Triples => self.drawn(keeps, classes, &mut rng),
        };
        let mut down_us = 0;
        let press = |(i, (class, (pace_us, dwell_us))): (usize, (&KeyClass, (i64, i64)))| {
            down_us += if i == 0 { 0 } else { pace_us.max(0) };
            Press {
                class: *class,
                down_us,
                up_us: down_us + dwell_us,
            }
        };
        classes.iter().zip(timed).enumerate().map(press).collect()
    }

    /// Press-press time and dwell of each key, drawn on their own.
    fn drawn(&self, keeps: Keeps, classes: &[KeyClass], rng: &mut ChaCha8Rng) -> Vec<(i64, i64)> {
        let pools = Pools::of(&self.keys);
        let mut timed = vec![(UNKNOWN_US, UNKNOWN_US); classes.len()];
        for (i, class) in classes.iter().enumerate() {
            let alone = pools.alone(*class, rng);
            timed[i].1 = alone.map_or(UNKNOWN_US, |key| key.dwell_us);
            let Some(before) = i.checked_sub(1).map(|j| classes[j]) else {
                continue;
            };
            let pair = pools.pair(before, *class, rng).or(alone);
            timed[i].0 = pair.and_then(|key| key.pace_us).unwrap_or(UNKNOWN_US);
            let second = i.checked_sub(2).map(|j| classes[j]);
            match keeps {
                Keeps::Rollover => timed[i - 1].1 = pair.map_or(UNKNOWN_US, |key| key.dwell_before_us),
                Keeps::Triples => {
                    if let Some(key) = second.and_then(|second| pools.triple(second, before, *class, rng)) {
                        timed[i] = (key.pace_us.unwrap_or(UNKNOWN_US), key.dwell_us);
                    }
                }
                _ => {}
            }
        }
        timed
    }

    /// Values of the recorded distributions at ranks that are autoregressive, with the recordings' own correlation.
    fn correlated(&self, classes: &[KeyClass], rng: &mut ChaCha8Rng) -> Vec<(i64, i64)> {
        let pools = Pools::of(&self.keys);
        let (of_dwell, of_pace) = (
            pools.correlation(&self.keys, false),
            pools.correlation(&self.keys, true),
        );
        let (mut dwell, mut pace) = (normal(rng), normal(rng));
        let mut timed = Vec::with_capacity(classes.len());
        for (i, class) in classes.iter().enumerate() {
            dwell = of_dwell * dwell + (1.0 - of_dwell * of_dwell).sqrt() * normal(rng);
            pace = of_pace * pace + (1.0 - of_pace * of_pace).sqrt() * normal(rng);
            let before = i.checked_sub(1).map(|j| classes[j]);
            let dwells = pools.dwells.get(class).map(Vec::as_slice).unwrap_or_default();
            let paces = before.and_then(|before| pools.paces.get(&(before, *class)));
            let paces = paces.map(Vec::as_slice).unwrap_or_default();
            timed.push((at_rank(paces, pace), at_rank(dwells, dwell)));
        }
        timed
    }

    /// Pieces as they were typed.
    fn pieces(&self, classes: &[KeyClass], rng: &mut ChaCha8Rng) -> Vec<(i64, i64)> {
        let mut timed = Vec::with_capacity(classes.len());
        while timed.len() < classes.len() && !self.keys.is_empty() {
            let wanted = &classes[timed.len()..];
            let fits = |start: usize| {
                let pairs = self.keys[start..].iter().zip(wanted).take(PIECE_KEYS);
                pairs.take_while(|(key, class)| key.class == **class).count()
            };
            let starts = (0..PLACES).map(|_| rng.random_range(0..self.keys.len()));
            let best = starts.map(|start| (fits(start), start)).max().unwrap_or_default();
            let piece = self.keys[best.1..].iter().take(best.0.max(1));
            timed.extend(piece.map(|key| (key.pace_us.unwrap_or(UNKNOWN_US), key.dwell_us)));
        }
        timed.resize(classes.len(), (UNKNOWN_US, UNKNOWN_US));
        timed
    }
}

/// The recorded keys by what a forger looks them up by.
struct Pools<'a> {
    alone: HashMap<KeyClass, Vec<&'a Known>>,
    pairs: HashMap<(KeyClass, KeyClass), Vec<&'a Known>>,
    triples: HashMap<(KeyClass, KeyClass, KeyClass), Vec<&'a Known>>,
    /// Sorted.
    dwells: HashMap<KeyClass, Vec<i64>>,
    paces: HashMap<(KeyClass, KeyClass), Vec<i64>>,
}

impl<'a> Pools<'a> {
    fn of(keys: &'a [Known]) -> Self {
        let mut pools = Self {
            alone: HashMap::new(),
            pairs: HashMap::new(),
            triples: HashMap::new(),
            dwells: HashMap::new(),
            paces: HashMap::new(),
        };
        for key in keys {
            pools.alone.entry(key.class).or_default().push(key);
            pools.dwells.entry(key.class).or_default().push(key.dwell_us);
            let Some((before, pace_us)) = key.before.zip(key.pace_us) else {
                continue;
            };
            pools.pairs.entry((before, key.class)).or_default().push(key);
            pools.paces.entry((before, key.class)).or_default().push(pace_us);
            if let Some(second) = key.second_before {
                let triple = (second, before, key.class);
                pools.triples.entry(triple).or_default().push(key);
            }
        }
        pools.dwells.values_mut().for_each(|values| values.sort_unstable());
        pools.paces.values_mut().for_each(|values| values.sort_unstable());
        pools
    }

    fn alone(&self, class: KeyClass, rng: &mut ChaCha8Rng) -> Option<&'a Known> {
        pick(self.alone.get(&class)?, rng)
    }

    fn pair(&self, before: KeyClass, class: KeyClass, rng: &mut ChaCha8Rng) -> Option<&'a Known> {
        pick(self.pairs.get(&(before, class))?, rng)
    }

    fn triple(&self, second: KeyClass, before: KeyClass, class: KeyClass, rng: &mut ChaCha8Rng) -> Option<&'a Known> {
        pick(self.triples.get(&(second, before, class))?, rng)
    }

    /// Correlation, from key to key, of the ranks of dwell or of pace within their pools; not below 0.
    fn correlation(&self, keys: &[Known], of_pace: bool) -> f64 {
        let rank = |key: &Known| {
            let (values, value) = if of_pace {
                (self.paces.get(&(key.before?, key.class))?, key.pace_us?)
            } else {
                (self.dwells.get(&key.class)?, key.dwell_us)
            };
            let below =
                values.partition_point(|other| *other < value) + values.partition_point(|other| *other <= value);
            Some(below as f64 / (2 * values.len()) as f64 - 0.5)
        };
        let ranks: Vec<Option<f64>> = keys.iter().map(rank).collect();
        let both = || ranks.windows(2).filter_map(|two| two[0].zip(two[1]));
        let together: f64 = both().map(|(a, b)| a * b).sum();
        let alone: f64 = both().map(|(a, b)| (a * a + b * b) / 2.0).sum();
        if alone > 1e-9 {
            (together / alone).clamp(0.0, 0.95)
        } else {
            0.0
        }
    }
}

fn pick<'a>(known: &[&'a Known], rng: &mut ChaCha8Rng) -> Option<&'a Known> {
    known.get(rng.random_range(0..known.len().max(1))).copied()
}

/// The value of sorted ones whose rank is that of a standard normal value.
fn at_rank(sorted: &[i64], value: f64) -> i64 {
    // The logistic curve is within a hundredth of the normal distribution function (Bowling et al. 2009).
    let share = 1.0 / (1.0 + (-1.702 * value).exp());
    let at = (share * sorted.len() as f64) as usize;
    sorted
        .get(at.min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or(UNKNOWN_US)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::{Typist, attack};

    #[test]
    fn every_forger_types_the_text_in_recorded_times() {
        let typed = attack::presses(&Typist::draw(1).session(0, 400, 0, 0));
        let text: Vec<KeyClass> = attack::presses(&Typist::draw(2).session(0, 200, 0, 0))
            .iter()
            .map(|press| press.class)
            .collect();
        let mut forger = Forger::default();
        forger.add(&typed);
        let dwells: Vec<i64> = typed.iter().map(|press| press.up_us - press.down_us).collect();
        for keeps in [
            Keeps::Pauses,
            Keeps::Rollover,
            Keeps::Triples,
            Keeps::Correlation,
            Keeps::Pieces,
        ] {
            let forged = forger.forge(keeps, &text, 7);
            let classes: Vec<KeyClass> = forged.iter().map(|press| press.class).collect();
            assert_eq!(classes, text, "{keeps:?}");
            assert_eq!(forged, forger.forge(keeps, &text, 7), "{keeps:?}");
            assert_ne!(forged, forger.forge(keeps, &text, 8), "{keeps:?}");
            let known = forged
                .iter()
                .filter(|press| dwells.contains(&(press.up_us - press.down_us)));
            assert!(known.count() + 2 >= forged.len(), "{keeps:?}");
            assert!(forged.is_sorted_by_key(|press| press.down_us), "{keeps:?}");
        }
    }

    #[test]
    fn a_forger_without_recordings_still_types() {
        let text = [KeyClass::Letter, KeyClass::Space];
        for keeps in [Keeps::Pauses, Keeps::Correlation, Keeps::Pieces] {
            assert_eq!(Forger::default().forge(keeps, &text, 1).len(), 2, "{keeps:?}");
        }
    }
}
