//! How far the event time of a partition has come, as several clocks tell it.
//!
//! Producers stamp records, and a producer's clock may be wrong: by an hour on one record, or for good. So the watermark
//! believes no timestamp for itself, only what passes by a clock. A clock is what timestamps are ahead of the partition's own time,
//! which began with its first record. A record that is further ahead than a step, by every clock, shows a clock that is not
//! known yet, or a stretch in which nobody sent; both pass no time. From then on that clock is known.
//!
//! Invariants: the result is a function of the timestamps and their order; the watermark never goes back; one record moves it
//! by a step at most, and a clock that was not known by nothing; what comes late moves nothing; there are never more than
//! [`CLOCKS_MAX`] clocks, and who was not heard for [`CLOCK_RECORDS`] records is forgotten.

use crate::state::StateError;
use serde::{Deserialize, Serialize};

/// Most clocks of a partition. The one that was not heard for longest gives way.
const CLOCKS_MAX: usize = 16;
/// Records after which a clock that none of them was stamped by is forgotten: one odd timestamp is no clock for long.
const CLOCK_RECORDS: u32 = 1_000;

/// What bounds how far timestamps are believed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// How far the watermark stays behind the latest timestamp, µs.
    pub(super) lateness_us: i64,
    /// Furthest that one record may move it, µs.
    pub(super) step_us: i64,
    /// What is behind a clock by more than this was stamped by another one, µs. (The clock that is ahead least has
    /// everything behind it.)
    pub(super) behind_us: i64,
}

/// The watermark of a partition, and the clocks that are known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Read")]
pub struct Watermark {
    /// By the partition's own time, µs.
    time_us: i64,
    clocks: Vec<Clock>,
    /// The clock that moved it last.
    leader: usize,
}

/// As it is read, before anybody asked whether it can be.
#[derive(Deserialize)]
struct Read {
    time_us: i64,
    clocks: Vec<Clock>,
    leader: usize,
}

impl TryFrom<Read> for Watermark {
    type Error = StateError;

    fn try_from(read: Read) -> Result<Self, StateError> {
        let Read {
            time_us,
            clocks,
            leader,
        } = read;
        let known = leader < clocks.len() && clocks.len() <= CLOCKS_MAX;
        let silent = |(number, clock): (usize, &Clock)| number != leader && clock.unheard >= CLOCK_RECORDS;
        if !known || clocks.iter().enumerate().any(silent) {
            return Err(StateError::Contradiction("clocks that no timestamps can have shown"));
        }
        Ok(Self {
            time_us,
            clocks,
            leader,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Clock {
    /// Timestamps less the partition's time, µs.
    ahead_us: i64,
    /// Records since one that was stamped by it.
    unheard: u32,
}

impl Watermark {
    /// The watermark of a partition whose first record has this timestamp, µs since the Unix epoch.
    pub(super) fn begin(timestamp_us: i64, bounds: Bounds) -> Self {
        Self {
            time_us: timestamp_us.saturating_sub(bounds.lateness_us),
            clocks: vec![Clock {
                ahead_us: 0,
                unheard: 0,
            }],
            leader: 0,
        }
    }

    /// By the partition's own time, µs: the one that everything in the line is due by.
    pub(super) fn time_us(&self) -> i64 {
        self.time_us
    }

    /// The same by the clock that moved it last, µs since the Unix epoch.
    pub(super) fn leader_us(&self) -> i64 {
        self.time_us.saturating_add(self.clocks[self.leader].ahead_us)
    }

    /// Takes the timestamp of the next record, µs since the Unix epoch. Returns whether it was stamped by another clock than the
    /// one that moved the watermark last.
    pub(super) fn take(&mut self, timestamp_us: i64, bounds: Bounds) -> bool {
        let reached_us = timestamp_us.saturating_sub(bounds.lateness_us);
        let clock = match self.clock_of(reached_us, bounds) {
            Some(clock) => clock,
            None => self.meet(reached_us, bounds),
        };
        let leader = std::mem::replace(&mut self.leader, clock);
        let own_us = reached_us.saturating_sub(self.clocks[clock].ahead_us);
        if own_us > self.time_us {
            self.time_us = own_us;
        } else {
            self.leader = leader;
        }
        if self.clocks.len() > 1 {
            self.age(clock);
        }
        clock != leader
    }

    /// The clock by which a timestamp is furthest ahead and still within a step.
    fn clock_of(&self, reached_us: i64, bounds: Bounds) -> Option<usize> {
        let furthest_us = self.time_us.saturating_add(bounds.step_us);
        let own_us = |clock: &Clock| reached_us.saturating_sub(clock.ahead_us);
        let fitting = self.clocks.iter().enumerate();
        let fitting = fitting.filter(|(_, clock)| own_us(clock) <= furthest_us);
        let (nearest, clock) = fitting.min_by_key(|(_, clock)| clock.ahead_us)?;
        let least = self.clocks.iter().all(|other| other.ahead_us >= clock.ahead_us);
        let near = own_us(clock) >= self.time_us.saturating_sub(bounds.behind_us);
        (least || near).then_some(nearest)
    }

    /// Notes a clock that was not known. It begins as late as records may be, so that who stamped by it earlier, and comes
    /// later, moves nothing.
    fn meet(&mut self, reached_us: i64, bounds: Bounds) -> usize {
        let began_us = self.time_us.saturating_sub(bounds.lateness_us);
        let clock = Clock {
            ahead_us: reached_us.saturating_sub(began_us),
            unheard: 0,
        };
        if self.clocks.len() < CLOCKS_MAX {
            self.clocks.push(clock);
            return self.clocks.len() - 1;
        }
        let others = (0..self.clocks.len()).filter(|number| *number != self.leader);
        let quietest = others.max_by_key(|number| self.clocks[*number].unheard).unwrap_or(0);
        self.clocks[quietest] = clock;
        quietest
    }

    /// One more record was stamped, by `heard`. Forgets who was not heard for long.
    fn age(&mut self, heard: usize) {
        for (number, clock) in self.clocks.iter_mut().enumerate() {
            clock.unheard = if number == heard {
                0
            } else {
                clock.unheard.saturating_add(1)
            };
        }
        let forgotten = |(number, clock): (usize, &Clock)| clock.unheard >= CLOCK_RECORDS && number != self.leader;
        if let Some(number) = self.clocks.iter().enumerate().position(forgotten) {
            self.clocks.remove(number);
            self.leader -= usize::from(self.leader > number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    const S_US: i64 = 1_000_000;
    const HOUR_S: i64 = 3_600;
    const BOUNDS: Bounds = Bounds {
        lateness_us: 2 * S_US,
        step_us: 10 * S_US,
        behind_us: 1_800 * S_US,
    };

    /// Timestamps in seconds; says where the watermark is after each, and which were stamped by an odd clock.
    #[track_caller]
    fn check(timestamps_s: &[i64], expected: Expect) {
        let (first, others) = timestamps_s.split_first().unwrap();
        let mut watermark = Watermark::begin(first * S_US, BOUNDS);
        let mut seen = vec![(watermark.time_us / S_US).to_string()];
        for timestamp_s in others {
            let odd = watermark.take(timestamp_s * S_US, BOUNDS);
            seen.push(format!("{}{}", watermark.time_us / S_US, if odd { " odd" } else { "" }));
        }
        expected.assert_eq(&seen.join(", "));
    }

    #[test]
    fn it_follows_the_latest_timestamp() {
        check(&[0, 1, 5, 3, 15, 12, 16], expect!["-2, -1, 3, 3, 13, 13, 14"]);
    }

    #[test]
    fn a_clock_that_is_ahead_for_good_passes_no_time_while_others_do() {
        let ahead = |at_s| [at_s, HOUR_S + at_s];
        let both: Vec<i64> = (0..6).flat_map(ahead).collect();
        check(
            &both,
            expect!["-2, -2 odd, -1, -1 odd, 0, 0 odd, 1, 1 odd, 2, 2 odd, 3, 3 odd"],
        );
    }

    #[test]
    fn a_clock_that_is_ahead_passes_time_where_it_is_alone() {
        let alone: Vec<i64> = (0..6).map(|at_s| if at_s < 2 { at_s } else { HOUR_S + at_s }).collect();
        check(&alone, expect!["-2, -1, -1 odd, -1 odd, -1 odd, 0 odd"]);
    }

    #[test]
    fn a_stretch_without_records_passes_no_time() {
        check(
            &[0, 1, 600, 601, 602, 603, 604],
            expect!["-2, -1, -1 odd, -1 odd, -1 odd, 0 odd, 1"],
        );
    }

    #[test]
    fn one_odd_timestamp_does_nothing() {
        check(&[0, 1, 86_400, 2, -86_400, 3], expect!["-2, -1, -1 odd, 0, 0, 1"]);
    }

    #[test]
    fn what_is_read_again_late_passes_no_time() {
        let backlog: Vec<i64> = [0, 300]
            .into_iter()
            .chain(301..306)
            .chain((2..300).step_by(60))
            .chain([306])
            .collect();
        check(
            &backlog,
            expect!["-2, -2 odd, -2 odd, -2 odd, -1 odd, 0, 1, 1 odd, 1, 1, 1, 1, 2"],
        );
    }

    #[test]
    fn what_no_timestamps_can_have_shown_is_refused() {
        let clock = Clock {
            ahead_us: 0,
            unheard: 0,
        };
        let of = |clocks, leader| Watermark {
            time_us: 0,
            clocks,
            leader,
        };
        let silent = Clock {
            unheard: CLOCK_RECORDS,
            ..clock
        };
        let read = |watermark: &Watermark| state::open::<Watermark>(&state::seal(watermark, Vec::new()).unwrap());
        for watermark in [
            of(vec![], 0),
            of(vec![clock], 1),
            of(vec![clock; 17], 0),
            of(vec![clock, silent], 0),
        ] {
            assert!(read(&watermark).is_err(), "{watermark:?}");
        }
        assert!(read(&of(vec![silent, clock], 0)).is_ok());
    }

    proptest! {
        #![proptest_config(crate::proptest_config(256))]

        /// People with right clocks send at least every second, a bit late at times; others have clocks that are ahead or behind
        /// for good, or stamp a record oddly. The watermark is never ahead of the right one, and never behind it for longer than
        /// until the next right record.
        #[test]
        fn odd_clocks_change_nothing(
            records in proptest::collection::vec((0u8..4, 0i64..1_000_000, 0i64..2_000_000), 1..300),
            odd_us in proptest::collection::vec(-7_200_000_000i64..7_200_000_000, 3),
        ) {
            let mut now_us = 0;
            let mut watermark = Watermark::begin(now_us, BOUNDS);
            let mut latest_us = now_us;
            for (who, passed_us, late_us) in records {
                now_us += passed_us;
                match who {
                    0 => {
                        watermark.take(now_us - late_us, BOUNDS);
                        latest_us = latest_us.max(now_us - late_us);
                    }
                    odd => {
                        watermark.take(now_us - late_us + odd_us[usize::from(odd) - 1], BOUNDS);
                        // Somebody with a right clock sends as well.
                        watermark.take(now_us, BOUNDS);
                        latest_us = now_us;
                    }
                }
                let ahead = odd_us.iter().any(|odd_us| (1..=BOUNDS.step_us).contains(odd_us));
                prop_assert!(ahead || watermark.time_us <= latest_us - BOUNDS.lateness_us);
                prop_assert!(watermark.time_us >= latest_us - BOUNDS.lateness_us);
                let read: Watermark = state::open(&state::seal(&watermark, Vec::new()).unwrap()).unwrap();
                prop_assert_eq!(&read, &watermark);
            }
        }
    }
}
