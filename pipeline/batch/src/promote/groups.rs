//! Groups of people for whom a model may be worse although it is better for most: by pace, by device class, by the grain of
//! their clock.
//!
//! Invariants: the groups depend on recordings alone, never on a model; of one kind every person is in exactly one group.

use crate::corpus::{Person, Session};
use ductus_dynamics::clock;
use ductus_dynamics::compare::device_class;
use ductus_dynamics::event::{EventKind, InputEvent, Modality};
use ductus_history::StoredSession;
use std::collections::BTreeMap;

/// Longer times between events are pauses and no pace, µs.
const PAUSE_US: i64 = 1_500_000;
/// Durations that a clock is judged by, at most.
const DURATIONS_MAX: usize = 2_000;
/// Clocks up to the first are fine and from the second on coarse, µs: between them lie the timers of 2 to 10 ms that browsers
/// round to, beyond them those of screens and of 15.6 ms.
const FINE_US: i64 = 1_500;
const COARSE_US: i64 = 12_000;

/// Some of the people, by their number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// Kind and name: `speed: slow`.
    pub(super) name: String,
    pub(super) people: Vec<u32>,
}

/// Sessions by device class, of everybody in the history.
#[derive(Debug, Default)]
pub(super) struct Devices(BTreeMap<String, BTreeMap<String, usize>>);

impl Devices {
    /// Counts a session.
    pub(super) fn note(&mut self, session: &StoredSession, modality: Modality) {
        if let Some(subject) = &session.subject {
            let person = format!("{}/{subject}", session.tenant);
            let classes = self.0.entry(person).or_default();
            *classes.entry(device_class(modality, &session.device)).or_default() += 1;
        }
    }

    /// What somebody uses most; of two the first by name.
    fn of(&self, person: &Person) -> &str {
        let classes = self.0.get(&person.name());
        let most = classes.and_then(|classes| {
            classes
                .iter()
                .rev()
                .max_by_key(|(_, sessions)| **sessions)
                .map(|(class, _)| class.as_str())
        });
        most.unwrap_or("unknown")
    }
}

/// The groups of these people; person `n` is the `n`th of them.
pub(super) fn groups(people: &[&Person], modality: Modality, devices: &Devices) -> Vec<Group> {
    let speeds = speeds(people, modality);
    let devices = people.iter().map(|person| format!("device: {}", devices.of(person)));
    let clocks = people
        .iter()
        .map(|person| format!("clock: {}", grain(person, modality)));
    [gather(speeds), gather(devices), gather(clocks)].concat()
}

fn gather(names: impl IntoIterator<Item = String>) -> Vec<Group> {
    let mut groups: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for (person, name) in (0..).zip(names) {
        groups.entry(name).or_default().push(person);
    }
    let groups = groups.into_iter();
    groups.map(|(name, people)| Group { name, people }).collect()
}

/// Thirds by median time between presses (keystroke) or moves (pointer). Equal medians stay together, so that a third may be
/// larger than the others.
fn speeds(people: &[&Person], modality: Modality) -> Vec<String> {
    let (kind, [short, middle, long]) = match modality {
        Modality::Keystroke => ("speed", ["fast", "middling", "slow"]),
        Modality::Pointer => ("event rate", ["high", "middling", "low"]),
    };
    let medians: Vec<Option<i64>> = people.iter().map(|person| median_us(person, modality)).collect();
    let mut sorted: Vec<i64> = medians.iter().flatten().copied().collect();
    sorted.sort_unstable();
    let bound = |thirds: usize| sorted.get((sorted.len() * thirds / 3).max(1) - 1).copied().unwrap_or(0);
    let (first, second) = (bound(1), bound(2));
    let name = |median: &Option<i64>| match median {
        None => "unknown",
        Some(median) if *median <= first => short,
        Some(median) if *median <= second => middle,
        Some(_) => long,
    };
    medians
        .iter()
        .map(|median| format!("{kind}: {}", name(median)))
        .collect()
}

fn median_us(person: &Person, modality: Modality) -> Option<i64> {
    let counts = |event: &InputEvent| match modality {
        Modality::Keystroke => matches!(event.kind, EventKind::KeyDown { .. }),
        Modality::Pointer => matches!(event.kind, EventKind::Move { .. }),
    };
    let mut gaps: Vec<i64> = person
        .sessions
        .iter()
        .flat_map(|session| gaps(session, counts))
        .collect();
    gaps.sort_unstable();
    gaps.get(gaps.len() / 2).copied()
}

/// How finely somebody's clock tells time.
fn grain(person: &Person, modality: Modality) -> &'static str {
    let counts = |event: &InputEvent| event.kind.modality() == Some(modality);
    let gaps = person.sessions.iter().flat_map(|session| gaps(session, counts));
    let durations: Vec<i64> = gaps.take(DURATIONS_MAX).collect();
    match clock::grid_us(&durations) {
        None => "unknown",
        Some(grid_us) if grid_us < FINE_US => "fine",
        Some(grid_us) if grid_us < COARSE_US => "middling",
        Some(_) => "coarse",
    }
}

/// Times between events that count, µs; none across a pause or a new origin of the clock, and none of zero.
fn gaps<'a>(session: &'a Session, counts: impl Fn(&InputEvent) -> bool + 'a) -> impl Iterator<Item = i64> + 'a {
    let mut last: Option<i64> = None;
    let mut steps = session.clock_steps.iter().copied().peekable();
    session.events.iter().enumerate().filter_map(move |(index, event)| {
        if steps.next_if_eq(&index).is_some() {
            last = None;
        }
        if !counts(event) {
            return None;
        }
        let gap_us = event.t_us - last.replace(event.t_us)?;
        (1..PAUSE_US).contains(&gap_us).then_some(gap_us)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ductus_dynamics::event::KeyDetail;
    use ductus_dynamics::synthetic::{Typist, attack};
    use ductus_dynamics::wire::{Device, Keyboard, Purpose};

    /// Typists whose clocks have these grids, every time `pace` times as long.
    fn person(number: u64, pace: i64, grid_us: i64) -> Person {
        let mut events = Typist::draw(1).session(number, 60, 0, 0);
        events.iter_mut().for_each(|event| event.t_us *= pace);
        Person {
            tenant: "t".to_owned(),
            subject: number.to_string(),
            sessions: vec![Session {
                session: format!("s{number}"),
                events: attack::quantised(&events, grid_us, number),
                clock_steps: Vec::new(),
            }],
        }
    }

    fn session(subject: &str, keyboard: Keyboard) -> StoredSession {
        StoredSession {
            tenant: "t".to_owned(),
            subject: Some(subject.to_owned()),
            session: String::new(),
            purpose: Purpose::Session,
            detail: KeyDetail::Class,
            device: Device {
                keyboard,
                ..Device::default()
            },
            events: Vec::new(),
            clock_steps: Vec::new(),
        }
    }

    #[test]
    fn everybody_is_in_one_group_of_each_kind() {
        let people = [
            person(0, 3, 1_000),
            person(1, 1, 10_000),
            person(2, 2, 16_000),
            person(3, 1, 100),
            Person {
                sessions: Vec::new(),
                ..person(4, 1, 1)
            },
        ];
        let mut devices = Devices::default();
        for (subject, keyboard) in [
            ("0", Keyboard::Physical),
            ("0", Keyboard::Virtual),
            ("0", Keyboard::Virtual),
            ("1", Keyboard::Virtual),
            ("1", Keyboard::Physical),
            ("2", Keyboard::Physical),
        ] {
            devices.note(&session(subject, keyboard), Modality::Keystroke);
        }
        let people: Vec<&Person> = people.iter().collect();
        let groups = groups(&people, Modality::Keystroke, &devices);
        let lines: Vec<String> = groups.iter().map(|g| format!("{} {:?}", g.name, g.people)).collect();
        expect_test::expect![[r#"
            speed: fast [1]
            speed: middling [3]
            speed: slow [0, 2]
            speed: unknown [4]
            device: physical [1, 2]
            device: unknown [3, 4]
            device: virtual [0]
            clock: coarse [2]
            clock: fine [0, 3]
            clock: middling [1]
            clock: unknown [4]"#]]
        .assert_eq(&lines.join("\n"));
    }

    #[test]
    fn a_new_origin_of_the_clock_is_no_pace() {
        let press = |press: u32, t_us: i64| InputEvent {
            t_us,
            kind: EventKind::KeyUp { press },
        };
        let session = Session {
            session: "s".to_owned(),
            events: vec![
                press(0, 0),
                press(1, 100),
                press(2, 350),
                press(3, 350),
                press(4, 2_000_000),
            ],
            clock_steps: vec![2],
        };
        assert_eq!(gaps(&session, |_| true).collect::<Vec<_>>(), [100]);
    }
}
