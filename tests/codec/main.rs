//! The codec from the outside: what it refuses, that it reads what it writes, that others agree.
//!
//! - `refuse`: one test per rule, and each frame is a seed for fuzzing and for the oracles.
//! - `round_trip`: properties over generated and mutated packets.
//! - `text`: what is no text, in every place of a text.
//! - `written`: the exact bytes, and what no frame can express.
//! - `oracle`: mqttbytes and rmqtt-codec read ours and we read theirs; divergences are listed.
//! - `corpus`: the fuzz body over the committed seeds.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod corpus;
mod generate;
mod oracle;
mod refuse;
mod round_trip;
mod text;
mod written;

#[path = "../fuzz/bodies/decode.rs"]
mod fuzz_decode;
