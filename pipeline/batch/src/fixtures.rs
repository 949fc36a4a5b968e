//! What tests write for themselves: folders in the format of Aalto with synthetic typists, and small models.

use crate::corpus::{Person, Session};
use crate::train::{TrainArgs, train};
use clap::Parser;
use ductus_dynamics::event::{EventKind, KeyClass};
use ductus_dynamics::synthetic::Typist;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Writes `people` participants with `sections` sections of `keys` keys each to `dir/keystrokes`.
pub(crate) fn aalto(dir: &Path, people: u64, sections: u64, keys: usize) {
    std::fs::create_dir_all(dir.join("keystrokes")).unwrap();
    for person in 0..people {
        let header = "PARTICIPANT_ID\tTEST_SECTION_ID\tSENTENCE\tUSER_INPUT\tKEYSTROKE_ID\tPRESS_TIME\tRELEASE_TIME\tLETTER\tKEYCODE\n";
        let mut text = header.to_owned();
        for section in 0..sections {
            let start_us = 1_471_934_000_000_000 + section as i64 * 600_000_000;
            let mut presses: BTreeMap<u32, (i64, KeyClass, Option<i64>)> = BTreeMap::new();
            for event in Typist::draw(person).session(section, keys, start_us, 0) {
                match event.kind {
                    EventKind::KeyDown { press, class } => {
                        presses.insert(press, (event.t_us / 1_000, class, None));
                    }
                    EventKind::KeyUp { press } => {
                        presses
                            .entry(press)
                            .and_modify(|entry| entry.2 = Some(event.t_us / 1_000));
                    }
                    _ => {}
                }
            }
            for (press, (pressed, class, released)) in presses {
                let released = released.unwrap_or(pressed + 100);
                let code = code(class);
                writeln!(
                    text,
                    "{person}\t{section}\ts\tu\t{press}\t{pressed}\t{released}\t\t{code}"
                )
                .unwrap();
            }
        }
        std::fs::write(dir.join("keystrokes").join(format!("{person}_keystrokes.txt")), text).unwrap();
    }
}

fn code(class: KeyClass) -> u32 {
    match class {
        KeyClass::Letter | KeyClass::LetterLeft | KeyClass::LetterRight => 65,
        KeyClass::Digit => 49,
        KeyClass::Punctuation => 190,
        KeyClass::Space => 32,
        KeyClass::Enter => 13,
        KeyClass::Backspace => 8,
        KeyClass::Modifier => 16,
        KeyClass::Navigation => 37,
        KeyClass::Other => 122,
    }
}

/// Options of `train` as on the command line.
pub(crate) fn train_args(words: &[&str]) -> TrainArgs {
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        train: TrainArgs,
    }
    Line::try_parse_from(["train"].iter().chain(words)).unwrap().train
}

/// Trains a small model on a folder of [`aalto`].
pub(crate) fn model(data: &Path, out: &Path, seed: &str, more: &[&str]) -> PathBuf {
    let data = format!("aalto={}", data.display());
    let out = out.to_str().unwrap();
    let small = [
        "--steps",
        "25",
        "--layers",
        "1",
        "--hidden",
        "8",
        "--bidirectional",
        "false",
        "--people",
        "8",
    ];
    let mut words = vec!["--data", &data, "--modality", "keystroke", "--out", out, "--seed", seed];
    words.extend(["--started", "2026-11-21"]);
    words.extend(small);
    words.extend(more);
    train(&train_args(&words)).unwrap();
    PathBuf::from(out)
}

/// Typists who were never there, with 15 sessions of 60 keys.
pub(crate) fn typists(people: u64) -> Vec<Person> {
    let session = |person: u64, number: u64| Session {
        session: format!("typist-{person:03}-{number}"),
        events: Typist::draw(9_000 + person).session(
            number,
            60,
            1_577_836_800_000_000 + number as i64 * 86_400_000_000,
            0,
        ),
        clock_steps: Vec::new(),
    };
    let person = |person: u64| Person {
        tenant: "test".to_owned(),
        subject: format!("typist-{person:03}"),
        sessions: (0..15).map(|number| session(person, number)).collect(),
    };
    (0..people).map(person).collect()
}
