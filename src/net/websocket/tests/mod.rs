//! WebSocket without sockets: its frames and its handshake.

mod frames;
mod handshake;
