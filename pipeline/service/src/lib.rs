//! The binary `ductus`: its roles, their configuration, telemetry and HTTP. `main.rs` reads as the life of the process.
//!
//! Invariants: only [`config`] reads the environment; only [`metrics`] (and `ductus_stream` for the hot path) names metrics;
//! the roles differ in what they are built of, never in how they start, report and stop; only [`output`] writes to standard
//! output.

pub mod accounts;
pub mod admin;
pub mod archive;
pub mod cli;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod gateway;
pub mod health;
pub mod index;
pub mod kafka;
pub mod keys;
pub mod metrics;
pub mod output;
pub mod process;
pub mod replay;
pub mod score;
pub mod shutdown;
pub mod telemetry;
