//! Every target with everything in `fuzz/corpus`, and with mutations of it; libFuzzer does the rest (`cargo xtask fuzz`).
//!
//! Invariant: the same cases every time; a failure prints the bytes that it was found with.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use ductus_fuzz_targets::seeds::{Seeds, seeds};
use ductus_fuzz_targets::{TARGETS, Target};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

const SEED: u64 = 20_261_121;
/// Mutations of each target's corpus.
const MUTATIONS: usize = 4_000;
/// Numbers at the ends of what types and encodings hold.
const ODD: [&[u8]; 8] = [
    &[0x00],
    &[0x7f],
    &[0x80, 0x00],
    &[0xff; 4],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    b"-9223372036854775808",
    b"18446744073709551615",
    b"nan",
];

fn folder(target: &Target) -> PathBuf {
    // Cargo runs tests in the folder of their crate; what the compiler knows is wrong where clones share a build folder.
    Path::new("../corpus").join(target.name)
}

/// Names and contents, in the order of the names.
fn corpus(target: &Target) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder(target)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, std::fs::read(&path).unwrap())
    };
    files.into_iter().map(read).collect()
}

/// Says whether the bytes were accepted.
#[track_caller]
fn run(target: &Target, case: &str, bytes: &[u8]) -> bool {
    catch_unwind(|| (target.run)(bytes)).unwrap_or_else(|_| {
        panic!(
            "target {} fails with {case}: b\"{}\"",
            target.name,
            bytes.escape_ascii()
        )
    })
}

#[test]
fn every_file_of_the_corpus_keeps_the_promises() {
    for target in &TARGETS {
        let files = corpus(target);
        let accepted = files.iter().filter(|(name, bytes)| {
            let accepted = run(target, name, bytes);
            assert!(
                accepted || !name.starts_with("seed"),
                "{}/{name} is refused: if the document has another form now, write the seeds anew (see ductus_fuzz_targets::seeds)",
                target.name
            );
            accepted
        });
        let accepted = accepted.count();
        println!("{}: {} files, {accepted} accepted", target.name, files.len());
        assert!(
            accepted > 0 && accepted < files.len(),
            "{}: a corpus has both",
            target.name
        );
    }
}

#[test]
fn the_seeds_are_those_of_this_build() {
    for Seeds { target: name, contents } in seeds().unwrap() {
        let target = TARGETS.iter().find(|target| target.name == name).unwrap();
        for (number, content) in contents.iter().enumerate() {
            let kept = std::fs::read(folder(target).join(format!("seed-{number}"))).unwrap_or_default();
            assert!(
                &kept == content,
                "{name}/seed-{number} is not what this build writes: cargo run -p ductus-fuzz-targets --example seeds"
            );
        }
    }
}

#[test]
fn mutations_of_the_corpus_keep_the_promises() {
    for target in &TARGETS {
        let mut rng = ChaCha8Rng::seed_from_u64(SEED);
        let files: Vec<Vec<u8>> = corpus(target).into_iter().map(|(_, bytes)| bytes).collect();
        let good: Vec<Vec<u8>> = files.iter().filter(|bytes| (target.run)(bytes)).cloned().collect();
        let mut accepted = 0;
        for number in 0..MUTATIONS {
            // What is accepted leads further than what is not.
            let start = &[&good, &files][number % 2][..];
            let bytes = mutation(start, &files, &mut rng);
            accepted += usize::from(run(target, &format!("mutation {number} of seed {SEED}"), &bytes));
        }
        println!(
            "{}: {accepted} of {MUTATIONS} mutations accepted, seed {SEED}",
            target.name
        );
        assert!(accepted > 0, "{}: no mutation comes beyond the door", target.name);
    }
}

/// One of `start` with one to four changes, some of them out of `files`.
fn mutation(start: &[Vec<u8>], files: &[Vec<u8>], rng: &mut impl Rng) -> Vec<u8> {
    let mut below = |end: usize| rng.random_range(0..end.max(1));
    let mut bytes = start[below(start.len())].clone();
    for _ in 0..=below(4) {
        let from = below(bytes.len());
        let to = (from + 1 + below(8)).min(bytes.len());
        match below(6) {
            0 if !bytes.is_empty() => bytes[from] ^= 1 << below(8),
            1 if !bytes.is_empty() => bytes[from] = below(256) as u8,
            2 => drop(bytes.drain(from..to)),
            3 => {
                let copy = bytes[from..to].to_vec();
                let at = below(bytes.len());
                bytes.splice(at..at, copy);
            }
            4 => drop(bytes.splice(from..to, ODD[below(ODD.len())].iter().copied())),
            _ => {
                let other = &files[below(files.len())];
                let cut = below(other.len());
                bytes.truncate(from);
                bytes.extend_from_slice(&other[cut..]);
            }
        }
    }
    bytes
}
