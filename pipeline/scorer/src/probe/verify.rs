//! Verification: is a sample of the person whom it claims to be of.
//!
//! Invariant: score, risk, confidence and action are those of the last comparison of a session with these events, references
//! and models, to the bit; an answer other than `insufficient_data` rests on at least as much as a step-up of the stream does.

use super::sample::Owner;
use super::{Compared, InUse, Instrument, ProbeError, Prober, ReferencePool};
use ductus_dynamics::compare::ReferenceSet;
use ductus_dynamics::event::Modality;
use ductus_dynamics::line::{Accounting, Embedded, Line, LineConfig, Ready};
use ductus_dynamics::liveness::Detector;
use ductus_dynamics::wire::{Action, Decision, Reason, ReferenceRef};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most reasons in an answer.
const REASONS_MAX: usize = 5;
/// Stands in the ephemeral line's decisions, which nobody sees.
const NO_TOPIC: &str = "";

/// Who a sample claims to be of.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Tenant; a batch that names another one is refused.
    pub tenant: &'a str,
    /// Subject; a batch may leave it out.
    pub subject: &'a str,
}

/// What came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is like the subject.
    Same,
    /// It is not: the stream would ask for a second proof, or end the session.
    Different,
    /// Too little was there to tell: see what is needed.
    InsufficientData,
}

impl Answer {
    /// The code in answers.
    pub fn code(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Different => "different",
            Self::InsufficientData => "insufficient_data",
        }
    }
}

/// What the stream would say after the last window that was compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Numbers {
    /// Accumulated log-likelihood ratio (natural) of subject against others, less suspicion; higher is more alike.
    pub score: f32,
    /// Risk that it is somebody else, 0-100.
    pub risk: f32,
    /// How much stands behind it, 0-1.
    pub confidence: f32,
    /// What a session would be asked for.
    pub action: Action,
}

/// The answer to a verification.
#[derive(Clone, Debug, PartialEq)]
pub struct Verification {
    /// In a word.
    pub answer: Answer,
    /// None where nothing was compared. There with `insufficient_data` as well, where too little was.
    pub numbers: Option<Numbers>,
    /// Why, strongest first, at most five: what is missing; then what is no person; then differences from the usual.
    pub reasons: Vec<Reason>,
    /// What is needed for an answer, where there is none.
    pub needed: Needed,
    /// What was compared.
    pub compared: Vec<(Compared, ReferenceRef)>,
    /// What became of the events.
    pub accounting: Accounting,
}

/// What is needed for an answer; nothing where there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needed {
    /// References to be learned first, of the instruments that the sample is of.
    pub references: Vec<MissingReferences>,
    /// More steps of the same sample; of one of these modalities is enough.
    pub steps: Vec<MissingSteps>,
}

/// References that are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingReferences {
    /// Of what.
    pub instrument: Instrument,
    /// Reference windows that there are.
    pub have: usize,
    /// Reference windows that are needed.
    pub need: usize,
    /// Steps (key presses, pointer events) of enrolment that give those that are missing.
    pub steps: usize,
}

/// Steps that are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingSteps {
    /// Of what.
    pub modality: Modality,
    /// Key presses or pointer events, in one stretch.
    pub steps: usize,
}

impl Prober {
    /// Compares the batches of one session, in the order of their numbers, with the references of a subject.
    ///
    /// # Errors
    ///
    /// [`ProbeError`]; too little data is an answer and no error.
    pub fn verify(
        &self,
        pool: &ReferencePool,
        claim: Claim<'_>,
        batches: &[&[u8]],
    ) -> Result<Verification, ProbeError> {
        let mut line = Line::new(Arc::clone(&self.config), NO_TOPIC, 0);
        let owner = Owner {
            tenant: claim.tenant,
            subject: Some(claim.subject),
        };
        let ready = self.cut(&mut line, batches, owner)?;
        let models = self.models();
        let mut tally = Tally::new(&self.config, &models);
        for set in pool.sets(claim.tenant, claim.subject) {
            let key = set.key();
            let used = models[key.modality.index()].as_ref();
            let Some(used) = used.filter(|used| used.name.sha256 == key.model_sha256) else {
                continue;
            };
            let instrument = Instrument {
                modality: key.modality,
                device: key.device,
            };
            tally.known(instrument, &set);
            if set.is_mature(&self.config.references) {
                let mut own = (*set).clone();
                own.prepare(used.model.back_end());
                line.put_reference_set(own);
            }
        }
        let wanted = |ready: &Ready| line.wants_embedding(ready) && tally.is_mature(&Instrument::of(ready));
        let embeddings = self.embed(&ready, &models, wanted)?;
        for (at, ready) in ready.into_iter().enumerate() {
            let modality = ready.window.modality;
            let embedded = models[modality.index()].as_ref().zip(embeddings.of(at, modality));
            let embedded = embedded.map(|(used, embedding)| Embedded {
                model: &used.name,
                back_end: used.model.back_end(),
                embedding,
            });
            let seen = Seen::of(&ready, &self.config);
            let decision = line.conclude(ready, embedded).decision;
            tally.add(seen, decision);
        }
        Ok(tally.answer(self.policy.same_llr_min, line.accounting().clone()))
    }
}

/// What is asked of a window once it was handed to the line.
struct Seen {
    instrument: Instrument,
    fresh: usize,
    /// Its fresh steps as a share of a full window, as the evidence counts them.
    share: f32,
}

impl Seen {
    fn of(ready: &Ready, config: &LineConfig) -> Self {
        let full = config.window(ready.window.modality).steps;
        Self {
            instrument: Instrument::of(ready),
            fresh: ready.window.fresh,
            share: (ready.window.fresh as f32 / full.max(1) as f32).min(1.0),
        }
    }
}

/// An instrument in a verification.
#[derive(Default)]
struct Row {
    /// Reference windows that count towards maturity.
    anchors: usize,
    mature: bool,
    /// Windows of the sample.
    windows: usize,
    compared: usize,
    steps: usize,
    reference: Option<ReferenceRef>,
}

/// What the windows of a sample add up to.
struct Tally<'a> {
    config: &'a LineConfig,
    models: &'a [Option<InUse>; Modality::ALL.len()],
    rows: BTreeMap<Instrument, Row>,
    /// Full windows' worth of fresh steps that were compared.
    windows: f32,
    last: Option<Numbers>,
    reasons: Vec<Reason>,
}

impl<'a> Tally<'a> {
    fn new(config: &'a LineConfig, models: &'a [Option<InUse>; Modality::ALL.len()]) -> Self {
        Self {
            config,
            models,
            rows: BTreeMap::new(),
            windows: 0.0,
            last: None,
            reasons: Vec::new(),
        }
    }

    /// There are references of the live model.
    fn known(&mut self, instrument: Instrument, set: &ReferenceSet) {
        let row = self.rows.entry(instrument).or_default();
        row.anchors = set.anchors();
        row.mature = set.is_mature(&self.config.references);
        row.reference = Some(set.summary(&self.config.references));
    }

    fn is_mature(&self, instrument: &Instrument) -> bool {
        self.rows.get(instrument).is_some_and(|row| row.mature)
    }

    /// A window was concluded.
    fn add(&mut self, seen: Seen, decision: Decision) {
        let row = self.rows.entry(seen.instrument).or_default();
        row.windows += 1;
        if decision.action == Action::InsufficientData {
            return;
        }
        row.compared += 1;
        row.steps += seen.fresh;
        self.windows += seen.share;
        self.last = Some(Numbers {
            score: decision.score.evidence,
            risk: decision.risk,
            confidence: decision.confidence,
            action: decision.action,
        });
        for reason in decision.reasons {
            self.note(reason);
        }
    }

    /// Keeps the strongest reason of each measure; of a detector the latest, which has seen most.
    fn note(&mut self, reason: Reason) {
        match self.reasons.iter_mut().find(|other| other.measure == reason.measure) {
            Some(other) if is_finding(&reason) || other.z.abs() < reason.z.abs() => *other = reason,
            Some(_) => {}
            None => self.reasons.push(reason),
        }
    }

    fn answer(mut self, same_llr_min: f32, accounting: Accounting) -> Verification {
        let enough = self.windows >= self.config.decision.windows_min;
        let answer = match self.last {
            Some(last) if matches!(last.action, Action::StepUp | Action::Terminate) => Answer::Different,
            Some(last) if enough && last.score >= same_llr_min => Answer::Same,
            _ => Answer::InsufficientData,
        };
        let needed = match answer {
            Answer::InsufficientData => self.needed(),
            Answer::Same | Answer::Different => Needed::default(),
        };
        let mut reasons = match answer {
            Answer::InsufficientData => self.missing(&needed, enough),
            Answer::Same | Answer::Different => Vec::new(),
        };
        let strength = |reason: &Reason| (!is_finding(reason), -reason.z.abs());
        self.reasons.sort_by(|a, b| {
            let ((a, a_z), (b, b_z)) = (strength(a), strength(b));
            a.cmp(&b).then(a_z.total_cmp(&b_z))
        });
        reasons.append(&mut self.reasons);
        reasons.truncate(REASONS_MAX);
        Verification {
            answer,
            numbers: self.last,
            reasons,
            needed,
            compared: self.compared(),
            accounting,
        }
    }

    fn compared(&self) -> Vec<(Compared, ReferenceRef)> {
        let rows = self.rows.iter().filter(|(_, row)| row.compared > 0);
        rows.filter_map(|(instrument, row)| {
            let compared = Compared {
                instrument: instrument.clone(),
                model: self.models[instrument.modality.index()].as_ref()?.name.clone(),
                windows: row.compared,
                steps: row.steps,
                references: 1,
            };
            Some((compared, row.reference?))
        })
        .collect()
    }

    fn needed(&self) -> Needed {
        let need = self.config.references.anchors;
        let full = |modality| self.config.window(modality).steps;
        let references = self.rows.iter().filter(|(_, row)| row.windows > 0 && !row.mature);
        let references = references.map(|(instrument, row)| MissingReferences {
            instrument: instrument.clone(),
            have: row.anchors,
            need,
            steps: need.saturating_sub(row.anchors) * full(instrument.modality),
        });
        let missing = self.config.decision.windows_min - self.windows;
        // Where enough was compared and says nothing, another full window may.
        let windows = if missing > 0.0 { missing } else { 1.0 };
        let known = |modality: &Modality| {
            let mut rows = self.rows.iter();
            rows.any(|(instrument, row)| instrument.modality == *modality && row.mature)
        };
        let steps = Modality::ALL.into_iter().filter(known).map(|modality| MissingSteps {
            modality,
            steps: (windows * full(modality) as f32).ceil() as usize,
        });
        Needed {
            references: references.collect(),
            steps: steps.collect(),
        }
    }

    /// What is missing, in words.
    fn missing(&self, needed: &Needed, enough: bool) -> Vec<Reason> {
        let mut reasons = Vec::new();
        let mut say = |state: &str, text: String| {
            reasons.push(Reason {
                measure: state.to_owned(),
                text,
                delta: 0.0,
                unit: String::new(),
                z: 0.0,
            });
        };
        if enough {
            let text = "what was compared speaks neither for nor against the subject";
            say("undecided", text.to_owned());
        }
        for MissingReferences {
            instrument, have, need, ..
        } in &needed.references
        {
            let (modality, device) = (instrument.modality, &instrument.device);
            if self.models[modality.index()].is_none() {
                say("no_model", format!("no model is live for {}", modality.name()));
            } else {
                let text = format!(
                    "{have} of {need} reference windows learned, {} on {device}",
                    modality.name()
                );
                say("few_references", text);
            }
        }
        if !enough {
            for MissingSteps { modality, steps } in &needed.steps {
                let of = match modality {
                    Modality::Keystroke => "key presses",
                    Modality::Pointer => "pointer events",
                };
                say("short_sample", format!("{steps} more {of} are needed"));
            }
        }
        reasons
    }
}

fn is_finding(reason: &Reason) -> bool {
    Detector::of_code(&reason.measure).is_some()
}
