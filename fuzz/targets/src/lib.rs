//! What the fuzz targets do with bytes that come from outside: events, states of a checkpoint, manifests.
//!
//! A target is a function of bytes. It panics where a promise of the code is broken, and says whether the bytes were accepted.
//! libFuzzer calls it from `fuzz/fuzz_targets`; the tests of this crate call it with everything in `fuzz/corpus`, and with
//! mutations of that.
//!
//! Invariants: a target reads no clock, no file and no environment, so that the same bytes always do the same; it keeps nothing
//! from call to call but what follows from constants.

pub mod manifest;
pub mod marker;
pub mod parse;
pub mod seeds;
pub mod session_state;

mod life;

use ductus_dynamics::state;

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, that of its folder in `fuzz/corpus` too.
    pub name: &'static str,
    /// What it does; says whether the bytes were accepted.
    pub run: fn(&[u8]) -> bool,
}

/// Every target that is here. `delta_log` is beside the code that it checks, because it needs the Delta library.
pub const TARGETS: [Target; 4] = [
    Target {
        name: "manifest",
        run: manifest::manifest,
    },
    Target {
        name: "marker",
        run: marker::marker,
    },
    Target {
        name: "parse",
        run: parse::parse,
    },
    Target {
        name: "session_state",
        run: session_state::session_state,
    },
];

/// The envelope of a state around bytes: no search would come upon a checksum that fits.
fn sealed(content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(content.len() + 5);
    bytes.push(state::VERSION);
    bytes.extend_from_slice(content);
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

/// What is in the envelope.
fn content(sealed: &[u8]) -> &[u8] {
    sealed
        .get(1..sealed.len().saturating_sub(4))
        .expect("a sealed state is longer than its envelope")
}
