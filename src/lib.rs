//! homing: an MQTT-first push and chat broker. *Publish to a uid, and every device of that user
//! gets it.* The map of its parts; imports point from the bottom of this list to its top:
//!
//! - [`model`]: the nouns, valid by construction; every bound; the table of reasons. Pure.
//! - [`mqtt`]: bytes to packets and back, MQTT 3.1.1 and 5. Pure.
//! - [`session`]: one client's protocol state. Pure.
//! - [`throttle`]: how much may pass, and how often. Pure.
//! - [`broker`]: what sessions share: policy, targets, subscriptions. Pure.
//! - [`shard`]: the whole of one worker, sessions and broker joined. Pure.
//! - [`store`]: what survives kill -9; group commit; SQLite, PostgreSQL, memory.
//! - [`sys`]: what the broker tells about itself under `$SYS`.
//! - [`auth`]: who are you.
//! - [`net`]: sockets, threads and tasks.
//! - [`http`]: health, metrics, where to connect, what Startalk asks for.
//! - [`node`]: builds all of it, drains it, stops it.
//! - [`cli`]: one file per verb of the command.

pub mod auth;
pub mod broker;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod health;
pub mod http;
pub mod log;
pub mod metrics;
pub mod model;
pub mod mqtt;
pub mod net;
pub mod node;
pub mod session;
pub mod shard;
pub mod store;
pub mod sys;
pub mod throttle;
