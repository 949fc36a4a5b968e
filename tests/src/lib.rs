//! What whole-system tests share: a world of their own on real services, programs to start, stop, kill and pause, people
//! who type, faults, and the oracle that says what must come out.
//!
//! The tests in `system/` and `faults/` use it, and so does the program `faults`, the long form of the latter.
//!
//! Invariants: everything random follows from a seed; nothing here looks into the programs, it drives them and reads what
//! they write; what cannot be set up fails at once, with the log of the program at fault.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "tests, whose failures are panics"
)]

pub mod broker;
pub mod chaos;
pub mod clock;
pub mod door;
pub mod guest;
pub mod kafka;
pub mod ledger;
pub mod load;
pub mod mailbox;
pub mod oracle;
pub mod process;
pub mod proxy;
pub mod search;
pub mod world;

/// The first in `cargo xtask test`, the second where the durations of the fault table are asked for (`DUCTUS_FAULTS=long`):
/// they take about an hour.
pub fn pick<T>(short: T, long: T) -> T {
    if std::env::var("DUCTUS_FAULTS").is_ok_and(|form| form == "long") {
        long
    } else {
        short
    }
}
