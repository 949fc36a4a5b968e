//! The protocols: which windows enrol, which are probes, who is compared with whom.
//!
//! Invariant: no name, count or file of any data set stands here; people whose data does not reach are left out and counted.

use super::trials::{Layout, Pair, Trials};
use crate::corpus::Person;
use crate::windows::Cutting;
use clap::ValueEnum;
use ductus_dynamics::event::Modality;
use ductus_dynamics::feature::FeatureWindow;
use ductus_dynamics::window::WindowConfig;

/// A way to judge a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// TypeNet's, for Aalto: first 50 keys of each section; gallery sections 0-4, genuine 10-14, impostor section 11 of others.
    Typenet,
    /// Free text of Pace: references from a person's first samples, probes from the last ones, impostors everybody else's.
    Pohmm,
    /// As `pohmm`, for a model that learned from another collection.
    Cross,
    /// SapiMouse: the longer session of a person enrols, blocks of the shorter one are probes.
    Sapimouse,
    /// Balabit: training sessions enrol, labelled test sessions are judged as a whole.
    Balabit,
    /// Any people: first half of a person's windows enrols, the second half are probes.
    HeldOut,
}

impl Protocol {
    /// The name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Typenet => "typenet",
            Self::Pohmm => "pohmm",
            Self::Cross => "cross",
            Self::Sapimouse => "sapimouse",
            Self::Balabit => "balabit",
            Self::HeldOut => "held-out",
        }
    }

    /// The protocol of a name in a manifest.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::value_variants()
            .iter()
            .copied()
            .find(|protocol| protocol.name() == name)
    }

    /// What its windows are made of; `None` where that is the model's business.
    pub fn modality(self) -> Option<Modality> {
        match self {
            Self::Typenet | Self::Pohmm | Self::Cross => Some(Modality::Keystroke),
            Self::Sapimouse | Self::Balabit => Some(Modality::Pointer),
            Self::HeldOut => None,
        }
    }
}

/// Settings that a protocol leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Reference windows a person.
    pub references: usize,
    /// Steps a window.
    pub steps: usize,
}

impl Settings {
    /// What the published numbers used: five references; 50 keys, 128 pointer events.
    pub fn of(modality: Modality) -> Self {
        Self {
            references: 5,
            steps: Cutting::of_stream(modality).config.steps,
        }
    }

    fn cutting(self, modality: Modality) -> Cutting {
        let mut cutting = Cutting::of_stream(modality);
        cutting.config.steps = self.steps;
        cutting.config.min_steps = cutting.config.min_steps.min(self.steps);
        cutting
    }
}

/// TypeNet, for people with at least fifteen sessions (Acien et al., TBIOM 2022, with five gallery sessions).
pub fn typenet(people: &[Person], settings: Settings) -> Layout {
    const SESSIONS: usize = 15;
    const GENUINE: std::ops::Range<usize> = 10..15;
    const IMPOSTOR: usize = 11;
    // The first keys of a section are one sequence, however few they are and however long somebody thought in between.
    let mut cutting = settings.cutting(Modality::Keystroke).apart().at_least(1);
    cutting.config = WindowConfig {
        pause_us: i64::MAX / 4,
        ..cutting.config
    };
    let mut layout = Layout::default();
    let (mut probes, mut ours) = (Vec::new(), Vec::new());
    let mut short = 0;
    for person in people {
        let firsts: Vec<FeatureWindow> = person
            .sessions
            .iter()
            .filter_map(|session| cutting.features(session).into_iter().next())
            .collect();
        if firsts.len() < SESSIONS {
            short += 1;
            continue;
        }
        let indices = layout.add(firsts);
        layout
            .enrolled
            .push(indices[..settings.references.min(GENUINE.start)].to_vec());
        ours.push(probes.len());
        probes.extend(GENUINE.map(|session| vec![indices[session]]));
    }
    let mut pairs = Vec::new();
    for claimed in 0..ours.len() {
        let pair = |probe: usize, genuine| Pair {
            enrolled: claimed as u32,
            probe: probe as u32,
            genuine,
        };
        pairs.extend((0..GENUINE.len()).map(|i| pair(ours[claimed] + i, true)));
        let others = ours.iter().enumerate().filter(|(other, _)| *other != claimed);
        pairs.extend(others.map(|(_, first)| pair(first + IMPOSTOR - GENUINE.start, false)));
    }
    layout.trials = Trials { probes, pairs };
    note_short(&mut layout, short, "fewer than 15 sessions");
    layout
}

/// References from a person's first samples, in turn one window of each; probes from the last third of the samples.
pub fn pohmm(people: &[Person], settings: Settings) -> Layout {
    let cutting = settings.cutting(Modality::Keystroke).apart();
    let (mut layout, mut short) = (Layout::default(), 0);
    let (mut probes, mut owner) = (Vec::new(), Vec::new());
    for person in people {
        let samples: Vec<Vec<FeatureWindow>> = person
            .sessions
            .iter()
            .map(|session| full(cutting.features(session), settings.steps))
            .collect();
        let (gallery, last) = (samples.len() / 2, samples.len() - samples.len() / 3);
        let references = in_turn(&samples[..gallery], settings.references);
        let own: Vec<FeatureWindow> = samples[last..].iter().flatten().cloned().collect();
        if references.len() < settings.references || own.is_empty() {
            short += 1;
            continue;
        }
        let me = layout.enrolled.len();
        let references = layout.add(references);
        layout.enrolled.push(references);
        for index in layout.add(own) {
            probes.push(vec![index]);
            owner.push(me);
        }
    }
    finish_everybody(&mut layout, probes, &owner);
    note_short(&mut layout, short, "too few windows in their first or last samples");
    layout
}

/// The longer of a person's sessions enrols with all its blocks; blocks of the shorter ones of its day are probes.
pub fn sapimouse(people: &[Person], settings: Settings) -> Layout {
    let cutting = settings.cutting(Modality::Pointer).apart();
    let (mut layout, mut short) = (Layout::default(), 0);
    let (mut probes, mut owner) = (Vec::new(), Vec::new());
    for person in people {
        let mut blocks: Vec<Vec<FeatureWindow>> = person
            .sessions
            .iter()
            .map(|session| full(cutting.features(session), settings.steps))
            .collect();
        // A person with several pairs of sessions is judged by the first pair.
        blocks.truncate(2);
        blocks.sort_by_key(|blocks| std::cmp::Reverse(blocks.len()));
        let (Some(enrol), Some(own)) = (blocks.first(), blocks.get(1)) else {
            short += 1;
            continue;
        };
        if own.is_empty() {
            short += 1;
            continue;
        }
        let me = layout.enrolled.len();
        let references = layout.add(enrol.iter().cloned());
        layout.enrolled.push(references);
        for index in layout.add(own.iter().cloned()) {
            probes.push(vec![index]);
            owner.push(me);
        }
    }
    finish_everybody(&mut layout, probes, &owner);
    note_short(&mut layout, short, "no second session with a full block");
    layout
}

/// The first half of a person's windows in time enrols, the second half are probes; a session is not split where there are
/// two or more.
pub fn held_out(people: &[Person], modality: Modality, settings: Settings) -> Layout {
    let cutting = settings.cutting(modality).apart();
    let (mut layout, mut short) = (Layout::default(), 0);
    let (mut probes, mut owner) = (Vec::new(), Vec::new());
    for person in people {
        let samples: Vec<Vec<FeatureWindow>> = person
            .sessions
            .iter()
            .map(|session| cutting.features(session))
            .filter(|windows| !windows.is_empty())
            .collect();
        let (first, second) = halves(samples);
        let references = in_turn(&first, settings.references);
        let own: Vec<FeatureWindow> = second.into_iter().flatten().collect();
        if references.is_empty() || own.is_empty() {
            short += 1;
            continue;
        }
        let me = layout.enrolled.len();
        let references = layout.add(references);
        layout.enrolled.push(references);
        for index in layout.add(own) {
            probes.push(vec![index]);
            owner.push(me);
        }
    }
    finish_everybody(&mut layout, probes, &owner);
    note_short(&mut layout, short, "fewer than two windows");
    layout
}

/// Sessions split in half; a single one by its windows.
fn halves(mut samples: Vec<Vec<FeatureWindow>>) -> (Vec<Vec<FeatureWindow>>, Vec<Vec<FeatureWindow>>) {
    if let [only] = samples.as_mut_slice() {
        let second = only.split_off(only.len().div_ceil(2));
        return (samples, vec![second]);
    }
    let second = samples.split_off(samples.len().div_ceil(2));
    (samples, second)
}

/// Windows of the samples in turn: the first of each, then the second of each, until there are `count`.
fn in_turn(samples: &[Vec<FeatureWindow>], count: usize) -> Vec<FeatureWindow> {
    let longest = samples.iter().map(Vec::len).max().unwrap_or(0);
    let turns = (0..longest).flat_map(|turn| samples.iter().filter_map(move |sample| sample.get(turn)));
    turns.take(count).cloned().collect()
}

/// Only windows of full length.
fn full(mut windows: Vec<FeatureWindow>, steps: usize) -> Vec<FeatureWindow> {
    windows.retain(|window| window.len == steps);
    windows
}

fn finish_everybody(layout: &mut Layout, probes: Vec<Vec<usize>>, owner: &[usize]) {
    let (after, after_owner) = consecutive(&probes, owner, AFTER);
    let enrolled = layout.enrolled.len();
    layout.after = vec![(AFTER, Layout::everybody(enrolled, after, &after_owner))];
    layout.trials = Layout::everybody(enrolled, probes, owner);
}

/// Windows that the second set of scores looks at together.
const AFTER: usize = 5;

/// Every run of `count` probes of one person as a probe of its own.
fn consecutive(probes: &[Vec<usize>], owner: &[usize], count: usize) -> (Vec<Vec<usize>>, Vec<usize>) {
    let runs = probes.windows(count).zip(owner.windows(count));
    runs.filter(|(_, owner)| owner.iter().all(|person| *person == owner[0]))
        .map(|(probes, owner)| (probes.concat(), owner[0]))
        .unzip()
}

fn note_short(layout: &mut Layout, short: usize, why: &str) {
    if short > 0 {
        layout.notes.push(format!("{short} subjects left out: {why}"));
    }
}
