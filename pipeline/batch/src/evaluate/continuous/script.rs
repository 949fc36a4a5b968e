//! Long sessions: recordings of a person one after the other, and somebody else's after them.
//!
//! Invariants: within a recording every time difference stays as it was; the pause between two recordings is theirs, cut to
//! [`GAP_US_MAX`]; press numbers run on, so that the whole is one session to the stream.

use crate::corpus::Session;
use ductus_dynamics::event::{EventKind, InputEvent, Modality};
use ductus_dynamics::wire::Event;

/// Longest pause between two recordings that is kept, µs: a breath, far below the pause that closes a window.
pub(super) const GAP_US_MAX: i64 = 2_000_000;

/// One long session; times count from its start.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    /// Its events.
    pub(super) events: Vec<Event>,
    /// Steps of the modality in it: key presses, or pointer events.
    pub(super) steps: usize,
    end_us: i64,
    /// When its latest recording ended, on that recording's own clock, µs.
    recorded_us: Option<i64>,
    next_press: u32,
}

impl Script {
    /// Recordings one after the other, until there are `steps_max` steps.
    pub(super) fn of<'a>(
        sessions: impl IntoIterator<Item = &'a Session>,
        modality: Modality,
        steps_max: usize,
    ) -> Self {
        let mut script = Self::default();
        for session in sessions {
            script.append(session, modality, steps_max);
        }
        script
    }

    /// Adds a recording; the script has at most `steps_max` steps afterwards.
    pub(super) fn append(&mut self, session: &Session, modality: Modality, steps_max: usize) {
        let ours: Vec<&InputEvent> = session
            .events
            .iter()
            .filter(|event| event.kind.modality() == Some(modality))
            .collect();
        let Some(first_us) = ours.iter().map(|event| event.t_us).min() else {
            return;
        };
        let gap_us = match self.recorded_us {
            _ if self.events.is_empty() => 0,
            Some(before_us) if first_us > before_us => (first_us - before_us).min(GAP_US_MAX),
            _ => GAP_US_MAX,
        };
        let (start_us, first_press) = (self.end_us + gap_us, self.next_press);
        for event in ours {
            let step = !matches!(event.kind, EventKind::KeyUp { .. });
            if step && self.steps >= steps_max {
                break;
            }
            self.steps += usize::from(step);
            let mut event = *event;
            event.t_us += start_us - first_us;
            if let EventKind::KeyDown { press, .. } | EventKind::KeyUp { press } = &mut event.kind {
                *press = press.saturating_add(first_press);
                self.next_press = self.next_press.max(press.saturating_add(1));
            }
            self.end_us = self.end_us.max(event.t_us);
            self.events.push(Event::from(&event));
        }
        self.recorded_us = session.events.iter().map(|event| event.t_us).max();
    }

    /// A session of these events, which hold so many steps and to which nothing is added.
    pub(super) fn whole(events: Vec<Event>, steps: usize) -> Self {
        Self {
            events,
            steps,
            ..Self::default()
        }
    }

    /// Somebody else goes on, a breath later.
    pub(super) fn hand_over(&mut self) {
        self.recorded_us = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use ductus_dynamics::event::KeyClass;

    #[test]
    fn recordings_run_on() {
        let person = &fixtures::typists(1)[0];
        let script = Script::of(&person.sessions[..3], Modality::Keystroke, usize::MAX);
        assert_eq!(script.steps, 180);
        let mut presses: Vec<u32> = Vec::new();
        let mut last_us = 0;
        for event in &script.events {
            let t_us = match *event {
                Event::Down { t_us, press, .. } => {
                    presses.push(press);
                    t_us
                }
                Event::Up { t_us, .. } => t_us,
                _ => unreachable!("only keys were asked for"),
            };
            assert!(t_us >= last_us && t_us - last_us < 30_000_000);
            last_us = t_us;
        }
        assert!(presses.is_sorted_by(|a, b| a < b), "{presses:?}");
    }

    #[test]
    fn somebody_else_comes_after_a_breath() {
        let event = |t_us| InputEvent {
            t_us,
            kind: EventKind::KeyDown {
                press: 0,
                class: KeyClass::Letter,
            },
        };
        let session = |t_us| Session {
            session: String::new(),
            events: vec![event(t_us)],
            clock_steps: Vec::new(),
        };
        let times = |script: &Script| -> Vec<i64> {
            let time = |event: &Event| match *event {
                Event::Down { t_us, .. } => t_us,
                _ => unreachable!("only presses were given"),
            };
            script.events.iter().map(time).collect()
        };
        let mut script = Script::of([&session(1_000), &session(501_000)], Modality::Keystroke, 9);
        script.append(&session(86_400_000_000), Modality::Keystroke, 9);
        assert_eq!(times(&script), [0, 500_000, 2_500_000]);
        script.hand_over();
        script.append(&session(0), Modality::Keystroke, 9);
        assert_eq!(times(&script)[3], 4_500_000);
        script.append(&session(1), Modality::Keystroke, 4);
        assert_eq!(script.steps, 4);
    }
}
