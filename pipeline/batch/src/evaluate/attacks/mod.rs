//! Protocol `attacks`: how many attack sessions end without a step-up, and which detectors fired.
//!
//! Source: any data set. A person's recordings, one after the other, are parted: the first part enrols them, the next 200
//! keystrokes (1,024 pointer events) are a session that the system watches and an attacker records, the next as many are a
//! session that the system never sees. Each presentation is one session that claims to be the victim, at the default
//! thresholds, against the references as they are after the watched session; nothing is chosen on these people.
//! `zero_effort` is everybody else's watched session, up to [`OTHERS_MAX`] of them a victim.
//!
//! IAPAR is the share of attack presentations that end without a step-up. The genuine rows are people with odd clocks, who
//! enrolled with them: there a step-up is a false one. Every row is played a second time with the detectors switched off.
//!
//! Invariants: everything runs through `dynamics::line::Line` as in the stream; chance comes from a fixed seed; the same
//! folder and model give the same report.

mod cast;
mod figures;
mod kinds;
mod learn;
mod play;
mod report;

#[cfg(test)]
mod tests;

pub use learn::{Forgeries, ForgeriesArgs, forgeries};
pub use report::AttackReport;

use super::{EvaluateArgs, people};
use crate::import::Dataset;
use crate::{config, interrupt};
use anyhow::{Result, anyhow};
use cast::Cast;
use ductus_dynamics::event::{InputEvent, Modality};
use ductus_dynamics::line::LineConfig;
use ductus_dynamics::wire::{Purpose, Reference};
use ductus_scorer::{Contract, Manifest, Model};
use figures::Figures;
use kinds::{CLOCKS, OddClock, attacks, seed};
use play::{Played, Player, Take};
use report::{Row, Tally};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

/// Others who try each victim's account without effort, at most.
const OTHERS_MAX: usize = 100;
/// When enrolment, the watched session and the attack begin, µs after the origin: a day apart.
const DAY_US: i64 = 86_400_000_000;

/// The line as it is by default, and without detectors.
struct Lines {
    with: Arc<LineConfig>,
    without: Arc<LineConfig>,
}

/// A victim as the attacker meets them: their references after the watched session.
struct Victim {
    references: Option<[Reference; 2]>,
}

/// What one thread found.
#[derive(Default)]
struct Found {
    rows: BTreeMap<&'static str, Tally>,
    figures: Figures,
}

/// Runs the protocol.
pub(super) fn run(args: &EvaluateArgs) -> Result<AttackReport> {
    let started = Instant::now();
    config::start_runtime(args.onnxruntime.as_deref())?;
    let manifest = Manifest::load(&args.model)?;
    let modality = manifest.modality;
    let model = Arc::new(Model::load(&args.model, &Contract::of(modality))?);
    let dataset = args.dataset.unwrap_or(match modality {
        Modality::Keystroke => Dataset::Aalto,
        Modality::Pointer => Dataset::Sapimouse,
    });
    let crowd = people::read(args, dataset, modality, manifest.detail)?;
    let mut notes = crowd.notes;
    let lines = lines(&manifest);
    let cast = Cast::of(&crowd.people, modality, &lines.with, &mut notes)?;
    let mut found = Found::default();
    for part in on_threads(&cast, args.threads, |members| play_part(&cast, members, &model, &lines))? {
        found.merge(part);
    }
    let rows = rows(modality, found.rows);
    let report = AttackReport::of(&manifest, &cast, rows, found.figures.quantiles(), notes, started);
    report::write(&args.report, &report)?;
    Ok(report)
}

fn lines(manifest: &Manifest) -> Lines {
    let mut with = LineConfig::default();
    with.parse.detail = manifest.detail;
    for window in [&mut with.keystroke, &mut with.pointer] {
        window.steps = window.steps.min(manifest.steps_max);
        window.hop = window.hop.min(window.steps);
        window.min_steps = window.min_steps.min(window.steps);
    }
    let mut without = with.clone();
    without.liveness.enabled = false;
    Lines {
        with: Arc::new(with),
        without: Arc::new(without),
    }
}

/// Splits the victims over threads; the parts come back in their order.
fn on_threads<T: Send>(
    cast: &Cast,
    threads: NonZeroUsize,
    work: impl Fn(std::ops::Range<usize>) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let (all, work) = (cast.subjects.len(), &work);
    let share = all.div_ceil(threads.get()).max(1);
    std::thread::scope(|scope| {
        let starts = (0..all).step_by(share);
        let workers: Vec<_> = starts
            .map(|start| scope.spawn(move || work(start..(start + share).min(all))))
            .collect();
        let joined = workers.into_iter().map(|worker| {
            worker
                .join()
                .map_err(|_| anyhow!("a thread that plays attacks panicked"))?
        });
        joined.collect()
    })
}

fn play_part(cast: &Cast, members: std::ops::Range<usize>, model: &Arc<Model>, lines: &Lines) -> Result<Found> {
    let mut player = Player::new(model, lines.with.clone())?;
    let mut found = Found::default();
    // Everybody's session is embedded once in each thread, and claims to be each of the thread's victims.
    let mut others: Vec<Take> = Vec::with_capacity(cast.subjects.len());
    for subject in &cast.subjects {
        others.push(player.take(&subject.watch, "attack", 2 * DAY_US, Purpose::Session)?);
    }
    for victim in members {
        interrupt::check()?;
        let mut met = Victim { references: None };
        for (number, clock) in (0..).zip(CLOCKS) {
            let references = genuine(cast, victim, (clock, number), &mut player, lines, &mut found)?;
            if number == 0 {
                met.references = references;
            }
        }
        let Some(references) = &met.references else {
            continue;
        };
        for other in others_of(victim, cast.subjects.len()) {
            present(&player, "zero_effort", &others[other], references, lines, &mut found);
        }
        for attack in attacks(cast.modality) {
            for draw in 0..attack.draws {
                let events = (attack.make)(cast, victim, draw);
                if cast::count(&events) * 2 < cast::presentation_steps(cast.modality) {
                    continue;
                }
                let take = player.take(&events, "attack", 2 * DAY_US, Purpose::Session)?;
                present(&player, attack.name, &take, references, lines, &mut found);
            }
        }
    }
    Ok(found)
}

/// Others who try, spread over all.
fn others_of(victim: usize, all: usize) -> impl Iterator<Item = usize> {
    let count = OTHERS_MAX.min(all - 1);
    (0..count).map(move |i| (victim + 1 + i * (all - 1) / count) % all)
}

/// Enrols somebody whose clock is odd, and watches them; gives the references after that, with detectors and without. A
/// person who does not get enough references with this clock is in no row.
fn genuine(
    cast: &Cast,
    victim: usize,
    (clock, number): (OddClock, u64),
    player: &mut Player,
    lines: &Lines,
    found: &mut Found,
) -> Result<Option<[Reference; 2]>> {
    // The generator of delays is made for keys; a pointer's clock is only coarse.
    if cast.modality == Modality::Pointer && clock.name.contains("delayed") {
        return Ok(None);
    }
    let subject = &cast.subjects[victim];
    let told = |events: &[InputEvent], part: u64| (clock.apply)(events, seed(victim, 16 * number + part));
    let enrol = player.take(&told(&subject.enrol, 0), "enrol", 0, Purpose::Enrol)?;
    let watched = told(&subject.watch, 1);
    let watch = player.take(&watched, "watch", DAY_US, Purpose::Session)?;
    let mut references = Vec::new();
    let mut played = Vec::new();
    for line in [&lines.with, &lines.without] {
        // People enrol as themselves: who is flagged while they do has fewer references, or none.
        let enrolled = player.play(&enrol, None, line).reference;
        let Some(enrolled) = enrolled.filter(|set| set.anchors.len() >= line.references.anchors) else {
            return Ok(None);
        };
        let seen = player.play(&watch, Some(&enrolled), line);
        if number == 0 && references.is_empty() {
            found.figures.add(&watched, cast.modality, &enrolled, line);
        }
        references.push(seen.reference.clone().unwrap_or(enrolled));
        played.push(seen);
    }
    found.count(clock.name, &played[0], &played[1]);
    Ok(<[Reference; 2]>::try_from(references).ok())
}

/// Presents a session as the victim's, with detectors and without.
fn present(
    player: &Player,
    name: &'static str,
    take: &Take,
    references: &[Reference; 2],
    lines: &Lines,
    found: &mut Found,
) {
    let with = player.play(take, Some(&references[0]), &lines.with);
    let without = player.play(take, Some(&references[1]), &lines.without);
    found.count(name, &with, &without);
}

impl Found {
    fn count(&mut self, name: &'static str, with: &Played, without: &Played) {
        self.rows.entry(name).or_default().add(with, without);
    }

    fn merge(&mut self, other: Self) {
        for (name, tally) in other.rows {
            self.rows.entry(name).or_default().merge(tally);
        }
        self.figures.merge(other.figures);
    }
}

/// The rows in the order in which they are explained: genuine people first.
fn rows(modality: Modality, mut tallies: BTreeMap<&'static str, Tally>) -> Vec<Row> {
    let genuine = CLOCKS.iter().map(|clock| (clock.name, true));
    let attacks = attacks(modality).iter().map(|attack| (attack.name, false));
    let names = genuine.chain([("zero_effort", false)]).chain(attacks);
    names
        .filter_map(|(name, is_genuine)| Some(Row::of(name, is_genuine, &tallies.remove(name)?)))
        .collect()
}
