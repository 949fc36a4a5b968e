//! How far event time has come in a partition, from the timestamps of its records.
//!
//! A timestamp is written by whoever produced the record, and a producer's clock may be an hour off, once or for good. What the
//! watermark passes is closed for everybody, so one clock must not move it: a timestamp that is further ahead than one step is
//! odd, and moves nothing unless the middle of the latest timestamps is as far ahead. Then time has passed (a quiet night),
//! and the watermark follows, a step a record. That all clocks were moved at once cannot be told from that.
//!
//! Invariants: it never goes back; what it becomes depends on the timestamps and their order alone.

use super::LineConfig;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How many of the latest timestamps are asked: of so many records in a row more than half must come from clocks that are wrong
/// in the same direction before they are believed.
const LATEST: usize = 31;

/// Where the watermark of a partition stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermark {
    /// µs since the Unix epoch; none where nothing was read yet.
    reached_us: Option<i64>,
    /// The latest timestamps, the oldest first, µs.
    latest: VecDeque<i64>,
}

impl Watermark {
    /// As it was: where it stood, and the latest timestamps, the oldest first.
    pub fn restored(reached_us: Option<i64>, latest: impl IntoIterator<Item = i64>) -> Self {
        let mut latest: VecDeque<i64> = latest.into_iter().collect();
        latest.drain(..latest.len().saturating_sub(LATEST));
        Self { reached_us, latest }
    }

    /// Where it stands, µs since the Unix epoch; none where nothing was read yet.
    pub fn us(&self) -> Option<i64> {
        self.reached_us
    }

    /// The latest timestamps, the oldest first, µs.
    pub fn latest(&self) -> impl ExactSizeIterator<Item = i64> + '_ {
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

    /// Follows the timestamp of the next record; whether that one was odd and moved nothing.
    pub(super) fn follow(&mut self, timestamp_us: i64, config: &LineConfig) -> bool {
        if self.latest.len() == LATEST {
            self.latest.pop_front();
        }
        self.latest.push_back(timestamp_us);
        let claimed_us = timestamp_us.saturating_sub(config.lateness_us);
        let Some(reached_us) = self.reached_us else {
            self.reached_us = Some(claimed_us);
            return false;
        };
        let furthest_us = reached_us.saturating_add(config.watermark_step_us_max);
        let behind_us = reached_us.saturating_sub(config.watermark_step_us_max);
        if claimed_us > furthest_us {
            if self.middle_us().saturating_sub(config.lateness_us) <= furthest_us {
                return true;
            }
            self.reached_us = Some(furthest_us);
        } else {
            self.reached_us = Some(reached_us.max(claimed_us));
        }
        // So far behind it is no delivery that took its time; it moves nothing either way.
        claimed_us < behind_us.saturating_sub(config.idle_us)
    }

    /// The lower middle of the latest timestamps.
    fn middle_us(&self) -> i64 {
        let (mut sorted, count) = ([i64::MAX; LATEST], self.latest.len());
        sorted
            .iter_mut()
            .zip(&self.latest)
            .for_each(|(at, timestamp_us)| *at = *timestamp_us);
        let middle = count.saturating_sub(1) / 2;
        *sorted[..count.max(1)].select_nth_unstable(middle).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND_US: i64 = 1_000_000;
    const HOUR_S: i64 = 3_600;

    /// Follows timestamps (s); where the watermark ends (s), and how many were odd.
    fn follow(timestamps_s: impl IntoIterator<Item = i64>) -> (i64, usize) {
        let (config, mut watermark) = (LineConfig::default(), Watermark::default());
        let odd = timestamps_s
            .into_iter()
            .filter(|timestamp_s| watermark.follow(timestamp_s * SECOND_US, &config))
            .count();
        (watermark.position_us() / SECOND_US, odd)
    }

    #[test]
    fn it_follows_what_most_clocks_say() {
        let steady = || (0..100).map(|second| second * 5);
        assert_eq!(follow(steady()), (493, 0), "two seconds behind");
        let one_in_three_is_ahead = steady().flat_map(|second| [second, second + 1, second + HOUR_S]);
        assert_eq!(follow(one_in_three_is_ahead), (494, 100));
        let one_in_three_is_behind = steady().flat_map(|second| [second, second + 1, second - HOUR_S]);
        assert_eq!(follow(one_in_three_is_behind), (494, 100));
        let after_a_night = (0..50).chain((0..2_000).map(|second| 8 * HOUR_S + second));
        let caught_up_by = |records: usize| follow(after_a_night.clone().take(50 + records)).0;
        assert_eq!(caught_up_by(15), 47, "not yet believed");
        assert_eq!(caught_up_by(16), 57, "a step a record from then on");
        assert_eq!(caught_up_by(16 + 100), 1_057);
    }

    proptest! {
        #![proptest_config(crate::proptest_config(128))]

        /// Whoever is wrong, as long as most are right.
        #[test]
        fn wrong_clocks_move_it_no_further_than_right_ones(
            wrong in proptest::collection::vec((0usize..2, -HOUR_S..HOUR_S), 100..300),
        ) {
            // Of three records in a row at most one is wrong.
            let stamps = wrong.iter().enumerate().flat_map(|(at, &(place, by_s))| {
                let second = at as i64;
                let mut three = [second; 3];
                three[place + 1] += by_s;
                three
            });
            let (reached_s, _) = follow(stamps);
            let last_s = wrong.len() as i64 - 1;
            prop_assert!((last_s - 2..=last_s + 8).contains(&reached_s), "{reached_s} after {last_s}");
        }
    }
}
