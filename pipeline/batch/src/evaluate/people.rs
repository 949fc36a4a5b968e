//! The people of an evaluation: read, cleaned, restricted to those the model kept aside, and brought to another clock where
//! that is asked for.
//!
//! Invariant: what is left out is counted by reason, and the report carries the counts.

use super::EvaluateArgs;
use super::clocks::Clocks;
use crate::corpus::{self, Person, Session};
use crate::import::{Dataset, Refused};
use crate::train::HELD_OUT_FILE;
use anyhow::{Context, Result, bail};
use ductus_dynamics::event::{InputEvent, KeyDetail, Modality};
use ductus_scorer::Manifest;
use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

/// Fewest events of a session that another one cannot repeat by chance.
const REPEAT_EVENTS_MIN: usize = 20;

/// What a folder gave.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    /// The people who remain, in the data set's own order.
    pub(super) people: Vec<Person>,
    /// People in the folder.
    pub(super) read: usize,
    /// Rows, files and sessions that were refused, by reason.
    pub(super) refused: Refused,
    /// What else was left out.
    pub(super) notes: Vec<String>,
}

/// Reads the people of a folder.
pub(super) fn read(args: &EvaluateArgs, dataset: Dataset, modality: Modality, detail: KeyDetail) -> Result<Crowd> {
    let mut crowd = read_folder(dataset, &args.data, modality, detail, &Clocks::of(args))?;
    crowd.restrict(args)?;
    Ok(crowd)
}

impl Crowd {
    /// Leaves only the people whom the models kept aside, where that is asked for.
    pub(super) fn restrict(&mut self, args: &EvaluateArgs) -> Result<()> {
        let own = args.continuous.only_held_out.then_some(&args.model);
        for model in own.into_iter().chain(&args.held_out_of) {
            self.keep_held_out_of(model, &args.data)?;
        }
        Ok(())
    }

    /// Leaves out everybody whom the model in `folder` does not name as kept aside; `data` is what an error speaks of.
    pub(super) fn keep_held_out_of(&mut self, folder: &Path, data: &Path) -> Result<()> {
        let kept = kept_aside(folder)?;
        let before = self.people.len();
        self.people.retain(|person| kept.contains(&person.name()));
        if self.people.is_empty() {
            bail!(
                "none of the {before} people of {} is among those that the model kept aside ({HELD_OUT_FILE})",
                data.display()
            );
        }
        self.notes.push(format!(
            "{} people left out: not among those that the model kept aside",
            before - self.people.len()
        ));
        Ok(())
    }
}

/// Reads the people of any folder, as the clocks say.
pub(super) fn read_folder(
    dataset: Dataset,
    dir: &Path,
    modality: Modality,
    detail: KeyDetail,
    clocks: &Clocks,
) -> Result<Crowd> {
    let mut refused = Refused::default();
    let mut people = corpus::in_order_counting(dataset, dir, modality, detail, &mut refused)?;
    let read = people.len();
    let repeated = drop_repeated(&mut people);
    refused.add_code("duplicate_session", repeated);
    for (number, session) in (0..).zip(people.iter_mut().flat_map(|person| &mut person.sessions)) {
        clocks.apply(number, session);
    }
    Ok(Crowd {
        people,
        read,
        refused,
        notes: Vec::new(),
    })
}

/// Drops everybody whom the model in `folder` kept aside.
pub(super) fn without_kept_aside(crowd: &mut Crowd, folder: &Path) -> Result<()> {
    let kept = kept_aside(folder)?;
    let before = crowd.people.len();
    crowd.people.retain(|person| !kept.contains(&person.name()));
    crowd.notes.push(format!(
        "{} people left out: the model kept them aside",
        before - crowd.people.len()
    ));
    Ok(())
}

/// How many of these people the model may have learned from.
pub(super) fn seen_by(model: &Path, manifest: &Manifest, people: &[Person]) -> usize {
    let learned = LearnedFrom::of(model, manifest);
    people.iter().filter(|person| learned.has(person)).count()
}

/// Whom a model may have learned from: the people of the data sets and tenants that went into its network or its back-end,
/// but those that its folder names as kept aside. Somebody who came to a tenant later counts as learned from: manifests do
/// not tell.
pub(crate) struct LearnedFrom {
    sources: BTreeSet<String>,
    kept: BTreeSet<String>,
}

impl LearnedFrom {
    /// As the model's folder says.
    pub(crate) fn of(folder: &Path, manifest: &Manifest) -> Self {
        let back_end = manifest.backend.iter().flat_map(|back_end| &back_end.data);
        let sources = manifest.training.data.iter().chain(back_end);
        Self {
            sources: sources.map(|source| source.name.clone()).collect(),
            kept: kept_aside(folder).unwrap_or_default(),
        }
    }

    /// Whether it may have learned from this person.
    pub(crate) fn has(&self, person: &Person) -> bool {
        self.sources.contains(&person.tenant) && !self.kept.contains(&person.name())
    }
}

/// `tenant/subject` of everybody that the model in `folder` kept aside.
fn kept_aside(folder: &Path) -> Result<BTreeSet<String>> {
    let file = folder.join(HELD_OUT_FILE);
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}, which says whom the model kept aside", file.display()))?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// Drops sessions that repeat one before, of whomever: a copy among the probes would be recognised by its bytes. People
/// without a session are dropped too. Returns how many sessions it were.
fn drop_repeated(people: &mut Vec<Person>) -> u64 {
    let mut seen = HashSet::new();
    let mut repeated = 0;
    for person in people.iter_mut() {
        person.sessions.retain(|session| {
            let fresh = session.events.len() < REPEAT_EVENTS_MIN || seen.insert(fingerprint(session));
            repeated += u64::from(!fresh);
            fresh
        });
    }
    people.retain(|person| !person.sessions.is_empty());
    repeated
}

/// Over the events with times from the first one on; a copy may carry another day.
fn fingerprint(session: &Session) -> u64 {
    let mut hasher = DefaultHasher::new();
    let start_us = session.events.first().map_or(0, |event| event.t_us);
    for InputEvent { t_us, kind } in &session.events {
        (t_us - start_us).hash(&mut hasher);
        format!("{kind:?}").hash(&mut hasher);
    }
    hasher.finish()
}
