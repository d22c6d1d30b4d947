//! The parts of homing that are fuzzed, without the dependencies of the rest.

#[path = "../../src/mqtt/mod.rs"]
pub mod mqtt;
