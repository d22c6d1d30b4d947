//! The packets that open and close a connection: CONNECT, CONNACK, DISCONNECT, AUTH.

use crate::mqtt::{Properties, QoS, Version};

/// CONNECT (3.1), the first packet of a client.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Connect<'a> {
    /// The version the whole connection will speak.
    pub version: Version,
    /// Clean Start; in 3.1.1 named Clean Session.
    pub clean_start: bool,
    /// Seconds between packets at most; 0 means no limit asked for.
    pub keep_alive_secs: u16,
    /// May be empty: the server then chooses one (3.1.3.1).
    pub client_id: &'a str,
    pub username: Option<&'a str>,
    /// Binary, as the standard has it: it need not be UTF-8.
    pub password: Option<&'a [u8]>,
    pub will: Option<Will<'a>>,
    /// [`Scope::Connect`](crate::mqtt::Scope::Connect).
    pub properties: Properties<'a>,
}

/// The message the server publishes if the connection ends badly (3.1.2.5).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Will<'a> {
    /// A topic name: never empty, without wildcards.
    pub topic: &'a str,
    pub payload: &'a [u8],
    pub qos: QoS,
    pub retain: bool,
    /// [`Scope::Will`](crate::mqtt::Scope::Will).
    pub properties: Properties<'a>,
}

/// CONNACK (3.2), the answer to CONNECT.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConnAck<'a> {
    /// Always false when `code` is not 0 ([MQTT-3.2.2-6]).
    pub session_present: bool,
    /// An MQTT 5 reason code, or a 3.1.1 return code (`reason::v311`), by the version encoded for.
    pub code: u8,
    /// [`Scope::ConnAck`](crate::mqtt::Scope::ConnAck).
    pub properties: Properties<'a>,
}

/// DISCONNECT (3.14). In 3.1.1 it is the client's polite goodbye and carries nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Disconnect<'a> {
    /// 0 is the normal disconnection, which discards the will.
    pub reason: u8,
    /// [`Scope::Disconnect`](crate::mqtt::Scope::Disconnect).
    pub properties: Properties<'a>,
}

/// AUTH (3.15), MQTT 5 only.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Auth<'a> {
    pub reason: u8,
    /// [`Scope::Auth`](crate::mqtt::Scope::Auth).
    pub properties: Properties<'a>,
}
