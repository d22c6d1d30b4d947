//! The fuzz target `decode`: any bytes into the codec.

#![no_main]

#[path = "../fuzz_decode.rs"]
mod fuzz_decode;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_decode::fuzz_decode(data));
