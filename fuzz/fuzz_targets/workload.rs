//! `cargo +nightly fuzz run workload --features libfuzzer`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| unplug_fuzz::workload(data));
