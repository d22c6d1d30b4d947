//! Behaviours of a worker, seen from its clients: one file per behaviour.

mod backpressure;
mod durable_session;
mod envelope;
mod exactly_once;
mod inbox;
mod kick;
mod login_expiry;
mod order;
mod packets;
mod rates;
mod refusal;
mod rights;
mod will;
mod world;
