//! Sockets and threads around the pure shards. Each worker is one thread that owns its connections
//! and waits for all of them at once; beside it another one greets who comes. Work crosses threads
//! in batches.
//!
//! `admission` says who may come in, `listen` accepts, `door` finds out who is calling (`proxy`)
//! and makes the connection (`tcp`) secure (`tls`) and a WebSocket (`websocket`), `greet` takes a
//! CONNECT and asks who it is, `flapper` bans who comes too often, `worker` drives one shard,
//! `sockets` knows which of its connections can be read and written, `conn` moves one connection's
//! bytes, `layers` has what they go through, `lingering` those that have ended, `errands` are done
//! for the shard, `route` brings commits back to the workers, `due` sends what has waited for its
//! time, `kick` sends sessions away, `watched` sees panics.

mod admission;
mod conn;
mod door;
mod due;
mod errands;
mod flapper;
mod greet;
mod kick;
mod layers;
mod lingering;
mod listen;
mod mailbox;
mod proxy;
mod route;
mod sockets;
mod stream;
mod tcp;
pub mod tls;
mod watched;
pub mod websocket;
mod worker;

pub use admission::{Admission, AdmissionLimits, FlappingLimits};
pub use door::{Balancer, Door, Lock, Opened};
pub use due::{Bell, DueEngine};
pub use errands::Stores;
pub use flapper::Banning;
pub use greet::Gate;
pub use kick::{connected, kick};
pub use listen::{Reception, prepare, receive};
pub use mailbox::Mailbox;
pub use route::on_commit;
pub use stream::Stream;
pub use tcp::Tcp;
pub use worker::{Mail, Start, run};
