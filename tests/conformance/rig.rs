//! The broker of the conformance tests: as an ordinary one, without inboxes among its topics.

use crate::support::broker::Start;
use crate::support::{Broker, Client, Connect, V5, V311, Version};

/// A test that holds for both versions runs for each of these.
pub const BOTH: [Version; 2] = [V311, V5];

/// Single levels are plain topics, everybody comes in and may do everything.
const ORDINARY: [(&str, &str); 3] = [
    ("HOMING__TOPICS__INBOX", "u/{uid}"),
    ("HOMING__AUTH__PROVIDER", "open"),
    ("HOMING__ACL__DEFAULT", "allow"),
];

/// How an ordinary broker is started, for tests that add to it.
pub fn start() -> Start {
    ORDINARY.iter().fold(Start::dev(), |start, (key, value)| start.env(key, value))
}

pub fn broker() -> Broker {
    start().start()
}

/// With settings of its own, as in `&[("HOMING__LIMITS__PACKET", "1KiB")]`.
pub fn broker_with(settings: &[(&str, &str)]) -> Broker {
    settings.iter().fold(start(), |start, (key, value)| start.env(key, value)).start()
}

/// A client that is no other's: its user has the name of its device.
pub fn connect(version: Version, client_id: &str) -> Connect {
    Connect::new(version, client_id, client_id)
}

/// A client with a clean session of its own.
pub fn client(broker: &Broker, version: Version, client_id: &str) -> Client {
    connect(version, client_id).open(broker.mqtt)
}
