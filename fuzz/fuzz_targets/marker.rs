//! A checkpoint's marker.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    ductus_fuzz_targets::marker::marker(bytes);
});
