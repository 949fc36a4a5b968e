//! Protocol `continuous`: somebody else takes over in the middle of a session; after how many actions is a step-up asked for?
//!
//! Source: any data set. People are split by a hash of their pseudonym into two halves: on one the threshold is chosen for the
//! budget (one false step-up in so many hours of activity), on the other everything is reported; impostors come from the same
//! half. A person's first half of sessions enrols them as one long session, the second half, one recording after the other
//! (module `script`), is what they do under watch, once to its end, and again and again with another person taking over in
//! the middle, who goes on with their own second half. With `--rounds` the order of a person's sessions is turned, so that
//! each enrols and is watched in turn.
//!
//! Everything runs through `dynamics::line::Line` as in the stream: windows with their hop, enrolment, comparison, evidence,
//! decisions, and references that go on learning. An action is a step of the model's modality: a key press, or a pointer
//! event. Activity is event time in which no gap counts for more than the pause that closes a window.
//!
//! Invariants: nothing about a person of the reported half reaches the threshold; a takeover that is not found counts as
//! later than any that is; the same folder, model and options give the same report.

mod adaptation;
mod deployment;
mod layout;
mod measure;
mod picture;
mod play;
mod report;
mod script;

#[cfg(test)]
mod tests;

pub use deployment::{FoundWithin, Played, play_people};
pub use report::ContinuousReport;

use super::people::Crowd;
use super::{EvaluateArgs, free_text, people};
use crate::config;
use crate::corpus::Person;
use crate::import::Dataset;
use anyhow::{Result, bail};
use clap::Args;
use ductus_dynamics::event::Modality;
use ductus_dynamics::line::LineConfig;
use ductus_scorer::{Contract, Manifest, Model};
use measure::Rule;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Options of the protocol `continuous`.
#[derive(Args, Clone, Debug)]
pub struct ContinuousArgs {
    /// Judge only the people that `held-out.txt` beside the model names. Balabit's people are kept aside by session and not by
    /// person, so a model that learned from its training part has none of them.
    #[arg(long)]
    pub only_held_out: bool,
    /// Continuous: hours of activity in which a subject may have one false step-up.
    #[arg(long, default_value = "8")]
    pub budget_hours: f64,
    /// Continuous: how often the order of a person's sessions is turned.
    #[arg(long, default_value = "5")]
    pub rounds: usize,
    /// Continuous: people who take over from each subject, a round.
    #[arg(long, default_value = "6")]
    pub impostors: usize,
    /// Continuous: steps from one window to the next, instead of the stream's.
    #[arg(long)]
    pub hop: Option<usize>,
    /// Continuous: steps of a full window, instead of the stream's.
    #[arg(long)]
    pub window_steps: Option<usize>,
    /// Continuous: least cosine of a learned window to the anchors, instead of the stream's.
    #[arg(long)]
    pub drift_cosine_min: Option<f32>,
    /// Continuous: learned windows kept beside the anchors, instead of the stream's.
    #[arg(long)]
    pub recent_max: Option<usize>,
    /// Continuous: walk profiles towards other people, week by week, and say whether they get in.
    #[arg(long)]
    pub adaptation: bool,
    /// Continuous: write every decision of every stream here, one stream a line.
    #[arg(long)]
    pub traces: Option<PathBuf>,
}

impl Default for ContinuousArgs {
    fn default() -> Self {
        Self {
            only_held_out: false,
            budget_hours: 8.0,
            rounds: 5,
            impostors: 6,
            hop: None,
            window_steps: None,
            drift_cosine_min: None,
            recent_max: None,
            adaptation: false,
            traces: None,
        }
    }
}

/// Runs the protocol.
pub(super) fn run(args: &EvaluateArgs) -> Result<ContinuousReport> {
    let started = Instant::now();
    check(&args.continuous)?;
    config::start_runtime(args.onnxruntime.as_deref())?;
    let manifest = Manifest::load(&args.model)?;
    let modality = manifest.modality;
    let model = Arc::new(Model::load(&args.model, &Contract::of(modality))?);
    let line = line_config(&args.continuous, &manifest);
    let crowd = crowd(args, &manifest)?;
    let mut notes = crowd.notes;
    let cast = layout::Cast::of(&crowd.people, modality, &line, &mut notes)?;

    // The threshold first, from the people who choose; only then do the others play, under it.
    let chosen = layout::play(&cast, &cast.choose, &args.continuous, &model, &line, args.threads)?;
    let window = *line.window(modality);
    let mut rule = Rule::of(&line.decision, window.steps, window.pause_us);
    rule.step_up_risk = measure::choose(&chosen, &rule, args.continuous.budget_hours);
    let mut ruled = line.clone();
    ruled.decision.step_up_risk = rule.step_up_risk;
    ruled.decision.terminate_risk = ruled.decision.terminate_risk.max(rule.step_up_risk);
    let reported = layout::play(&cast, &cast.report, &args.continuous, &model, &ruled, args.threads)?;
    if let Some(path) = &args.continuous.traces {
        report::write_traces(path, &cast, &[("choose", &chosen[..]), ("report", &reported[..])])?;
    }
    let adaptation = if args.continuous.adaptation {
        Some(adaptation::simulate(&cast, &model, &ruled)?)
    } else {
        None
    };
    if let Some(note) = report::not_enrolled(&cast, &chosen, &reported) {
        notes.push(note);
    }
    let found = report::Found {
        manifest: &manifest,
        cast: &cast,
        people_read: crowd.read,
        subjects_seen: people::seen_by(&args.model, &manifest, &crowd.people),
        refused: crowd.refused,
        rule,
        hours: args.continuous.budget_hours,
        chosen: &chosen,
        reported: &reported,
        adaptation,
        notes,
    };
    report::write(args, found, started)
}

fn check(args: &ContinuousArgs) -> Result<()> {
    if !(args.budget_hours.is_finite() && args.budget_hours > 0.0) {
        bail!("--budget-hours is {}, but must be above 0", args.budget_hours);
    }
    if args.rounds == 0 || args.impostors == 0 {
        bail!("--rounds and --impostors must be at least 1");
    }
    Ok(())
}

fn line_config(args: &ContinuousArgs, manifest: &Manifest) -> LineConfig {
    let mut line = LineConfig::default();
    line.parse.detail = manifest.detail;
    let references = &mut line.references;
    references.drift_cosine_min = args.drift_cosine_min.unwrap_or(references.drift_cosine_min);
    references.recent_max = args.recent_max.unwrap_or(references.recent_max);
    let window = match manifest.modality {
        Modality::Keystroke => &mut line.keystroke,
        Modality::Pointer => &mut line.pointer,
    };
    window.steps = args
        .window_steps
        .unwrap_or(window.steps)
        .clamp(2, manifest.steps_max.max(2));
    window.hop = args.hop.unwrap_or(window.hop).clamp(1, window.steps);
    window.min_steps = window.min_steps.min(window.steps);
    line
}

/// The people of the folder, without those that the model has seen where that is asked for.
fn crowd(args: &EvaluateArgs, manifest: &Manifest) -> Result<Crowd> {
    let dataset = args.dataset.unwrap_or(match manifest.modality {
        Modality::Keystroke => Dataset::Aalto,
        Modality::Pointer => Dataset::Sapimouse,
    });
    let mut crowd = people::read(args, dataset, manifest.modality, manifest.detail)?;
    crowd.people = merged(crowd.people);
    if dataset == Dataset::Pohmm {
        crowd.people = free_text(crowd.people);
    }
    Ok(crowd)
}

/// One entry a person: a data set in two parts names the same people twice.
fn merged(people: Vec<Person>) -> Vec<Person> {
    let mut merged: Vec<Person> = Vec::new();
    let mut places: HashMap<(String, String), usize> = HashMap::new();
    for person in people {
        let name = (person.tenant.clone(), person.subject.clone());
        match places.get(&name) {
            Some(&place) => merged[place].sessions.extend(person.sessions),
            None => {
                places.insert(name, merged.len());
                merged.push(person);
            }
        }
    }
    merged
}
