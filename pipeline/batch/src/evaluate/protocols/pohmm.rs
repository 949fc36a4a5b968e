//! Leave one sample out, on the free text of Monaco & Tappert ("The partially observable hidden Markov model and its application
//! to keystroke dynamics", Pattern Recognition 76, 2018): each sample of a person in turn is the probe, all their other samples
//! enrol, and the held-out samples of that turn are compared with everybody. P people of S samples give P S genuine and
//! P (P - 1) S impostor trials (55 people, 6 samples: 330 and 17,820). A decision looks at a whole sample.
//!
//! Ours besides: the same with the first one to five windows of the held-out sample.

use super::Settings;
use super::blocks::{enrol, full_samples, note_short};
use crate::corpus::Person;
use crate::evaluate::layout::{Enrolled, Layout, Pair, Probe, Reference, Trials};
use ductus_dynamics::event::Modality;

/// Fewest samples with a window.
const SAMPLES_MIN: usize = 3;

/// Lays out people with windows in at least three samples; as many turns as the person with the fewest samples has.
pub(super) fn layout(people: &[Person], settings: Settings) -> Layout {
    let cutting = settings.cutting_by_count(Modality::Keystroke);
    let mut layout = Layout::default();
    let mut everybody: Vec<Vec<Vec<Reference>>> = Vec::new();
    let mut short = 0;
    for person in people {
        let mut samples = full_samples(person, &cutting);
        samples.retain(|windows| !windows.is_empty());
        if samples.len() < SAMPLES_MIN {
            short += 1;
            continue;
        }
        let number = everybody.len() as u32;
        let samples = samples.into_iter();
        everybody.push(
            samples
                .map(|windows| enrol(&mut layout, number, windows).references)
                .collect(),
        );
    }
    let turns = everybody.iter().map(Vec::len).min().unwrap_or(0);
    for turn in 0..turns {
        for (person, samples) in (0..).zip(&everybody) {
            let others = samples.iter().enumerate().filter(|(sample, _)| *sample != turn);
            layout.enrolled.push(Enrolled {
                person,
                references: others.flat_map(|(_, references)| references.clone()).collect(),
            });
        }
    }
    layout.trials = trials(&everybody, turns, usize::MAX);
    layout.after = (1..=5).map(|count| (count, trials(&everybody, turns, count))).collect();
    note_short(&mut layout, short, "fewer than 3 samples with a full window");
    layout
}

/// In every turn everybody's held-out sample against everybody, its first `windows` windows.
fn trials(everybody: &[Vec<Vec<Reference>>], turns: usize, windows: usize) -> Trials {
    let people = everybody.len();
    let mut trials = Trials::default();
    for turn in 0..turns {
        for (owner, samples) in (0..).zip(everybody) {
            let held_out = samples[turn].iter().take(windows);
            trials.probes.push(Probe {
                windows: held_out.map(|reference| reference.window).collect(),
                owner: Some(owner),
            });
        }
        for claimed in 0..people {
            trials.pairs.extend((0..people).map(|owner| Pair {
                enrolled: (turn * people + claimed) as u32,
                probe: (turn * people + owner) as u32,
                genuine: owner == claimed,
            }));
        }
    }
    trials
}
