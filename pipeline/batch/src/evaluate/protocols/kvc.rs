//! After the Keystroke Verification Challenge (Stragapede et al., "KVC-onGoing", Pattern Recognition 2025) on the Aalto
//! recordings: the first five sessions of a person enrol, ten later ones are verified, each a whole session of up to 100 keys.
//! Ten genuine trials a person; as impostor trials one verification session of every other person, in rotation.
//!
//! The challenge draws twenty impostor sessions a person, half of them of the same age and sex; the recordings here come
//! without either. A session longer than the model's window is several windows, judged together.

use super::Settings;
use super::blocks::{enrol, note_short, samples};
use crate::corpus::Person;
use crate::evaluate::layout::{Layout, Pair, Probe, Trials};
use ductus_dynamics::event::Modality;

const ENROLMENT: usize = 5;
const VERIFICATION: usize = 10;
const KEYS_MAX: usize = 100;
/// What a further window of a session needs to say anything.
const FURTHER_KEYS_MIN: usize = 20;

/// Lays out people with at least fifteen sessions.
pub(super) fn layout(people: &[Person], settings: Settings) -> Layout {
    let cutting = settings.cutting_by_count(Modality::Keystroke).at_least(1);
    let mut layout = Layout::default();
    let (mut probes, mut short) = (Vec::new(), 0);
    for person in people {
        let mut sessions = samples(person, &cutting);
        sessions.retain(|windows| !windows.is_empty());
        if sessions.len() < ENROLMENT + VERIFICATION {
            short += 1;
            continue;
        }
        for windows in &mut sessions {
            windows.truncate(KEYS_MAX.div_ceil(settings.steps));
            let mut first = true;
            windows.retain(|(_, window)| std::mem::take(&mut first) || window.len >= FURTHER_KEYS_MIN);
        }
        let number = layout.enrolled.len() as u32;
        let enrolled = enrol(&mut layout, number, sessions[..ENROLMENT].concat());
        layout.enrolled.push(enrolled);
        for windows in &sessions[ENROLMENT..ENROLMENT + VERIFICATION] {
            let windows = layout.add(windows.iter().map(|(_, window)| window.clone()));
            probes.push(Probe {
                windows,
                owner: Some(number),
            });
        }
    }
    layout.trials = Trials {
        pairs: pairs(layout.enrolled.len()),
        probes,
    };
    note_short(&mut layout, short, "fewer than 15 sessions");
    layout
}

fn pairs(people: usize) -> Vec<Pair> {
    let mut pairs = Vec::with_capacity(people * (people + VERIFICATION));
    for claimed in 0..people {
        for owner in 0..people {
            let genuine = owner == claimed;
            let sessions = if genuine {
                0..VERIFICATION
            } else {
                let turn = (claimed + owner) % VERIFICATION;
                turn..turn + 1
            };
            pairs.extend(sessions.map(|session| Pair {
                enrolled: claimed as u32,
                probe: (owner * VERIFICATION + session) as u32,
                genuine,
            }));
        }
    }
    pairs
}
