//! `[limits]`: what a client, a user and an address may take.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{DAY, Size, Span};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    pub connections: usize,
    pub connect_wait: Span,
    pub packet: Size,
    /// QoS 1 and 2 messages that a client may have in flight to the server.
    pub receive_maximum: u16,
    /// QoS 1 and 2 messages that the server has in flight to a client.
    pub send_maximum: u16,
    pub keep_alive_max: Span,
    pub session_expiry_max: Span,
    pub devices_per_user: u32,
    pub subscriptions_per_session: usize,
    /// Bytes that wait for one slow connection before it gets nothing more.
    pub outbox: Size,
    /// A connection that takes nothing for this long is closed.
    pub outbox_wait: Span,
    /// Bytes of publishes that wait for the store before connections are read no further.
    pub store_queue: Size,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 100_000,
            connect_wait: Span(Duration::from_secs(10)),
            packet: Size(1024 * 1024),
            receive_maximum: 64,
            send_maximum: 64,
            keep_alive_max: Span(Duration::from_secs(60 * 60)),
            session_expiry_max: Span(90 * DAY),
            devices_per_user: 32,
            subscriptions_per_session: 1024,
            outbox: Size(256 * 1024),
            outbox_wait: Span(Duration::from_secs(30)),
            store_queue: Size(64 * 1024 * 1024),
        }
    }
}
