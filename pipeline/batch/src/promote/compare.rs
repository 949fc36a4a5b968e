//! The candidate beside the live model, on the same people.
//!
//! Both are judged now where the history has enough people, each with its own back-end and calibration: on people whom neither
//! has learned from where the folders name enough of them, otherwise on people whom the candidate has not learned from. Figures
//! of manifests are compared only where nothing can be judged and they are of the same protocol and people.

use super::gate::{self, Judged, PEOPLE_MIN};
use super::groups::{Devices, Group, groups};
use super::{PromoteArgs, Refused};
use crate::corpus::{self, Person};
use crate::embed;
use crate::evaluate::{Layout, LearnedFrom, Scores, Settings, Trials, held_out_some};
use crate::train::HELD_OUT_FILE;
use anyhow::Result;
use ductus_dynamics::wire::PreviousModel;
use ductus_scorer::{Gate, GateBasis, GateRow, Model};
use sha2::{Digest, Sha256};
use std::num::NonZeroUsize;
use std::sync::Arc;

/// People who are judged, at most; and probes of each. More would take minutes and tell nothing new.
const PEOPLE_MAX: usize = 300;
const PROBES_MAX: usize = 10;
/// Comparisons from which on impostors are thinned out evenly.
const PAIRS_MAX: usize = 500_000;

/// Compares, and refuses what is worse or cannot be compared, unless forced.
pub(super) fn check(candidate: &Arc<Model>, live: &Arc<Model>, args: &PromoteArgs) -> Result<Gate> {
    let (name, live_name) = (candidate.manifest().name(), live.manifest().name());
    let (gate, reason) = match compare(candidate, live, args)? {
        Ok(gate) => {
            let worse = gate::worse(&gate.rows);
            let reason = (!worse.is_empty())
                .then(|| format!("{name} is worse than the live {live_name}: {worse} on the same people"));
            (gate, reason)
        }
        Err(why) => {
            let gate = against(live, GateBasis::Nothing);
            (
                gate,
                Some(format!("{name} cannot be compared with the live {live_name}: {why}")),
            )
        }
    };
    settle(gate, reason, args)
}

/// Where the live model cannot even be loaded.
pub(super) fn without_live(
    candidate: &Model,
    live: &PreviousModel,
    error: &anyhow::Error,
    args: &PromoteArgs,
) -> Result<Gate> {
    let gate = nothing(super::name(live), live.model.sha256.clone(), GateBasis::Nothing);
    let reason = format!(
        "{} cannot be compared with the live {}, which cannot be loaded: {error:#}",
        candidate.manifest().name(),
        gate.against
    );
    settle(gate, Some(reason), args)
}

fn settle(gate: Gate, reason: Option<String>, args: &PromoteArgs) -> Result<Gate> {
    let told = match gate::told(&gate) {
        none if none.is_empty() => none,
        told => format!("\n{told}"),
    };
    match reason {
        None => {
            tracing::info!("not worse than the live {}{told}", gate.against);
            Ok(gate)
        }
        Some(reason) if args.force => {
            tracing::warn!("{reason}; promoted by --force{told}");
            Ok(Gate {
                forced: Some(reason),
                ..gate
            })
        }
        Some(reason) => Err(Refused { reason, table: told }.into()),
    }
}

/// The gate's rows, or why there are none.
fn compare(candidate: &Arc<Model>, live: &Arc<Model>, args: &PromoteArgs) -> Result<Result<Gate, String>> {
    let why = match &args.history {
        Some(history) => match judge(candidate, live, history)? {
            Ok(gate) => return Ok(Ok(gate)),
            Err(why) => format!("{why}; "),
        },
        None => String::new(),
    };
    let (new, old) = (&candidate.manifest().accuracy, &live.manifest().accuracy);
    let same = new.protocol == old.protocol
        && new.subjects == old.subjects
        && new.genuine == old.genuine
        && kept_aside(candidate) == kept_aside(live);
    let row = same.then(|| gate::of_manifests(new, old)).flatten();
    Ok(match row {
        Some(row) => {
            tracing::warn!(
                "{why}only the figures of the manifests are compared, without intervals and groups; --history judges both models"
            );
            Ok(Gate {
                people: row.people,
                rows: vec![row],
                ..against(live, GateBasis::Manifests)
            })
        }
        None => Err(format!(
            "{why}the one was judged by {} on {} people and the other by {} on {}: give --history with people to judge both on",
            new.protocol, new.subjects, old.protocol, old.subjects
        )),
    })
}

/// The people that a model's folder names as kept aside.
fn kept_aside(model: &Model) -> String {
    std::fs::read_to_string(model.folder().join(HELD_OUT_FILE)).unwrap_or_default()
}

/// Judges both on the history's people, or says why it cannot tell.
fn judge(candidate: &Arc<Model>, live: &Arc<Model>, history: &str) -> Result<Result<Gate, String>> {
    let manifest = candidate.manifest();
    let (modality, detail) = (manifest.modality, manifest.detail.max(live.manifest().detail));
    let mut devices = Devices::default();
    let people = corpus::from_history_noting(history, modality, detail, |session| devices.note(session, modality))?;
    let mut settings = Settings::of(modality);
    settings.steps = settings.steps.min(manifest.steps_max).min(live.manifest().steps_max);
    let [new, old] = [candidate, live].map(|model| LearnedFrom::of(model.folder(), model.manifest()));
    let unseen: Vec<&Person> = people.iter().filter(|person| !new.has(person)).collect();
    let neither: Vec<&Person> = unseen.iter().copied().filter(|person| !old.has(person)).collect();
    let mut found = 0;
    for people in [neither, unseen] {
        let people: Vec<Person> = some(people).into_iter().cloned().collect();
        let (layout, places) = held_out_some(&people, modality, settings, PROBES_MAX);
        found = places.len();
        if found >= PEOPLE_MIN {
            let people: Vec<&Person> = places.iter().map(|&place| &people[place]).collect();
            let seen_by_live = people.iter().filter(|person| old.has(person)).count();
            let groups = groups(&people, modality, &devices);
            let rows = rows(candidate, live, layout, groups)?;
            return Ok(Ok(Gate {
                people: found,
                seen_by_live,
                rows,
                ..against(live, GateBasis::History)
            }));
        }
    }
    Ok(Err(format!(
        "of {} people in the history the candidate has not learned from {found} with enough windows, and {PEOPLE_MIN} are needed (train --hold-out keeps more aside)",
        people.len()
    )))
}

/// Embeds and compares by both models, and reads the gate's rows off.
fn rows(candidate: &Arc<Model>, live: &Arc<Model>, mut layout: Layout, groups: Vec<Group>) -> Result<Vec<GateRow>> {
    thin_out(&mut layout.trials);
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let scores = |model: &Arc<Model>| -> Result<Scores> {
        let back_end = model.back_end();
        let embeddings = embed::with_model(model, &layout.windows, threads)?.in_space(&back_end.space);
        let mut scores = layout.score(&layout.trials, &embeddings);
        for (_, _, score) in &mut scores.all {
            *score = back_end.calibration.llr(*score);
        }
        Ok(scores)
    };
    let judged = Judged {
        candidate: scores(candidate)?,
        live: scores(live)?,
        people: layout.enrolled.len(),
        groups,
    };
    Ok(judged.rows(threads))
}

/// At most [`PEOPLE_MAX`] people, by the hashes of their names: the same ones tomorrow, whoever joins or leaves.
fn some(mut people: Vec<&Person>) -> Vec<&Person> {
    people.sort_by_cached_key(|person| Sha256::digest(person.name()));
    people.truncate(PEOPLE_MAX);
    people.sort_by_cached_key(|person| person.name());
    people
}

/// Keeps every genuine comparison, and of the others so many that there are about [`PAIRS_MAX`].
fn thin_out(trials: &mut Trials) {
    let every = trials.pairs.len().div_ceil(PAIRS_MAX).max(1) as u32;
    trials
        .pairs
        .retain(|pair| pair.genuine || (pair.enrolled + pair.probe) % every == 0);
}

/// A gate against `live` in which nothing was found yet.
fn against(live: &Model, basis: GateBasis) -> Gate {
    nothing(live.manifest().name(), live.sha256().to_owned(), basis)
}

fn nothing(against: String, against_sha256: String, basis: GateBasis) -> Gate {
    Gate {
        against,
        against_sha256,
        basis,
        people: 0,
        seen_by_live: 0,
        forced: None,
        rows: Vec::new(),
    }
}
