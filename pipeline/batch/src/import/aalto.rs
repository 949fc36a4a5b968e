//! Aalto 136M, desktop: one tab-separated file a participant, `keystrokes/<id>_keystrokes.txt`, times in epoch milliseconds.
//!
//! A session is a test section (one sentence). Sentence and input are columns too; they are never looked at.

use super::presses::{Press, events};
use super::refused::{Reason, Refused};
use super::table::{Rows, whole_ms};
use super::{Dataset, Recording, Source, id_part, keys};
use anyhow::Result;
use ductus_dynamics::wire::{Device, Keyboard, Layout, Pointer};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

/// The files of the folder or of its `keystrokes/`, by participant number.
pub(super) fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let inside = dir.join("keystrokes");
    let dir = if inside.is_dir() { &inside } else { dir };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(participant) = name.strip_suffix("_keystrokes.txt") {
            files.push((participant.parse::<u64>().unwrap_or(u64::MAX), path));
        }
    }
    files.sort();
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

/// The sections of a participant's file, by section number.
pub(super) fn read(text: &str, source: &Source, refused: &mut Refused) -> Vec<Recording> {
    let columns = [
        "PARTICIPANT_ID",
        "TEST_SECTION_ID",
        "KEYSTROKE_ID",
        "PRESS_TIME",
        "RELEASE_TIME",
        "LETTER",
        "KEYCODE",
    ];
    let Some(mut rows) = Rows::new(text, '\t', columns, refused) else {
        return Vec::new();
    };
    let mut sections: BTreeMap<(u64, String), (String, Vec<Press>)> = BTreeMap::new();
    let mut seen = HashSet::new();
    while let Some(([participant, section, keystroke, pressed, released, letter, code], refused)) = rows.next_row() {
        let (Some(press_us), Some(release_us)) = (whole_ms(pressed), whole_ms(released)) else {
            refused.add(Reason::NonIntegerTime);
            continue;
        };
        let Ok(code) = code.trim().parse() else {
            refused.add(Reason::UnknownValue);
            continue;
        };
        if release_us < press_us {
            refused.add(Reason::ReleaseBeforePress);
            continue;
        }
        if !seen.insert((section, keystroke, press_us, release_us, code)) {
            refused.add(Reason::DuplicateRow);
            continue;
        }
        let mut chars = letter.chars();
        let out = chars.next().filter(|_| chars.next().is_none());
        let class = keys::of_js_code(code, out, source.detail);
        let key = (section.trim().parse().unwrap_or(u64::MAX), id_part(section));
        let (_, presses) = sections
            .entry(key)
            .or_insert_with(|| (id_part(participant), Vec::new()));
        presses.push(Press {
            press_us,
            release_us,
            class,
        });
    }
    let device = Device {
        keyboard: Keyboard::Physical,
        pointer: Pointer::Unknown,
        layout: Layout::Unknown,
        touch: false,
    };
    sections
        .into_iter()
        .map(|((_, section), (participant, presses))| {
            let origin_us = presses.iter().map(|press| press.press_us).min().unwrap_or_default();
            Recording {
                tenant: Dataset::Aalto.name(),
                subject: Some(format!("aalto-{participant}")),
                session: format!("aalto-{participant}-{section}"),
                origin_us,
                resolution_us: 1_000,
                device,
                detail: source.detail,
                events: events(presses, origin_us),
            }
        })
        .collect()
}
