//! PUBLISH and its four acknowledgements.

use crate::mqtt::{PacketId, Properties, QoS};

/// PUBLISH (3.3), in both directions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Publish<'a> {
    /// A resend; never set with QoS 0.
    pub dup: bool,
    pub qos: QoS,
    pub retain: bool,
    /// A topic name without wildcards. Empty only in MQTT 5 and with a topic alias.
    pub topic: &'a str,
    /// Present exactly when `qos` is above 0.
    pub packet_id: Option<PacketId>,
    /// [`Scope::Publish`](crate::mqtt::Scope::Publish).
    pub properties: Properties<'a>,
    /// Whatever the application sent; never looked into, even when it is declared to be text.
    pub payload: &'a [u8],
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP (3.4 to 3.7).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ack<'a> {
    pub packet_id: PacketId,
    /// Always 0 in 3.1.1.
    pub reason: u8,
    /// The four scopes of the same names.
    pub properties: Properties<'a>,
}

impl Ack<'_> {
    /// The plain acknowledgement: reason 0, no properties.
    pub fn ok(packet_id: PacketId) -> Self {
        Ack { packet_id, reason: 0, properties: Properties::default() }
    }
}
