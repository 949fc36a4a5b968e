//! Recorded people out of a file of batches, as `ductus-batch import` writes it.
//!
//! Invariants: what is read went through the stream's own parser; pauses longer than a few seconds are shortened, so that a
//! person's sessions of several days play as one; memory is bounded by the people and events that the demo can use.

use anyhow::{Context, ensure};
use ductus_dynamics::event::{EventKind, InputEvent, KeyDetail, Modality};
use ductus_dynamics::parse::{ParseLimits, parse};
use ductus_dynamics::reject::Rejections;
use ductus_dynamics::wire::Device;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// A longer pause becomes one of this length.
const PAUSE_US_MAX: i64 = 5_000_000;
/// People and events kept.
const PEOPLE_MAX: usize = 64;
const EVENTS_MAX: usize = 20_000;
/// Whoever has fewer events is of no use.
const EVENTS_MIN: usize = 800;

/// A recorded person, of one modality.
pub(super) struct Person {
    pub(super) subject: String,
    pub(super) device: Device,
    modality: Modality,
    /// With press numbers that run on over all sessions.
    events: Vec<InputEvent>,
    /// Last event time of the recording, µs.
    recorded_us: i64,
    presses: u32,
    open: HashMap<u32, u32>,
    session: String,
}

/// The people of a file, those with the most events first.
pub(super) struct Recordings {
    people: Vec<Person>,
    source: String,
}

impl Recordings {
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let file = File::open(path).with_context(|| format!("cannot read the recordings {shown}"))?;
        let limits = ParseLimits {
            batch_bytes_max: usize::MAX,
            batch_events_max: usize::MAX,
            detail: KeyDetail::Hand,
        };
        let mut people: Vec<Person> = Vec::new();
        let mut places: HashMap<(String, Modality), usize> = HashMap::new();
        let mut events = Vec::new();
        for line in BufReader::new(file).split(b'\n') {
            let line = line.with_context(|| format!("cannot read the recordings {shown}"))?;
            events.clear();
            let Ok(head) = parse(&line, &limits, &mut events, &mut Rejections::default()) else {
                continue;
            };
            let Some(subject) = head.subject else {
                continue;
            };
            for event in &events {
                let Some(modality) = event.kind.modality() else {
                    continue;
                };
                let key = (subject.to_owned(), modality);
                let place = match places.get(&key) {
                    Some(place) => *place,
                    None if people.len() >= PEOPLE_MAX => continue,
                    None => {
                        people.push(Person::new(subject, modality, head.device));
                        places.insert(key, people.len() - 1);
                        people.len() - 1
                    }
                };
                people[place].take(event, head.session);
            }
        }
        people.retain(|person| person.events.len() >= EVENTS_MIN);
        ensure!(
            !people.is_empty(),
            "the recordings {shown} hold nobody with {EVENTS_MIN} events; `ductus-batch import … --out FILE` writes such a file"
        );
        people.sort_by_key(|person| std::cmp::Reverse(person.events.len()));
        Ok(Self {
            people,
            source: source(path),
        })
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// Everybody of a modality, those with the most events first.
    pub(super) fn people(&self, modality: Modality) -> Vec<&Person> {
        let of = self.people.iter().filter(|person| person.modality == modality);
        of.collect()
    }
}

impl Person {
    fn new(subject: &str, modality: Modality, device: Device) -> Self {
        Self {
            subject: subject.to_owned(),
            device,
            modality,
            events: Vec::new(),
            recorded_us: 0,
            presses: 0,
            open: HashMap::new(),
            session: String::new(),
        }
    }

    fn take(&mut self, event: &InputEvent, session: &str) {
        if self.events.len() >= EVENTS_MAX {
            return;
        }
        if self.session != session {
            self.session = session.to_owned();
            self.open.clear();
        }
        let kind = match event.kind {
            EventKind::KeyDown { press, class } => {
                self.open.insert(press, self.presses);
                self.presses += 1;
                EventKind::KeyDown {
                    press: self.presses - 1,
                    class,
                }
            }
            EventKind::KeyUp { press } => match self.open.remove(&press) {
                Some(press) => EventKind::KeyUp { press },
                None => return,
            },
            other => other,
        };
        let t_us = match self.events.last() {
            None => 0,
            Some(last) => last.t_us + (event.t_us - self.recorded_us).clamp(0, PAUSE_US_MAX),
        };
        self.recorded_us = event.t_us;
        self.events.push(InputEvent { t_us, kind });
    }

    /// `length` steps from the step `from` on; from the start again where there are not so many.
    pub(super) fn stretch(&self, from: usize, length: usize) -> Vec<InputEvent> {
        let is_step = |event: &InputEvent| !matches!(event.kind, EventKind::KeyUp { .. });
        let total = self.events.iter().filter(|event| is_step(event)).count();
        let from = if from + length > total { 0 } else { from };
        let mut step = 0;
        let mut taken = Vec::new();
        let mut first_press = None;
        for event in &self.events {
            if is_step(event) {
                step += 1;
            }
            if step > from + length {
                break;
            }
            if step <= from {
                continue;
            }
            let mut event = *event;
            match &mut event.kind {
                EventKind::KeyDown { press, .. } => *press -= *first_press.get_or_insert(*press),
                EventKind::KeyUp { press } => match first_press {
                    Some(first) if *press >= first => *press -= first,
                    // Its press lies before the stretch.
                    _ => continue,
                },
                _ => {}
            }
            taken.push(event);
        }
        taken
    }
}

/// The page knows its sources by name.
fn source(path: &Path) -> String {
    let name = path
        .file_stem()
        .map_or_else(String::new, |name| name.to_string_lossy().to_lowercase());
    ["aalto", "pace", "pohmm", "sapimouse", "balabit"]
        .into_iter()
        .find(|known| name.contains(known))
        .map_or("recorded", |known| if known == "pohmm" { "pace" } else { known })
        .to_owned()
}
