//! Who enrols, who is watched, and who takes over.
//!
//! Invariants: the two halves share nobody, neither as subjects nor as impostors; which half a person is in depends on their
//! pseudonym alone; chance comes from a fixed seed.

use super::ContinuousArgs;
use super::measure::Stream;
use super::play::Player;
use super::script::Script;
use crate::corpus::{Person, Session};
use crate::interrupt;
use anyhow::{Result, anyhow, bail};
use ductus_dynamics::event::Modality;
use ductus_dynamics::id;
use ductus_dynamics::line::LineConfig;
use ductus_scorer::Model;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// Seed of who takes over from whom.
const SEED: u64 = 20_261_121;
/// Full windows that a person enrols with, at most.
const ENROL_WINDOWS_MAX: usize = 40;
/// Full windows of a stream without takeover, at most.
const GENUINE_WINDOWS_MAX: usize = 400;
/// Full windows before a takeover, and after it, at most.
const BEFORE_WINDOWS_MAX: usize = 12;
const AFTER_WINDOWS_MAX: usize = 8;
/// Full windows under watch that a person needs to be judged at all.
const WATCHED_WINDOWS_MIN: usize = 3;

/// The people by half.
#[derive(Debug)]
pub(super) struct Cast<'a> {
    pub(super) people: Vec<&'a Person>,
    pub(super) modality: Modality,
    /// Indices of the people whose streams choose the threshold.
    pub(super) choose: Vec<usize>,
    /// Indices of the people who are reported.
    pub(super) report: Vec<usize>,
}

impl<'a> Cast<'a> {
    /// Splits the people; those with too little to watch are left out and counted.
    pub(super) fn of(
        people: &'a [Person],
        modality: Modality,
        line: &LineConfig,
        notes: &mut Vec<String>,
    ) -> Result<Self> {
        let kept = enough(people, modality, line, notes);
        let (choose, report): (Vec<usize>, Vec<usize>) = (0..kept.len()).partition(|&person| chooses(kept[person]));
        if choose.len() < 2 || report.len() < 2 {
            bail!(
                "{} people have enough data, {} to choose a threshold and {} to report: at least 2 of each are needed, give a \
                 folder with more people or longer sessions",
                kept.len(),
                choose.len(),
                report.len()
            );
        }
        Ok(Self {
            people: kept,
            modality,
            choose,
            report,
        })
    }

    /// Everybody in one part, where nothing is chosen.
    pub(super) fn everybody(
        people: &'a [Person],
        modality: Modality,
        line: &LineConfig,
        notes: &mut Vec<String>,
    ) -> Result<Self> {
        let kept = enough(people, modality, line, notes);
        if kept.len() < 2 {
            bail!("{} people have enough data, at least 2 are needed", kept.len());
        }
        Ok(Self {
            report: (0..kept.len()).collect(),
            people: kept,
            modality,
            choose: Vec::new(),
        })
    }
}

/// The people with enough to enrol and to watch.
fn enough<'a>(people: &'a [Person], modality: Modality, line: &LineConfig, notes: &mut Vec<String>) -> Vec<&'a Person> {
    let least = WATCHED_WINDOWS_MIN * line.window(modality).steps;
    let enough = |person: &&Person| {
        person.sessions.len() >= 2 && {
            let (_, watched) = halves(person, 0, 1);
            Script::of(watched, modality, least).steps >= least
        }
    };
    let kept: Vec<&Person> = people.iter().filter(enough).collect();
    if kept.len() < people.len() {
        notes.push(format!(
            "{} people left out: fewer than two sessions, or fewer than {least} steps to watch",
            people.len() - kept.len()
        ));
    }
    kept
}

/// Half the people, by a hash of their pseudonym.
fn chooses(person: &Person) -> bool {
    let hash = id::id(&["continuous", &person.tenant, &person.subject]);
    hash.as_bytes()
        .first()
        .is_some_and(|digit| digit.is_ascii_digit() && *digit < b'8')
}

/// A person's sessions to enrol with and to be watched in, the order turned by `round` of `rounds`.
pub(super) fn halves(person: &Person, round: usize, rounds: usize) -> (Vec<&Session>, Vec<&Session>) {
    let mut sessions: Vec<&Session> = person.sessions.iter().collect();
    let count = sessions.len();
    sessions.rotate_left(round * count / rounds.max(1) % count.max(1));
    let watched = sessions.split_off(count.div_ceil(2));
    (sessions, watched)
}

/// Plays all streams of some of the people, on a few threads; in the order of people, rounds and impostors.
pub(super) fn play(
    cast: &Cast<'_>,
    members: &[usize],
    args: &ContinuousArgs,
    model: &Arc<Model>,
    line: &LineConfig,
    threads: NonZeroUsize,
) -> Result<Vec<Stream>> {
    let line = Arc::new(line.clone());
    let share = members.len().div_ceil(threads.get()).max(1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = members
            .chunks(share)
            .map(|part| {
                let line = line.clone();
                scope.spawn(move || play_part(cast, members, part, args, model, line))
            })
            .collect();
        let mut streams = Vec::new();
        for worker in workers {
            streams.extend(
                worker
                    .join()
                    .map_err(|_| anyhow!("a thread that plays streams panicked"))??,
            );
        }
        Ok(streams)
    })
}

fn play_part(
    cast: &Cast<'_>,
    members: &[usize],
    part: &[usize],
    args: &ContinuousArgs,
    model: &Arc<Model>,
    line: Arc<LineConfig>,
) -> Result<Vec<Stream>> {
    let full = line.window(cast.modality).steps;
    let mut player = Player::new(model, line)?;
    let mut streams = Vec::new();
    for &claimed in part {
        let person = cast.people[claimed];
        for round in 0..args.rounds {
            interrupt::check()?;
            let (enrol, watched) = halves(person, round, args.rounds);
            let enrol = Script::of(enrol, cast.modality, ENROL_WINDOWS_MAX * full);
            let Some(reference) = player.enrol(person, &enrol)? else {
                continue;
            };
            let whole = Script::of(watched.iter().copied(), cast.modality, GENUINE_WINDOWS_MAX * full);
            streams.push(Stream {
                claimed,
                other: None,
                before: whole.steps,
                judged: player.watch(person, &whole, &reference)?,
            });
            let half = (whole.steps / 2).min(BEFORE_WINDOWS_MAX * full);
            let before = Script::of(watched.iter().copied(), cast.modality, half);
            for other in impostors(members, claimed, round, args.impostors) {
                let mut script = before.clone();
                script.hand_over();
                let (_, theirs) = halves(cast.people[other], round, args.rounds);
                for session in theirs {
                    script.append(session, cast.modality, before.steps + AFTER_WINDOWS_MAX * full);
                }
                streams.push(Stream {
                    claimed,
                    other: Some(other),
                    before: before.steps,
                    judged: player.watch(person, &script, &reference)?,
                });
            }
        }
    }
    Ok(streams)
}

/// Who takes over from a person in a round: others of the same half, each at most once.
fn impostors(members: &[usize], claimed: usize, round: usize, count: usize) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED ^ ((claimed as u64) << 20) ^ round as u64);
    let mut others: Vec<usize> = members.iter().copied().filter(|member| *member != claimed).collect();
    let count = count.min(others.len());
    for place in 0..count {
        let left = (others.len() - place) as u64;
        let pick = place + (rng.next_u64() % left) as usize;
        others.swap(place, pick);
    }
    others.truncate(count);
    others
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use std::collections::BTreeSet;

    #[test]
    fn halves_share_no_session() {
        let person = &fixtures::typists(1)[0];
        for round in 0..5 {
            let (enrol, watched) = halves(person, round, 5);
            let names: BTreeSet<&str> = enrol
                .iter()
                .chain(&watched)
                .map(|session| session.session.as_str())
                .collect();
            assert_eq!((enrol.len(), watched.len(), names.len()), (8, 7, 15));
            assert_eq!(enrol[0].session, person.sessions[round * 3].session);
        }
    }

    #[test]
    fn impostors_are_others_of_the_same_half() {
        let members = [1, 4, 5, 9];
        for round in 0..20 {
            let others = impostors(&members, 4, round, 6);
            assert_eq!(
                others.iter().copied().collect::<BTreeSet<_>>(),
                BTreeSet::from([1, 5, 9])
            );
        }
        assert_eq!(impostors(&members, 4, 0, 2).len(), 2);
    }

    #[test]
    fn two_people_of_each_half_are_needed() {
        let people = fixtures::typists(2);
        let refused = Cast::of(&people, Modality::Keystroke, &LineConfig::default(), &mut Vec::new());
        assert!(format!("{:#}", refused.unwrap_err()).contains("at least 2 of each are needed"));
    }
}
