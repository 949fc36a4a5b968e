//! Balabit Mouse Dynamics Challenge (Fülöp et al., 2016): the training sessions of a user enrol with all their full blocks; every
//! test session that `public_labels.csv` labels is judged as a whole, all its blocks together, against the user of its
//! folder. 816 labelled sessions: 411 genuine, 405 of one of the other nine users. An AUC is with one threshold for all.

use super::Settings;
use crate::corpus::{Session, read_counting};
use crate::evaluate::clocks::Clocks;
use crate::evaluate::layout::{Enrolled, Layout, Pair, Probe, Reference, Trials};
use crate::import::{Dataset, Refused, balabit_labels};
use crate::windows::Cutting;
use anyhow::{Result, bail};
use ductus_dynamics::event::{KeyDetail, Modality};
use ductus_dynamics::feature::FeatureWindow;
use std::collections::BTreeMap;
use std::path::Path;

/// Lays out the labelled test sessions of a folder.
pub(super) fn layout(dir: &Path, settings: Settings, clocks: &Clocks, refused: &mut Refused) -> Result<Layout> {
    let labels = balabit_labels(dir)?;
    if labels.is_empty() {
        bail!(
            "{} has no labels (public_labels.csv), and without them nothing can be judged",
            dir.display()
        );
    }
    let mut cutting = Cutting::of_stream(Modality::Pointer).apart().at_least(1);
    cutting.config.steps = settings.steps;
    cutting.config.hop = settings.steps;
    let mut layout = Layout::default();
    let mut users: BTreeMap<String, Vec<(u32, FeatureWindow)>> = BTreeMap::new();
    let mut tests: Vec<(String, bool, Vec<FeatureWindow>)> = Vec::new();
    for (number, (recording, events)) in (0..).zip(read_counting(Dataset::Balabit, dir, KeyDetail::Class, refused)?) {
        // `balabit-<user>-<training|test>-<number>`, as the reader names sessions.
        let mut parts = recording.session.rsplitn(3, '-');
        let (Some(name), Some(part), Some(user)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let label = labels.get(&format!("session_{name}"));
        let (user, is_training) = (user.to_owned(), part == "training");
        if !is_training && label.is_none() {
            continue;
        }
        let mut session = Session {
            session: recording.session.clone(),
            events,
            clock_steps: Vec::new(),
        };
        clocks.apply(u64::from(number), &mut session);
        let windows = cutting.features(&session);
        match label {
            _ if is_training => {
                let windows = windows.into_iter().map(|window| (number, window));
                users.entry(user).or_default().extend(windows);
            }
            Some(&illegal) => tests.push((user, !illegal, windows)),
            None => {}
        }
    }
    let names: Vec<String> = users.keys().cloned().collect();
    for (person, mut windows) in (0..).zip(users.into_values()) {
        // Blocks that a pause cut short are no references.
        windows.retain(|(_, window)| window.len == settings.steps);
        let references = windows.into_iter().map(|(occasion, window)| Reference {
            window: layout.add([window])[0],
            occasion,
        });
        let references = references.collect();
        layout.enrolled.push(Enrolled { person, references });
    }
    layout.trials = trials(&mut layout, &names, tests);
    Ok(layout)
}

fn trials(layout: &mut Layout, names: &[String], tests: Vec<(String, bool, Vec<FeatureWindow>)>) -> Trials {
    let (mut trials, mut left_out) = (Trials::default(), 0);
    for (user, genuine, windows) in tests {
        let claimed = names.iter().position(|name| *name == user);
        let (Some(claimed), false) = (claimed, windows.is_empty()) else {
            left_out += 1;
            continue;
        };
        let probe = trials.probes.len() as u32;
        let windows = layout.add(windows);
        trials.probes.push(Probe {
            windows,
            // Who the others were is not published.
            owner: genuine.then_some(claimed as u32),
        });
        trials.pairs.push(Pair {
            enrolled: claimed as u32,
            probe,
            genuine,
        });
    }
    if left_out > 0 {
        layout.notes.push(format!(
            "{left_out} labelled sessions left out: no event, or a user without training sessions"
        ));
    }
    trials
}
