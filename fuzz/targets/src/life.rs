//! A line with short windows, and a person in it: what states are made from and go on with.
//!
//! Invariant: the same calls give the same records and decisions.

use ductus_dynamics::backend::{BackEnd, Calibration};
use ductus_dynamics::compare::ReferencePolicy;
use ductus_dynamics::event::KeyDetail;
use ductus_dynamics::line::{Embedded, Ingested, Line, LineConfig, Ready, Record};
use ductus_dynamics::parse::is_id;
use ductus_dynamics::synthetic::{PointerUser, Typist};
use ductus_dynamics::window::WindowConfig;
use ductus_dynamics::wire::{Clock, Consent, Decision, Device, Event, EventBatch, ModelRef, Purpose};
use ductus_dynamics::{event::InputEvent, feature};
use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

/// Key of the session.
pub(crate) const KEY: &str = "acme/x";
const ORIGIN_US: i64 = 1_763_700_000_000_000;
/// Keystrokes and pointer steps in all.
const KEYS: usize = 60;
const STEPS: usize = 60;
/// Events in a batch.
const BATCH: usize = 12;

/// What the person does, in order of time.
static EVENTS: LazyLock<Vec<Event>> = LazyLock::new(|| {
    let mut events: Vec<InputEvent> = Typist::draw(1).session(0, KEYS, 0, 0);
    events.extend(PointerUser::draw(1).session(0, STEPS, 0));
    events.sort_by_key(|event| event.t_us);
    events.iter().map(Event::from).collect()
});

/// What comes after a state, whatever it is: the last batch number there is, so that it is no repeat of an earlier one.
static AFTER: LazyLock<[Vec<u8>; 3]> = LazyLock::new(|| {
    let (events, half) = (&EVENTS, EVENTS.len() / 2);
    [
        record(&batch(0, &events[..4])),
        record(&batch(u32::MAX, &events[..half])),
        record(&batch(u32::MAX, &events[half..])),
    ]
});

/// A line and what was said in it.
pub(crate) struct Life {
    pub(crate) line: Line,
    pub(crate) model: ModelRef,
    back_end: BackEnd,
    ingested: Ingested,
    ids: HashSet<String>,
    offset: i64,
}

impl Life {
    pub(crate) fn begin() -> Self {
        static CONFIG: LazyLock<Arc<LineConfig>> = LazyLock::new(|| Arc::new(config()));
        Self {
            line: Line::checkpointed(CONFIG.clone(), "events", 0),
            model: ModelRef {
                id: "keystroke".to_owned(),
                version: "1".to_owned(),
                sha256: "ab".repeat(32),
            },
            back_end: BackEnd::identity(Calibration {
                slope: 10.0,
                intercept: -8.0,
            }),
            ingested: Ingested::default(),
            ids: HashSet::new(),
            offset: 0,
        }
    }

    /// How many records there were.
    pub(crate) fn records(&self) -> usize {
        self.offset as usize
    }

    /// The person's first `batches` batches, as far as they were not there before; one in three is skipped.
    pub(crate) fn live(&mut self, batches: usize) {
        let parts: Vec<&[Event]> = EVENTS.chunks(BATCH).collect();
        for (seq, events) in parts.into_iter().enumerate().take(batches).skip(self.records()) {
            let seq = seq as u32 + seq as u32 / 3;
            self.ingest(&record(&batch(seq, events)), ORIGIN_US + 200_000 * i64::from(seq));
        }
    }

    /// Nothing comes for long, but from somebody else.
    pub(crate) fn die(&mut self) {
        let mut other = batch(0, &[]);
        other.session = "y".to_owned();
        for later in 1..4 {
            self.ingest(&record(&other), ORIGIN_US + later * 9_000_000);
        }
    }

    /// What comes after a state: a repeat, a batch that goes on, one much later, and the end.
    pub(crate) fn go_on(&mut self) {
        let [first, second, third] = &*AFTER;
        for (value, later_us) in [(first, 0), (second, 1_000_000), (third, 9_000_000), (third, 30_000_000)] {
            self.ingest(value, ORIGIN_US + later_us);
        }
        self.line.finish(&mut self.ingested);
        self.conclude();
    }

    fn ingest(&mut self, value: &[u8], timestamp_us: i64) {
        let record = Record {
            offset: self.offset,
            timestamp_us,
            value,
        };
        self.offset += 1;
        self.line.ingest(&record, &mut self.ingested);
        self.conclude();
    }

    fn conclude(&mut self) {
        let ready = std::mem::take(&mut self.ingested.ready);
        self.ingested.clear();
        for ready in ready {
            assert!(
                ready.features().values.iter().all(|value| value.is_finite()),
                "{ready:?}"
            );
            let embedding = embed(&ready);
            let embedded = self.line.wants_embedding(&ready).then_some(Embedded {
                model: &self.model,
                back_end: &self.back_end,
                embedding: &embedding,
            });
            let decision = self.line.conclude(ready, embedded).decision;
            check(&decision);
            assert!(self.ids.insert(decision.id), "an id twice");
        }
    }
}

fn config() -> LineConfig {
    let window = WindowConfig {
        steps: 5,
        hop: 2,
        min_steps: 2,
        pause_us: 5_000_000,
    };
    LineConfig {
        keystroke: window,
        pointer: window,
        idle_us: 8_000_000,
        references: ReferencePolicy {
            anchors: 1,
            ..ReferencePolicy::default()
        },
        ..LineConfig::default()
    }
}

fn batch(seq: u32, events: &[Event]) -> EventBatch {
    EventBatch {
        v: 1,
        tenant: "acme".to_owned(),
        subject: Some("s-1".to_owned()),
        session: "x".to_owned(),
        seq,
        purpose: Purpose::Session,
        consent: Consent::Granted,
        clock: Clock {
            origin_us: ORIGIN_US,
            resolution_us: 100,
        },
        device: Device::default(),
        detail: KeyDetail::Class,
        events: events.to_vec(),
    }
}

fn record(batch: &EventBatch) -> Vec<u8> {
    serde_json::to_vec(batch).expect("a batch has no map with keys that JSON cannot write")
}

/// A stand-in for a model: the means of some features as a direction.
fn embed(ready: &Ready) -> Vec<f32> {
    let width = feature::features(ready.window.modality);
    let mut sum = vec![0f32; width.min(4)];
    for row in ready.features().values.chunks(width) {
        sum.iter_mut().zip(row).for_each(|(total, value)| *total += value);
    }
    let norm = sum.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-9);
    sum.iter().map(|value| value / norm).collect()
}

fn check(decision: &Decision) {
    let Decision { risk, confidence, .. } = decision;
    assert!((0.0..=100.0).contains(risk), "risk {risk}");
    assert!((0.0..=1.0).contains(confidence), "confidence {confidence}");
    assert!(decision.score.evidence.is_finite(), "{:?}", decision.score);
    assert!(is_id(&decision.tenant) && is_id(&decision.session));
    assert!(decision.subject.as_deref().is_none_or(is_id), "{:?}", decision.subject);
    let text = serde_json::to_string(decision).expect("a decision has no map with keys that JSON cannot write");
    let again: Decision = serde_json::from_str(&text).expect("what was said can be read");
    assert_eq!(&again, decision);
}
