//! One-time questions about samples of input, answered from references in memory: is it this person ([`Prober::verify`]), who
//! of these people is it ([`Prober::identify`]). Called by threads that may wait, a call at a time each.
//!
//! ```text
//! batches ─ parse, judge ─► an ephemeral Line ─► windows ─ embedders, a few ─► verify:   conclude, as the stream does
//! references topic ─► ReferencePool ──────────────────────────────────────────► identify: every mature set of a tenant
//! ```
//! Verification runs the batches through a [`Line`](ductus_dynamics::line::Line) of its own, with a copy of the subject's
//! references, so that its numbers are those that the stream would have at the end of a session with these events. What such a
//! session teaches the references is forgotten with the call.
//!
//! Invariants: no I/O, no clock, no logging, nothing is kept of a sample; a batch that is refused ends the call, with a reason
//! code for each such batch; nobody is compared with references that were not mature before the call, unlike in a session,
//! which learns somebody new by what they do; embeddings of two networks never meet; every bound is a field of a policy.

mod engines;
mod gallery;
mod identify;
mod pool;
mod sample;
mod verify;

pub use engines::Live;
pub use identify::{Candidate, Crowd, Identification};
pub use pool::{Fed, Held, PoolPolicy, RecordError, ReferencePool};
pub use sample::{Refusal, RefusalReason};
pub use verify::{Answer, Claim, MissingReferences, MissingSteps, Needed, Numbers, Verification};

use crate::model::Model;
use ductus_dynamics::compare::device_class;
use ductus_dynamics::event::Modality;
use ductus_dynamics::line::{LineConfig, Ready};
use ductus_dynamics::wire::ModelRef;
use engines::Engines;
use std::ops::Range;
use std::sync::Arc;

/// Bounds on questions, and where the answers' lines are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProbePolicy {
    /// Most batches in a question: a page sends two a second, and a minute or two of typing is a sample.
    pub batches_max: usize,
    /// Most events in all of them together.
    pub events_max: usize,
    /// Most embedders of a modality: so many questions use a network at once, the others wait, as long as it takes. How many
    /// may wait is for the caller to bound.
    pub embedders_max: usize,
    /// Accumulated log-likelihood ratio (natural) from which it is the same person, where the stream would not step up. Below,
    /// what was seen speaks neither for nor against them.
    pub same_llr_min: f32,
    /// Most candidates in an answer.
    pub candidates_max: usize,
    /// Most subjects in a list of whom it may be.
    pub among_max: usize,
    /// Probability, before anything is seen, that it is somebody of those who are compared with.
    pub known_prior: f64,
}

impl Default for ProbePolicy {
    fn default() -> Self {
        Self {
            batches_max: 500,
            events_max: 4_000,
            embedders_max: 4,
            same_llr_min: 0.0,
            candidates_max: 50,
            among_max: 10_000,
            known_prior: 0.5,
        }
    }
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// No batch at all.
    #[error("there is no batch, give at least one")]
    Empty,
    /// Over a bound of [`ProbePolicy`].
    #[error("there are {found} {what}, but at most {most} are taken")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// The bound.
        most: usize,
    },
    /// Batches that cannot be used: which, and why.
    #[error("{} of the batches are refused: {}", .0.len(), codes(.0))]
    Refused(Vec<Refusal>),
    /// References are still brought into the space of the model that went live ([`ReferencePool::go_live`]): ask again.
    #[error("references are being prepared for the model that went live, ask again in a while")]
    NotReady,
    /// ONNX Runtime failed: ask again, or stop.
    #[error("{0}")]
    Engine(String),
}

/// `0 malformed, 2 no_consent`
fn codes(refusals: &[Refusal]) -> String {
    let codes = refusals
        .iter()
        .map(|refusal| format!("{} {}", refusal.batch, refusal.reason.code()));
    codes.collect::<Vec<_>>().join(", ")
}

/// What a person types or points with: references are kept apart by it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instrument {
    /// Keystroke or pointer.
    pub modality: Modality,
    /// Device class, see [`device_class`].
    pub device: String,
}

impl Instrument {
    fn of(ready: &Ready) -> Self {
        Self {
            modality: ready.window.modality,
            device: device_class(ready.window.modality, &ready.device),
        }
    }
}

/// How much was compared of one instrument.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// Of what.
    pub instrument: Instrument,
    /// The model that embedded the windows.
    pub model: ModelRef,
    /// Windows.
    pub windows: usize,
    /// Steps (key presses, pointer events), each counted once.
    pub steps: usize,
    /// Reference sets that they were compared with.
    pub references: usize,
}

/// Answers questions; made once, shared by all threads.
pub struct Prober {
    config: Arc<LineConfig>,
    policy: ProbePolicy,
    engines: Engines,
}

impl Prober {
    /// `config` is the stream's own; `live` says which model is live, as the stream's watcher of models knows.
    pub fn new(config: Arc<LineConfig>, policy: ProbePolicy, live: Live) -> Self {
        let engines = Engines::new(live, policy.embedders_max);
        Self {
            config,
            policy,
            engines,
        }
    }

    /// The models to use for one question.
    fn models(&self) -> [Option<InUse>; Modality::ALL.len()] {
        Modality::ALL.map(|modality| {
            let model = self.engines.model(modality)?;
            let name = model.manifest().model_ref();
            Some(InUse { model, name })
        })
    }

    /// Embeds the windows that it says, those of a modality together.
    fn embed(
        &self,
        ready: &[Ready],
        models: &[Option<InUse>; Modality::ALL.len()],
        wants: impl Fn(&Ready) -> bool,
    ) -> Result<Embeddings, ProbeError> {
        let mut embeddings = Embeddings {
            values: Default::default(),
            rows: vec![None; ready.len()],
        };
        for (modality, used) in Modality::ALL.into_iter().zip(models) {
            let Some(used) = used else { continue };
            let of_modality = |ready: &Ready| ready.window.modality == modality && wants(ready);
            let places: Vec<usize> = (0..ready.len()).filter(|&at| of_modality(&ready[at])).collect();
            if places.is_empty() {
                continue;
            }
            let windows: Vec<&[f32]> = places
                .iter()
                .map(|&at| ready[at].features().values.as_slice())
                .collect();
            let mut engine = self.engines.take(modality, &used.model)?;
            let rows = engine.embed(&windows, &mut embeddings.values[modality.index()])?;
            for (at, row) in places.into_iter().zip(rows) {
                embeddings.rows[at] = row;
            }
        }
        Ok(embeddings)
    }
}

/// A model in one question.
struct InUse {
    model: Arc<Model>,
    name: ModelRef,
}

/// The embeddings of a sample's windows.
struct Embeddings {
    values: [Vec<f32>; Modality::ALL.len()],
    rows: Vec<Option<Range<usize>>>,
}

impl Embeddings {
    /// That of a window, `[D]`; none where it was not embedded.
    fn of(&self, at: usize, modality: Modality) -> Option<&[f32]> {
        let row = self.rows.get(at)?.clone()?;
        self.values[modality.index()].get(row)
    }
}
