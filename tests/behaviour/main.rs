//! What homing does, seen from outside: the real binary, real sockets. One file per behaviour.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

#[path = "../support/mod.rs"]
mod support;
