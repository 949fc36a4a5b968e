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

/// The reference windows of a person, sample by sample.
type Samples = Vec<Vec<Reference>>;

/// Lays out people with windows in at least three samples; who has fewer samples than others sits out the last turns.
pub(super) fn layout(people: &[Person], settings: Settings) -> Layout {
    let cutting = settings.cutting_by_count(Modality::Keystroke);
    let mut layout = Layout::default();
    let mut everybody: Vec<Samples> = Vec::new();
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
    let turns = everybody.iter().map(Vec::len).max().unwrap_or(0);
    layout.enrolled = (0..turns).flat_map(|turn| enrolled(&everybody, turn)).collect();
    layout.trials = trials(&everybody, turns, usize::MAX);
    layout.after = (1..=5).map(|count| (count, trials(&everybody, turns, count))).collect();
    note_short(&mut layout, short, "fewer than 3 samples with a full window");
    layout
}

/// Who takes part in a turn.
fn in_turn(everybody: &[Samples], turn: usize) -> impl Iterator<Item = (u32, &Samples)> {
    (0..).zip(everybody).filter(move |(_, samples)| samples.len() > turn)
}

/// Everybody of a turn, with all samples but the one held out.
fn enrolled(everybody: &[Samples], turn: usize) -> impl Iterator<Item = Enrolled> {
    in_turn(everybody, turn).map(move |(person, samples)| {
        let others = samples.iter().enumerate().filter(|(sample, _)| *sample != turn);
        Enrolled {
            person,
            references: others.flat_map(|(_, references)| references.clone()).collect(),
        }
    })
}

/// In every turn everybody's held-out sample against everybody, its first `windows` windows.
fn trials(everybody: &[Samples], turns: usize, windows: usize) -> Trials {
    let mut trials = Trials::default();
    for turn in 0..turns {
        // Enrolments stand in the same order as probes.
        let first = trials.probes.len();
        for (owner, samples) in in_turn(everybody, turn) {
            let held_out = samples[turn].iter().take(windows);
            trials.probes.push(Probe {
                windows: held_out.map(|reference| reference.window).collect(),
                owner: Some(owner),
            });
        }
        let all = first..trials.probes.len();
        for claimed in all.clone() {
            trials.pairs.extend(all.clone().map(|probe| Pair {
                enrolled: claimed as u32,
                probe: probe as u32,
                genuine: probe == claimed,
            }));
        }
    }
    trials
}
