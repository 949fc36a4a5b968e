//! Balabit's protocol: references from the training sessions of a user, labelled test sessions judged as a whole.

use super::Settings;
use crate::corpus::{Session, read};
use crate::evaluate::trials::{Layout, Pair, Trials};
use crate::import::{Dataset, balabit_labels};
use crate::windows::Cutting;
use anyhow::{Result, bail};
use ductus_dynamics::event::{KeyDetail, Modality};
use ductus_dynamics::feature::FeatureWindow;
use std::collections::BTreeMap;
use std::path::Path;

/// Lays out the labelled test sessions of a folder.
pub(super) fn layout(dir: &Path, settings: Settings) -> Result<Layout> {
    let labels = balabit_labels(dir)?;
    if labels.is_empty() {
        bail!(
            "{} has no labels (public_labels.csv), and without them nothing can be judged",
            dir.display()
        );
    }
    let mut cutting = Cutting::of_stream(Modality::Pointer).apart().at_least(1);
    cutting.config.steps = settings.steps;
    let mut layout = Layout::default();
    let mut users: BTreeMap<String, Vec<FeatureWindow>> = BTreeMap::new();
    let mut tests: Vec<(String, bool, Vec<FeatureWindow>)> = Vec::new();
    for (recording, events) in read(Dataset::Balabit, dir, KeyDetail::Class)? {
        // `balabit-<user>-<training|test>-<number>`, as the reader names sessions.
        let mut parts = recording.session.rsplitn(3, '-');
        let (Some(number), Some(part), Some(user)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let label = labels.get(&format!("session_{number}"));
        let (user, is_training) = (user.to_owned(), part == "training");
        if !is_training && label.is_none() {
            continue;
        }
        let session = Session {
            session: recording.session.clone(),
            events,
            clock_steps: Vec::new(),
        };
        let windows = cutting.features(&session);
        match label {
            _ if is_training => users.entry(user).or_default().extend(windows),
            Some(&illegal) => tests.push((user, !illegal, windows)),
            None => {}
        }
    }
    let names: Vec<String> = users.keys().cloned().collect();
    for windows in users.into_values() {
        // Blocks that a pause cut short are no references.
        let references = layout.add(windows.into_iter().filter(|window| window.len == settings.steps));
        layout.enrolled.push(references);
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
        let indices = layout.add(windows);
        trials.probes.push(indices);
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
