//! What the standards demand, seen from outside: the real binary, real sockets. One module per
//! chapter of the specifications; which statement is tested where: `mqtt5*.toml`, `mqtt311.toml`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod guard;
mod manifest;
mod rig;
#[path = "../support/mod.rs"]
mod support;
