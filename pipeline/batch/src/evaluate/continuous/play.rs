//! Plays scripts through the line of the stream: the same windows, comparisons, evidence and decisions.
//!
//! Invariant: references come from the line's own enrolment and go on learning as in the stream; every stream of a person
//! starts from what their enrolment stored, and with no evidence.

use super::script::Script;
use crate::corpus::Person;
use anyhow::{Context, Result};
use ductus_dynamics::backend::BackEnd;
use ductus_dynamics::event::KeyDetail;
use ductus_dynamics::line::{Embedded, Ingested, Line, LineConfig, Record};
use ductus_dynamics::wire::{Action, Clock, Consent, Device, EventBatch, ModelRef, Purpose, Reference, VERSION};
use ductus_scorer::{Embedder, Model};
use std::sync::Arc;

/// Events in a batch, as a page sends them.
const BATCH_EVENTS: usize = 200;
/// What the times of scripts count from, µs since the Unix epoch: any time will do.
const ORIGIN_US: i64 = 1_600_000_000_000_000;

/// One decision of the line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Judged {
    /// Steps seen when it was made.
    pub(super) position: usize,
    /// Steps of its window.
    pub(super) steps: usize,
    /// Those that no earlier window had.
    pub(super) fresh: usize,
    /// Event time since the script's start, µs.
    pub(super) end_us: i64,
    /// Cosine with the references and its log-likelihood ratio; none where nothing was compared.
    pub(super) compared: Option<(f32, f32)>,
    /// Evidence afterwards.
    pub(super) evidence: f32,
    /// Risk, 0-100.
    pub(super) risk: f32,
    /// What was asked for.
    pub(super) action: Action,
}

/// One thread's line and network.
pub(super) struct Player {
    config: Arc<LineConfig>,
    model: ModelRef,
    back_end: BackEnd,
    detail: KeyDetail,
    embedder: Embedder,
    dims: usize,
    embeddings: Vec<f32>,
}

impl Player {
    pub(super) fn new(model: &Arc<Model>, config: Arc<LineConfig>) -> Result<Self> {
        let manifest = model.manifest();
        Ok(Self {
            config,
            model: manifest.model_ref(),
            back_end: model.back_end().clone(),
            detail: manifest.detail,
            embedder: model.embedder()?,
            dims: model.dims(),
            embeddings: Vec::new(),
        })
    }

    /// Enrols a person with a script; `None` where it is too short for a mature set of references.
    pub(super) fn enrol(&mut self, person: &Person, script: &Script) -> Result<Option<Reference>> {
        let (_, reference) = self.run(person, "enrol", script, Purpose::Enrol, None)?;
        Ok(reference.filter(|reference| reference.anchors.len() >= self.config.references.anchors))
    }

    /// Plays a session that claims to be the person of `reference`.
    pub(super) fn watch(&mut self, person: &Person, script: &Script, reference: &Reference) -> Result<Vec<Judged>> {
        Ok(self.watch_and_learn(person, "watch", script, reference)?.0)
    }

    /// Plays the session `name` of a person, and gives the references afterwards, too.
    pub(super) fn watch_and_learn(
        &mut self,
        person: &Person,
        name: &str,
        script: &Script,
        reference: &Reference,
    ) -> Result<(Vec<Judged>, Reference)> {
        let (judged, learned) = self.run(person, name, script, Purpose::Session, Some(reference))?;
        Ok((judged, learned.unwrap_or_else(|| reference.clone())))
    }

    fn run(
        &mut self,
        person: &Person,
        name: &str,
        script: &Script,
        purpose: Purpose,
        reference: Option<&Reference>,
    ) -> Result<(Vec<Judged>, Option<Reference>)> {
        let mut line = Line::new(self.config.clone(), "evaluate", 0);
        if let Some(reference) = reference {
            line.put_reference(reference.clone());
        }
        let mut ingested = Ingested::default();
        for (offset, events) in (0..).zip(script.events.chunks(BATCH_EVENTS)) {
            let batch = EventBatch {
                v: VERSION,
                tenant: person.tenant.clone(),
                subject: Some(person.subject.clone()),
                session: format!("continuous-{name}"),
                seq: offset,
                purpose,
                consent: Consent::Granted,
                clock: Clock {
                    origin_us: ORIGIN_US,
                    resolution_us: 1_000,
                },
                device: Device::default(),
                detail: self.detail,
                events: events.to_vec(),
            };
            let value = serde_json::to_vec(&batch).context("cannot write an event batch as JSON")?;
            let record = Record {
                offset: i64::from(offset),
                timestamp_us: ORIGIN_US,
                value: &value,
            };
            line.ingest(&record, &mut ingested);
        }
        line.finish(&mut ingested);
        self.conclude(&mut line, ingested)
    }

    fn conclude(&mut self, line: &mut Line, ingested: Ingested) -> Result<(Vec<Judged>, Option<Reference>)> {
        let ready: Vec<_> = ingested
            .ready
            .into_iter()
            .map(|ready| (line.wants_embedding(&ready), ready))
            .collect();
        let wanted = ready.iter().filter(|(wanted, _)| *wanted);
        let windows: Vec<&[f32]> = wanted.map(|(_, ready)| ready.features().values.as_slice()).collect();
        self.embedder.embed(&windows, &mut self.embeddings)?;
        let mut embeddings = self.embeddings.chunks_exact(self.dims.max(1));
        let (mut judged, mut reference, mut position) = (Vec::with_capacity(ready.len()), None, 0);
        for (wanted, ready) in ready {
            let embedded = wanted.then(|| embeddings.next()).flatten().map(|embedding| Embedded {
                model: &self.model,
                back_end: &self.back_end,
                embedding,
            });
            let (fresh, steps) = (ready.window.fresh, ready.window.steps.len());
            position += fresh;
            let outcome = line.conclude(ready, embedded);
            let decision = outcome.decision;
            judged.push(Judged {
                position,
                steps,
                fresh,
                end_us: decision.time_us - ORIGIN_US,
                compared: decision.score.comparison.zip(decision.score.llr),
                evidence: decision.score.evidence,
                risk: decision.risk,
                action: decision.action,
            });
            reference = line.changed_references().pop().or(reference);
        }
        Ok((judged, reference))
    }
}
