//! Decodes PUBLISH, the packet that counts.

use super::{DecodeError, properties};
use crate::mqtt::property::id;
use crate::mqtt::wire::Reader;
use crate::mqtt::{Publish, QoS, Scope, Version};

const DUP: u8 = 0x08;
const RETAIN: u8 = 0x01;

/// The four flags of the first byte (3.3.1).
pub fn check_flags(first: u8) -> Result<(), DecodeError> {
    match first & 0x0E {
        0x06 | 0x0E => Err(DecodeError::Malformed("PUBLISH with QoS 3")),
        DUP => Err(DecodeError::ProtocolError("DUP on a PUBLISH with QoS 0")),
        _ => Ok(()),
    }
}

#[inline]
pub fn publish(first: u8, body: &[u8], version: Version) -> Result<Publish<'_>, DecodeError> {
    let mut reader = Reader::new(body);
    let qos =
        QoS::try_from(first >> 1 & 3).map_err(|_| DecodeError::Malformed("PUBLISH with QoS 3"))?;
    let topic = reader.topic_name("topic")?;
    let packet_id = if qos == QoS::AtMostOnce { None } else { Some(reader.packet_id()?) };
    let properties = properties(&mut reader, version, Scope::Publish)?;
    if topic.is_empty() && !properties.has(id::TOPIC_ALIAS) {
        return Err(DecodeError::ProtocolError("PUBLISH without a topic or an alias for one"));
    }
    Ok(Publish {
        dup: first & DUP != 0,
        qos,
        retain: first & RETAIN != 0,
        topic,
        packet_id,
        properties,
        payload: reader.rest(),
    })
}
