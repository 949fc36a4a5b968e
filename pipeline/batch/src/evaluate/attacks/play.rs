//! Plays sessions through the line of the stream: windows, references, detectors, evidence and decisions as in production.
//!
//! Invariants: a presentation starts without evidence and without suspicion, from stored references; the same events give the
//! same embeddings, so that they are made once.

use anyhow::{Context, Result};
use ductus_dynamics::backend::BackEnd;
use ductus_dynamics::event::{InputEvent, KeyDetail};
use ductus_dynamics::line::{Embedded, Ingested, Line, LineConfig, Ready, Record};
use ductus_dynamics::liveness::Detector;
use ductus_dynamics::wire::{Action, Clock, Consent, Device, Event, EventBatch, ModelRef, Purpose, Reference, VERSION};
use ductus_scorer::{Embedder, Model};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Events in a batch.
const BATCH_EVENTS: usize = 500;
/// What times count from, µs since the Unix epoch: any time will do.
const ORIGIN_US: i64 = 1_600_000_000_000_000;

/// A session as records, with the embeddings of its windows.
#[derive(Clone, Debug)]
pub(super) struct Take {
    values: Vec<Vec<u8>>,
    /// One after the other, for the windows that want one.
    embeddings: Vec<f32>,
}

/// What became of a session.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Played {
    /// Whether a step-up or an end was asked for.
    pub(super) stepped_up: bool,
    /// Windows that were compared.
    pub(super) windows: usize,
    /// Windows in which a detector found something, by detector.
    pub(super) found: BTreeMap<Detector, usize>,
    /// Windows that a detector accused.
    pub(super) accused: usize,
    /// The references afterwards, if they changed.
    pub(super) reference: Option<Reference>,
}

impl Played {
    /// The detectors that found something.
    pub(super) fn detectors(&self) -> BTreeSet<Detector> {
        self.found.keys().copied().collect()
    }
}

/// One thread's network.
pub(super) struct Player {
    model: ModelRef,
    back_end: BackEnd,
    detail: KeyDetail,
    embedder: Embedder,
    dims: usize,
    line: Arc<LineConfig>,
}

impl Player {
    pub(super) fn new(model: &Arc<Model>, line: Arc<LineConfig>) -> Result<Self> {
        let manifest = model.manifest();
        Ok(Self {
            model: manifest.model_ref(),
            back_end: model.back_end().clone(),
            detail: manifest.detail,
            embedder: model.embedder()?,
            dims: model.dims(),
            line,
        })
    }

    /// A session named `session` whose events count from 0 and start `start_us` after the origin. All people have one name:
    /// whose references it meets is the player's business.
    pub(super) fn take(
        &mut self,
        events: &[InputEvent],
        session: &str,
        start_us: i64,
        purpose: Purpose,
    ) -> Result<Take> {
        let mut values = Vec::new();
        for (seq, events) in (0..).zip(events.chunks(BATCH_EVENTS)) {
            let moved = |event: &InputEvent| {
                Event::from(&InputEvent {
                    t_us: event.t_us + start_us,
                    kind: event.kind,
                })
            };
            let batch = EventBatch {
                v: VERSION,
                tenant: "evaluate".to_owned(),
                subject: Some("victim".to_owned()),
                session: session.to_owned(),
                seq,
                purpose,
                consent: Consent::Granted,
                clock: Clock {
                    origin_us: ORIGIN_US,
                    resolution_us: 1_000,
                },
                device: Device::default(),
                detail: self.detail,
                events: events.iter().map(moved).collect(),
            };
            values.push(serde_json::to_vec(&batch).context("cannot write an event batch as JSON")?);
        }
        let mut line = Line::new(self.line.clone(), "evaluate", 0);
        let ready = ingest(&mut line, &values);
        let wanted = ready.iter().filter(|ready| line.wants_embedding(ready));
        let windows: Vec<&[f32]> = wanted.map(|ready| ready.features().values.as_slice()).collect();
        let mut embeddings = Vec::new();
        self.embedder.embed(&windows, &mut embeddings)?;
        Ok(Take { values, embeddings })
    }

    /// Plays a session against references, under the configuration `line`.
    pub(super) fn play(&self, take: &Take, reference: Option<&Reference>, line: &Arc<LineConfig>) -> Played {
        let mut line = Line::new(line.clone(), "evaluate", 0);
        if let Some(reference) = reference {
            line.put_reference(reference.clone());
        }
        let mut embeddings = take.embeddings.chunks_exact(self.dims.max(1));
        let mut played = Played::default();
        for ready in ingest(&mut line, &take.values) {
            let wanted = line.wants_embedding(&ready);
            let embedded = wanted.then(|| embeddings.next()).flatten().map(|embedding| Embedded {
                model: &self.model,
                back_end: &self.back_end,
                embedding,
            });
            let outcome = line.conclude(ready, embedded);
            let decision = outcome.decision;
            played.reference = line.changed_references().pop().or(played.reference);
            played.stepped_up |= matches!(decision.action, Action::StepUp | Action::Terminate);
            played.windows += usize::from(decision.score.llr.is_some());
            let reasons = decision.reasons.iter();
            let found: BTreeSet<Detector> = reasons
                .filter_map(|reason| Detector::of_code(&reason.measure))
                .collect();
            played.accused += usize::from(found.iter().any(|detector| detector.accuses()));
            for detector in found {
                *played.found.entry(detector).or_default() += 1;
            }
        }
        played
    }
}

fn ingest(line: &mut Line, values: &[Vec<u8>]) -> Vec<Ready> {
    let mut ingested = Ingested::default();
    for (offset, value) in (0..).zip(values) {
        let record = Record {
            offset,
            timestamp_us: ORIGIN_US,
            value,
        };
        line.ingest(&record, &mut ingested);
    }
    line.finish(&mut ingested);
    ingested.ready
}
