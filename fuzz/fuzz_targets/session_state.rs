//! A session's state out of a checkpoint.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    ductus_fuzz_targets::session_state::session_state(bytes);
});
