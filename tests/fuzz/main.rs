//! The fuzz bodies on a stable compiler: every seed, every input that once failed, and a slice of
//! new ones. `scripts/fuzz` runs them for longer, with cargo-fuzz where there is one.
//!
//! - `bodies`: what must hold, one file per target.
//! - `mutate`: new inputs from known ones, by a seed.
//! - `replay`: the tests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

// The worker of the unit tests, with the names it knows.
use homing::{auth, broker, metrics, model, mqtt, session, shard, store};

mod bodies;
mod mutate;
#[allow(dead_code)]
#[path = "../support/random.rs"]
mod random;
mod replay;
#[allow(dead_code)]
#[path = "../../src/shard/tests/world.rs"]
mod world;
