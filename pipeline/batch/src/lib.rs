//! `ductus-batch`: import, train, backend, evaluate, promote, query, and a schedule for retraining.
//!
//! Invariants: the trainer, the evaluator and the stream call the same window and feature code of `dynamics`; results are the
//! last line on standard output, everything else goes to standard error; every command ends cleanly when interrupted.

pub mod backend;
pub mod cli;
pub mod config;
pub mod corpus;
pub mod embed;
pub mod evaluate;
pub mod import;
pub mod interrupt;
pub mod output;
pub mod progress;
pub mod promote;
pub mod query;
pub mod serve;
pub mod thresholds;
pub mod train;
pub mod windows;

#[cfg(test)]
mod fixtures;
