//! homing as an ordinary MQTT broker: inboxes under `u/`, nobody needs a login, plain topics open.

use super::{Broker, Connect, Version};

/// The settings with which homing serves clients that know nothing of inboxes.
pub const SETTINGS: [(&str, &str); 6] = [
    ("HOMING__TOPICS__INBOX", "u/{uid}"),
    ("HOMING__AUTH__PROVIDER", "open"),
    ("HOMING__AUTH__ANONYMOUS", "true"),
    ("HOMING__ACL__DEFAULT", "allow"),
    ("HOMING__ACL__RULES", r#"[{ deny = "subscribe", topic = "test/nosubscribe" }]"#),
    ("HOMING__LIMITS__KEEP_ALIVE_MAX", "60s"),
];

impl Broker {
    pub fn ordinary() -> Broker {
        Broker::with(&SETTINGS)
    }

    /// The same with more settings.
    pub fn ordinary_with(more: &[(&str, &str)]) -> Broker {
        Broker::with(&[&SETTINGS[..], more].concat())
    }
}

impl Connect {
    /// Without user name and password.
    pub fn anonymous(version: Version, client_id: &str) -> Connect {
        Connect { uid: None, password: None, ..Connect::new(version, "", client_id) }
    }
}
