//! From bytes to one packet. Incremental: `None` asks for more bytes, and a length beyond the
//! limit is refused as soon as it is declared.

use super::cursor::{Cursor, variable};
use super::packet::kind;
use super::{
    Ack, Auth, ConnAck, Connect, Disconnect, FilterNames, Filters, Packet, Properties, Publish,
    QoS, SubAck, Subscribe, Unsubscribe, Version, Will, reason,
};

/// What is wrong with the bytes, in words for the log and the Reason String.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("{0}")]
    Malformed(&'static str),
    #[error("{0}")]
    Protocol(&'static str),
    #[error("it declares {declared} bytes, {max} are allowed")]
    PacketTooLarge { declared: u64, max: u32 },
    #[error("protocol level {level} is not served: use MQTT 3.1.1 or 5")]
    UnsupportedProtocolVersion { level: u8 },
    #[error("topic alias 0")]
    InvalidTopicAlias,
    #[error("a topic name with wildcards [MQTT-3.3.2-2]")]
    InvalidTopicName,
}

type Result<T> = std::result::Result<T, DecodeError>;

impl DecodeError {
    /// The MQTT 5 reason code for it (section 4.13).
    pub fn reason(&self) -> u8 {
        match self {
            DecodeError::Malformed(_) => reason::MALFORMED_PACKET,
            DecodeError::Protocol(_) => reason::PROTOCOL_ERROR,
            DecodeError::PacketTooLarge { .. } => reason::PACKET_TOO_LARGE,
            DecodeError::UnsupportedProtocolVersion { .. } => reason::UNSUPPORTED_PROTOCOL_VERSION,
            DecodeError::InvalidTopicAlias => reason::TOPIC_ALIAS_INVALID,
            DecodeError::InvalidTopicName => reason::TOPIC_NAME_INVALID,
        }
    }
}

/// Length of the whole packet that starts here, once its header is there.
pub fn frame_bytes(input: &[u8], packet_bytes_max: u32) -> Result<Option<usize>> {
    let Some((length, header)) = variable(input.get(1..).unwrap_or_default())? else {
        return Ok(None);
    };
    let declared = u64::from(length) + 1 + header as u64;
    if declared > packet_bytes_max.into() {
        return Err(DecodeError::PacketTooLarge { declared, max: packet_bytes_max });
    }
    Ok(Some(declared as usize))
}

/// First byte, body and length of the packet, if all of it is there.
fn frame(input: &[u8], packet_bytes_max: u32) -> Result<Option<(u8, Cursor<'_>, usize)>> {
    let Some(length) = frame_bytes(input, packet_bytes_max)? else { return Ok(None) };
    let Some(whole) = input.get(..length) else { return Ok(None) };
    let header = 1 + whole[1..].iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
    Ok(Some((whole[0], Cursor(&whole[header..]), length)))
}

/// Decodes the packet at the front of `input`; also how many bytes it has. `None`: not whole yet.
pub fn decode(
    input: &[u8],
    version: Version,
    packet_bytes_max: u32,
) -> Result<Option<(Packet<'_>, usize)>> {
    let Some((first, mut body, length)) = frame(input, packet_bytes_max)? else { return Ok(None) };
    let packet = packet(first, &mut body, version)?;
    match body.is_empty() {
        true => Ok(Some((packet, length))),
        false => Err(DecodeError::Malformed("bytes behind the end of the packet")),
    }
}

/// Decodes the first packet of a connection, which must be a CONNECT [MQTT-3.1.0-1].
pub fn decode_connect(input: &[u8], packet_bytes_max: u32) -> Result<Option<(Connect<'_>, usize)>> {
    if input.first().is_some_and(|first| first >> 4 != kind::CONNECT) {
        return Err(DecodeError::Protocol("the first packet is no CONNECT [MQTT-3.1.0-1]"));
    }
    Ok(decode(input, Version::V5, packet_bytes_max)?.and_then(|(packet, length)| match packet {
        Packet::Connect(connect) => Some((connect, length)),
        _ => None,
    }))
}

fn packet<'a>(first: u8, body: &mut Cursor<'a>, version: Version) -> Result<Packet<'a>> {
    let (kind, flags) = (first >> 4, first & 0x0f);
    if kind != kind::PUBLISH && flags != reserved_flags(kind) {
        return Err(DecodeError::Malformed("reserved flags of the first byte [MQTT-2.1.3-1]"));
    }
    Ok(match kind {
        kind::CONNECT => Packet::Connect(connect(body)?),
        kind::CONNACK => Packet::ConnAck(connack(body, version)?),
        kind::PUBLISH => Packet::Publish(publish(flags, body, version)?),
        kind::PUBACK => Packet::PubAck(ack(body, version, kind)?),
        kind::PUBREC => Packet::PubRec(ack(body, version, kind)?),
        kind::PUBREL => Packet::PubRel(ack(body, version, kind)?),
        kind::PUBCOMP => Packet::PubComp(ack(body, version, kind)?),
        kind::SUBSCRIBE => Packet::Subscribe(subscribe(body, version)?),
        kind::SUBACK => Packet::SubAck(suback(body, version, kind)?),
        kind::UNSUBSCRIBE => Packet::Unsubscribe(unsubscribe(body, version)?),
        kind::UNSUBACK => Packet::UnsubAck(suback(body, version, kind)?),
        kind::PINGREQ => Packet::PingReq,
        kind::PINGRESP => Packet::PingResp,
        kind::DISCONNECT => {
            let (reason, properties) = reasoned(body, version, kind)?;
            Packet::Disconnect(Disconnect { reason, properties })
        }
        kind::AUTH if version == Version::V5 => {
            let (reason, properties) = reasoned(body, version, kind)?;
            Packet::Auth(Auth { reason, properties })
        }
        _ => return Err(DecodeError::Malformed("an unknown packet type")),
    })
}

fn reserved_flags(kind: u8) -> u8 {
    match kind {
        kind::PUBREL | kind::SUBSCRIBE | kind::UNSUBSCRIBE => 0b0010,
        _ => 0,
    }
}

fn properties<'a>(body: &mut Cursor<'a>, version: Version, kind: u8) -> Result<Properties<'a>> {
    match version {
        Version::V5 => Properties::decode(body, kind),
        Version::V311 => Ok(Properties::default()),
    }
}

fn connect<'a>(body: &mut Cursor<'a>) -> Result<Connect<'a>> {
    let version = protocol(body)?;
    let flags = ConnectFlags::decode(body.u8()?, version)?;
    let keep_alive_secs = body.u16()?;
    let properties = properties(body, version, kind::CONNECT)?;
    if properties.authentication_data().is_some() && properties.authentication_method().is_none() {
        return Err(DecodeError::Protocol("authentication data without method"));
    }
    Ok(Connect {
        version,
        clean_start: flags.clean_start,
        keep_alive_secs,
        client_id: body.text()?,
        will: flags.will.map(|will| self::will(body, version, will)).transpose()?,
        username: flags.username.then(|| body.text()).transpose()?,
        password: flags.password.then(|| body.binary()).transpose()?,
        properties,
    })
}

fn protocol(body: &mut Cursor<'_>) -> Result<Version> {
    let name = body.text()?;
    let level = body.u8()?;
    match (name, level) {
        ("MQTT", 4) => Ok(Version::V311),
        ("MQTT", 5) => Ok(Version::V5),
        ("MQTT" | "MQIsdp", _) => Err(DecodeError::UnsupportedProtocolVersion { level }),
        _ => Err(DecodeError::Malformed("the protocol name is not MQTT [MQTT-3.1.2-1]")),
    }
}

/// The flags byte of a CONNECT (section 3.1.2.3).
struct ConnectFlags {
    clean_start: bool,
    /// QoS and RETAIN of the will, if there is one.
    will: Option<(QoS, bool)>,
    username: bool,
    password: bool,
}

impl ConnectFlags {
    fn decode(byte: u8, version: Version) -> Result<ConnectFlags> {
        let bit = |n: u8| byte & 1 << n != 0;
        if bit(0) {
            return Err(DecodeError::Malformed("the reserved CONNECT flag is set [MQTT-3.1.2-3]"));
        }
        let qos = QoS::from_bits(byte >> 3 & 0b11);
        let qos = qos.ok_or(DecodeError::Malformed("will QoS 3 [MQTT-3.1.2-12]"))?;
        if !bit(2) && (bit(5) || qos != QoS::AtMostOnce) {
            return Err(DecodeError::Malformed("will QoS or RETAIN without a will"));
        }
        if version == Version::V311 && bit(6) && !bit(7) {
            return Err(DecodeError::Malformed("a password without user name [MQTT-3.1.2-22]"));
        }
        let will = bit(2).then_some((qos, bit(5)));
        Ok(ConnectFlags { clean_start: bit(1), will, username: bit(7), password: bit(6) })
    }
}

fn will<'a>(body: &mut Cursor<'a>, version: Version, flags: (QoS, bool)) -> Result<Will<'a>> {
    let properties = properties(body, version, kind::WILL)?;
    let topic = topic_name(body.text()?)?;
    let payload = body.binary()?;
    let (qos, retain) = flags;
    Ok(Will { topic, payload, qos, retain, properties })
}

fn connack<'a>(body: &mut Cursor<'a>, version: Version) -> Result<ConnAck<'a>> {
    let flags = body.u8()?;
    let code = body.u8()?;
    let known = match version {
        Version::V5 => reason::allowed(kind::CONNACK, code),
        Version::V311 => code <= 5,
    };
    if flags > 1 || !known {
        return Err(DecodeError::Malformed("flags or code of a CONNACK"));
    }
    let properties = properties(body, version, kind::CONNACK)?;
    Ok(ConnAck { session_present: flags == 1, code, properties })
}

fn publish<'a>(flags: u8, body: &mut Cursor<'a>, version: Version) -> Result<Publish<'a>> {
    let dup = flags & 0b1000 != 0;
    let qos = QoS::from_bits(flags >> 1 & 0b11);
    let qos = qos.ok_or(DecodeError::Malformed("QoS 3 [MQTT-3.3.1-4]"))?;
    if dup && qos == QoS::AtMostOnce {
        return Err(DecodeError::Malformed("DUP with QoS 0 [MQTT-3.3.1-2]"));
    }
    let topic = body.text()?;
    let packet_id = (qos != QoS::AtMostOnce).then(|| body.packet_id()).transpose()?;
    let properties = properties(body, version, kind::PUBLISH)?;
    if !(topic.is_empty() && properties.topic_alias().is_some()) {
        topic_name(topic)?;
    }
    let payload = body.take(body.0.len())?;
    Ok(Publish { dup, qos, retain: flags & 1 != 0, topic, packet_id, properties, payload })
}

/// [MQTT-4.7.1-1], [MQTT-4.7.3-1]: not empty and without wildcards.
fn topic_name(topic: &str) -> Result<&str> {
    if topic.is_empty() {
        return Err(DecodeError::Protocol("an empty topic without topic alias"));
    }
    match topic.bytes().any(|byte| matches!(byte, b'+' | b'#')) {
        true => Err(DecodeError::InvalidTopicName),
        false => Ok(topic),
    }
}

fn ack<'a>(body: &mut Cursor<'a>, version: Version, kind: u8) -> Result<Ack<'a>> {
    let packet_id = body.packet_id()?;
    let (reason, properties) = reasoned(body, version, kind)?;
    Ok(Ack { packet_id, reason, properties })
}

/// Reason code and properties, which MQTT 5 may leave out from the end.
fn reasoned<'a>(body: &mut Cursor<'a>, version: Version, kind: u8) -> Result<(u8, Properties<'a>)> {
    if version == Version::V311 || body.is_empty() {
        return Ok((reason::SUCCESS, Properties::default()));
    }
    let code = body.u8()?;
    if !reason::allowed(kind, code) {
        return Err(DecodeError::Malformed("a reason code that this packet must not have"));
    }
    match body.is_empty() {
        true => Ok((code, Properties::default())),
        false => Ok((code, Properties::decode(body, kind)?)),
    }
}

fn subscribe<'a>(body: &mut Cursor<'a>, version: Version) -> Result<Subscribe<'a>> {
    let packet_id = body.packet_id()?;
    let properties = properties(body, version, kind::SUBSCRIBE)?;
    let filters = Filters::new(body.take(body.0.len())?, version)?;
    Ok(Subscribe { packet_id, properties, filters })
}

fn unsubscribe<'a>(body: &mut Cursor<'a>, version: Version) -> Result<Unsubscribe<'a>> {
    let packet_id = body.packet_id()?;
    let properties = properties(body, version, kind::UNSUBSCRIBE)?;
    let filters = FilterNames::new(body.take(body.0.len())?)?;
    Ok(Unsubscribe { packet_id, properties, filters })
}

fn suback<'a>(body: &mut Cursor<'a>, version: Version, kind: u8) -> Result<SubAck<'a>> {
    let packet_id = body.packet_id()?;
    let properties = properties(body, version, kind)?;
    let codes = body.take(body.0.len())?;
    let known = |code: &u8| match version {
        Version::V5 => reason::allowed(kind, *code),
        Version::V311 => kind == kind::SUBACK && matches!(code, 0..=2 | 0x80),
    };
    match codes.iter().all(known) {
        true => Ok(SubAck { packet_id, properties, codes }),
        false => Err(DecodeError::Malformed("a code that this packet must not have")),
    }
}
