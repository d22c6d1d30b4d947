//! The small closed types every packet is made of: version, quality of service, packet id.

use std::num::NonZeroU16;

/// The protocol version a connection speaks, fixed by its CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// MQTT 3.1.1, protocol level 4.
    V311,
    /// MQTT 5, protocol level 5.
    V5,
}

impl Version {
    /// The protocol level byte of CONNECT (3.1.2.2).
    pub const fn level(self) -> u8 {
        match self {
            Version::V311 => 4,
            Version::V5 => 5,
        }
    }

    /// Whether packets of this version carry properties and reason codes.
    pub const fn has_properties(self) -> bool {
        matches!(self, Version::V5)
    }
}

/// Quality of service (4.3), ordered by strength.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum QoS {
    AtMostOnce = 0,
    AtLeastOnce = 1,
    ExactlyOnce = 2,
}

/// Three is no quality of service, nor is anything above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no quality of service: use 0, 1 or 2")]
pub struct NoSuchQoS(pub u8);

impl TryFrom<u8> for QoS {
    type Error = NoSuchQoS;

    fn try_from(value: u8) -> Result<Self, NoSuchQoS> {
        match value {
            0 => Ok(QoS::AtMostOnce),
            1 => Ok(QoS::AtLeastOnce),
            2 => Ok(QoS::ExactlyOnce),
            other => Err(NoSuchQoS(other)),
        }
    }
}

/// Packet identifier, 1 to 65,535 (2.2.1). Zero does not exist.
pub type PacketId = NonZeroU16;
