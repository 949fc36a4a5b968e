//! Whatever a commit of a table holds, reading it panics nowhere and learns what it says: the corpus of the fuzz target
//! `delta_log`, and what is left of a commit whose writing broke off.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod body;

use body::delta_log;
use std::path::Path;

fn corpus() -> Vec<(String, Vec<u8>)> {
    // Cargo runs tests in the folder of their crate; what the compiler knows is wrong where clones share a build folder.
    let folder = Path::new("../../fuzz/delta/corpus/delta_log");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let read = |path: std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, std::fs::read(path).unwrap())
    };
    files.into_iter().map(read).collect()
}

#[test]
fn every_file_of_the_corpus_is_read_or_refused() {
    for (name, bytes) in corpus() {
        let read = delta_log(&bytes);
        println!("{name}: {read:?}");
        assert!(read.is_some() || !name.starts_with("seed"), "{name} is refused");
    }
}

#[test]
fn a_commit_that_breaks_off_is_refused_or_says_what_is_left_of_it() {
    let whole = corpus().into_iter().find(|(name, _)| name == "seed-append").unwrap().1;
    for end in (0..whole.len()).step_by(7) {
        delta_log(&whole[..end]);
    }
}
