//! A model's manifest.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    ductus_fuzz_targets::manifest::manifest(bytes);
});
