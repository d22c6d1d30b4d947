//! Who connects: names of users and devices by pattern, and their CONNECT packet.

use crate::mqtt::{Connect, Packet, Properties, Property, PropertyBuffer, Version};

/// One client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    pub client_id: String,
    pub username: String,
    pub clean: bool,
}

/// What all CONNECT packets have in common.
pub struct Connecting {
    pub password: Option<String>,
    pub keep_alive_secs: u16,
    /// For those that are not clean.
    durable: PropertyBuffer,
}

impl Connecting {
    pub fn new(password: Option<String>, keep_alive_secs: u16) -> Connecting {
        /// Long enough for the longest benchmark, short enough not to be left behind.
        const SESSION_EXPIRY_SECS: u32 = 3600;
        let mut durable = PropertyBuffer::new();
        durable.push(Property::SessionExpiryInterval(SESSION_EXPIRY_SECS));
        Connecting { password, keep_alive_secs, durable }
    }

    pub fn packet<'a>(&'a self, visitor: &'a Visitor, version: Version) -> Packet<'a> {
        let durable = || self.durable.as_properties();
        Packet::Connect(Connect {
            version,
            clean_start: visitor.clean,
            keep_alive_secs: self.keep_alive_secs,
            client_id: &visitor.client_id,
            username: Some(&visitor.username),
            password: self.password.as_deref().map(str::as_bytes),
            will: None,
            properties: if visitor.clean { Properties::default() } else { durable() },
        })
    }
}

/// How users and devices are named. The names stay the same from run to run, so that a broker that
/// remembers devices does not get new ones each time.
#[derive(Clone, Debug)]
pub struct Names {
    /// `{n}` is the number of the user.
    pub users: String,
    pub id_prefix: String,
}

impl Names {
    pub fn user(&self, number: usize) -> String {
        self.users.replace("{n}", &number.to_string())
    }

    /// The device `role` of the user `number`, with a clean session.
    pub fn visitor(&self, role: &str, number: usize) -> Visitor {
        let client_id = format!("{}-{role}-{number}", self.id_prefix);
        Visitor { client_id, username: self.user(number), clean: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_pattern() {
        let names = Names { users: "load{n}@x".into(), id_prefix: "b".into() };
        let visitor = names.visitor("sub", 7);
        assert_eq!((visitor.username.as_str(), visitor.client_id.as_str()), ("load7@x", "b-sub-7"));
        let one = Names { users: "alice".into(), ..names };
        assert_eq!((one.user(1), one.user(2)), ("alice".into(), "alice".into()));
    }

    #[test]
    fn only_a_durable_session_has_an_expiry() {
        let names = Names { users: "u{n}".into(), id_prefix: "b".into() };
        let connecting = Connecting::new(None, 60);
        let mut visitor = names.visitor("sub", 1);
        let expiry = |visitor: &Visitor| match connecting.packet(visitor, Version::V5) {
            Packet::Connect(connect) => connect.properties.session_expiry_secs(),
            other => panic!("{other:?}"),
        };
        assert_eq!(expiry(&visitor), None);
        visitor.clean = false;
        assert!(expiry(&visitor).is_some());
    }
}
