//! People, batches, models and the stream's line that the tests share.

use ductus_dynamics::event::{InputEvent, KeyDetail, Modality};
use ductus_dynamics::line::{Embedded, Ingested, Line, LineConfig, Record};
use ductus_dynamics::synthetic::{PointerUser, Typist};
use ductus_dynamics::wire::{
    Action, Clock, Consent, Decision, Device, Event, EventBatch, Keyboard, Pointer, Purpose, Reference,
};
use ductus_scorer::probe::{PoolPolicy, ProbePolicy, Prober, ReferencePool};
use ductus_scorer::{Contract, Embedder, ModelSlot, live_dir};
use std::path::Path;
use std::sync::{Arc, OnceLock};

#[path = "../scorer/support.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod scorer;

pub(crate) const ORIGIN_US: i64 = 1_763_700_000_000_000;
pub(crate) const SECOND_US: i64 = 1_000_000;
pub(crate) const DEVICE: Device = Device {
    keyboard: Keyboard::Physical,
    pointer: Pointer::Mouse,
    layout: ductus_dynamics::wire::Layout::Unknown,
    touch: false,
};

/// The released models that are live by default.
pub(crate) fn slots() -> &'static [Arc<ModelSlot>; Modality::ALL.len()] {
    static SLOTS: OnceLock<[Arc<ModelSlot>; Modality::ALL.len()]> = OnceLock::new();
    SLOTS.get_or_init(reloaded)
}

/// The same, loaded once more.
pub(crate) fn reloaded() -> [Arc<ModelSlot>; Modality::ALL.len()] {
    scorer::runtime();
    Modality::ALL.map(|modality| {
        let folder = live_dir(Path::new("../../models"), modality).expect("a model is live");
        ModelSlot::load(&folder, Contract::of(modality)).expect("a released model keeps the contract")
    })
}

pub(crate) fn prober(config: &Arc<LineConfig>, policy: ProbePolicy) -> Prober {
    let slots = slots().clone();
    Prober::new(
        Arc::clone(config),
        policy,
        Box::new(move |modality| Some(slots[modality.index()].current())),
    )
}

pub(crate) fn pool(config: &LineConfig) -> ReferencePool {
    ReferencePool::new(PoolPolicy::default(), config.references)
}

/// One batch of a session.
pub(crate) fn batch(subject: Option<&str>, session: &str, seq: u32, events: &[InputEvent]) -> EventBatch {
    EventBatch {
        v: 1,
        tenant: "acme".to_owned(),
        subject: subject.map(str::to_owned),
        session: session.to_owned(),
        seq,
        purpose: Purpose::Session,
        consent: Consent::Granted,
        clock: Clock {
            origin_us: ORIGIN_US,
            resolution_us: 100,
        },
        device: DEVICE,
        detail: KeyDetail::Class,
        events: events.iter().map(Event::from).collect(),
    }
}

pub(crate) fn bytes(batch: &EventBatch) -> Vec<u8> {
    serde_json::to_vec(batch).expect("a batch is JSON")
}

pub(crate) fn slices(batches: &[Vec<u8>]) -> Vec<&[u8]> {
    batches.iter().map(Vec::as_slice).collect()
}

/// About so many keys of a typist from `start_us` after the clock's origin on.
pub(crate) fn typed(person: u64, session: u64, keys: usize, start_us: i64, first_press: u32) -> Vec<InputEvent> {
    Typist::draw(person)
        .flowing()
        .session(session, keys, start_us, first_press)
}

pub(crate) fn pointed(person: u64, session: u64, steps: usize, start_us: i64) -> Vec<InputEvent> {
    let mut events = PointerUser::draw(person).session(session, steps, start_us);
    events.truncate(steps);
    events
}

/// The stream, as far as a partition's line goes.
pub(crate) struct Stream {
    line: Line,
    embedders: Vec<Embedder>,
    offset: i64,
    out: Ingested,
    pub(crate) decisions: Vec<Decision>,
}

impl Stream {
    pub(crate) fn new(config: &Arc<LineConfig>) -> Self {
        let embedder = |slot: &Arc<ModelSlot>| slot.current().model.embedder().expect("a session");
        Self {
            line: Line::new(Arc::clone(config), "events", 0),
            embedders: slots().iter().map(embedder).collect(),
            offset: 0,
            out: Ingested::default(),
            decisions: Vec::new(),
        }
    }

    pub(crate) fn put(&mut self, reference: Reference) {
        self.line.put_reference(reference);
    }

    pub(crate) fn take(&mut self, batch: &EventBatch, timestamp_us: i64) {
        let record = Record {
            offset: self.offset,
            timestamp_us,
            value: &bytes(batch),
        };
        self.offset += 1;
        self.line.ingest(&record, &mut self.out);
        self.conclude();
    }

    pub(crate) fn finish(&mut self) {
        self.line.finish(&mut self.out);
        self.conclude();
    }

    pub(crate) fn references(&mut self) -> Vec<Reference> {
        self.line.changed_references()
    }

    fn conclude(&mut self) {
        for ready in self.out.ready.drain(..) {
            let embedder = &mut self.embedders[ready.window.modality.index()];
            let mut embedding = Vec::new();
            if self.line.wants_embedding(&ready) {
                embedder
                    .embed(&[&ready.features().values], &mut embedding)
                    .expect("a right window");
            }
            let model = embedder.model().manifest().model_ref();
            let embedded = (!embedding.is_empty()).then(|| Embedded {
                model: &model,
                back_end: embedder.model().back_end(),
                embedding: &embedding,
            });
            self.decisions.push(self.line.conclude(ready, embedded).decision);
        }
    }

    /// The last decision of a session that compared something.
    pub(crate) fn last_compared(&self, session: &str) -> Option<&Decision> {
        let of_session = |decision: &&Decision| decision.session == session;
        let mut decisions = self.decisions.iter().filter(of_session).rev();
        decisions.find(|decision| decision.action != Action::InsufficientData)
    }
}

/// References of a subject who typed `keys` keys and made `steps` pointer events to enrol.
pub(crate) fn enrolled(
    config: &Arc<LineConfig>,
    subject: &str,
    person: u64,
    keys: usize,
    steps: usize,
) -> Vec<Reference> {
    let mut stream = Stream::new(config);
    let keystrokes = typed(person, 900, keys, SECOND_US, 1);
    let start_us = keystrokes.last().map_or(0, |event| event.t_us) + SECOND_US;
    let pointer = pointed(person, 900, steps, start_us);
    for (seq, events) in (0..).zip(keystrokes.chunks(500).chain(pointer.chunks(500))) {
        let batch = EventBatch {
            purpose: Purpose::Enrol,
            ..batch(Some(subject), &format!("enrol-{subject}"), seq, events)
        };
        stream.take(&batch, ORIGIN_US);
    }
    stream.finish();
    stream.references()
}

pub(crate) fn feed(pool: &ReferencePool, references: &[Reference]) {
    for reference in references {
        let value = serde_json::to_vec(reference).expect("a reference is JSON");
        let fed = pool.feed(b"", Some(&value));
        assert!(matches!(fed, ductus_scorer::probe::Fed::Put), "{fed:?}");
    }
}
