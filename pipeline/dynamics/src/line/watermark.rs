//! How far event time has come in a partition, from the timestamps of its records.
//!
//! A timestamp is written by whoever produced the record, and a producer's clock may be an hour off, once or for good. What the
//! watermark passes is closed for everybody, so one clock must not move it: a timestamp that is further ahead than one step is
//! odd, and moves nothing unless the middle of what all who sent lately said last is as far ahead. Then time has passed (a quiet
//! night), and the watermark follows, a step a record. That all clocks were moved at once cannot be told from that.
//!
//! Invariants: it never goes back; what it becomes depends on the keys and timestamps of the records and their order alone.

use super::{LineConfig, Record};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Who sent one of so many latest records is asked. Whoever did not is asleep or gone.
const LATEST: usize = 64;

/// What a record said: who sent it (a hash of its key, none where it has none), and its timestamp, µs.
pub type Claim = (u16, i64);

/// Where the watermark of a partition stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermark {
    /// µs since the Unix epoch; none where nothing was read yet.
    reached_us: Option<i64>,
    /// What the latest records said, the oldest first.
    latest: VecDeque<Claim>,
}

impl Watermark {
    /// As it was: where it stood, and what the latest records said, the oldest first.
    pub fn restored(reached_us: Option<i64>, latest: impl IntoIterator<Item = Claim>) -> Self {
        let mut latest: VecDeque<Claim> = latest.into_iter().collect();
        latest.drain(..latest.len().saturating_sub(LATEST));
        Self { reached_us, latest }
    }

    /// Where it stands, µs since the Unix epoch; none where nothing was read yet.
    pub fn us(&self) -> Option<i64> {
        self.reached_us
    }

    /// What the latest records said, the oldest first.
    pub fn latest(&self) -> impl ExactSizeIterator<Item = Claim> + '_ {
        self.latest.iter().copied()
    }

    /// Whether it can have come from records: what was read from outside is asked before it is used.
    pub(super) fn is_sound(&self) -> bool {
        self.latest.len() <= LATEST && self.reached_us.is_some() != self.latest.is_empty()
    }

    /// Where it stands, as a number: before everything where nothing was read yet.
    pub(super) fn position_us(&self) -> i64 {
        self.reached_us.unwrap_or(i64::MIN)
    }

    /// Follows the next record; whether its timestamp was odd and moved nothing.
    pub(super) fn follow(&mut self, record: &Record<'_>, config: &LineConfig) -> bool {
        if self.latest.len() == LATEST {
            self.latest.pop_front();
        }
        let sender = record.key.map_or(0, |key| crc32fast::hash(key) as u16);
        self.latest.push_back((sender, record.timestamp_us));
        let claimed_us = record.timestamp_us.saturating_sub(config.lateness_us);
        let Some(reached_us) = self.reached_us else {
            self.reached_us = Some(claimed_us);
            return false;
        };
        let step_us = config.watermark_step_us_max;
        let furthest_us = reached_us.saturating_add(step_us);
        if claimed_us > furthest_us {
            if self.middle_us().saturating_sub(config.lateness_us) <= furthest_us {
                return true;
            }
            self.reached_us = Some(furthest_us);
            return false;
        }
        self.reached_us = Some(reached_us.max(claimed_us));
        // So far behind it is no delivery that took its time; it moves nothing either way.
        claimed_us < reached_us.saturating_sub(step_us).saturating_sub(config.idle_us)
    }

    /// The lower middle of what everybody said last.
    fn middle_us(&self) -> i64 {
        let mut said: Vec<Claim> = Vec::with_capacity(LATEST);
        for &(sender, timestamp_us) in self.latest.iter().rev() {
            if said.iter().all(|(known, _)| *known != sender) {
                said.push((sender, timestamp_us));
            }
        }
        let middle = said.len().saturating_sub(1) / 2;
        said.sort_unstable_by_key(|(_, timestamp_us)| *timestamp_us);
        said.get(middle).map_or(i64::MIN, |(_, timestamp_us)| *timestamp_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND_US: i64 = 1_000_000;
    const HOUR_S: i64 = 3_600;

    /// Follows what senders say (s); where the watermark ends (s), and how many timestamps were odd.
    fn follow(said: impl IntoIterator<Item = (u8, i64)>) -> (i64, usize) {
        let (config, mut watermark) = (LineConfig::default(), Watermark::default());
        let odd = said
            .into_iter()
            .filter(|(sender, timestamp_s)| {
                let record = Record {
                    offset: 0,
                    key: Some(&[*sender]),
                    timestamp_us: timestamp_s * SECOND_US,
                    value: b"",
                };
                watermark.follow(&record, &config)
            })
            .count();
        (watermark.position_us() / SECOND_US, odd)
    }

    #[test]
    fn it_follows_what_most_senders_say() {
        let steady = || (0..100).map(|second| (0, second * 5));
        assert_eq!(follow(steady()), (493, 0), "two seconds behind");
        let another_is_ahead = steady().flat_map(|(_, at)| [(0, at), (1, at + HOUR_S), (1, at + HOUR_S + 1)]);
        assert_eq!(follow(another_is_ahead), (493, 200), "however much it sends");
        let another_is_behind = steady().flat_map(|(_, at)| [(0, at), (1, at - HOUR_S)]);
        assert_eq!(follow(another_is_behind), (493, 100));
        let moved = steady().map(|(_, at)| (0, if at < 250 { at } else { at + HOUR_S }));
        assert_eq!(
            follow(moved).0,
            243 + 50 * 10,
            "who is alone is believed, a step a record"
        );
    }

    #[test]
    fn after_a_night_it_catches_up() {
        let before = (0..50).map(|second| ((second % 10) as u8, second));
        let then =
            |senders: u8| (0..2_000).map(move |second| ((second % i64::from(senders)) as u8, 8 * HOUR_S + second));
        let reached_s = |senders, records| follow(before.clone().chain(then(senders).take(records))).0;
        assert_eq!(reached_s(10, 5), 47, "not yet believed");
        assert_eq!(reached_s(10, 6), 57, "by most of ten");
        assert_eq!(reached_s(10, 6 + 100), 1_057);
        assert_eq!(reached_s(1, 40), 47, "one may be wrong");
        assert_eq!(reached_s(1, 64), 57, "until nobody else was heard of for so long");
    }

    proptest! {
        #![proptest_config(crate::proptest_config(128))]

        /// Whoever is wrong by however much, as long as most are right.
        #[test]
        fn a_wrong_clock_moves_it_no_further_than_a_step(wrong in 1u8..3, by_s in -HOUR_S..HOUR_S, rounds in 10i64..300) {
            let said = (0..rounds).flat_map(|second| {
                (0..3u8).map(move |sender| (sender, second + if sender == wrong { by_s } else { 0 }))
            });
            let (reached_s, _) = follow(said);
            let last_s = rounds - 1;
            prop_assert!((last_s - 2..=last_s + 8).contains(&reached_s), "{reached_s} after {last_s}");
        }
    }
}
