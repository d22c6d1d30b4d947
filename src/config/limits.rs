//! `[limits]`: what a client, a user and an address may take. `docs/limits.md` tells for each what
//! happens beyond it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{BytesRate, CountRate, DAY, Size, Span};
use crate::model::Rate;

/// Where 0 or `off` is allowed it means "no limit".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    pub connections: usize,
    pub connections_per_ip: usize,
    pub connections_per_user: usize,
    /// Connections that have not said a whole CONNECT.
    pub unauthenticated: usize,
    pub connect_wait: Span,
    pub connect_rate: CountRate,
    pub connect_rate_per_ip: CountRate,
    /// CONNECTs that wait for their turn.
    pub connect_queue: usize,
    /// Logins that are being checked at the same time.
    pub logins: usize,
    pub packet: Size,
    /// QoS 1 and 2 messages that a client may have in flight to the server.
    /// Topic aliases that a client may set (MQTT 5).
    pub topic_aliases: u16,
    pub receive_maximum: u16,
    /// QoS 1 and 2 messages that the server has in flight to a client.
    pub send_maximum: u16,
    pub keep_alive_max: Span,
    pub session_expiry_max: Span,
    pub devices_per_user: u32,
    pub sessions_per_user: usize,
    pub subscriptions_per_session: usize,
    pub subscriptions_per_user: usize,
    pub retained_per_user: u64,
    /// Topics and bodies of a user's retained messages.
    pub retained_bytes_per_user: Size,
    pub delayed_per_user: u64,
    /// Topics and bodies of what a user has left for later.
    pub delayed_bytes_per_user: Size,
    pub publish_rate: CountRate,
    pub publish_bytes_rate: BytesRate,
    pub user_publish_rate: CountRate,
    pub user_publish_bytes_rate: BytesRate,
    /// Bytes that wait for one slow connection before it gets nothing more.
    pub outbox: Size,
    /// A connection that takes nothing for this long is closed.
    pub outbox_wait: Span,
    /// Bytes of publishes that wait for the store before connections are read no further.
    pub store_queue: Size,
    pub flapping: Flapping,
    pub wrong_passwords: WrongPasswords,
}

/// Who connects again and again is banned for a while. Counts are per `window`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Flapping {
    pub window: Span,
    pub per_client: u32,
    pub per_user: u32,
    pub per_ip: u32,
    pub ban: Span,
}

/// Guessing is slowed down beyond so many wrong passwords.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WrongPasswords {
    /// Of one user from one address.
    pub per_user: u32,
    pub per_ip: u32,
    pub window: Span,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 100_000,
            connections_per_ip: 0,
            connections_per_user: 256,
            unauthenticated: 10_000,
            connect_wait: Span(Duration::from_secs(10)),
            connect_rate: CountRate(Rate::new(2000, 5000)),
            connect_rate_per_ip: CountRate(None),
            connect_queue: 20_000,
            logins: 256,
            packet: Size(1024 * 1024),
            topic_aliases: 16,
            receive_maximum: 64,
            send_maximum: 64,
            keep_alive_max: Span(Duration::from_secs(60 * 60)),
            session_expiry_max: Span(90 * DAY),
            devices_per_user: 32,
            sessions_per_user: 256,
            subscriptions_per_session: 1024,
            subscriptions_per_user: 4096,
            retained_per_user: 10_000,
            retained_bytes_per_user: Size(64 * 1024 * 1024),
            delayed_per_user: 10_000,
            delayed_bytes_per_user: Size(64 * 1024 * 1024),
            publish_rate: CountRate(None),
            publish_bytes_rate: BytesRate(None),
            user_publish_rate: CountRate(None),
            user_publish_bytes_rate: BytesRate(None),
            outbox: Size(256 * 1024),
            outbox_wait: Span(Duration::from_secs(30)),
            store_queue: Size(64 * 1024 * 1024),
            flapping: Flapping::default(),
            wrong_passwords: WrongPasswords::default(),
        }
    }
}

impl Default for Flapping {
    fn default() -> Self {
        Flapping {
            window: Span(Duration::from_secs(60)),
            per_client: 1000,
            per_user: 5000,
            per_ip: 0,
            ban: Span(Duration::from_secs(5 * 60)),
        }
    }
}

impl Default for WrongPasswords {
    fn default() -> Self {
        WrongPasswords { per_user: 10, per_ip: 1000, window: Span(Duration::from_secs(5 * 60)) }
    }
}
