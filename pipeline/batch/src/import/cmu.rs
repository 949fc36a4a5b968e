//! CMU's `DSL-StrongPasswordData.csv`: one row a repetition of the password, with the columns `H.key` (dwell),
//! `DD.key1.key2` (press to press) and `UD.key1.key2` (release to press), in seconds.
//!
//! A session is one sitting of a subject. How long the pause between two repetitions was is not published: each begins
//! [`PAUSE_US`] after the end of the one before.

use super::presses::{Press, events};
use super::refused::{Reason, Refused};
use super::table::{self, seconds};
use super::{Dataset, Recording, Source, id_part, keys, synthetic_origin_us};
use anyhow::Result;
use ductus_dynamics::event::KeyClass;
use ductus_dynamics::wire::{Device, Keyboard, Layout, Pointer};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

/// From the last release of a repetition to the first press of the next.
const PAUSE_US: i64 = 2_000_000;
/// Times are published with four decimals; sums of them may be off by this.
const ROUNDING_US: i64 = 500;

/// The files of the folder whose header has the password's columns.
pub(super) fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    table::csv_files(dir, |header| header.contains(&"sessionIndex"))
}

/// Where the three times of a key stand in a row.
struct Key {
    class: KeyClass,
    hold: usize,
    /// Press to press and release to press of the next key; the last key has none.
    next: Option<(usize, usize)>,
}

/// The sittings of a file, by subject and session number.
pub(super) fn read(text: &str, source: &Source, refused: &mut Refused) -> Vec<Recording> {
    let mut lines = text.lines();
    let header = table::fields(lines.next().unwrap_or_default(), ',');
    let place = |name: &str| header.iter().position(|column| *column == name);
    let (Some(subject), Some(session), Some(layout)) =
        (place("subject"), place("sessionIndex"), keys_of(&header, source))
    else {
        refused.add(Reason::WrongHeader);
        return Vec::new();
    };
    let mut sittings: BTreeMap<(String, u64, String), Vec<Press>> = BTreeMap::new();
    let mut seen = HashSet::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let row = table::fields(line, ',');
        if row.len() != header.len() {
            let cut = row.len() < header.len() && text.ends_with(line);
            refused.add(if cut {
                Reason::TruncatedFile
            } else {
                Reason::WrongColumns
            });
            continue;
        }
        if !seen.insert(line) {
            refused.add(Reason::DuplicateRow);
            continue;
        }
        let number = row[session].trim().parse().unwrap_or(u64::MAX);
        let sitting = sittings
            .entry((id_part(row[subject]), number, id_part(row[session])))
            .or_default();
        let start_us = sitting
            .iter()
            .map(|press| press.release_us)
            .max()
            .map_or(0, |end_us| end_us + PAUSE_US);
        match repetition(&row, &layout, start_us) {
            Ok(presses) => sitting.extend(presses),
            Err(reason) => refused.add(reason),
        }
    }
    let device = Device {
        keyboard: Keyboard::Physical,
        pointer: Pointer::Unknown,
        layout: Layout::Qwerty,
        touch: false,
    };
    sittings
        .into_iter()
        .map(|((subject, number, session), presses)| Recording {
            tenant: Dataset::Cmu.name(),
            subject: Some(format!("cmu-{subject}")),
            session: format!("cmu-{subject}-{session}"),
            origin_us: synthetic_origin_us(number),
            resolution_us: 100,
            device,
            detail: source.detail,
            events: events(presses, 0),
        })
        .collect()
}

/// The keys of the password in order, from the names of the columns.
fn keys_of(header: &[&str], source: &Source) -> Option<Vec<Key>> {
    let names: Vec<(usize, &str)> = header
        .iter()
        .enumerate()
        .filter_map(|(place, name)| Some((place, name.strip_prefix("H.")?)))
        .collect();
    let place = |name: String| header.iter().position(|column| *column == name);
    let mut keys = Vec::new();
    for (i, &(hold, name)) in names.iter().enumerate() {
        let next = match names.get(i + 1) {
            Some((_, after)) => Some((
                place(format!("DD.{name}.{after}"))?,
                place(format!("UD.{name}.{after}"))?,
            )),
            None => None,
        };
        keys.push(Key {
            class: keys::of_name(name, source.detail),
            hold,
            next,
        });
    }
    (!keys.is_empty()).then_some(keys)
}

fn repetition(row: &[&str], keys: &[Key], start_us: i64) -> Result<Vec<Press>, Reason> {
    let time = |place: usize| seconds(row[place]).ok_or(Reason::NonIntegerTime);
    let mut press_us = start_us;
    let mut presses = Vec::with_capacity(keys.len());
    for key in keys {
        let hold_us = time(key.hold)?;
        if hold_us < 0 {
            return Err(Reason::ReleaseBeforePress);
        }
        presses.push(Press {
            press_us,
            release_us: press_us + hold_us,
            class: key.class,
        });
        if let Some((down_down, up_down)) = key.next {
            let (down_down_us, up_down_us) = (time(down_down)?, time(up_down)?);
            if (hold_us + up_down_us - down_down_us).abs() > ROUNDING_US || down_down_us < 0 {
                return Err(Reason::InconsistentTimes);
            }
            press_us += down_down_us;
        }
    }
    Ok(presses)
}
