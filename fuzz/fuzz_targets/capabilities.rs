//! `cargo +nightly fuzz run capabilities --features libfuzzer`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| unplug_fuzz::capabilities(data));
