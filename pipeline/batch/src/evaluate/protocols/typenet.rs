//! TypeNet's protocol for the Aalto recordings (Acien et al., "TypeNet: Deep Learning Keystroke Biometrics", IEEE TBIOM 2022):
//! the first 50 keys of each of a person's fifteen sections; gallery sections 0 to G - 1 with G = 5 (also 1, 2, 7, 10), genuine
//! probes sections 10-14, impostor probe section 11 of every other person. N people give 5 N genuine and N (N - 1) impostor
//! trials.
//!
//! Ours besides: k = 2 to 5 consecutive genuine sections judged together, against as many of every other person (those that
//! begin with section 11, for k = 5 all five).

use super::Settings;
use super::blocks::{Dated, enrol, note_short};
use crate::corpus::Person;
use crate::evaluate::layout::{Enrolled, Layout, Pair, Probe, Trials};
use ductus_dynamics::event::Modality;

const SESSIONS: usize = 15;
const GENUINE: std::ops::Range<usize> = 10..15;
const IMPOSTOR: usize = 11;
/// The gallery sizes of the paper.
const GALLERIES: [usize; 5] = [1, 2, 5, 7, 10];
/// Probes that are judged together.
const TOGETHER: std::ops::RangeInclusive<usize> = 2..=5;

/// Lays out people with at least fifteen sessions.
pub(super) fn layout(people: &[Person], settings: Settings) -> Layout {
    // The first keys of a section are one sequence, however few they are and however long somebody thought in between.
    let cutting = settings.cutting_by_count(Modality::Keystroke).at_least(1);
    let mut layout = Layout::default();
    let (mut probes, mut short) = (Vec::new(), 0);
    for person in people {
        let firsts: Vec<Dated> = (0..)
            .zip(&person.sessions)
            .filter_map(|(occasion, session)| Some((occasion, cutting.features(session).into_iter().next()?)))
            .collect();
        if firsts.len() < SESSIONS {
            short += 1;
            continue;
        }
        let number = layout.enrolled.len() as u32;
        let all = enrol(&mut layout, number, firsts);
        probes.extend(GENUINE.map(|session| all.references[session].window));
        // Everything before the probes; cut to size below.
        layout.enrolled.push(Enrolled {
            references: all.references[..GENUINE.start].to_vec(),
            ..all
        });
    }
    layout.galleries = GALLERIES.map(|size| (size, gallery(&layout.enrolled, size))).into();
    layout.enrolled = gallery(&layout.enrolled, settings.references);
    layout.trials = trials(&probes, 1);
    layout.after = TOGETHER.map(|count| (count, trials(&probes, count))).collect();
    note_short(&mut layout, short, "fewer than 15 sessions");
    layout
}

/// The first references of everybody.
fn gallery(enrolled: &[Enrolled], size: usize) -> Vec<Enrolled> {
    enrolled
        .iter()
        .map(|Enrolled { person, references }| Enrolled {
            person: *person,
            references: references[..size.min(references.len())].to_vec(),
        })
        .collect()
}

/// Comparisons that look at `count` sections; `windows` are those of the genuine sections, person by person.
fn trials(windows: &[usize], count: usize) -> Trials {
    let starts = GENUINE.len() + 1 - count;
    // The run that begins with the impostor's section, or the last one there is.
    let impostor = (IMPOSTOR - GENUINE.start).min(starts - 1);
    let mut trials = Trials::default();
    for (owner, own) in (0..).zip(windows.chunks(GENUINE.len())) {
        trials.probes.extend(own.windows(count).map(|windows| Probe {
            windows: windows.to_vec(),
            owner: Some(owner),
        }));
    }
    let people = windows.len() / GENUINE.len();
    let pair = |claimed: usize, probe: usize, genuine| Pair {
        enrolled: claimed as u32,
        probe: probe as u32,
        genuine,
    };
    for claimed in 0..people {
        trials
            .pairs
            .extend((0..starts).map(|start| pair(claimed, claimed * starts + start, true)));
        let others = (0..people).filter(|other| *other != claimed);
        trials
            .pairs
            .extend(others.map(|other| pair(claimed, other * starts + impostor, false)));
    }
    trials
}
