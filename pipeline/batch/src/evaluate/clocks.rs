//! Is it the person or the clock? All times of an evaluation on a coarser clock than they were recorded on.
//!
//! Invariants: the order of events stays; what is drawn depends on the place of the session in its folder alone.

use super::EvaluateArgs;
use super::layout::below;
use crate::corpus::Session;
use ductus_dynamics::event::{EventKind, InputEvent};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::num::NonZeroU32;

const SEED: u64 = 20_261_121;

/// The clocks that sessions are brought to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clocks {
    /// Times are cut to multiples of this, µs, from a random phase on in every session.
    requantise_us: Option<NonZeroU32>,
    /// Times are cut to multiples of 1/Hz, and of the moves within one tick only the last is kept.
    hz: Option<NonZeroU32>,
}

impl Clocks {
    pub(super) fn of(args: &EvaluateArgs) -> Self {
        Self {
            requantise_us: args.requantise_us,
            hz: args.clock_hz,
        }
    }

    /// A clock of this frequency.
    pub(crate) fn of_hz(hz: NonZeroU32) -> Self {
        Self {
            requantise_us: None,
            hz: Some(hz),
        }
    }

    /// Brings session `number` of its folder to these clocks.
    pub(crate) fn apply(&self, number: u64, session: &mut Session) {
        if let Some(grid_us) = self.requantise_us {
            let grid_us = i64::from(grid_us.get());
            let mut rng = ChaCha8Rng::seed_from_u64(SEED);
            rng.set_stream(number);
            let phase_us = below(&mut rng, grid_us as usize) as i64;
            for event in &mut session.events {
                event.t_us = (event.t_us + phase_us).div_euclid(grid_us) * grid_us - phase_us;
            }
        }
        if let Some(hz) = self.hz {
            let hz = i64::from(hz.get());
            let tick = |t_us: i64| (t_us * hz).div_euclid(1_000_000);
            for event in &mut session.events {
                event.t_us = tick(event.t_us) * 1_000_000 / hz;
            }
            // Without a clock step the places of events are known to nobody.
            if session.clock_steps.is_empty() {
                merge_moves(&mut session.events);
            }
        }
    }
}

/// Of moves that follow each other at one time the last one stays.
fn merge_moves(events: &mut Vec<InputEvent>) {
    let mut kept: Vec<InputEvent> = Vec::with_capacity(events.len());
    for event in events.iter() {
        let is_move = |event: &InputEvent| matches!(event.kind, EventKind::Move { .. });
        match kept.last_mut() {
            Some(last) if is_move(last) && is_move(event) && last.t_us == event.t_us => *last = *event,
            _ => kept.push(*event),
        }
    }
    *events = kept;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(times_us: &[i64]) -> Session {
        let event = |(x, t_us): (i32, &i64)| InputEvent {
            t_us: *t_us,
            kind: EventKind::Move { x, y: 0 },
        };
        Session {
            session: "s".to_owned(),
            events: (0..).zip(times_us).map(event).collect(),
            clock_steps: Vec::new(),
        }
    }

    fn times(session: &Session) -> Vec<i64> {
        session.events.iter().map(|event| event.t_us).collect()
    }

    #[test]
    fn a_grid_keeps_order_and_has_another_phase_in_every_session() {
        let clocks = Clocks {
            requantise_us: NonZeroU32::new(16_000),
            hz: None,
        };
        let recorded: Vec<i64> = (0..50).map(|i| 1_577_836_800_000_000 + i * 7_013).collect();
        let mut phases = std::collections::BTreeSet::new();
        for number in 0..10 {
            let mut changed = session(&recorded);
            clocks.apply(number, &mut changed);
            let changed = times(&changed);
            assert!(changed.is_sorted());
            assert!(changed.windows(2).all(|pair| (pair[1] - pair[0]) % 16_000 == 0));
            assert!(
                changed
                    .iter()
                    .zip(&recorded)
                    .all(|(new, old)| (0..16_000).contains(&(old - new)))
            );
            phases.insert(changed[0].rem_euclid(16_000));
        }
        assert!(phases.len() > 5);
    }

    #[test]
    fn a_frequency_keeps_the_last_move_of_a_tick() {
        let clocks = Clocks {
            requantise_us: None,
            hz: NonZeroU32::new(60),
        };
        let mut changed = session(&[0, 5_000, 10_000, 17_000, 34_000, 35_000]);
        clocks.apply(0, &mut changed);
        assert_eq!(times(&changed), [0, 16_666, 33_333]);
        let places: Vec<EventKind> = changed.events.iter().map(|event| event.kind).collect();
        assert_eq!(places, [2, 3, 5].map(|x| EventKind::Move { x, y: 0 }));
    }
}
