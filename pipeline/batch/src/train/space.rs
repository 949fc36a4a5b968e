//! The space of comparisons that belongs to a new model: learned from the people who trained its network, or the plain one.
//!
//! Invariant: nobody who judges the model has a part in it.

use super::recipe::{BackEndName, Recipe};
use crate::backend::{Dividing, GAP_MINUTES};
use crate::corpus::Person;
use crate::embed;
use anyhow::Result;
use ductus_dynamics::backend::{LearnConfig, Space, whiten};
use ductus_learn::Ensemble;
use ductus_scorer::{BackEndSource, back_end_bytes, sha256_hex};
use std::num::NonZeroUsize;

/// Share of the mean variance added to every direction: those who train a network cannot tell how much, so it is the share that
/// did no harm to others (ADR 9).
const SHRINKAGE: f64 = 3.0;

/// A space and what it came from.
#[derive(Clone, Debug, Default)]
pub(super) struct Learned {
    pub(super) space: Space,
    people: usize,
    occasions: usize,
}

impl Learned {
    /// From the people who trained `network`.
    pub(super) fn of<'a>(
        name: BackEndName,
        people: impl Iterator<Item = &'a Person>,
        recipe: &Recipe,
        network: &Ensemble,
        threads: NonZeroUsize,
    ) -> Result<Self> {
        if name == BackEndName::Plain {
            return Ok(Self::default());
        }
        let cutting = recipe.cutting;
        let dividing = Dividing::of(cutting, cutting.config.steps, GAP_MINUTES);
        let occasions = dividing.embedded(people, |windows| embed::with_network(network, windows, threads))?;
        let config = LearnConfig {
            shrinkage: SHRINKAGE,
            ..LearnConfig::default()
        };
        match whiten(&occasions, &config) {
            Ok((whitening, people, occasions)) => Ok(Self {
                space: Space::of(whitening),
                people,
                occasions,
            }),
            Err(why) => {
                tracing::warn!("{why}; the model compares plain cosines");
                Ok(Self::default())
            }
        }
    }

    /// The file of the back-end, and what the manifest says of it; none for plain cosines.
    pub(super) fn file(&self) -> Option<(Vec<u8>, BackEndSource)> {
        let bytes = back_end_bytes(self.space.whitening()?);
        let source = BackEndSource {
            sha256: sha256_hex(&bytes),
            people: self.people,
            occasions: self.occasions,
            data: Vec::new(),
        };
        Some((bytes, source))
    }
}
