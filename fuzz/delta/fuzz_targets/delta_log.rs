//! A commit of a Delta table, as `archive` reads it again to learn what it has written.

#![no_main]

#[path = "../../../pipeline/history/tests/log/body.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    body::delta_log(bytes);
});
