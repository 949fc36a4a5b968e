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

/// Of the property tests; their seed is that of the whole workspace (`.cargo/config.toml`).
#[cfg(test)]
fn proptest_config(cases: u32) -> proptest::test_runner::Config {
    proptest::test_runner::Config {
        cases,
        failure_persistence: None,
        ..Default::default()
    }
}
