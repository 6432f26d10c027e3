//! `cargo +nightly fuzz run report --features libfuzzer`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| unplug_fuzz::report(data));
