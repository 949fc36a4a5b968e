//! Balabit Mouse Dynamics Challenge: `training_files/<user>/session_*` and `test_files/<user>/session_*`, times in seconds.
//!
//! A test session was made by the user of its folder or by somebody else. Only `public_labels.csv` tells, and not for all:
//! a test session has a subject here where it is labelled legal, and nobody otherwise, so that nothing learns a wrong name.

use super::refused::Refused;
use super::sapimouse::Track;
use super::table::{self, Rows, seconds};
use super::{Dataset, Recording, Source, id_part, synthetic_origin_us};
use anyhow::{Result, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const TRAINING: &str = "training_files";
const TEST: &str = "test_files";
/// Stands in the names of sessions from [`TEST`].
const TEST_WORD: &str = "test";

/// Training files, then test files; by user and name.
pub(super) fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for part in [TRAINING, TEST] {
        let part = dir.join(part);
        if !part.is_dir() {
            continue;
        }
        let first = files.len();
        for entry in std::fs::read_dir(&part)? {
            let folder = entry?.path();
            if !folder.is_dir() {
                continue;
            }
            for entry in std::fs::read_dir(&folder)? {
                files.push(entry?.path());
            }
        }
        files[first..].sort();
    }
    Ok(files)
}

/// Whether a labelled test session is illegal, by its name; empty where the folder has no labels.
pub fn labels(dir: &Path) -> Result<BTreeMap<String, bool>> {
    let file = dir.join("public_labels.csv");
    let mut refused = Refused::default();
    let mut labels = BTreeMap::new();
    if !file.is_file() {
        return Ok(labels);
    }
    let text = table::read_text(&file, &mut refused).unwrap_or_default();
    let Some(mut rows) = Rows::new(&text, ',', ["filename", "is_illegal"], &mut refused) else {
        bail!("{} has no columns filename and is_illegal", file.display());
    };
    while let Some(([name, illegal], _)) = rows.next_row() {
        match illegal.trim() {
            "0" => labels.insert(name.trim().to_owned(), false),
            "1" => labels.insert(name.trim().to_owned(), true),
            other => bail!("{}: label {other:?} of a session is neither 0 nor 1", file.display()),
        };
    }
    Ok(labels)
}

/// The session of a file.
pub(super) fn read(file: &Path, text: &str, source: &Source, refused: &mut Refused) -> Vec<Recording> {
    let Some(track) = Track::read(text, seconds, refused) else {
        return Vec::new();
    };
    let name = |path: Option<&Path>| {
        path.and_then(Path::file_name)
            .and_then(|name| name.to_str())
            .unwrap_or("unknown")
            .to_owned()
    };
    let (session, user) = (name(Some(file)), name(file.parent()));
    let part = name(file.parent().and_then(Path::parent));
    let known = part == TRAINING || source_labels(source).get(&session) == Some(&false);
    let user = id_part(&user);
    let subject = known.then(|| format!("balabit-{user}"));
    let word = if part == TRAINING { "training" } else { TEST_WORD };
    let session = format!(
        "balabit-{user}-{word}-{}",
        id_part(session.trim_start_matches("session_"))
    );
    vec![track.into_recording(
        Dataset::Balabit,
        subject,
        session,
        synthetic_origin_us(0),
        1_000,
        source,
    )]
}

/// Whether a session of this data set is from the part that is judged.
pub fn is_test(session: &str) -> bool {
    // `balabit-<user>-<part>-<number>`
    session.rsplit('-').nth(1) == Some(TEST_WORD)
}

/// Labels that cannot be read name nobody; `evaluate` says what is wrong with them.
fn source_labels(source: &Source) -> BTreeMap<String, bool> {
    labels(&source.dir).unwrap_or_default()
}
