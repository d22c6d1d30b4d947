//! Behaviours of a worker, seen from its clients: one file per behaviour.

mod durable_session;
mod exactly_once;
mod inbox;
mod packets;
mod refusal;
mod will;
mod world;
