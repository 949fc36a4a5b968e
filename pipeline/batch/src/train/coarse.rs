//! The same sessions on coarser clocks, so that a network does not lean on the sampling rate of one mouse or browser.
//!
//! In a batch all windows of a person are on one clock, half of the people on their own, the others on one that is drawn for
//! them: another person with every clock. (All people on one clock, or each window on its own, did worse: `models/README.md`.)
//!
//! Invariants: which clock a person has in a step depends on the seed, the step and the person alone; a window gives way to
//! one of the same person from about the same time.

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

/// What a clock is drawn by.
#[derive(Clone, Copy)]
pub(super) struct Draw {
    pub(super) seed: u64,
    pub(super) step: u64,
    pub(super) person: usize,
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

    /// Whether there is no clock to draw.
    pub(super) fn is_empty(&self) -> bool {
        self.views.is_empty()
    }

    /// The number of the clock that the windows of a person are brought to in a step; none for every other person.
    fn clock_of(&self, draw: Draw) -> Option<usize> {
        let mut rng = ChaCha8Rng::seed_from_u64(draw.seed);
        // Millions of steps and of people have room in it.
        rng.set_stream(STREAM | draw.step << 24 | draw.person as u64);
        let drawn = rng.next_u32();
        let (is_coarse, number) = (drawn % 2 == 1, (drawn >> 1) as usize);
        (is_coarse && !self.views.is_empty()).then(|| number % self.views.len())
    }

    /// What stands in for window `index` of the `count` that a person has on their own clock; nothing where they stay on it,
    /// or where the clock that was drawn left nothing to cut.
    pub(super) fn window(&self, draw: Draw, index: usize, count: usize) -> Option<&Window> {
        let windows = &self.views[self.clock_of(draw)?].people[draw.person];
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

    fn draw(step: u64, person: usize) -> Draw {
        Draw { seed: 7, step, person }
    }

    #[test]
    fn windows_are_long_enough_and_of_the_same_time() {
        let cutting = Cutting::of_stream(Modality::Pointer);
        let sessions = [session(2_000), session(4_000)];
        let own: Vec<Window> = sessions.iter().flat_map(|session| cutting.windows(session)).collect();
        let mut coarse = coarse(&[60]);
        coarse.add_person(&sessions, &cutting);
        let mut changed = 0;
        for (index, window) in own.iter().enumerate() {
            for step in 0..10 {
                let Some(instead) = coarse.window(draw(step, 0), index, own.len()) else {
                    continue;
                };
                changed += 1;
                assert!(instead.steps.len() >= cutting.config.min_steps);
                let apart_us = (instead.start_us - window.start_us).abs();
                assert!(apart_us < 3_000_000, "{index}: {apart_us}");
            }
        }
        assert!(changed > 0);
    }

    #[test]
    fn half_of_the_people_are_on_a_coarse_clock_and_every_clock_has_a_turn() {
        let coarse = coarse(&[60, 100, 125]);
        let drawn: Vec<Option<usize>> = (0..3_000)
            .map(|i| coarse.clock_of(draw(i / 30, i as usize % 30)))
            .collect();
        for (clock, share) in [
            (None, 0.5),
            (Some(0), 1.0 / 6.0),
            (Some(1), 1.0 / 6.0),
            (Some(2), 1.0 / 6.0),
        ] {
            let found = drawn.iter().filter(|drawn| **drawn == clock).count() as f64 / 3_000.0;
            assert!((found - share).abs() < 0.03, "{clock:?}: {found}");
        }
        assert!((0..100).all(|step| Coarse::default().clock_of(draw(step, 1)).is_none()));
    }

    #[test]
    fn a_person_whom_a_clock_leaves_too_little_keeps_their_own() {
        let mut coarse = coarse(&[1]);
        coarse.add_person(&[session(200)], &Cutting::of_stream(Modality::Pointer));
        assert!((0..20).all(|step| coarse.window(draw(step, 0), 0, 3).is_none()));
    }
}
