//! Who plays, and what is seen: genuine people, one typist and one pointer user replaced by somebody else in the middle of
//! the session, and a few records that no line may take.
//!
//! Invariant: the same seed, round and start give the same records, byte for byte.

use super::recorded::{Person, Recordings};
use super::script::{Outgoing, Part, Script, TENANT};
use crate::config;
use ductus_dynamics::event::{EventKind, InputEvent, KeyClass, Modality};
use ductus_dynamics::feature::{FeatureWindow, features};
use ductus_dynamics::synthetic::{PointerUser, Typist};
use ductus_dynamics::window::{WindowConfig, Windower};
use ductus_dynamics::wire::{Device, Keyboard, Layout, Pointer, Purpose};
use serde::Serialize;
use serde_json::json;

/// Sessions begin one after the other.
const STAGGER_US: i64 = 700_000;
/// Which of the typists and of the pointer users is replaced.
const REPLACED: usize = 1;

/// What the page is told of a session.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Entry {
    pub(super) session: String,
    pub(super) subject: String,
    pub(super) label: String,
    pub(super) kind: &'static str,
    /// Event time from which somebody else has the keyboard or the mouse, µs.
    pub(super) hand_over_at_us: Option<i64>,
}

/// One round.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) entries: Vec<Entry>,
    /// In the order of event time.
    pub(super) records: Vec<Outgoing>,
}

impl Scenario {
    /// Event time of the last record, µs.
    pub(super) fn end_us(&self) -> i64 {
        self.records.last().map_or(0, |record| record.due_us)
    }
}

/// Who plays.
pub(super) struct Cast {
    config: config::Demo,
    recordings: Option<Recordings>,
}

/// How much of each person is needed.
#[derive(Clone, Copy)]
struct Lengths {
    enrol: usize,
    monitor: usize,
}

impl Cast {
    /// Synthetic people, or those of the recordings.
    pub(super) fn of(config: &config::Demo) -> anyhow::Result<Self> {
        let recordings = config.recordings.as_deref().map(Recordings::read).transpose()?;
        Ok(Self {
            config: config.clone(),
            recordings,
        })
    }

    /// What the page calls the source of the events.
    pub(super) fn source(&self) -> &str {
        self.recordings.as_ref().map_or("synthetic", Recordings::source)
    }

    /// Round `round` from `start_us` on. In the first one everybody enrols; later their references are known.
    pub(super) fn round(&self, round: u64, start_us: i64) -> Scenario {
        let mut scenario = Scenario {
            entries: Vec::new(),
            records: Vec::new(),
        };
        for modality in Modality::ALL {
            for person in 0..self.count(modality) {
                let start_us = start_us + STAGGER_US * scenario.entries.len() as i64;
                let Some((script, label)) = self.script(modality, person, round) else {
                    continue;
                };
                let hand_over_at_us = script.records(start_us, &mut scenario.records);
                scenario.entries.push(Entry {
                    session: script.session,
                    subject: script.subject,
                    label,
                    kind: match modality {
                        Modality::Keystroke => "typist",
                        Modality::Pointer => "pointer",
                    },
                    hand_over_at_us,
                });
            }
        }
        scenario.records.extend(bad_records(start_us, round));
        scenario.records.sort_by_key(|record| record.due_us);
        scenario
    }

    fn count(&self, modality: Modality) -> usize {
        match modality {
            Modality::Keystroke => self.config.typists,
            Modality::Pointer => self.config.pointers,
        }
    }

    fn lengths(&self, modality: Modality, round: u64) -> Lengths {
        let (enrol, monitor) = match modality {
            Modality::Keystroke => (self.config.enrol_keys, self.config.monitor_keys),
            Modality::Pointer => (self.config.enrol_moves, self.config.monitor_moves),
        };
        Lengths {
            enrol: if round == 0 { enrol } else { 0 },
            monitor,
        }
    }

    /// What a person does in a round.
    fn script(&self, modality: Modality, person: usize, round: u64) -> Option<(Script, String)> {
        let lengths = self.lengths(modality, round);
        let replaced = person == REPLACED;
        let genuine = if replaced { lengths.monitor / 2 } else { lengths.monitor };
        let stretch = |purpose, events, taken_over| Part {
            purpose,
            events,
            taken_over,
        };
        let enough = |recordings: &&Recordings| recordings.people(modality).len() > self.count(modality);
        let (subject, label, device, [enrol, own, other]) = match self.recordings.as_ref().filter(enough) {
            Some(recordings) => {
                let people = recordings.people(modality);
                let (cast, others) = people.split_at_checked(self.count(modality))?;
                let person = *cast.get(person)?;
                let telling = |person: &Person| person.stretch(0, TELLING);
                let strangers = others.iter().map(|other| telling(other));
                let other = *others.get(most_different(&telling(person), strangers, modality)?)?;
                // Another stretch in each round: what was played before would count as replayed.
                let from = self.lengths(modality, 0).enrol + round as usize * genuine;
                let events = [
                    person.stretch(0, lengths.enrol),
                    person.stretch(from, genuine),
                    other.stretch(0, lengths.monitor - genuine),
                ];
                (person.subject.clone(), person.subject.clone(), person.device, events)
            }
            None => {
                let name = match modality {
                    Modality::Keystroke => "typist",
                    Modality::Pointer => "pointer",
                };
                let label = format!("Synthetic {name} {}", person + 1);
                let events = [
                    self.synthetic(modality, person, 2 * round, lengths.enrol),
                    self.synthetic(modality, person, 2 * round + 1, genuine),
                    match lengths.monitor - genuine {
                        0 => Vec::new(),
                        length => self.taken_over(modality, person, round, length),
                    },
                ];
                (
                    format!("synthetic-{name}-{}", person + 1),
                    label,
                    device(modality),
                    events,
                )
            }
        };
        let session = format!("{subject}-session-{}", round + 1);
        let parts = vec![
            stretch(Purpose::Enrol, enrol, false),
            stretch(Purpose::Session, own, false),
            stretch(Purpose::Session, other, true),
        ];
        let script = Script {
            session,
            subject,
            device,
            parts,
        };
        Some((script, label))
    }

    /// What whoever takes over from `person` does.
    fn taken_over(&self, modality: Modality, person: usize, round: u64, length: usize) -> Vec<InputEvent> {
        let stranger = self.stranger(modality, person);
        match modality {
            Modality::Keystroke => self.synthetic(modality, stranger, round, length),
            Modality::Pointer => with_another_mouse(self.synthetic(modality, stranger, round, 2 * length)),
        }
    }

    fn stranger(&self, modality: Modality, person: usize) -> usize {
        let events = |person| self.synthetic(modality, person, 0, TELLING);
        let place = most_different(&events(person), STRANGERS.map(events), modality);
        STRANGERS.start + place.unwrap_or_default()
    }

    fn synthetic(&self, modality: Modality, person: usize, session: u64, length: usize) -> Vec<InputEvent> {
        let seed = self
            .config
            .seed
            .wrapping_mul(1_000)
            .wrapping_add((modality.index() * 200 + person) as u64);
        match (modality, length) {
            (_, 0) => Vec::new(),
            (Modality::Keystroke, keys) => Typist::draw(seed).flowing().session(session, keys, 0, 0),
            (Modality::Pointer, moves) => PointerUser::draw(seed).session(session, moves, 0),
        }
    }
}

/// People who may take over: nobody who enrols.
const STRANGERS: std::ops::Range<usize> = 100..140;
/// Events by which they are told apart.
const TELLING: usize = 600;

/// The same hand, slower, on a mouse that reports half as often. Synthetic pointer users come out of the same few equations,
/// and a model trained on real people finds them nearly equal (cosine 0.94; 0.2 and less after this): a stranger who is
/// only drawn anew would not be seen.
fn with_another_mouse(events: Vec<InputEvent>) -> Vec<InputEvent> {
    let mut moves = 0_u32;
    let reported = events.into_iter().filter(|event| {
        let is_move = matches!(event.kind, EventKind::Move { .. });
        moves += u32::from(is_move);
        !is_move || moves.is_multiple_of(2)
    });
    reported
        .map(|event| InputEvent {
            t_us: event.t_us * 5 / 4,
            kind: event.kind,
        })
        .collect()
}

/// Which of `others` differs most from `own`. The demo shows the line, not how well it recognises: two people drawn blindly
/// may be nearly the same.
fn most_different(
    own: &[InputEvent],
    others: impl Iterator<Item = Vec<InputEvent>>,
    modality: Modality,
) -> Option<usize> {
    let own = profile(own, modality);
    let distances = others.map(|events| {
        let theirs = profile(&events, modality);
        own.iter().zip(&theirs).map(|(a, b)| (a - b).powi(2)).sum::<f32>()
    });
    let furthest = distances.enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
    furthest.map(|(place, _)| place)
}

/// Mean and spread of each feature that does not depend on what is typed.
fn profile(events: &[InputEvent], modality: Modality) -> Vec<f32> {
    let mut windower = Windower::new(WindowConfig::KEYSTROKE, WindowConfig::POINTER, 0);
    let mut windows = Vec::new();
    for event in events {
        windower.push(event, &mut windows);
    }
    let width = features(modality);
    let dense = match modality {
        Modality::Keystroke => width - KeyClass::ALL.len(),
        Modality::Pointer => width,
    };
    let values: Vec<f32> = windows
        .iter()
        .flat_map(|window| FeatureWindow::of(window).values)
        .collect();
    let steps = (values.len() / width).max(1) as f32;
    let mean = |of: &dyn Fn(&[f32]) -> f32| values.chunks_exact(width).map(of).sum::<f32>() / steps;
    (0..dense)
        .flat_map(|feature| {
            let average = mean(&|step| step[feature]);
            let variance = mean(&|step| (step[feature] - average).powi(2));
            [average, variance.sqrt()]
        })
        .collect()
}

fn device(modality: Modality) -> Device {
    let typist = modality == Modality::Keystroke;
    Device {
        keyboard: if typist { Keyboard::Physical } else { Keyboard::None },
        pointer: if typist { Pointer::None } else { Pointer::Mouse },
        layout: Layout::Qwerty,
        touch: false,
    }
}

/// Input that becomes rejections: what else they hold is made up, and nobody's typing.
fn bad_records(start_us: i64, round: u64) -> Vec<Outgoing> {
    let good = |name: &str| {
        json!({
            "v": 1, "tenant": TENANT, "session": format!("bad-{name}-{round}"), "seq": 0, "purpose": "session",
            "consent": "granted", "clock": { "origin_us": start_us, "resolution_us": 100 }, "device": {},
            "events": [
                { "type": "down", "t_us": 0, "press": 0, "class": "letter" },
                { "type": "up", "t_us": 90_000, "press": 0 },
                { "type": "end", "t_us": 90_000 },
            ],
        })
    };
    let mut with_content = good("content");
    with_content["events"][0]["key"] = json!("x");
    let mut without_consent = good("consent");
    without_consent["consent"] = json!("withheld");
    let mut unknown_version = good("version");
    unknown_version["v"] = json!(9);
    let mut lone_release = good("release");
    lone_release["events"][0] = json!({ "type": "up", "t_us": 0, "press": 7 });
    let mut absurd_time = good("time");
    absurd_time["events"][0]["t_us"] = json!(-90_000_000_000_i64);
    let values = [
        with_content.to_string(),
        without_consent.to_string(),
        unknown_version.to_string(),
        lone_release.to_string(),
        absurd_time.to_string(),
        "this is no event batch".to_owned(),
    ];
    (1_i64..)
        .zip(values)
        .map(|(place, value)| Outgoing {
            due_us: start_us + place * 5_000_000,
            key: format!("bad-{place}"),
            value: value.into_bytes(),
        })
        .collect()
}
