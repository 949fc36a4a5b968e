//! What several protocols do alike: windows of samples in turn, probes that look at several windows, people left out.

use super::super::trials::Layout;
use ductus_dynamics::feature::FeatureWindow;

/// Windows that the second set of scores looks at together.
const AFTER: usize = 5;

/// Windows of the samples in turn: the first of each, then the second of each, until there are `count`.
pub(super) fn in_turn(samples: &[Vec<FeatureWindow>], count: usize) -> Vec<FeatureWindow> {
    let longest = samples.iter().map(Vec::len).max().unwrap_or(0);
    let turns = (0..longest).flat_map(|turn| samples.iter().filter_map(move |sample| sample.get(turn)));
    turns.take(count).cloned().collect()
}

/// Only windows of full length.
pub(super) fn full(mut windows: Vec<FeatureWindow>, steps: usize) -> Vec<FeatureWindow> {
    windows.retain(|window| window.len == steps);
    windows
}

/// Every probe against everybody, alone and several together.
pub(super) fn finish_everybody(layout: &mut Layout, probes: Vec<Vec<usize>>, owner: &[usize]) {
    let (after, after_owner) = consecutive(&probes, owner, AFTER);
    let enrolled = layout.enrolled.len();
    layout.after = vec![(AFTER, Layout::everybody(enrolled, after, &after_owner))];
    layout.trials = Layout::everybody(enrolled, probes, owner);
}

/// Every run of `count` probes of one person as a probe of its own.
fn consecutive(probes: &[Vec<usize>], owner: &[usize], count: usize) -> (Vec<Vec<usize>>, Vec<usize>) {
    let runs = probes.windows(count).zip(owner.windows(count));
    runs.filter(|(_, owner)| owner.iter().all(|person| *person == owner[0]))
        .map(|(probes, owner)| (probes.concat(), owner[0]))
        .unzip()
}

/// Says how many people are not in the layout, and why.
pub(super) fn note_short(layout: &mut Layout, short: usize, why: &str) {
    if short > 0 {
        layout.notes.push(format!("{short} subjects left out: {why}"));
    }
}
