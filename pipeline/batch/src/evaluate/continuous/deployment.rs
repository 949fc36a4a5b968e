//! Takeovers among a deployment's own people: what a threshold costs there.
//!
//! Invariant: who takes over is of the same tenant.

use super::ContinuousArgs;
use super::layout::{self, Cast};
use super::measure::{Rule, Stream, Takeovers};
use crate::corpus::Person;
use anyhow::Result;
use ductus_dynamics::decide::DecisionPolicy;
use ductus_dynamics::line::LineConfig;
use ductus_scorer::Model;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// Takeovers that were played.
#[derive(Debug, Default)]
pub struct Played {
    streams: Vec<Stream>,
    /// Steps of a full window, and the pause that closes one, µs.
    full: usize,
    pause_us: i64,
}

/// When takeovers are found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FoundWithin {
    /// Actions until half are found.
    pub median: Option<usize>,
    /// Actions until 95 % are found.
    pub p95: Option<usize>,
    /// Share found within 60 actions.
    pub within_60: Option<f64>,
    /// Share found within 200 actions.
    pub within_200: Option<f64>,
}

/// Plays everybody's streams with others of their tenant taking over.
///
/// # Errors
/// Too few people or sessions, or the model fails.
pub fn play_people(
    people: &[Person],
    model: &Arc<Model>,
    threads: NonZeroUsize,
    notes: &mut Vec<String>,
) -> Result<Played> {
    let args = ContinuousArgs {
        rounds: 1,
        ..ContinuousArgs::default()
    };
    let modality = model.manifest().modality;
    let line = super::line_config(&args, model.manifest());
    let cast = Cast::everybody(people, modality, &line, notes)?;
    let mut tenants: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for &member in &cast.report {
        tenants.entry(&cast.people[member].tenant).or_default().push(member);
    }
    let window = *line.window(modality);
    let mut played = Played {
        streams: Vec::new(),
        full: window.steps,
        pause_us: window.pause_us,
    };
    for members in tenants.values().filter(|members| members.len() > 1) {
        played
            .streams
            .extend(layout::play(&cast, members, &args, model, &line, threads)?);
    }
    Ok(played)
}

impl Played {
    /// Takeovers.
    pub fn takeovers(&self) -> usize {
        self.streams.iter().filter(|stream| stream.other.is_some()).count()
    }

    /// When they are found at a step-up risk.
    pub fn found(&self, step_up_risk: f32, policy: &DecisionPolicy) -> FoundWithin {
        let rule = Rule {
            step_up_risk,
            ..self.rule(policy)
        };
        let takeovers = Takeovers::count(&self.streams, &rule);
        FoundWithin {
            median: takeovers.quantile(0.5),
            p95: takeovers.quantile(0.95),
            within_60: takeovers.within(60),
            within_200: takeovers.within(200),
        }
    }

    /// The highest step-up risk at which no more than this share of the takeovers goes unseen for so many actions.
    pub fn risk_for_fmr(&self, fmr: f64, actions: usize) -> Option<f32> {
        let rule = self.rule(&LineConfig::default().decision);
        let highest = |stream: &Stream| rule.highest(stream, stream.before + 1..stream.before + actions + 1);
        let takeovers = self.streams.iter().filter(|stream| stream.other.is_some());
        let mut risks: Vec<f32> = takeovers.map(|stream| highest(stream).unwrap_or(0.0)).collect();
        risks.sort_by(f32::total_cmp);
        risks.get((fmr * risks.len() as f64) as usize).copied()
    }

    fn rule(&self, policy: &DecisionPolicy) -> Rule {
        Rule::of(policy, self.full, self.pause_us)
    }
}
