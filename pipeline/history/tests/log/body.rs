//! One commit of a table, whatever bytes it has, and what `archive` learns from it: also the body of the fuzz target
//! `delta_log`.
//!
//! Invariants: no bytes make reading panic; where the log is accepted, the last version of an application is the one that
//! the commit says.

use ductus_history::{Table, Tables};
use serde_json::Value;
use std::path::Path;

/// Whose transactions are asked for.
pub(crate) const APP_ID: &str = "ductus-archive/ductus.decisions.v1/0";

/// Tables without rows, made once a process; only the second commit of one of them changes from call to call.
struct Folder {
    root: tempfile::TempDir,
    commit: std::path::PathBuf,
}

fn folder() -> Folder {
    let root = tempfile::tempdir().expect("a temporary folder can be made");
    drop(Tables::open(utf8(root.path())).expect("fresh tables can be made"));
    let commit = root
        .path()
        .join(Table::Decisions.name())
        .join("_delta_log/00000000000000000001.json");
    Folder { root, commit }
}

fn utf8(path: &Path) -> &str {
    path.to_str().expect("temporary folders have names in UTF-8")
}

/// Reads a log whose second commit is `bytes`. Returns the last version of [`APP_ID`] where the log is accepted.
///
/// # Panics
///
/// Where it says another version than the commit.
pub(crate) fn delta_log(bytes: &[u8]) -> Option<Option<i64>> {
    thread_local!(static FOLDER: Folder = folder());
    FOLDER.with(|folder| {
        std::fs::write(&folder.commit, bytes).expect("the temporary folder can be written");
        let mut tables = Tables::open(utf8(folder.root.path())).ok()?;
        let last = tables.last_txn(Table::Decisions, APP_ID).ok()?;
        if let Some(expected) = expected(bytes) {
            assert_eq!(last, expected, "last version of {APP_ID}");
        }
        Some(last)
    })
}

/// The version that a commit of plain lines says; none where it is not plain: no object a line, a new metadata (which may let
/// transactions expire), or the application twice.
fn expected(bytes: &[u8]) -> Option<Option<i64>> {
    let mut last = None;
    for line in std::str::from_utf8(bytes).ok()?.lines() {
        let action: Value = serde_json::from_str(line).ok()?;
        let action = action.as_object()?;
        let (name, content) = action.iter().next().filter(|_| action.len() == 1)?;
        match name.as_str() {
            "txn" if content["appId"] == APP_ID => {
                let version = content["version"].as_i64()?;
                if last.replace(version).is_some() {
                    return None;
                }
            }
            "txn" | "add" | "remove" | "commitInfo" => {}
            _ => return None,
        }
    }
    Some(last)
}
