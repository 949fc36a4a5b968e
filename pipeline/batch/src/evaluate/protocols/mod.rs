//! The protocols: which windows enrol, which are probes, who is compared with whom. One small file each, which states its
//! source, its split and its counts.
//!
//! Invariants: a protocol only lays out windows and pairs; embedding, comparing and measuring are the same for all. People
//! whose data does not reach are left out and counted in the notes.

mod balabit;
mod blocks;
mod cross;
mod held_out;
mod sapimouse;
mod typenet;

pub use cross::free_text;
pub use held_out::held_out;

use super::EvaluateArgs;
use super::trials::Layout;
use crate::corpus::{self, Person};
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
    /// Free text of Pace: references from a person's first samples, probes from the last ones, impostors everybody else's.
    Pohmm,
    /// As `pohmm`, for a model that learned from another collection.
    Cross,
    /// SapiMouse: the longer session of a person enrols, blocks of the shorter one are probes.
    Sapimouse,
    /// Balabit: training sessions enrol, labelled test sessions are judged as a whole.
    Balabit,
    /// Any people: first half of a person's windows enrols, the second half are probes.
    HeldOut,
}

impl Protocol {
    /// The name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Typenet => "typenet",
            Self::Pohmm => "pohmm",
            Self::Cross => "cross",
            Self::Sapimouse => "sapimouse",
            Self::Balabit => "balabit",
            Self::HeldOut => "held-out",
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
            Self::Typenet | Self::Pohmm | Self::Cross => Some(Modality::Keystroke),
            Self::Sapimouse | Self::Balabit => Some(Modality::Pointer),
            Self::HeldOut => None,
        }
    }

    /// Lays out people who were kept aside from a training. Protocols that are about files and not about people, and those
    /// that do not compare windows, fall back on [`held_out`].
    pub fn lay_out_people(self, people: &[Person], modality: Modality, settings: Settings) -> Layout {
        match self {
            Self::Typenet => typenet::layout(people, settings),
            Self::Pohmm | Self::Cross => cross::layout(people, settings),
            Self::Sapimouse => sapimouse::layout(people, settings),
            _ => held_out(people, modality, settings),
        }
    }
}

/// Reads the folder of an evaluation and lays it out.
pub(super) fn lay_out(
    args: &EvaluateArgs,
    modality: Modality,
    detail: KeyDetail,
    settings: Settings,
) -> Result<Layout> {
    let people = |dataset| corpus::in_order(dataset, &args.data, modality, detail);
    Ok(match args.protocol {
        Protocol::Typenet => typenet::layout(&people(Dataset::Aalto)?, settings),
        Protocol::Pohmm | Protocol::Cross => cross::layout(&free_text(people(Dataset::Pohmm)?), settings),
        Protocol::Sapimouse => sapimouse::layout(&people(Dataset::Sapimouse)?, settings),
        Protocol::Balabit => balabit::layout(&args.data, settings)?,
        Protocol::HeldOut => {
            let dataset = args.dataset.context("the protocol held-out needs --dataset")?;
            held_out(&people(dataset)?, modality, settings)
        }
    })
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

    fn cutting(self, modality: Modality) -> Cutting {
        let mut cutting = Cutting::of_stream(modality);
        cutting.config.steps = self.steps;
        cutting.config.min_steps = cutting.config.min_steps.min(self.steps);
        cutting
    }
}
