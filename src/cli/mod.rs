//! The command, one file per verb.

pub mod user;
