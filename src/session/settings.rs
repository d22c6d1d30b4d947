//! The settings that a session obeys, taken from the configuration once for all sessions.

use std::sync::Arc;
use std::time::Duration;

use crate::model::InboxPattern;

#[derive(Clone, Debug)]
pub struct Settings {
    pub topics: InboxPattern,
    /// Quiet time before a fresh connection gets its mail, and its longest extent (ruling 12).
    pub settle: Duration,
    pub settle_max: Duration,
    /// QoS 1 and 2 publishes of a client that may be unanswered.
    pub receive_maximum: u16,
    /// QoS 1 and 2 publishes to a client that may be unanswered.
    pub send_maximum: u16,
    pub packet_bytes_max: u32,
    /// Topic aliases that a client may set, and that the server sets for it at most.
    pub topic_alias_maximum: u16,
    pub keep_alive_max: Duration,
    pub session_expiry_max: Duration,
    pub subscriptions_count_max: usize,
    /// Where clients are sent when this server stops (MQTT 5, section 4.13).
    pub server_reference: Option<Arc<str>>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            topics: InboxPattern::default(),
            settle: Duration::from_millis(250),
            settle_max: Duration::from_secs(2),
            receive_maximum: 64,
            send_maximum: 64,
            packet_bytes_max: 1024 * 1024,
            topic_alias_maximum: 16,
            keep_alive_max: Duration::from_secs(3600),
            session_expiry_max: Duration::from_secs(90 * 24 * 3600),
            subscriptions_count_max: 1024,
            server_reference: None,
        }
    }
}
