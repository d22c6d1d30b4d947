//! What the standards demand, seen from outside: the real binary, real sockets. One module per
//! chapter of the specifications; which statement is tested where: `mqtt5.toml`, `mqtt311.toml`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod auth;
mod connack;
mod connect;
mod data_representation;
mod delivery;
mod disconnect;
mod errors;
mod flow_control;
mod guard;
mod manifest;
mod mqtt311;
mod order;
mod packet_format;
mod packets;
mod pingreq;
mod puback;
mod publish;
mod rig;
mod sessions;
mod subscribe;
#[path = "../support/mod.rs"]
mod support;
mod topics;
mod unsubscribe;
mod websocket;
mod will;
