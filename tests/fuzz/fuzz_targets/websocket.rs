//! The fuzz target `websocket`; see `bodies/`.

#![no_main]
#![allow(dead_code)]

// The worker of the unit tests, with the names it knows.
use homing::{auth, broker, metrics, model, mqtt, session, shard, store};

#[path = "../bodies/mod.rs"]
mod bodies;
#[path = "../../../src/shard/tests/world.rs"]
mod world;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::websocket::fuzz_websocket(data));
