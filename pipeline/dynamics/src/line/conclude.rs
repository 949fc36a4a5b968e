//! From a ready window and its embedding to a decision: compare, accumulate, decide, learn.
//!
//! Invariants: one decision for each window; without enough data the decision says so and the evidence stays as it is; a
//! reference set learns from a window only while nothing speaks against the person, and never twice from the same steps.

use super::{Line, Ready, SessionId, audit};
use crate::backend::BackEnd;
use crate::compare::{Comparison, ReferenceKey, ReferenceSet, device_class};
use crate::evidence::{Evidence, Observation};
use crate::liveness::Finding;
use crate::replay;
use crate::wire::{
    self, Action, AuditAction, AuditRecord, Decision, ModelRef, Purpose, Reason, ReferenceRef, Sample, Score, Source,
    WindowRef,
};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most reasons in a decision.
const REASONS_MAX: usize = 5;

/// A window's embedding and the model that made it.
#[derive(Clone, Copy, Debug)]
pub struct Embedded<'a> {
    /// The model.
    pub model: &'a ModelRef,
    /// How its embeddings are compared.
    pub back_end: &'a BackEnd,
    /// The embedding, `[D]`, of unit length.
    pub embedding: &'a [f32],
}

/// What follows from a window.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The decision.
    pub decision: Decision,
    /// Audit records that it causes.
    pub audits: Vec<AuditRecord>,
}

/// What was decided about a window before, as far as the line goes on with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recorded {
    /// Cosine and log-likelihood ratio, where it was compared.
    pub comparison: Option<Comparison>,
    /// The risk.
    pub risk: f32,
    /// The action that was asked for.
    pub action: Action,
}

impl Recorded {
    /// What a decision recorded.
    pub fn of(decision: &Decision) -> Self {
        let numbers = decision.score.comparison.zip(decision.score.llr);
        Self {
            comparison: numbers.map(|(cosine, llr)| Comparison { cosine, llr }),
            risk: decision.risk,
            action: decision.action,
        }
    }
}

/// What a window could be used for.
enum Use {
    /// Nothing: why, in a word and in a sentence.
    Insufficient(&'static str, String),
    /// It was compared.
    Compared(Comparison),
}

impl Line {
    /// Whether `ready` is worth an embedding; the others are concluded without one.
    pub fn wants_embedding(&self, ready: &Ready) -> bool {
        ready.window.steps.len() >= self.config.window(ready.window.modality).min_steps
            && ready.id.subject.is_some()
            && ready.purpose != Purpose::Collect
    }

    /// Decides about a ready window. Ready windows are concluded in the order in which [`Line::ingest`] gave them.
    pub fn conclude(&mut self, ready: Ready, embedded: Option<Embedded<'_>>) -> Outcome {
        self.conclude_as(ready, embedded, None)
    }

    /// Adopts what was decided about a ready window before: the line goes on with the recorded numbers, whatever it would
    /// compute itself. The audit records are those of then.
    pub fn adopt(&mut self, ready: Ready, embedded: Option<Embedded<'_>>, recorded: Recorded) -> Vec<AuditRecord> {
        self.conclude_as(ready, embedded, Some(recorded)).audits
    }

    fn conclude_as(&mut self, ready: Ready, embedded: Option<Embedded<'_>>, recorded: Option<Recorded>) -> Outcome {
        let mut standing = *lock(&ready.standing);
        let (mut evidence, action_before) = (standing.evidence, standing.action);
        let reference_key = reference_key(&ready, embedded.as_ref());
        let mut audits = Vec::new();
        let config = self.config.clone();
        if let Some((set, embedded)) = reference_key
            .as_ref()
            .and_then(|key| self.references.get_mut(key))
            .zip(embedded)
        {
            set.prepare(embedded.back_end);
        }
        let set = reference_key.as_ref().and_then(|key| self.references.get(key));

        let used = match recorded {
            None => usable(&ready, embedded, set, &config),
            Some(recorded) => recorded
                .comparison
                .map_or_else(|| Use::Insufficient("recorded", String::new()), Use::Compared),
        };
        let findings = look(&ready, set, &config);
        let accused = findings.iter().any(|finding| finding.detector.accuses());
        let mut reasons = Vec::new();
        let mut score = Score {
            comparison: None,
            llr: None,
            evidence: suspected(&ready, evidence).llr,
        };
        let quality = quality(&ready, set, &config);
        let own = config
            .thresholds
            .step_up_risk(&ready.id.tenant, ready.id.subject.as_deref());
        let policy = config.decision.with_step_up_risk(own);
        let mut verdict = match &used {
            Use::Insufficient(state, text) => {
                reasons.push(explanation(state, text));
                let mut verdict = policy.decide(&suspected(&ready, evidence), quality);
                verdict.action = Action::InsufficientData;
                verdict
            }
            Use::Compared(comparison) => {
                let steps = config.window(ready.window.modality).steps;
                // What a machine typed speaks for nobody, however like the subject it looks.
                let llr = if accused {
                    comparison.llr.min(0.0)
                } else {
                    comparison.llr
                };
                evidence.add(&observation(&ready, llr, steps), &config.evidence);
                lock(&ready.watch).suspect(accused, &config.liveness);
                let suspected = suspected(&ready, evidence);
                score = Score {
                    comparison: Some(comparison.cosine),
                    llr: Some(comparison.llr),
                    evidence: suspected.llr,
                };
                reasons = set.map_or_else(Vec::new, |set| set.usual().explain(ready.measures(), REASONS_MAX));
                policy.decide(&suspected, quality)
            }
        };
        if let Some(recorded) = recorded {
            (verdict.risk, verdict.action) = (recorded.risk, recorded.action);
        }
        put_findings(&mut reasons, &findings, matches!(used, Use::Compared(_)));
        let model = embedded.map(|embedded| embedded.model.clone());
        let reference_before = set.map(|set| set.summary(&config.references));
        let compared = matches!(used, Use::Compared(_));

        let id = ready.decision_id();
        if compared && action_before != verdict.action {
            let raised = action_before < verdict.action;
            let kind = if raised {
                AuditAction::ActionRaised
            } else {
                AuditAction::ActionLowered
            };
            audits.push(self.audit_of(kind, &ready, &id, model.as_ref(), reference_before));
        }
        let may_learn = !accused
            && verdict.action != Action::StepUp
            && verdict.action != Action::Terminate
            && (!compared || verdict.risk <= config.references.adapt_risk_max);
        let mut taught = match (&reference_key, embedded) {
            (Some(key), Some(embedded)) if may_learn => self.learn(key, &ready, &embedded, &id, &mut audits),
            _ => false,
        };
        // What was not learned may be replayed all the same.
        let is_known = compared && !accused && verdict.action == Action::Allow;
        if let Some(key) = reference_key.filter(|_| taught || is_known) {
            if !taught && let Some(set) = self.references.get_mut(&key) {
                taught = remember(set, &ready, &config);
            }
            if taught {
                self.taught.insert(key);
            }
        }
        if compared {
            standing.evidence = evidence;
            standing.action = verdict.action;
            *lock(&ready.standing) = standing;
        }
        let window = WindowRef {
            modality: ready.window.modality,
            sequence: ready.window.sequence,
            start_us: ready.window.start_us,
            end_us: ready.window.end_us,
            steps: ready.window.steps.len() as u32,
            closed: ready.window.closed,
        };
        let decision = Decision {
            v: wire::VERSION,
            id,
            tenant: ready.id.tenant.clone(),
            subject: ready.id.subject.clone(),
            session: ready.id.session.clone(),
            window,
            risk: verdict.risk,
            confidence: verdict.confidence,
            action: verdict.action,
            reasons,
            score,
            model,
            reference: reference_before,
            source: self.source(ready.offset),
            time_us: ready.window.end_us,
        };
        Outcome { decision, audits }
    }

    /// Takes the window into the subject's references, if they may learn from it; returns whether it did.
    fn learn(
        &mut self,
        key: &ReferenceKey,
        ready: &Ready,
        embedded: &Embedded<'_>,
        decision: &str,
        audits: &mut Vec<AuditRecord>,
    ) -> bool {
        let policy = self.config.references;
        let wanted = match ready.purpose {
            Purpose::Enrol => true,
            Purpose::Session => policy.passive,
            Purpose::Collect => false,
        };
        let enough = ready.window.steps.len() >= self.config.window(ready.window.modality).min_steps;
        if !wanted || !enough {
            return false;
        }
        let set = self
            .references
            .entry(key.clone())
            .or_insert_with(|| ReferenceSet::new(key, embedded.model));
        if set.overlaps(&ready.id.session, ready.window.start_us) {
            return false;
        }
        let (empty, mature) = (set.count() == 0, set.is_mature(&policy));
        let sample = Sample {
            embedding: embedded.embedding.to_vec(),
            session: ready.id.session.clone(),
            sequence: ready.window.sequence,
            end_us: ready.window.end_us,
        };
        if !set.add(sample, ready.measures(), &policy) {
            return false;
        }
        remember(set, ready, &self.config);
        let (summary, now_mature) = (set.summary(&policy), set.is_mature(&policy));
        for (happened, kind) in [
            (empty, AuditAction::ReferenceCreated),
            (!mature && now_mature, AuditAction::ReferenceMatured),
        ] {
            if happened {
                audits.push(self.audit_of(kind, ready, decision, Some(embedded.model), Some(summary)));
            }
        }
        true
    }

    fn source(&self, offset: i64) -> Source {
        Source {
            topic: self.topic.clone(),
            partition: self.partition,
            offset,
        }
    }

    fn audit_of(
        &self,
        kind: AuditAction,
        ready: &Ready,
        decision: &str,
        model: Option<&ModelRef>,
        reference: Option<ReferenceRef>,
    ) -> AuditRecord {
        let id: &SessionId = &ready.id;
        let mut record = audit(kind, id, ready.window.end_us);
        record.decision = Some(decision.to_owned());
        record.model = model.cloned();
        record.reference = reference;
        record.source = Some(self.source(ready.offset));
        record
    }
}

/// What the detectors find in the window, together with those before it and with the subject's earlier ones.
fn look(ready: &Ready, set: Option<&ReferenceSet>, config: &super::LineConfig) -> Vec<Finding> {
    let mut findings = lock(&ready.watch).look(&ready.window, &config.liveness);
    if let Some(set) = set.filter(|_| config.liveness.enabled) {
        let sketches = set.sketches().iter();
        findings.extend(replay::replayed(
            &ready.window,
            &ready.id.session,
            sketches,
            &config.replay,
        ));
    }
    findings
}

/// Keeps the window's rhythm, if none of its steps is in one that is kept; returns whether it did.
fn remember(set: &mut ReferenceSet, ready: &Ready, config: &super::LineConfig) -> bool {
    let (session, window, policy) = (&ready.id.session, &ready.window, &config.replay);
    if !config.liveness.enabled || policy.sketches_max == 0 || set.has_sketched(session, window.start_us) {
        return false;
    }
    let sketch = replay::Sketch::of(window);
    let useful = sketch.says_enough(policy);
    if useful {
        set.remember(sketch.to_wire(session, window.end_us), policy.sketches_max);
    }
    useful
}

/// The evidence less the suspicion that detectors have raised in this session.
fn suspected(ready: &Ready, mut evidence: Evidence) -> Evidence {
    evidence.llr -= lock(&ready.watch).suspicion();
    evidence
}

/// Findings that accuse come before differences from the usual, and behind the state of a window that was not compared.
fn put_findings(reasons: &mut Vec<Reason>, findings: &[Finding], compared: bool) {
    let at = if compared { 0 } else { reasons.len() };
    reasons.splice(at..at, findings.iter().map(Finding::reason));
    reasons.truncate(REASONS_MAX);
}

/// What is locked here is only ever held for a copy or a single step, so that no panic can leave it half written.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn reference_key(ready: &Ready, embedded: Option<&Embedded<'_>>) -> Option<ReferenceKey> {
    Some(ReferenceKey {
        tenant: ready.id.tenant.clone(),
        subject: ready.id.subject.clone()?,
        modality: ready.window.modality,
        device: device_class(ready.window.modality, &ready.device),
        model_sha256: embedded?.model.sha256.clone(),
    })
}

/// What the window can be used for, given what is known.
fn usable(
    ready: &Ready,
    embedded: Option<Embedded<'_>>,
    set: Option<&ReferenceSet>,
    config: &super::LineConfig,
) -> Use {
    let (steps, least) = (ready.window.steps.len(), config.window(ready.window.modality).min_steps);
    if ready.purpose == Purpose::Collect {
        return Use::Insufficient(
            "collected",
            "collected for history only, nothing is compared".to_owned(),
        );
    }
    if ready.id.subject.is_none() {
        return Use::Insufficient("no_subject", "nobody claims this session".to_owned());
    }
    if steps < least {
        return Use::Insufficient("short_window", format!("{steps} steps, at least {least} are needed"));
    }
    let Some(embedded) = embedded else {
        return Use::Insufficient("no_model", "no model is live for this modality".to_owned());
    };
    let have = set.map_or(0, ReferenceSet::count);
    let need = config.references.anchors;
    match set {
        Some(set) if set.is_mature(&config.references) && ready.purpose == Purpose::Session => {
            Use::Compared(set.compare(embedded.embedding, embedded.back_end))
        }
        _ if ready.purpose == Purpose::Enrol => {
            Use::Insufficient("enrolling", format!("enrolling: {have} windows stored so far"))
        }
        _ => Use::Insufficient("few_references", format!("{have} of {need} reference windows learned")),
    }
}

/// What a compared window says; `full` is the steps of a full one.
fn observation(ready: &Ready, llr: f32, full: usize) -> Observation {
    Observation {
        modality: ready.window.modality,
        device: ready.device,
        llr,
        steps: ready.window.steps.len(),
        fresh: ready.window.fresh,
        full,
        start_us: ready.window.start_us,
        end_us: ready.window.end_us,
    }
}

/// How complete window and references are, 0-1.
fn quality(ready: &Ready, set: Option<&ReferenceSet>, config: &super::LineConfig) -> f32 {
    let full = config.window(ready.window.modality).steps;
    let maturity = set.map_or(0.0, |set| f32::from(set.maturity(&config.references)) / 100.0);
    let length = ready.window.steps.len() as f32 / full as f32;
    maturity.sqrt() * length.min(1.0).sqrt()
}

fn explanation(state: &str, text: &str) -> Reason {
    Reason {
        measure: state.to_owned(),
        text: text.to_owned(),
        delta: 0.0,
        unit: String::new(),
        z: 0.0,
    }
}
