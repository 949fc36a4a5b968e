//! One-time questions with the released models: what the stream would say, and what one comparison at a time would.
//!
//! Needs ONNX Runtime (`ORT_DYLIB_PATH`, or the cache folder that `cargo xtask` fills) and fails without it.

mod identify;
mod questions;
mod support;
mod verify;
