//! The domain of Ductus: from input events to decisions about whether it is still the same person.
//!
//! Invariants: no I/O, no clock, no logging; time is an argument. The stream, the trainer and the evaluator call this same
//! code, so there is no second implementation to keep equal. See `ARCHITECTURE.md` for the map.
//!
//! ```text
//! record ─ parse ─► InputEvent ─ window ─► Window ─ feature ─► FeatureWindow ─ (scorer) ─► embedding
//!                                                                   compare ─► evidence ─► decide ─► Decision
//! ```
//! [`line::Line`] puts these together for one partition.

pub mod accuracy;
pub mod backend;
pub mod clock;
pub mod compare;
pub mod decide;
pub mod event;
pub mod evidence;
pub mod feature;
pub mod id;
pub mod line;
pub mod liveness;
pub mod parse;
pub mod reason;
pub mod reject;
pub mod replay;
pub mod state;
pub mod synthetic;
pub mod window;
pub mod wire;

/// Property tests run the same cases every time: a failure is found again by running the test again.
#[cfg(test)]
fn proptest_config(cases: u32) -> proptest::test_runner::Config {
    proptest::test_runner::Config {
        cases,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(20_261_121),
        ..Default::default()
    }
}
