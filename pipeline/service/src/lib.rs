//! The binary `ductus`: its roles, their configuration, telemetry and HTTP. `main.rs` reads as the life of the process.
//!
//! Invariants: only [`config`] reads the environment; the roles differ from each other in what they are built of, never in
//! how they start, report and stop.

pub mod archive;
pub mod config;
pub mod index;
pub mod shutdown;
