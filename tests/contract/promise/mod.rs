//! The promises, by theme. Each is run on every store.

pub mod append;
pub mod batch;
pub mod dedupe;
pub mod device;
pub mod due;
pub mod read;
pub mod retained;
pub mod session;
pub mod share;
pub mod state;
pub mod sweep;
