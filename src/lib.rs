//! homing: an MQTT-first push and chat broker. The map of its parts:
//!
//! - [`model`]: the nouns, valid by construction. Depends on nothing of ours.
//! - [`mqtt`]: bytes to packets and back, MQTT 3.1.1 and 5. Pure.

pub mod clock;
pub mod config;
pub mod model;
pub mod mqtt;
pub mod store;
