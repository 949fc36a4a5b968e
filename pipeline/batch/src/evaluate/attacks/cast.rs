//! Who is attacked, and with what an attacker works: recordings of the victim, of others, and figures of the population.
//!
//! Invariants: enrolment, the session under watch and the unseen one share no step; what an attacker forges from was recorded
//! before the attack; chance comes from a fixed seed.

use crate::corpus::Person;
use anyhow::{Result, bail};
use ductus_dynamics::event::{EventKind, InputEvent, KeyClass, Modality};
use ductus_dynamics::line::LineConfig;
use ductus_dynamics::synthetic::attack::{self, Times};
use ductus_dynamics::synthetic::forgery::Forger;

/// Steps of a presentation: one session that is judged as a whole.
pub(super) fn presentation_steps(modality: Modality) -> usize {
    match modality {
        Modality::Keystroke => 200,
        Modality::Pointer => 1_024,
    }
}

/// Share of a person's steps that enrol them, at most, and full windows, at most.
const ENROL_SHARE: f64 = 0.45;
const ENROL_WINDOWS_MAX: usize = 15;
/// Longest pause between two recordings that is kept, µs.
const GAP_US_MAX: i64 = 2_000_000;
/// People whose times make the population's, at most.
const POPULATION_MAX: usize = 50;

/// A person's recordings in three parts, each from time 0.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    /// Makes the references.
    pub(super) enrol: Vec<InputEvent>,
    /// A session that the system sees; attackers record it.
    pub(super) watch: Vec<InputEvent>,
    /// A session that the system never sees.
    pub(super) unseen: Vec<InputEvent>,
    /// Times of the first two: what a forger knows of this person. Empty for the pointer.
    pub(super) times: Times,
    /// The same, key by key, for forgers who keep more than those.
    pub(super) forger: Forger,
    /// Classes that are typed in the session under watch.
    pub(super) classes: Vec<KeyClass>,
}

/// Everybody.
#[derive(Clone, Debug)]
pub(super) struct Cast {
    pub(super) modality: Modality,
    pub(super) subjects: Vec<Subject>,
    /// Times of many people together.
    pub(super) population: Times,
}

impl Cast {
    /// Parts the people's recordings; those with too little are left out and counted.
    pub(super) fn of(
        people: &[Person],
        modality: Modality,
        line: &LineConfig,
        notes: &mut Vec<String>,
    ) -> Result<Self> {
        let subjects: Vec<Subject> = people
            .iter()
            .filter_map(|person| part(person, modality, line))
            .collect();
        if subjects.len() < people.len() {
            notes.push(format!(
                "{} people left out: too few steps to enrol and for a session of {}",
                people.len() - subjects.len(),
                presentation_steps(modality)
            ));
        }
        if subjects.len() < 2 {
            bail!(
                "{} subject(s) have enough data for this protocol, at least 2 are needed: give a folder with more people or \
                 longer sessions",
                subjects.len()
            );
        }
        let mut population = Times::default();
        let every = subjects.len().div_ceil(POPULATION_MAX);
        for subject in subjects.iter().step_by(every) {
            population.add(&attack::presses(&subject.enrol));
        }
        Ok(Self {
            modality,
            subjects,
            population,
        })
    }

    /// What the classes of somebody else's text are: attackers write their own.
    pub(super) fn text_for(&self, victim: usize) -> &[KeyClass] {
        &self.subjects[(victim + 1) % self.subjects.len()].classes
    }
}

/// A person's recordings, the longest one first for the pointer (its shorter ones are probes, as in SapiMouse's protocol).
fn part(person: &Person, modality: Modality, line: &LineConfig) -> Option<Subject> {
    let mut sessions: Vec<Vec<InputEvent>> = person
        .sessions
        .iter()
        .map(|session| {
            let ours = session
                .events
                .iter()
                .filter(|event| event.kind.modality() == Some(modality));
            ours.copied().collect()
        })
        .collect();
    if modality == Modality::Pointer {
        sessions.sort_by_key(|events| std::cmp::Reverse(events.len()));
    }
    let all = joined(&sessions);
    let (steps, window) = (count(&all), line.window(modality));
    let wanted = presentation_steps(modality);
    let enrol_steps = ((steps as f64 * ENROL_SHARE) as usize).min(ENROL_WINDOWS_MAX * window.steps);
    // A few steps more than the anchors need: a pause closes windows early.
    if enrol_steps < (line.references.anchors + 1) * window.steps || steps < enrol_steps + wanted {
        return None;
    }
    let (enrol, rest) = cut(&all, enrol_steps);
    let (watch, rest) = cut(&rest, wanted);
    let (unseen, _) = cut(&rest, wanted);
    let mut times = Times::default();
    times.add(&attack::presses(&enrol));
    let typed = attack::presses(&watch);
    times.add(&typed);
    let mut forger = Forger::default();
    forger.add(&attack::presses(&enrol));
    forger.add(&typed);
    Some(Subject {
        classes: typed.iter().map(|press| press.class).collect(),
        enrol,
        watch,
        unseen,
        times,
        forger,
    })
}

/// Recordings one after the other on one clock, press numbers running on.
fn joined(sessions: &[Vec<InputEvent>]) -> Vec<InputEvent> {
    let (mut all, mut end_us, mut next_press) = (Vec::new(), 0, 0u32);
    let mut recorded_us: Option<i64> = None;
    for events in sessions {
        let Some(first_us) = events.iter().map(|event| event.t_us).min() else {
            continue;
        };
        let gap_us = recorded_us.map_or(0, |before_us| (first_us - before_us).clamp(GAP_US_MAX / 4, GAP_US_MAX));
        let (shift_us, first_press) = (end_us + gap_us - first_us, next_press);
        for event in events {
            let mut event = *event;
            event.t_us += shift_us;
            if let EventKind::KeyDown { press, .. } | EventKind::KeyUp { press } = &mut event.kind {
                *press = press.saturating_add(first_press);
                next_press = next_press.max(press.saturating_add(1));
            }
            end_us = end_us.max(event.t_us);
            all.push(event);
        }
        recorded_us = events.iter().map(|event| event.t_us).max();
    }
    all
}

/// Steps: key presses, or pointer events.
pub(super) fn count(events: &[InputEvent]) -> usize {
    events.iter().filter(|event| is_step(event)).count()
}

fn is_step(event: &InputEvent) -> bool {
    !matches!(event.kind, EventKind::KeyUp { .. })
}

/// The first `steps` steps with the releases of their keys, and what follows; both from time 0.
fn cut(events: &[InputEvent], steps: usize) -> (Vec<InputEvent>, Vec<InputEvent>) {
    let mut seen = 0;
    let mut first_press_after = None;
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for event in events {
        if is_step(event) {
            seen += 1;
        }
        let is_before = match event.kind {
            EventKind::KeyUp { press } => first_press_after.is_none_or(|first| press < first),
            EventKind::KeyDown { press, .. } if seen > steps => {
                first_press_after.get_or_insert(press);
                false
            }
            _ => seen <= steps,
        };
        if is_before {
            before.push(*event)
        } else {
            after.push(*event)
        }
    }
    (from_zero(before), from_zero(after))
}

fn from_zero(mut events: Vec<InputEvent>) -> Vec<InputEvent> {
    let first_us = events.iter().map(|event| event.t_us).min().unwrap_or(0);
    events.iter_mut().for_each(|event| event.t_us -= first_us);
    events
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn parts_share_no_step_and_keep_their_releases() {
        let people = fixtures::typists(3);
        let mut notes = Vec::new();
        let cast = Cast::of(&people, Modality::Keystroke, &LineConfig::default(), &mut notes).unwrap();
        assert_eq!((cast.subjects.len(), notes.len()), (3, 0));
        for subject in &cast.subjects {
            let steps = [&subject.enrol, &subject.watch, &subject.unseen].map(|events| count(events));
            assert_eq!(steps, [405, 200, 200]);
            for events in [&subject.enrol, &subject.watch, &subject.unseen] {
                assert_eq!(events[0].t_us, 0);
                assert_eq!(
                    attack::presses(events).len(),
                    count(events),
                    "every press has its release"
                );
            }
        }
    }

    #[test]
    fn one_person_is_refused() {
        let people = fixtures::typists(1);
        let refused = Cast::of(&people, Modality::Keystroke, &LineConfig::default(), &mut Vec::new());
        assert!(format!("{:#}", refused.unwrap_err()).starts_with("1 subject(s) have enough data"));
    }
}
