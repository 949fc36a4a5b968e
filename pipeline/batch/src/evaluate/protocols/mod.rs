//! The protocols: which windows enrol, which are probes, who is compared with whom. One small file each, which states its
//! source, its split and its counts.
//!
//! Invariants: a protocol only lays out windows and pairs; embedding, comparing and measuring are the same for all. People
//! whose data does not reach are left out and counted in the notes.

mod balabit;
mod blocks;
pub(super) mod chimera;
mod cmu;
mod cross;
mod held_out;
mod kvc;
mod pohmm;
mod published;
mod sapimouse;
mod typenet;

pub use cross::free_text;
pub use held_out::{held_out, held_out_some};

use super::EvaluateArgs;
use super::comparators::Compared;
use super::layout::Layout;
use super::people::{self, Crowd};
use super::report::Published;
use crate::corpus::Person;
use crate::import::Dataset;
use crate::windows::Cutting;
use anyhow::{Context, Result};
use clap::ValueEnum;
use ductus_dynamics::event::{KeyDetail, Modality};

/// A way to judge a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// TypeNet's, for Aalto: first 50 keys of each section; gallery sections 0-4, genuine 10-14, impostor section 11 of others.
    Typenet,
    /// After the Keystroke Verification Challenge, for Aalto: five whole sessions enrol, ten are verified.
    Kvc,
    /// Free text of Pace, leave one sample out.
    Pohmm,
    /// Free text of Pace by occasion, for a model that has not seen the collection; any other set as `held-out` does.
    Cross,
    /// Killourhy & Maxion's, for the CMU password: 200 repetitions enrol, 200 and five of every other subject are judged.
    Cmu,
    /// SapiMouse: the longer session of a person enrols, blocks of the shorter one are probes.
    Sapimouse,
    /// Balabit: training sessions enrol, labelled test sessions are judged as a whole.
    Balabit,
    /// Typing of one data set and pointer of another joined into people: what two modalities add.
    Chimera,
    /// Any people: first half of a person's windows enrols, the second half are probes.
    HeldOut,
    /// Somebody else takes over in mid-session: actions until a step-up, at a budget of false ones.
    Continuous,
    /// Replays, forgeries, scripts and odd clocks: sessions that end without a step-up, and detectors that fired.
    Attacks,
}

impl Protocol {
    /// The name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Typenet => "typenet",
            Self::Kvc => "kvc",
            Self::Pohmm => "pohmm",
            Self::Cross => "cross",
            Self::Cmu => "cmu",
            Self::Sapimouse => "sapimouse",
            Self::Balabit => "balabit",
            Self::Chimera => "chimera",
            Self::HeldOut => "held-out",
            Self::Continuous => "continuous",
            Self::Attacks => "attacks",
        }
    }

    /// The protocol of a name in a manifest.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::value_variants()
            .iter()
            .copied()
            .find(|protocol| protocol.name() == name)
    }

    /// What its windows are made of; `None` where that is the model's business.
    pub fn modality(self) -> Option<Modality> {
        match self {
            Self::Typenet | Self::Kvc | Self::Pohmm | Self::Cross | Self::Cmu | Self::Chimera => {
                Some(Modality::Keystroke)
            }
            Self::Sapimouse | Self::Balabit => Some(Modality::Pointer),
            Self::HeldOut | Self::Continuous | Self::Attacks => None,
        }
    }

    /// Whether its people have several occasions each, from which a deployment would learn how people move between them.
    pub(super) fn learns(self) -> bool {
        matches!(self, Self::Pohmm | Self::Cross)
    }

    /// Whether a probe that is not of the claimed person is known to be of another who is enrolled, as in a closed circle of
    /// people: then it may be asked who of them is nearest.
    pub(super) fn is_closed(self) -> bool {
        self == Self::Balabit
    }

    /// Figures that others printed for it.
    pub(super) fn published(self) -> &'static [Published] {
        published::of(self)
    }

    /// Lays out people who were kept aside from a training. Protocols that are about files and not about people, and those
    /// that do not compare windows, fall back on [`held_out`].
    pub fn lay_out_people(self, people: &[Person], modality: Modality, settings: Settings) -> Layout {
        match self {
            Self::Typenet => typenet::layout(people, settings),
            Self::Kvc => kvc::layout(people, settings),
            Self::Pohmm | Self::Cross => cross::layout(people, settings),
            Self::Sapimouse => sapimouse::layout(people, settings),
            _ => held_out(people, modality, settings),
        }
    }
}

/// A folder read and laid out.
pub(super) struct LaidOut {
    /// Who was read; empty for protocols about files.
    pub(super) crowd: Crowd,
    pub(super) layout: Layout,
    /// Figures that need no window.
    pub(super) compared: Vec<Compared>,
}

/// Reads the folder of an evaluation and lays it out.
pub(super) fn lay_out(
    args: &EvaluateArgs,
    modality: Modality,
    detail: KeyDetail,
    settings: Settings,
) -> Result<LaidOut> {
    let read = |dataset| people::read(args, dataset, modality, detail);
    let mut compared = Vec::new();
    let (crowd, layout) = match args.protocol {
        Protocol::Typenet => with(read(Dataset::Aalto)?, |people| typenet::layout(people, settings)),
        Protocol::Kvc => with(read(Dataset::Aalto)?, |people| kvc::layout(people, settings)),
        Protocol::Pohmm => with(texts(read(Dataset::Pohmm)?), |people| pohmm::layout(people, settings)),
        Protocol::Cross => match args.dataset.unwrap_or(Dataset::Pohmm) {
            Dataset::Pohmm => with(texts(read(Dataset::Pohmm)?), |people| cross::layout(people, settings)),
            other => with(read(other)?, |people| held_out(people, modality, settings)),
        },
        Protocol::Cmu => {
            let vectors = cmu::Vectors::read(&args.data)?;
            compared = vectors.check();
            with(read(Dataset::Cmu)?, |people| cmu::layout(people, vectors.keys()))
        }
        Protocol::Sapimouse => {
            let mut crowd = read(Dataset::Sapimouse)?;
            crowd.people = sapimouse::judged(crowd.people);
            with(crowd, |people| sapimouse::layout(people, settings))
        }
        Protocol::Balabit => balabit::layout(args, settings)?,
        // Protocols that play sessions lay out no comparisons; windows are laid out as for any people.
        _ => {
            let dataset = args
                .dataset
                .with_context(|| format!("the protocol {} needs --dataset", args.protocol.name()))?;
            with(read(dataset)?, |people| held_out(people, modality, settings))
        }
    };
    Ok(LaidOut {
        crowd,
        layout,
        compared,
    })
}

fn with(crowd: Crowd, lay_out: impl FnOnce(&[Person]) -> Layout) -> (Crowd, Layout) {
    let layout = lay_out(&crowd.people);
    (crowd, layout)
}

fn texts(mut crowd: Crowd) -> Crowd {
    crowd.people = free_text(crowd.people);
    crowd
}

/// Settings that a protocol leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Reference windows a person.
    pub references: usize,
    /// Steps a window.
    pub steps: usize,
}

impl Settings {
    /// What the published numbers used: five references; 50 keys, 128 pointer events.
    pub fn of(modality: Modality) -> Self {
        Self {
            references: 5,
            steps: Cutting::of_stream(modality).config.steps,
        }
    }

    pub(super) fn cutting(self, modality: Modality) -> Cutting {
        let mut cutting = Cutting::of_stream(modality);
        cutting.config.steps = self.steps;
        cutting.config.min_steps = cutting.config.min_steps.min(self.steps);
        cutting
    }

    /// As published layouts cut: by count alone, however long somebody thought in between.
    fn cutting_by_count(self, modality: Modality) -> Cutting {
        let mut cutting = self.cutting(modality).apart();
        cutting.config.pause_us = i64::MAX / 4;
        cutting
    }
}
