//! Balabit Mouse Dynamics Challenge (Fülöp et al., 2016): the training sessions of a user enrol with all their full blocks; every
//! test session that `public_labels.csv` labels is judged as a whole, all its blocks together, against the user of its
//! folder. 816 labelled sessions: 411 genuine, 405 of one of the other nine users. An AUC is with one threshold for all.
//!
//! Blocks that are too short to score in the stream count only in a session that has no longer one.

use super::Settings;
use crate::corpus::{Person, Session, read_counting};
use crate::evaluate::EvaluateArgs;
use crate::evaluate::clocks::Clocks;
use crate::evaluate::layout::{Enrolled, Layout, Pair, Probe, Reference, Trials};
use crate::evaluate::people::Crowd;
use crate::import::{Dataset, balabit_labels, is_balabit_test};
use crate::windows::Cutting;
use anyhow::{Result, bail};
use ductus_dynamics::event::{KeyDetail, Modality};
use ductus_dynamics::feature::FeatureWindow;
use std::collections::BTreeMap;

/// What the folder holds, by user.
#[derive(Default)]
struct Recorded {
    /// Blocks of the training sessions and the numbers of these.
    training: BTreeMap<String, Vec<(u32, FeatureWindow)>>,
    tests: Vec<Test>,
}

/// A labelled test session.
struct Test {
    /// Who is claimed.
    user: String,
    genuine: bool,
    windows: Vec<FeatureWindow>,
}

/// Lays out the labelled test sessions of a folder.
pub(super) fn layout(args: &EvaluateArgs, settings: Settings) -> Result<(Crowd, Layout)> {
    let mut crowd = Crowd::default();
    let Recorded { mut training, tests } = Recorded::read(args, settings, &mut crowd)?;
    // Users by name alone: whether the model has seen them is known of people, not of sessions.
    let person = |subject: &String| Person {
        tenant: Dataset::Balabit.name().to_owned(),
        subject: subject.clone(),
        sessions: Vec::new(),
    };
    crowd.people = training.keys().map(person).collect();
    crowd.read = crowd.people.len();
    crowd.restrict(args)?;
    training.retain(|user, _| crowd.people.iter().any(|person| person.subject == *user));
    let names: Vec<String> = training.keys().cloned().collect();
    let mut layout = Layout::default();
    for (person, mut windows) in (0..).zip(training.into_values()) {
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
    Ok((crowd, layout))
}

impl Recorded {
    fn read(args: &EvaluateArgs, settings: Settings, crowd: &mut Crowd) -> Result<Self> {
        let dir = &args.data;
        let labels = balabit_labels(dir)?;
        if labels.is_empty() {
            bail!(
                "{} has no labels (public_labels.csv), and without them nothing can be judged",
                dir.display()
            );
        }
        let clocks = Clocks::of(args);
        let usual = settings.cutting(Modality::Pointer).config.min_steps;
        let mut cutting = Cutting::of_stream(Modality::Pointer).at_least(1);
        cutting.config.steps = settings.steps;
        let cutting = cutting.apart();
        let mut recorded = Self::default();
        let read = read_counting(Dataset::Balabit, dir, KeyDetail::Class, &mut crowd.refused)?;
        for (number, (recording, events)) in (0..).zip(read) {
            // `balabit-<user>-<training|test>-<number>`, as the reader names sessions.
            let mut parts = recording.session.rsplitn(3, '-');
            let (Some(name), Some(_), Some(user)) = (parts.next(), parts.next(), parts.next()) else {
                continue;
            };
            let label = labels.get(&format!("session_{name}"));
            let (user, is_test) = (user.to_owned(), is_balabit_test(&recording.session));
            if is_test && label.is_none() {
                continue;
            }
            let mut session = Session {
                session: recording.session.clone(),
                events,
                clock_steps: Vec::new(),
            };
            clocks.apply(u64::from(number), &mut session);
            let mut windows = cutting.features(&session);
            match label {
                Some(&illegal) if is_test => {
                    if windows.iter().any(|window| window.len >= usual) {
                        windows.retain(|window| window.len >= usual);
                    }
                    recorded.tests.push(Test {
                        user,
                        genuine: !illegal,
                        windows,
                    });
                }
                _ => {
                    let windows = windows.into_iter().map(|window| (number, window));
                    recorded.training.entry(user).or_default().extend(windows);
                }
            }
        }
        Ok(recorded)
    }
}

fn trials(layout: &mut Layout, names: &[String], tests: Vec<Test>) -> Trials {
    let (mut trials, mut left_out) = (Trials::default(), 0);
    for Test { user, genuine, windows } in tests {
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
            "{left_out} labelled sessions left out: no event, or a user who is not enrolled"
        ));
    }
    trials
}
