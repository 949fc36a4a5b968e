//! The scorer against a real ONNX Runtime: what it refuses, what it computes, what happens when models change.
//!
//! Needs the library (`ORT_DYLIB_PATH`, or the cache folder that `cargo xtask` fills) and fails without it.

mod back_end;
mod embedding;
mod graph;
mod refusals;
mod support;
mod swapping;
