#![no_main]
use libfuzzer_sys::fuzz_target;
fuzz_target!(|data: &[u8]| { let _ = magpie_sensor::dissect::dissect(data, 60); });
