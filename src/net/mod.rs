//! Sockets, threads and tasks around the pure shards. Each worker is one thread with a
//! current-thread runtime; it owns its connections. Work crosses threads in batches.
//!
//! `admission` says who may come in, `listen` accepts, `door` finds out who is calling (`proxy`)
//! and makes the connection secure (`tls`) and a WebSocket (`websocket`), `greet` takes a CONNECT
//! and asks who it is, `flapper` bans who comes too often, `worker` drives one shard, `conn` moves
//! one connection's bytes, `layers` has what they go through, `route` brings commits back to the
//! workers, `due` sends what has waited for its time, `kick` sends sessions away, `watched` sees
//! panics.

mod admission;
mod conn;
mod door;
mod due;
mod flapper;
mod greet;
mod kick;
mod layers;
mod listen;
mod mailbox;
mod proxy;
mod route;
mod stream;
pub mod tls;
mod watched;
pub mod websocket;
mod worker;

pub use admission::{Admission, AdmissionLimits, FlappingLimits};
pub use door::{Balancer, Door, Lock, Opened};
pub use due::{Bell, DueEngine};
pub use flapper::Banning;
pub use greet::Gate;
pub use kick::{connected, kick};
pub use mailbox::Mailbox;
pub use route::on_commit;
pub use stream::Stream;
pub use worker::{Mail, Start, Stores, run};
