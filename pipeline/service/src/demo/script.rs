//! What one person does in one session, and the records that a client would send for it.
//!
//! Invariants: press numbers run on over the whole session, whoever types; a batch holds events of one purpose only; the
//! last batch ends the session, so that every window closes.

use ductus_dynamics::event::{EventKind, InputEvent, KeyDetail};
use ductus_dynamics::wire::{self, Clock, Consent, Device, EventBatch, Purpose};

/// The tenant of everything that is played.
pub(super) const TENANT: &str = "demo";
/// A client sends after this long, or after this many events.
const BATCH_US: i64 = 1_000_000;
const BATCH_EVENTS: usize = 64;
/// Between two parts of a session.
const BETWEEN_PARTS_US: i64 = 3_000_000;

/// A record to produce.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outgoing {
    /// Event time of its last event, µs.
    pub(super) due_us: i64,
    pub(super) key: String,
    pub(super) value: Vec<u8>,
}

/// A stretch of a session by one person.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) purpose: Purpose,
    /// In the order of time; only the differences of times count.
    pub(super) events: Vec<InputEvent>,
    /// Somebody else than who claims the session.
    pub(super) taken_over: bool,
}

/// A session as it will be played.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) session: String,
    pub(super) subject: String,
    pub(super) device: Device,
    pub(super) parts: Vec<Part>,
}

impl Script {
    /// The records from `start_us` on, and when somebody else takes over.
    pub(super) fn records(&self, start_us: i64, records: &mut Vec<Outgoing>) -> Option<i64> {
        let mut client = Client {
            script: self,
            origin_us: start_us,
            seq: 0,
            waiting: Vec::new(),
            records,
        };
        let (mut now_us, mut first_press, mut hand_over_us) = (start_us, 0, None);
        for part in &self.parts {
            let Some(first) = part.events.first() else {
                continue;
            };
            let (shift_us, press_shift) = (now_us - first.t_us, first_press);
            if part.taken_over && hand_over_us.is_none() {
                hand_over_us = Some(now_us);
            }
            for event in &part.events {
                let event = moved(event, shift_us, press_shift);
                first_press = first_press.max(press_of(&event).map_or(0, |press| press + 1));
                now_us = now_us.max(event.t_us);
                client.take(event, part.purpose);
            }
            client.send(part.purpose);
            now_us += BETWEEN_PARTS_US;
        }
        let purpose = self.parts.last().map_or(Purpose::Session, |part| part.purpose);
        let end = InputEvent {
            t_us: now_us,
            kind: EventKind::End,
        };
        client.take(end, purpose);
        client.send(purpose);
        hand_over_us
    }
}

struct Client<'a> {
    script: &'a Script,
    origin_us: i64,
    seq: u32,
    waiting: Vec<InputEvent>,
    records: &'a mut Vec<Outgoing>,
}

impl Client<'_> {
    fn take(&mut self, event: InputEvent, purpose: Purpose) {
        let old = self
            .waiting
            .first()
            .is_some_and(|first| event.t_us - first.t_us >= BATCH_US);
        if old || self.waiting.len() >= BATCH_EVENTS {
            self.send(purpose);
        }
        self.waiting.push(event);
    }

    fn send(&mut self, purpose: Purpose) {
        let Some(due_us) = self.waiting.iter().map(|event| event.t_us).max() else {
            return;
        };
        let batch = EventBatch {
            v: wire::VERSION,
            tenant: TENANT.to_owned(),
            subject: Some(self.script.subject.clone()),
            session: self.script.session.clone(),
            seq: self.seq,
            purpose,
            consent: Consent::Granted,
            clock: Clock {
                origin_us: self.origin_us,
                resolution_us: 100,
            },
            device: self.script.device,
            detail: KeyDetail::Class,
            events: self
                .waiting
                .drain(..)
                .map(|event| on_wire(&event, self.origin_us))
                .collect(),
        };
        self.seq += 1;
        self.records.push(Outgoing {
            due_us,
            key: self.script.subject.clone(),
            value: serde_json::to_vec(&batch).expect("an event batch is plain data"),
        });
    }
}

fn moved(event: &InputEvent, shift_us: i64, press_shift: u32) -> InputEvent {
    let kind = match event.kind {
        EventKind::KeyDown { press, class } => EventKind::KeyDown {
            press: press + press_shift,
            class: class.coarse(),
        },
        EventKind::KeyUp { press } => EventKind::KeyUp {
            press: press + press_shift,
        },
        other => other,
    };
    InputEvent {
        t_us: event.t_us + shift_us,
        kind,
    }
}

fn press_of(event: &InputEvent) -> Option<u32> {
    match event.kind {
        EventKind::KeyDown { press, .. } | EventKind::KeyUp { press } => Some(press),
        _ => None,
    }
}

fn on_wire(event: &InputEvent, origin_us: i64) -> wire::Event {
    wire::Event::from(&InputEvent {
        t_us: event.t_us - origin_us,
        kind: event.kind,
    })
}
