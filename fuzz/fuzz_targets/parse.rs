//! A record of the events topic.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    ductus_fuzz_targets::parse::parse(bytes);
});
