//! The promise under fire: the broker is killed again and again under load, then a checker accounts
//! for every message. The checker itself is tested by histories with one fault put into each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod campaign;
mod checker;
mod receiver;
mod sender;
#[path = "../support/mod.rs"]
mod support;
