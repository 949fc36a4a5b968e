//! Real recordings, where they are at hand: small folders in the data sets' own layout.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// The folder of the recordings; `None` after having said that the test is skipped. Without a place to say so, the test fails.
pub(crate) fn folder(test: &str) -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("DUCTUS_DATA") {
        return Some(folder.into());
    }
    let Some(list) = std::env::var_os("DUCTUS_SKIPPED") else {
        panic!("DUCTUS_DATA is not set: run `cargo xtask test`, which lists tests without recordings as skipped");
    };
    let mut list = fs::OpenOptions::new().create(true).append(true).open(list).unwrap();
    writeln!(list, "{test}: DUCTUS_DATA names no recordings").unwrap();
    None
}

/// Files of a folder, in the order of their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

/// The first `people` participants of the Aalto recordings.
pub(crate) fn aalto(data: &Path, into: &Path, people: usize) -> PathBuf {
    let target = into.join("aalto");
    fs::create_dir_all(target.join("keystrokes")).unwrap();
    for file in files(&data.join("aalto-136m-subset/keystrokes")).iter().take(people) {
        fs::copy(file, target.join("keystrokes").join(file.file_name().unwrap())).unwrap();
    }
    target
}

/// One training session of the first `people` users of the Balabit recordings, its first `rows` rows.
pub(crate) fn balabit(data: &Path, into: &Path, people: usize, rows: usize) -> PathBuf {
    let target = into.join("balabit");
    for user in files(&data.join("balabit/training_files")).iter().take(people) {
        let folder = target.join("training_files").join(user.file_name().unwrap());
        fs::create_dir_all(&folder).unwrap();
        let session = files(user).remove(0);
        let mut copy = fs::File::create(folder.join(session.file_name().unwrap())).unwrap();
        for line in BufReader::new(fs::File::open(session).unwrap()).lines().take(rows + 1) {
            writeln!(copy, "{}", line.unwrap()).unwrap();
        }
    }
    target
}

/// The free text of the first `people` users of the Pace recordings.
pub(crate) fn pace(data: &Path, into: &Path, people: usize) -> PathBuf {
    let target = into.join("pohmm-pace");
    fs::create_dir_all(&target).unwrap();
    let text = fs::read_to_string(data.join("pohmm-pace/free_text.csv")).unwrap();
    let mut users = Vec::new();
    let kept: Vec<&str> = text
        .lines()
        .take_while(|line| {
            let user = line.split(',').next().unwrap_or_default();
            if !users.contains(&user) {
                users.push(user);
            }
            // The header counts as one.
            users.len() <= people + 1
        })
        .collect();
    fs::write(target.join("free_text.csv"), kept.join("\n") + "\n").unwrap();
    target
}
