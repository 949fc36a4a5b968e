//! What several protocols do alike: windows by occasion, windows in turn, probes that look at several windows, people left out.

use crate::corpus::Person;
use crate::evaluate::layout::{Enrolled, Layout, Probe, Reference, Trials};
use crate::windows::Cutting;
use ductus_dynamics::feature::FeatureWindow;
use std::collections::BTreeMap;

/// A window and the number of the session it is from.
pub(super) type Dated = (u32, FeatureWindow);

/// The windows of a person, session by session.
pub(super) fn samples(person: &Person, cutting: &Cutting) -> Vec<Vec<Dated>> {
    let sessions = (0..).zip(&person.sessions);
    sessions
        .map(|(occasion, session)| {
            let windows = cutting.features(session).into_iter();
            windows.map(|window| (occasion, window)).collect()
        })
        .collect()
}

/// The windows of a person, session by session, only those of full length.
pub(super) fn full_samples(person: &Person, cutting: &Cutting) -> Vec<Vec<Dated>> {
    let mut samples = samples(person, cutting);
    for sample in &mut samples {
        sample.retain(|(_, window)| window.len == cutting.config.steps);
    }
    samples
}

/// Windows of the samples in turn: the first of each, then the second of each, until there are `count`.
pub(super) fn in_turn(samples: &[Vec<Dated>], count: usize) -> Vec<Dated> {
    let longest = samples.iter().map(Vec::len).max().unwrap_or(0);
    let turns = (0..longest).flat_map(|turn| samples.iter().filter_map(move |sample| sample.get(turn)));
    turns.take(count).cloned().collect()
}

/// A layout in the making where everybody's probes are compared with everybody.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) layout: Layout,
    /// One window each, in the order of time within a person.
    probes: Vec<Probe>,
    short: usize,
}

impl Draft {
    /// Enrols a person with these references; each of `probes` is a probe of its own.
    pub(super) fn person(&mut self, references: Vec<Dated>, probes: impl IntoIterator<Item = Dated>) {
        let person = self.layout.enrolled.len() as u32;
        let enrolled = enrol(&mut self.layout, person, references);
        self.layout.enrolled.push(enrolled);
        for window in self.layout.add(probes.into_iter().map(|(_, window)| window)) {
            self.probes.push(Probe {
                windows: vec![window],
                owner: Some(person),
            });
        }
    }

    /// Counts a person whose data does not reach.
    pub(super) fn leave_out(&mut self) {
        self.short += 1;
    }

    /// Every probe against everybody, alone and `together` at a time, consecutive ones of one person.
    pub(super) fn everybody(self, together: impl IntoIterator<Item = usize>, why_short: &str) -> Layout {
        let Self {
            mut layout,
            probes,
            short,
        } = self;
        for count in together {
            let trials = Trials::everybody(&layout.enrolled, consecutive(&probes, count));
            layout.after.push((count, trials));
        }
        layout.trials = Trials::everybody(&layout.enrolled, probes);
        note_short(&mut layout, short, why_short);
        layout
    }
}

/// Adds the reference windows of an enrolment.
pub(super) fn enrol(layout: &mut Layout, person: u32, references: Vec<Dated>) -> Enrolled {
    let (occasions, windows): (Vec<u32>, Vec<FeatureWindow>) = references.into_iter().unzip();
    let windows = layout.add(windows);
    Enrolled {
        person,
        references: windows
            .into_iter()
            .zip(occasions)
            .map(|(window, occasion)| Reference { window, occasion })
            .collect(),
    }
}

/// Every run of `count` probes of one person as a probe of its own.
pub(super) fn consecutive(probes: &[Probe], count: usize) -> Vec<Probe> {
    let runs = probes.windows(count);
    runs.filter(|run| run.iter().all(|probe| probe.owner == run[0].owner))
        .map(|run| Probe {
            windows: run.iter().flat_map(|probe| probe.windows.clone()).collect(),
            owner: run[0].owner,
        })
        .collect()
}

/// Says how many people are not in the layout, and why.
pub(super) fn note_short(layout: &mut Layout, short: usize, why: &str) {
    if short > 0 {
        layout.notes.push(format!("{short} subjects left out: {why}"));
    }
}

/// The number at the end of a pseudonym, as data sets count their people.
pub(super) fn number_of(subject: &str) -> Option<u64> {
    let digits = subject.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    subject[digits..].parse().ok()
}

/// Indices of equal keys, by key.
pub(super) fn by_owner(probes: &[Probe]) -> BTreeMap<u32, Vec<usize>> {
    let mut owners: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (index, probe) in probes.iter().enumerate() {
        if let Some(owner) = probe.owner {
            owners.entry(owner).or_default().push(index);
        }
    }
    owners
}
