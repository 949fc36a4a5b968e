//! The same sessions on coarser clocks, so that a network does not lean on the sampling rate of one mouse or browser.
//!
//! A batch is on one clock as a whole: people must be told apart by what that clock leaves, as they are where everybody's
//! events come at the rate of a screen. (A clock for each person or each window did worse: `models/README.md`.)
//!
//! Invariants: which clock a step has depends on the seed and the step alone; a window gives way to one of the same person
//! from about the same time.

use crate::corpus::Session;
use crate::evaluate::Clocks;
use crate::windows::Cutting;
use ductus_dynamics::window::Window;
use ductus_learn::ChaCha8Rng;
use rand::Rng;
use rand_chacha::rand_core::SeedableRng;
use std::num::NonZeroU32;

/// Keeps these draws apart from those of the trainer, which has streams 1 to 4 of the same seed.
const STREAM: u64 = 5 << 56;

/// The windows of all people on one clock after the other.
#[derive(Default)]
pub(super) struct Coarse {
    views: Vec<View>,
}

/// The windows of all people on one clock, in order of time.
struct View {
    hz: NonZeroU32,
    people: Vec<Vec<Window>>,
}

impl Coarse {
    /// Nobody yet, on clocks of these frequencies, Hz.
    pub(super) fn new(clocks: &[NonZeroU32]) -> Self {
        let views = clocks.iter().map(|&hz| View { hz, people: Vec::new() });
        Self { views: views.collect() }
    }

    /// Cuts the sessions of the next person on every clock.
    pub(super) fn add_person(&mut self, sessions: &[Session], cutting: &Cutting) {
        for view in &mut self.views {
            let clock = Clocks::of_hz(view.hz);
            let windows = sessions.iter().flat_map(|session| {
                let mut session = session.clone();
                clock.apply(0, &mut session);
                cutting.windows(&session)
            });
            view.people.push(windows.collect());
        }
    }

    /// The number of the clock that all windows of a step are brought to; every other step has none.
    pub(super) fn clock_of(&self, seed: u64, step: u64) -> Option<usize> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // Steps stay far below 2^56.
        rng.set_stream(STREAM | step);
        let drawn = rng.next_u32();
        let (is_coarse, number) = (drawn % 2 == 1, (drawn >> 1) as usize);
        (is_coarse && !self.views.is_empty()).then(|| number % self.views.len())
    }

    /// What stands on a clock for window `index` of the `count` that a person has on their own; nothing where the clock left
    /// nothing to cut.
    pub(super) fn window(&self, clock: usize, person: usize, index: usize, count: usize) -> Option<&Window> {
        let windows = &self.views[clock].people[person];
        // Fewer events make fewer windows, in nearly the same proportion all along.
        windows.get(index * windows.len() / count.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ductus_dynamics::event::{EventKind, InputEvent, Modality};

    fn session(events: i64) -> Session {
        let event = |i: i64| InputEvent {
            t_us: 1_600_000_000_000_000 + i * 8_000,
            kind: EventKind::Move { x: i as i32, y: 0 },
        };
        Session {
            session: "s".to_owned(),
            events: (0..events).map(event).collect(),
            clock_steps: Vec::new(),
        }
    }

    fn coarse(clocks: &[u32]) -> Coarse {
        Coarse::new(&clocks.iter().filter_map(|hz| NonZeroU32::new(*hz)).collect::<Vec<_>>())
    }

    #[test]
    fn windows_are_long_enough_and_of_the_same_time() {
        let cutting = Cutting::of_stream(Modality::Pointer);
        let sessions = [session(2_000), session(4_000)];
        let own: Vec<Window> = sessions.iter().flat_map(|session| cutting.windows(session)).collect();
        let mut coarse = coarse(&[60]);
        coarse.add_person(&sessions, &cutting);
        for (index, window) in own.iter().enumerate() {
            let instead = coarse.window(0, 0, index, own.len()).unwrap();
            // Windows at the end of a session may be short.
            assert!(instead.steps.len() >= cutting.config.min_steps);
            let apart_us = (instead.start_us - window.start_us).abs();
            assert!(apart_us < 3_000_000, "{index}: {apart_us}");
        }
    }

    #[test]
    fn half_of_the_steps_are_coarse_and_every_clock_has_a_turn() {
        let coarse = coarse(&[60, 100, 125]);
        let drawn: Vec<Option<usize>> = (0..3_000).map(|step| coarse.clock_of(7, step)).collect();
        for (clock, share) in [
            (None, 0.5),
            (Some(0), 1.0 / 6.0),
            (Some(1), 1.0 / 6.0),
            (Some(2), 1.0 / 6.0),
        ] {
            let found = drawn.iter().filter(|drawn| **drawn == clock).count() as f64 / 3_000.0;
            assert!((found - share).abs() < 0.03, "{clock:?}: {found}");
        }
        assert_eq!(coarse.clock_of(7, 11), drawn[11]);
        assert!((0..100).all(|step| Coarse::default().clock_of(7, step).is_none()));
    }

    #[test]
    fn a_person_whom_a_clock_leaves_too_little_keeps_their_own() {
        let mut coarse = coarse(&[1]);
        coarse.add_person(&[session(200)], &Cutting::of_stream(Modality::Pointer));
        assert!(coarse.window(0, 0, 0, 3).is_none());
    }
}
