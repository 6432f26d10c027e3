//! `cargo +nightly fuzz run driver_output --features libfuzzer`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| unplug_fuzz::driver_output(data));
