//! Behaviours of a worker, seen from its clients: one file per behaviour.

mod alias;
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
mod retained;
mod rights;
mod routes;
mod share;
mod states;
mod subscription_id;
mod users;
mod will;
mod world;
