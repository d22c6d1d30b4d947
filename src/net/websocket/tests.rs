//! WebSocket as clients cut it.
