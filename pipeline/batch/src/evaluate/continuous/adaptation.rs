//! Whether references follow a person and nobody else: simulated weeks with real people.
//!
//! *Drift*: a person becomes slower week by week; with references that learn, they should not be stepped up more than without
//! drift. *Walk*: somebody else sits at the person's account for weeks; at first they type with the person's own distribution
//! of times (as good a forgery as times one by one can be), then week by week more like themselves, until they type as they
//! always do. If references followed without bound, the last week would pass.
//!
//! Invariants: people and recordings are real, only times are changed; detectors of replays and machines are off, because
//! every week repeats a recording; the person never types in between, which is the worst
//! case; the same walk is judged with the anchor's bound, without it, and against references that never learn.

use super::layout::{self, Cast};
use super::play::{Judged, Player};
use super::script::Script;
use crate::interrupt;
use anyhow::{Result, bail};
use ductus_dynamics::event::{KeyClass, Modality};
use ductus_dynamics::line::LineConfig;
use ductus_dynamics::wire::{Action, Event};
use ductus_scorer::Model;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// Weeks of a walk and of a drift.
const WEEKS: usize = 12;
/// How much slower a drifting person is in the last week.
const DRIFT: f64 = 0.3;
/// Full windows that are enrolled with, and typed in a week.
const ENROL_WINDOWS: usize = 20;
const WEEK_WINDOWS: usize = 6;
/// Fewer times of a key class than this are no distribution: all classes stand in for it.
const TIMES_MIN: usize = 10;
/// Press-press times above this are pauses and not rhythm, µs.
const RHYTHM_US_MAX: i64 = 3_000_000;

/// The outcome of the simulated weeks.
#[derive(Clone, Debug, Serialize)]
pub struct Adaptation {
    /// Weeks.
    pub weeks: usize,
    /// Pairs of a person and somebody who walks their profile.
    pub pairs: usize,
    /// The walk, with the bound, without it, and against references that never learn.
    pub walks: Vec<Walk>,
    /// Drifting people, with references that learn and with some that never do.
    pub drifts: Vec<Drift>,
}

/// One way to meet a walk.
#[derive(Clone, Debug, Serialize)]
pub struct Walk {
    /// How references learn.
    pub references: &'static str,
    /// Share of the walks in which a step-up came before the last week.
    pub found_on_the_way: f64,
    /// Share of the walks after which the other person, typing as always, was not stepped up in the last week.
    pub in_at_the_end: f64,
    /// The same where every step-up on the way had ended the walk.
    pub in_unnoticed: f64,
    /// Windows of the walker that were learned, mean over the walks.
    pub learned: f64,
}

/// One way to meet a drift.
#[derive(Clone, Debug, Serialize)]
pub struct Drift {
    /// How references learn.
    pub references: &'static str,
    /// Share of people who are stepped up in a week, first to last.
    pub stepped_up_by_week: Vec<f64>,
}

/// How references learn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Learning {
    Bounded,
    Unbounded,
    Never,
}

impl Learning {
    const ALL: [Self; 3] = [Self::Bounded, Self::Unbounded, Self::Never];

    fn name(self) -> &'static str {
        match self {
            Self::Bounded => "learn, bounded by the anchors",
            Self::Unbounded => "learn without bound",
            Self::Never => "never learn",
        }
    }

    fn line(self, line: &LineConfig) -> LineConfig {
        let mut line = line.clone();
        // Every week repeats the same recording, only slower or faster: a replay to any detector, and beside the question.
        line.liveness.enabled = false;
        match self {
            Self::Bounded => {}
            Self::Unbounded => {
                line.references.drift_cosine_min = -1.0;
                line.references.adapt_risk_max = line.decision.step_up_risk;
                // The anchors themselves give way, too.
                line.references.recent_max = line.references.recent_max.max(10) * 4;
            }
            Self::Never => line.references.recent_max = 0,
        }
        line
    }
}

/// Plays the weeks of every reported person and of somebody else at their account.
pub(super) fn simulate(cast: &Cast<'_>, model: &Arc<Model>, line: &LineConfig) -> Result<Adaptation> {
    if cast.modality != Modality::Keystroke {
        bail!("--adaptation changes the times of keys: it needs a keystroke model");
    }
    let full = line.keystroke.steps;
    let pairs: Vec<(usize, usize)> = cast
        .report
        .iter()
        .zip(cast.report.iter().cycle().skip(1))
        .map(|(claimed, other)| (*claimed, *other))
        .collect();
    let (mut walks, mut drifts, mut count) = (Vec::new(), Vec::new(), 0);
    for learning in Learning::ALL {
        let mut player = Player::new(model, Arc::new(learning.line(line)))?;
        let mut walked = Vec::new();
        let mut stepped_up = [0usize; WEEKS];
        for &(claimed, other) in &pairs {
            interrupt::check()?;
            let person = cast.people[claimed];
            let (enrol, watched) = layout::halves(person, 0, 1);
            let enrol = Script::of(enrol, cast.modality, ENROL_WINDOWS * full);
            let Some(reference) = player.enrol(person, &enrol)? else {
                continue;
            };
            let own = Script::of(watched, cast.modality, WEEK_WINDOWS * full);
            let (_, theirs) = layout::halves(cast.people[other], 0, 1);
            let theirs = Script::of(theirs, cast.modality, WEEK_WINDOWS * full);

            let (forged, natural) = (Times::of(&enrol), Times::of(&theirs));
            let weeks = |week: usize| between(&theirs, &forged, &natural, part(week));
            walked.push(play(&mut player, person, &reference, weeks)?);
            let weeks = |week: usize| slower(&own, 1.0 + DRIFT * part(week));
            let drift = play(&mut player, person, &reference, weeks)?;
            stepped_up
                .iter_mut()
                .zip(&drift.stepped_up)
                .for_each(|(sum, stepped)| *sum += usize::from(*stepped));
        }
        count = walked.len();
        walks.push(Walk::of(learning, &walked));
        if learning != Learning::Unbounded {
            drifts.push(Drift {
                references: learning.name(),
                stepped_up_by_week: stepped_up.iter().map(|sum| *sum as f64 / count.max(1) as f64).collect(),
            });
        }
    }
    Ok(Adaptation {
        weeks: WEEKS,
        pairs: count,
        walks,
        drifts,
    })
}

/// How far into the walk a week is, 0-1.
fn part(week: usize) -> f64 {
    week as f64 / (WEEKS - 1) as f64
}

/// What came of a person's weeks.
struct Weeks {
    /// Whether a step-up was asked for, week by week.
    stepped_up: Vec<bool>,
    /// Windows learned.
    learned: usize,
}

fn play(
    player: &mut Player,
    person: &crate::corpus::Person,
    reference: &ductus_dynamics::wire::Reference,
    script: impl Fn(usize) -> Script,
) -> Result<Weeks> {
    let mut reference = reference.clone();
    let first = reference.version;
    let mut stepped_up = Vec::with_capacity(WEEKS);
    for week in 0..WEEKS {
        let (judged, learned) = player.watch_and_learn(person, &format!("week-{week}"), &script(week), &reference)?;
        reference = learned;
        let asked = |judged: &Judged| matches!(judged.action, Action::StepUp | Action::Terminate);
        stepped_up.push(judged.iter().any(asked));
    }
    Ok(Weeks {
        stepped_up,
        learned: (reference.version - first) as usize,
    })
}

impl Walk {
    fn of(learning: Learning, walked: &[Weeks]) -> Self {
        let share = |holds: &dyn Fn(&Weeks) -> bool| {
            walked.iter().filter(|weeks| holds(weeks)).count() as f64 / walked.len().max(1) as f64
        };
        let last = |weeks: &Weeks| weeks.stepped_up.last().copied().unwrap_or(true);
        let before = |weeks: &Weeks| weeks.stepped_up.iter().rev().skip(1).any(|stepped_up| *stepped_up);
        let learned: usize = walked.iter().map(|weeks| weeks.learned).sum();
        Self {
            references: learning.name(),
            found_on_the_way: share(&before),
            in_at_the_end: share(&|weeks| !last(weeks)),
            in_unnoticed: share(&|weeks| !last(weeks) && !before(weeks)),
            learned: learned as f64 / walked.len().max(1) as f64,
        }
    }
}

impl Adaptation {
    pub(super) fn table(&self) -> String {
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        let mut text = format!(
            "\n## Who the references follow\n\n{} weeks, {} pairs of people.\n\n| somebody else walks the profile; references | stepped up on \
             the way | in at the end | in, and never stepped up | windows learned |\n|---|---|---|---|---|\n",
            self.weeks, self.pairs
        );
        for walk in &self.walks {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {:.1} |",
                walk.references,
                percent(walk.found_on_the_way),
                percent(walk.in_at_the_end),
                percent(walk.in_unnoticed),
                walk.learned
            );
        }
        text.push_str("\n| the person becomes 30 % slower; references | stepped up in the first week | sixth | last |\n|---|---|---|---|\n");
        for drift in &self.drifts {
            let at = |week: usize| {
                drift
                    .stepped_up_by_week
                    .get(week)
                    .copied()
                    .map_or("–".to_owned(), percent)
            };
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} |",
                drift.references,
                at(0),
                at(5),
                at(self.weeks - 1)
            );
        }
        text
    }
}

/// One key press of a script.
#[derive(Clone, Copy)]
struct Press {
    press: u32,
    class: KeyClass,
    at_us: i64,
    released_us: Option<i64>,
}

fn presses(script: &Script) -> Vec<Press> {
    let mut presses: BTreeMap<u32, Press> = BTreeMap::new();
    for event in &script.events {
        match *event {
            Event::Down { t_us, press, class } => {
                let new = Press {
                    press,
                    class,
                    at_us: t_us,
                    released_us: None,
                };
                presses.insert(press, new);
            }
            Event::Up { t_us, press } => {
                presses.entry(press).and_modify(|found| found.released_us = Some(t_us));
            }
            _ => {}
        }
    }
    presses.into_values().collect()
}

/// A script of these presses.
fn script_of(presses: &[Press]) -> Script {
    let down = |press: &Press| {
        (
            press.at_us,
            Event::Down {
                t_us: press.at_us,
                press: press.press,
                class: press.class,
            },
        )
    };
    let up = |press: &Press| {
        press.released_us.map(|t_us| {
            (
                t_us,
                Event::Up {
                    t_us,
                    press: press.press,
                },
            )
        })
    };
    let mut events: Vec<(i64, Event)> = presses.iter().map(down).chain(presses.iter().filter_map(up)).collect();
    events.sort_by_key(|(t_us, _)| *t_us);
    Script::whole(events.into_iter().map(|(_, event)| event).collect(), presses.len())
}

/// Every time of the script longer by a factor.
fn slower(script: &Script, factor: f64) -> Script {
    let scale = |t_us: i64| (t_us as f64 * factor).round() as i64;
    let scaled: Vec<Press> = presses(script)
        .into_iter()
        .map(|press| Press {
            at_us: scale(press.at_us),
            released_us: press.released_us.map(scale),
            ..press
        })
        .collect();
    script_of(&scaled)
}

/// How somebody types: sorted times by key class, ln µs; the last list is over all classes.
struct Times {
    dwell: Vec<Vec<f64>>,
    rhythm: Vec<Vec<f64>>,
}

impl Times {
    fn of(script: &Script) -> Self {
        let lists = || vec![Vec::new(); KeyClass::ALL.len() + 1];
        let mut times = Self {
            dwell: lists(),
            rhythm: lists(),
        };
        let presses = presses(script);
        for (i, press) in presses.iter().enumerate() {
            let class = place(press.class);
            let before = i.checked_sub(1).map(|before| press.at_us - presses[before].at_us);
            let dwell = press.released_us.map(|released_us| released_us - press.at_us);
            for list in [class, KeyClass::ALL.len()] {
                times.dwell[list].extend(dwell.and_then(ln));
                times.rhythm[list].extend(before.filter(|gap| *gap <= RHYTHM_US_MAX).and_then(ln));
            }
        }
        for list in times.dwell.iter_mut().chain(&mut times.rhythm) {
            list.sort_by(f64::total_cmp);
        }
        times
    }
}

fn place(class: KeyClass) -> usize {
    KeyClass::ALL.iter().position(|other| *other == class).unwrap_or(0)
}

fn ln(time_us: i64) -> Option<f64> {
    (time_us > 0).then(|| (time_us as f64).ln())
}

/// The script with times between those of `forged` (part 0) and the typist's own (part 1): each time moves, on a logarithmic
/// scale, from the time of the same rank that the forged person has for the same class of key to what it was.
fn between(script: &Script, forged: &Times, natural: &Times, part: f64) -> Script {
    let moved = |time_us: i64, forged: &[Vec<f64>], natural: &[Vec<f64>], class: KeyClass| {
        let class = place(class);
        let list = if forged[class].len() < TIMES_MIN || natural[class].len() < TIMES_MIN {
            KeyClass::ALL.len()
        } else {
            class
        };
        let Some(own) = ln(time_us).filter(|_| !forged[list].is_empty() && !natural[list].is_empty()) else {
            return time_us;
        };
        let rank = natural[list].partition_point(|other| *other < own);
        let rank = rank as f64 / natural[list].len() as f64 * (forged[list].len() - 1) as f64;
        let target = forged[list][(rank.round() as usize).min(forged[list].len() - 1)];
        (target + (own - target) * part).exp().round() as i64
    };
    let own = presses(script);
    let (mut at_us, mut moved_presses) = (0, Vec::with_capacity(own.len()));
    for (i, press) in own.iter().enumerate() {
        if let Some(before) = i.checked_sub(1) {
            let gap_us = press.at_us - own[before].at_us;
            at_us += match gap_us {
                gap_us if gap_us > RHYTHM_US_MAX => gap_us,
                gap_us => moved(gap_us, &forged.rhythm, &natural.rhythm, press.class),
            };
        }
        let dwell_us = press.released_us.map(|released_us| released_us - press.at_us);
        let dwell_us = dwell_us.map(|dwell_us| moved(dwell_us, &forged.dwell, &natural.dwell, press.class));
        moved_presses.push(Press {
            at_us,
            released_us: dwell_us.map(|dwell_us| at_us + dwell_us),
            ..*press
        });
    }
    script_of(&moved_presses)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    fn script(person: usize) -> Script {
        Script::of(
            &fixtures::typists(2)[person].sessions[..4],
            Modality::Keystroke,
            usize::MAX,
        )
    }

    #[test]
    fn a_walk_ends_with_the_walkers_own_times() {
        let (victim, other) = (script(0), script(1));
        let (forged, natural) = (Times::of(&victim), Times::of(&other));
        let whole = between(&other, &forged, &natural, 1.0);
        let starts = |script: &Script| presses(script).iter().map(|press| press.at_us).collect::<Vec<_>>();
        let (own, walked) = (starts(&other), starts(&whole));
        let own: Vec<i64> = own.iter().map(|at_us| at_us - own[0]).collect();
        // Rounding logarithms may move a time by a microsecond.
        assert!(
            own.iter().zip(&walked).all(|(a, b)| (a - b).abs() < own.len() as i64),
            "{own:?} {walked:?}"
        );
    }

    #[test]
    fn a_walk_begins_with_the_victims_distribution() {
        let (victim, other) = (script(0), script(1));
        let (forged, natural) = (Times::of(&victim), Times::of(&other));
        let begun = Times::of(&between(&other, &forged, &natural, 0.0));
        let all = KeyClass::ALL.len();
        let median = |times: &Times| times.dwell[all][times.dwell[all].len() / 2];
        let (theirs, ours, own) = (median(&forged), median(&begun), median(&natural));
        assert!((theirs - ours).abs() < 0.05, "{theirs} {ours}, on their own {own}");
    }

    #[test]
    fn slower_is_slower() {
        let script = script(0);
        let (own, slow) = (presses(&script), presses(&slower(&script, 1.3)));
        let last = |presses: &[Press]| presses.last().map(|press| press.at_us).unwrap();
        assert_eq!(own.len(), slow.len());
        assert!((last(&slow) as f64 / last(&own) as f64 - 1.3).abs() < 1e-6);
    }
}
