//! Behaviours of a worker, seen from its clients: one file per behaviour.

mod exactly_once;
mod inbox;
mod packets;
mod world;
