//! `cargo +nightly fuzz run store --features libfuzzer`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| unplug_fuzz::store(data));
