//! Decodes CONNECT and CONNACK.

use super::{DecodeError, properties, reason_in};
use crate::mqtt::wire::Reader;
use crate::mqtt::{ConnAck, Connect, QoS, Scope, Version, Will, reason};

const RESERVED: u8 = 0x01;
const CLEAN_START: u8 = 0x02;
const WILL: u8 = 0x04;
const WILL_QOS: u8 = 0x18;
const WILL_RETAIN: u8 = 0x20;
const PASSWORD: u8 = 0x40;
const USERNAME: u8 = 0x80;

pub fn connect(body: &[u8]) -> Result<Connect<'_>, DecodeError> {
    let mut reader = Reader::new(body);
    let version = protocol(&mut reader)?;
    let flags = reader.u8("connect flags")?;
    check_flags(flags, version)?;
    let keep_alive_secs = reader.u16("keep alive")?;
    let connect = Connect {
        version,
        clean_start: flags & CLEAN_START != 0,
        keep_alive_secs,
        properties: properties(&mut reader, version, Scope::Connect)?,
        client_id: reader.text("client id")?,
        will: will(&mut reader, flags, version)?,
        username: if flags & USERNAME == 0 { None } else { Some(reader.text("user name")?) },
        password: if flags & PASSWORD == 0 { None } else { Some(reader.binary("password")?) },
    };
    reader.end()?;
    Ok(connect)
}

/// Protocol name and level (3.1.2.1). A known name with a level not served here is told apart
/// from bytes that are no MQTT at all.
fn protocol(reader: &mut Reader<'_>) -> Result<Version, DecodeError> {
    let name = reader.binary("protocol name")?;
    let level = reader.u8("protocol level")?;
    match (name, level) {
        // MQTT 3.1 differs by its name alone, as far as a server can tell.
        (b"MQTT", 4) | (b"MQIsdp", 3) => Ok(Version::V311),
        (b"MQTT", 5) => Ok(Version::V5),
        (b"MQTT" | b"MQIsdp", _) => Err(DecodeError::UnsupportedProtocolVersion { level }),
        _ => Err(DecodeError::Malformed("the protocol name in CONNECT is not MQTT")),
    }
}

/// Whether the body of a CONNECT, already decoded, is one of MQTT 3.1. It differs from 3.1.1 in
/// what a server may leave to it: no session present, and no client id that is empty.
pub fn is_v31(body: &[u8]) -> bool {
    body.get(2..).is_some_and(|rest| rest.starts_with(b"MQIsdp"))
}

fn check_flags(flags: u8, version: Version) -> Result<(), DecodeError> {
    if flags & RESERVED != 0 {
        return Err(DecodeError::Malformed("the reserved connect flag is set"));
    }
    if flags & WILL == 0 && flags & (WILL_QOS | WILL_RETAIN) != 0 {
        return Err(DecodeError::Malformed("will QoS or will retain without a will"));
    }
    if flags & WILL_QOS == WILL_QOS {
        return Err(DecodeError::Malformed("the will asks for QoS 3"));
    }
    let password_alone = flags & (USERNAME | PASSWORD) == PASSWORD;
    if password_alone && version == Version::V311 {
        return Err(DecodeError::Malformed("a password without a user name, which 3.1.1 forbids"));
    }
    Ok(())
}

fn will<'a>(
    reader: &mut Reader<'a>,
    flags: u8,
    version: Version,
) -> Result<Option<Will<'a>>, DecodeError> {
    if flags & WILL == 0 {
        return Ok(None);
    }
    let properties = properties(reader, version, Scope::Will)?;
    let topic = reader.topic_name("will topic")?;
    if topic.is_empty() {
        return Err(DecodeError::ProtocolError("the will topic is empty"));
    }
    let payload = reader.binary("will payload")?;
    let qos = QoS::try_from((flags & WILL_QOS) >> 3)
        .map_err(|_| DecodeError::Malformed("the will asks for QoS 3"))?;
    Ok(Some(Will { topic, payload, qos, retain: flags & WILL_RETAIN != 0, properties }))
}

pub fn connack(body: &[u8], version: Version) -> Result<ConnAck<'_>, DecodeError> {
    let mut reader = Reader::new(body);
    let flags = reader.u8("connect acknowledge flags")?;
    if flags > 1 {
        return Err(DecodeError::Malformed("reserved connect acknowledge flags are set"));
    }
    let allowed = match version {
        Version::V311 => reason::v311::IN_CONNACK,
        Version::V5 => reason::IN_CONNACK,
    };
    let code = reason_in(reader.u8("reason code")?, allowed)?;
    let session_present = flags == 1;
    if session_present && code != 0 {
        return Err(DecodeError::ProtocolError("session present on a refused connection"));
    }
    let properties = properties(&mut reader, version, Scope::ConnAck)?;
    reader.end()?;
    Ok(ConnAck { session_present, code, properties })
}
