//! `cargo +nightly fuzz run scenario --features libfuzzer`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| unplug_fuzz::scenario(data));
