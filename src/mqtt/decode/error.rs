//! Why a frame is refused, in words and as an MQTT 5 reason code.

use crate::mqtt::reason;
use crate::mqtt::topic::FilterFault;

/// What is wrong with the bytes of a peer. The connection they came on cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes cannot be read as the standard lays them out.
    #[error("{0}")]
    Malformed(&'static str),
    /// The packet ends inside the named field.
    #[error("it ends inside the {0}")]
    CutShort(&'static str),
    /// The named field is not UTF-8, or contains U+0000.
    #[error("the {0} is not valid UTF-8 text or contains U+0000")]
    NotText(&'static str),
    /// Readable, and forbidden.
    #[error("{0}")]
    ProtocolError(&'static str),
    /// The named topic contains `+` or `#`.
    #[error("the {0} has a wildcard: + and # are for subscribing only")]
    WildcardInTopic(&'static str),
    #[error("{}", .0.words())]
    InvalidFilter(FilterFault),
    #[error("topic alias 0: aliases start at 1")]
    TopicAliasZero,
    /// Known from the length alone; nothing of the packet was kept.
    #[error("it announces {declared} bytes, and {max} are allowed")]
    PacketTooLarge { declared: u32, max: u32 },
    #[error("protocol level {level}: use 4 (MQTT 3.1.1) or 5 (MQTT 5)")]
    UnsupportedProtocolVersion { level: u8 },
    #[error("the connection does not begin with CONNECT{}", hint(*.first_byte))]
    ExpectedConnect { first_byte: u8 },
}

impl DecodeError {
    /// The MQTT 5 reason code for CONNACK or DISCONNECT (4.13).
    pub const fn reason(&self) -> u8 {
        match self {
            DecodeError::Malformed(_) | DecodeError::CutShort(_) | DecodeError::NotText(_) => {
                reason::MALFORMED_PACKET
            }
            DecodeError::ProtocolError(_) | DecodeError::ExpectedConnect { .. } => {
                reason::PROTOCOL_ERROR
            }
            DecodeError::WildcardInTopic(_) => reason::TOPIC_NAME_INVALID,
            DecodeError::InvalidFilter(_) => reason::TOPIC_FILTER_INVALID,
            DecodeError::TopicAliasZero => reason::TOPIC_ALIAS_INVALID,
            DecodeError::PacketTooLarge { .. } => reason::PACKET_TOO_LARGE,
            DecodeError::UnsupportedProtocolVersion { .. } => reason::UNSUPPORTED_PROTOCOL_VERSION,
        }
    }
}

/// The usual wrong callers, by their first byte.
fn hint(first_byte: u8) -> &'static str {
    match first_byte {
        0x16 => ": it looks like TLS, and this port is plain",
        b'D' | b'G' | b'H' | b'O' => ": it looks like HTTP, and this port is MQTT",
        _ => ": the first packet of a client must be CONNECT",
    }
}
