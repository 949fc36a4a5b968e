//! From a list of presses to the events of a session.
//!
//! Invariants: presses are ordered by press time, equal times keep the order of the data set; press numbers run in that
//! order; releases stand between presses by time, an earlier press's release before a press of the same instant.

use ductus_dynamics::event::KeyClass;
use ductus_dynamics::wire::Event;

/// One row of a keystroke data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Press {
    pub(super) press_us: i64,
    pub(super) release_us: i64,
    pub(super) class: KeyClass,
}

/// The events, their times counted from `origin_us`, and the end of the session.
pub(super) fn events(mut presses: Vec<Press>, origin_us: i64) -> Vec<Event> {
    presses.sort_by_key(|press| press.press_us);
    let mut events: Vec<Event> = Vec::with_capacity(2 * presses.len() + 1);
    for (
        press,
        &Press {
            press_us,
            release_us,
            class,
        },
    ) in (0..).zip(&presses)
    {
        events.push(Event::Down {
            t_us: press_us - origin_us,
            press,
            class,
        });
        events.push(Event::Up {
            t_us: release_us - origin_us,
            press,
        });
    }
    events.sort_by_key(time_us);
    end(&mut events);
    events
}

/// Marks the end of a session, so that its last window closes without waiting.
pub(super) fn end(events: &mut Vec<Event>) {
    if let Some(last) = events.last() {
        events.push(Event::End { t_us: time_us(last) });
    }
}

/// Time of an event, from its batch's origin.
pub(super) fn time_us(event: &Event) -> i64 {
    match *event {
        Event::Down { t_us, .. }
        | Event::Up { t_us, .. }
        | Event::Move { t_us, .. }
        | Event::Press { t_us, .. }
        | Event::Release { t_us, .. }
        | Event::Scroll { t_us, .. }
        | Event::Blur { t_us }
        | Event::End { t_us } => t_us,
    }
}
