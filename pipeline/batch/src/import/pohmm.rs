//! The keystroke sets of Monaco & Tappert: `free_text.csv`, `fixed_text.csv`, `keypad.csv`, times in milliseconds from the
//! start of a session. The mobile set is left out: it was typed on a touch screen, and this format keeps nothing of it.
//!
//! Times were recorded on a clock of about 15.6 ms: training adds noise within it (see `train::augment`). People of the
//! three files are different people, although all are numbered from 0.

use super::presses::{Press, events};
use super::refused::{Reason, Refused};
use super::table::{Rows, whole_ms};
use super::{Dataset, Recording, Source, id_part, keys, synthetic_origin_us};
use anyhow::Result;
use ductus_dynamics::wire::{Device, Keyboard, Layout, Pointer};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

/// The files that may be there, and what a subject's pseudonym says of them.
const FILES: [(&str, &str); 3] = [
    ("free_text.csv", "free"),
    ("fixed_text.csv", "fixed"),
    ("keypad.csv", "keypad"),
];

/// The part of a subject's pseudonym that marks the free-text set, which the protocol `pohmm` judges.
pub(crate) const FREE_TEXT: &str = "free";

pub(super) fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    Ok(FILES
        .iter()
        .map(|(name, _)| dir.join(name))
        .filter(|path| path.is_file())
        .collect())
}

/// The samples of a file: person by person, in the order of their numbers.
pub(super) fn read(file: &Path, text: &str, source: &Source, refused: &mut Refused) -> Vec<Recording> {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let kind = FILES
        .iter()
        .find(|(file, _)| *file == name)
        .map_or("other", |(_, kind)| kind);
    let columns = ["user", "session", "keyname", "timepress", "timerelease"];
    let Some(mut rows) = Rows::new(text, ',', columns, refused) else {
        return Vec::new();
    };
    /// User and sample, as numbers to order by and as written.
    type Key = (u64, String, u64, String);
    /// The presses, and the rows seen so far.
    type Sample<'t> = (Vec<Press>, HashSet<(&'t str, Press)>);
    let mut samples: BTreeMap<Key, Sample<'_>> = BTreeMap::new();
    while let Some(([user, session, key, pressed, released], refused)) = rows.next_row() {
        let (Some(press_us), Some(release_us)) = (whole_ms(pressed), whole_ms(released)) else {
            refused.add(Reason::NonIntegerTime);
            continue;
        };
        if release_us < press_us {
            refused.add(Reason::ReleaseBeforePress);
            continue;
        }
        let number = |value: &str| value.trim().parse::<u64>().unwrap_or(u64::MAX);
        let press = Press {
            press_us,
            release_us,
            class: keys::of_name(key, source.detail),
        };
        let sample = (number(user), id_part(user), number(session), id_part(session));
        let (presses, seen) = samples.entry(sample).or_default();
        if !seen.insert((key, press)) {
            refused.add(Reason::DuplicateRow);
            continue;
        }
        presses.push(press);
    }
    let device = Device {
        keyboard: Keyboard::Physical,
        pointer: Pointer::Unknown,
        layout: Layout::Qwerty,
        touch: false,
    };
    samples
        .into_iter()
        .map(|((_, user, number, session), (presses, _))| {
            // Times count from the sample's start, so each sample gets a day of its own.
            let origin_us = synthetic_origin_us(number);
            Recording {
                tenant: Dataset::Pohmm.name(),
                subject: Some(format!("pohmm-{kind}-{user}")),
                session: format!("pohmm-{kind}-{user}-{session}"),
                origin_us,
                resolution_us: 1_000,
                device,
                detail: source.detail,
                events: events(presses, 0),
            }
        })
        .collect()
}
