//! KeyRecs: `free-text.csv` with one row a digraph (`participant, session, key1, key2, DU.key1.key1, DD.key1.key2,
//! DU.key1.key2, UD.key1.key2, UU.key1.key2`), and `fixed-text.csv` with one row a repetition of the password and the same
//! five times for each pair of its keys. Times are in seconds; `DU.a.a` is the dwell of `a`, `DU.a.b` runs from the press of
//! `a` to the release of `b`.
//!
//! Free text: while a row's second key is the next row's first, presses chain up. Where the chain breaks, nobody knows how
//! long the gap was, so a new session begins. Keys named only by where they stand in a pair are paired by name here and
//! forgotten in the next line.

use super::presses::{Press, events};
use super::refused::{Reason, Refused};
use super::table::{self, Rows, seconds};
use super::{Dataset, Recording, Source, id_part, keys, synthetic_origin_us};
use anyhow::Result;
use ductus_dynamics::event::KeyClass;
use ductus_dynamics::wire::{Device, Keyboard, Layout, Pointer};
use std::path::{Path, PathBuf};

/// From the last release of a repetition of the password to the first press of the next: not published, see `cmu`.
const PAUSE_US: i64 = 2_000_000;

/// The files of the folder that are about pairs of keys.
pub(super) fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    table::csv_files(dir, |header| {
        header.contains(&"participant") && header.iter().any(|name| name.starts_with("DU."))
    })
}

pub(super) fn read(file: &Path, text: &str, source: &Source, refused: &mut Refused) -> Vec<Recording> {
    let header = table::fields(text.lines().next().unwrap_or_default(), ',');
    let recordings = if header.contains(&"key1") {
        free_text(text, source, refused)
    } else {
        fixed_text(text, &header, source, refused)
    };
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or("text");
    recordings
        .into_iter()
        .map(|draft| draft.into_recording(stem, source))
        .collect()
}

/// A session as far as a reader knows it.
struct Draft {
    participant: String,
    session: String,
    /// Counts the parts of a session whose chain broke.
    part: usize,
    presses: Vec<Press>,
}

impl Draft {
    fn into_recording(self, stem: &str, source: &Source) -> Recording {
        let Self {
            participant,
            session,
            part,
            presses,
        } = self;
        let kind = if stem.contains("fixed") { "fixed" } else { "free" };
        let part_name = if part == 0 { String::new() } else { format!("-{part}") };
        let device = Device {
            keyboard: Keyboard::Physical,
            pointer: Pointer::Unknown,
            layout: Layout::Unknown,
            touch: false,
        };
        let origin_us = synthetic_origin_us(session.parse().unwrap_or_default()) + part as i64 * 3_600_000_000;
        Recording {
            tenant: Dataset::Keyrecs.name(),
            subject: Some(format!("keyrecs-{participant}")),
            session: format!("keyrecs-{participant}-{kind}-{session}{part_name}"),
            origin_us,
            resolution_us: 1_000,
            device,
            detail: source.detail,
            events: events(presses, 0),
        }
    }
}

fn free_text(text: &str, source: &Source, refused: &mut Refused) -> Vec<Draft> {
    let columns = [
        "participant",
        "session",
        "key1",
        "key2",
        "DU.key1.key1",
        "DD.key1.key2",
        "DU.key1.key2",
    ];
    let Some(mut rows) = Rows::new(text, ',', columns, refused) else {
        return Vec::new();
    };
    let mut drafts: Vec<Draft> = Vec::new();
    // The second key of the row before, and when it went down.
    let mut open: Option<(&str, i64)> = None;
    let mut parts = std::collections::HashMap::new();
    while let Some(([participant, session, first, second, hold, down_down, down_up], refused)) = rows.next_row() {
        let (Some(hold_us), Some(down_down_us), Some(down_up_us)) =
            (seconds(hold), seconds(down_down), seconds(down_up))
        else {
            refused.add(Reason::NonIntegerTime);
            open = None;
            continue;
        };
        if hold_us < 0 || down_up_us < down_down_us {
            refused.add(Reason::ReleaseBeforePress);
            open = None;
            continue;
        }
        let (participant, session) = (id_part(participant), id_part(session));
        let same = drafts
            .last()
            .is_some_and(|draft| draft.participant == participant && draft.session == session);
        let press_us = match open.filter(|(key, _)| same && *key == first) {
            Some((_, press_us)) => press_us,
            None => {
                let part = parts.entry((participant.clone(), session.clone())).or_insert(0);
                drafts.push(Draft {
                    participant,
                    session,
                    part: *part,
                    presses: Vec::new(),
                });
                *part += 1;
                0
            }
        };
        let Some(draft) = drafts.last_mut() else { continue };
        let press = |key, press_us: i64, release_us| Press {
            press_us,
            release_us,
            class: keys::of_name(key, source.detail),
        };
        // The row before knew this key as its second one; here its dwell stands as measured.
        draft.presses.pop();
        draft.presses.push(press(first, press_us, press_us + hold_us));
        draft
            .presses
            .push(press(second, press_us + down_down_us, press_us + down_up_us));
        open = Some((second, press_us + down_down_us));
    }
    drafts
}

/// The password's keys in order: of each pair `DD.a.b` the first, and the second of the last.
struct Password {
    classes: Vec<KeyClass>,
    /// For each pair: dwell of the first key, press to press, press of the first to release of the second.
    pairs: Vec<(usize, usize, usize)>,
}

fn fixed_text(text: &str, header: &[&str], source: &Source, refused: &mut Refused) -> Vec<Draft> {
    let place = |name: &str| header.iter().position(|column| *column == name);
    let (Some(participant), Some(session), Some(password)) =
        (place("participant"), place("session"), password_of(header, source))
    else {
        refused.add(Reason::WrongHeader);
        return Vec::new();
    };
    let mut drafts: Vec<Draft> = Vec::new();
    for line in text.lines().skip(1).filter(|line| !line.is_empty()) {
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
        let (participant, session) = (id_part(row[participant]), id_part(row[session]));
        let known = drafts
            .iter()
            .position(|draft| draft.participant == participant && draft.session == session);
        let index = known.unwrap_or_else(|| {
            drafts.push(Draft {
                participant,
                session,
                part: 0,
                presses: Vec::new(),
            });
            drafts.len() - 1
        });
        let presses = &mut drafts[index].presses;
        let start_us = presses
            .iter()
            .map(|press| press.release_us)
            .max()
            .map_or(0, |end_us| end_us + PAUSE_US);
        match repetition(&row, &password, start_us) {
            Ok(repetition) => presses.extend(repetition),
            Err(reason) => refused.add(reason),
        }
    }
    drafts
}

fn password_of(header: &[&str], source: &Source) -> Option<Password> {
    let (mut classes, mut pairs) = (Vec::new(), Vec::new());
    let mut last = None;
    for (down_down, name) in header.iter().enumerate() {
        let Some((first, second)) = name.strip_prefix("DD.").and_then(|pair| pair.split_once('.')) else {
            continue;
        };
        // A pair's five columns stand together, its dwell before and its press-to-release behind.
        let dwell = header[..down_down]
            .iter()
            .rposition(|column| *column == format!("DU.{first}.{first}"))?;
        let across = header[down_down..]
            .iter()
            .position(|column| *column == format!("DU.{first}.{second}"));
        let across = across.map(|place| down_down + place)?;
        classes.push(keys::of_name(first, source.detail));
        pairs.push((dwell, down_down, across));
        last = Some(second);
    }
    classes.push(keys::of_name(last?, source.detail));
    Some(Password { classes, pairs })
}

fn repetition(row: &[&str], password: &Password, start_us: i64) -> Result<Vec<Press>, Reason> {
    let time = |place: usize| seconds(row[place]).ok_or(Reason::NonIntegerTime);
    let mut presses: Vec<Press> = Vec::with_capacity(password.classes.len());
    let (mut press_us, mut end_us) = (start_us, start_us);
    for (&(dwell, down_down, across), &class) in password.pairs.iter().zip(&password.classes) {
        let hold_us = time(dwell)?;
        if hold_us < 0 {
            return Err(Reason::ReleaseBeforePress);
        }
        presses.push(Press {
            press_us,
            release_us: press_us + hold_us,
            class,
        });
        end_us = press_us + time(across)?;
        press_us += time(down_down)?;
    }
    if end_us < press_us {
        return Err(Reason::ReleaseBeforePress);
    }
    let class = password.classes.last().copied().unwrap_or(KeyClass::Other);
    presses.push(Press {
        press_us,
        release_us: end_us,
        class,
    });
    Ok(presses)
}
