#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| haina_fuzz::git::entries(data));
