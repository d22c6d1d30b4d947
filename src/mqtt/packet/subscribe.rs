//! SUBSCRIBE with its options, UNSUBSCRIBE, and their acknowledgements.

use super::{FilterNames, Filters};
use crate::mqtt::{DecodeError, PacketId, Properties, QoS, Version};

/// SUBSCRIBE (3.8): at least one filter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Subscribe<'a> {
    pub packet_id: PacketId,
    /// [`Scope::Subscribe`](crate::mqtt::Scope::Subscribe).
    pub properties: Properties<'a>,
    pub filters: Filters<'a>,
}

/// UNSUBSCRIBE (3.10): at least one filter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unsubscribe<'a> {
    pub packet_id: PacketId,
    /// [`Scope::Unsubscribe`](crate::mqtt::Scope::Unsubscribe).
    pub properties: Properties<'a>,
    pub filters: FilterNames<'a>,
}

/// SUBACK (3.9) or UNSUBACK (3.11).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SubAck<'a> {
    pub packet_id: PacketId,
    /// The scopes of the same names.
    pub properties: Properties<'a>,
    /// One per filter, in the order of the request. Encoded for 3.1.1 every failure becomes 0x80,
    /// the only one it knows, and an UNSUBACK carries none.
    pub codes: &'a [u8],
}

/// What a subscription asks for besides its filter (3.8.3.1). 3.1.1 knows the QoS alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SubscribeOptions {
    /// The highest QoS the subscriber wants.
    pub qos: QoS,
    /// Do not send back what this connection publishes.
    pub no_local: bool,
    /// Forward RETAIN as the publisher set it.
    pub retain_as_published: bool,
    pub retain_handling: RetainHandling,
}

/// When a subscription is answered with retained messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RetainHandling {
    SendAtSubscribe = 0,
    SendIfNew = 1,
    DoNotSend = 2,
}

impl SubscribeOptions {
    /// What a 3.1.1 subscription with this QoS means.
    pub const fn plain(qos: QoS) -> Self {
        SubscribeOptions {
            qos,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::SendAtSubscribe,
        }
    }

    /// The options byte of MQTT 5; for 3.1.1 its two lowest bits are the requested QoS.
    pub const fn to_byte(self) -> u8 {
        self.qos as u8
            | (self.no_local as u8) << 2
            | (self.retain_as_published as u8) << 3
            | (self.retain_handling as u8) << 4
    }

    /// Reads the options byte; reserved bits, QoS 3 and retain handling 3 are refused.
    pub(in crate::mqtt) fn parse(byte: u8, version: Version) -> Result<Self, DecodeError> {
        let reserved = if version.has_properties() { 0xC0 } else { 0xFC };
        if byte & reserved != 0 {
            return Err(DecodeError::Malformed("reserved bits are set in the subscribe options"));
        }
        let qos = QoS::try_from(byte & 3)
            .map_err(|_| DecodeError::Malformed("SUBSCRIBE asks for QoS 3"))?;
        let retain_handling = match byte >> 4 {
            0 => RetainHandling::SendAtSubscribe,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => return Err(DecodeError::ProtocolError("retain handling is 3")),
        };
        let (no_local, retain_as_published) = (byte & 4 != 0, byte & 8 != 0);
        Ok(SubscribeOptions { qos, no_local, retain_as_published, retain_handling })
    }
}
