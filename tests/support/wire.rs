//! A second, independent reading of MQTT 3.1.1 and 5: just what the tests send and receive. It
//! shares nothing with `src/mqtt`, so that an error there is not mirrored here.

use std::io::{Error, ErrorKind, Result};

/// Protocol level: 4 is MQTT 3.1.1, 5 is MQTT 5.
pub type Version = u8;
pub const V311: Version = 4;
pub const V5: Version = 5;

/// What the server sent. Reason codes of 3.1.1, which has none, are 0; its properties are empty.
#[derive(Clone, Debug, PartialEq)]
pub enum Packet {
    ConnAck { session_present: bool, code: u8, props: Props },
    Publish(Publish),
    PubAck { id: u16, reason: u8, props: Props },
    PubRec { id: u16, reason: u8 },
    PubRel { id: u16, reason: u8 },
    PubComp { id: u16, reason: u8 },
    SubAck { id: u16, codes: Vec<u8>, props: Props },
    UnsubAck { id: u16, codes: Vec<u8> },
    PingResp,
    Disconnect { reason: u8, props: Props },
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Publish {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub retain: bool,
    pub dup: bool,
    /// 0 with QoS 0.
    pub id: u16,
    pub props: Props,
}

impl Publish {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).expect("a payload of text")
    }
}

/// MQTT 5 properties in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Props(pub Vec<(u8, Value)>);

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Number(u32),
    Bytes(Vec<u8>),
    Pair(String, String),
}

impl Props {
    /// The user property `name`; panics when it is there twice.
    pub fn user(&self, name: &str) -> Option<&str> {
        let all = self.user_all(name);
        assert!(all.len() <= 1, "user property {name} more than once: {self:?}");
        all.first().copied()
    }

    pub fn user_all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter_map(|(_, value)| pair(value, name)).collect()
    }

    /// All user properties, in their order.
    pub fn pairs(&self) -> Vec<(&str, &str)> {
        let pairs = self.0.iter().filter_map(|(_, value)| match value {
            Value::Pair(name, text) => Some((name.as_str(), text.as_str())),
            _ => None,
        });
        pairs.collect()
    }

    pub fn number(&self, code: u8) -> Option<u32> {
        self.0.iter().find(|(found, _)| *found == code).and_then(|(_, value)| match value {
            Value::Number(number) => Some(*number),
            _ => None,
        })
    }

    pub fn text(&self, code: u8) -> Option<String> {
        self.0.iter().find(|(found, _)| *found == code).and_then(|(_, value)| match value {
            Value::Bytes(bytes) => String::from_utf8(bytes.clone()).ok(),
            _ => None,
        })
    }
}

fn pair<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    match value {
        Value::Pair(key, text) if key == name => Some(text),
        _ => None,
    }
}

/// Encoded MQTT 5 properties, for [`super::Connect::props`] and the like.
pub mod prop {
    use super::{string, varint};

    pub const PAYLOAD_FORMAT: u8 = 0x01;
    pub const MESSAGE_EXPIRY: u8 = 0x02;
    pub const CONTENT_TYPE: u8 = 0x03;
    pub const RESPONSE_TOPIC: u8 = 0x08;
    pub const CORRELATION_DATA: u8 = 0x09;
    pub const SUBSCRIPTION_ID: u8 = 0x0B;
    pub const SESSION_EXPIRY: u8 = 0x11;
    pub const ASSIGNED_CLIENT_ID: u8 = 0x12;
    pub const SERVER_KEEP_ALIVE: u8 = 0x13;
    pub const AUTHENTICATION_METHOD: u8 = 0x15;
    pub const AUTHENTICATION_DATA: u8 = 0x16;
    pub const REQUEST_PROBLEM_INFORMATION: u8 = 0x17;
    pub const WILL_DELAY: u8 = 0x18;
    pub const REQUEST_RESPONSE_INFORMATION: u8 = 0x19;
    pub const RESPONSE_INFORMATION: u8 = 0x1A;
    pub const SERVER_REFERENCE: u8 = 0x1C;
    pub const REASON_STRING: u8 = 0x1F;
    pub const RECEIVE_MAXIMUM: u8 = 0x21;
    pub const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
    pub const TOPIC_ALIAS: u8 = 0x23;
    pub const MAXIMUM_QOS: u8 = 0x24;
    pub const RETAIN_AVAILABLE: u8 = 0x25;
    pub const USER_PROPERTY: u8 = 0x26;
    pub const MAXIMUM_PACKET_SIZE: u8 = 0x27;

    pub fn byte(code: u8, value: u8) -> Vec<u8> {
        vec![code, value]
    }

    /// Text and binary data.
    pub fn text(code: u8, value: impl AsRef<[u8]>) -> Vec<u8> {
        [&[code][..], &string(value)].concat()
    }

    pub fn subscription_id(id: usize) -> Vec<u8> {
        [&[SUBSCRIPTION_ID][..], &varint(id)].concat()
    }

    pub fn u16(code: u8, value: u16) -> Vec<u8> {
        [&[code][..], &value.to_be_bytes()].concat()
    }

    pub fn u32(code: u8, value: u32) -> Vec<u8> {
        [&[code][..], &value.to_be_bytes()].concat()
    }

    pub fn session_expiry(seconds: u32) -> Vec<u8> {
        u32(SESSION_EXPIRY, seconds)
    }

    pub fn user(name: &str, value: &str) -> Vec<u8> {
        [&[0x26][..], &string(name), &string(value)].concat()
    }
}

/// Length-prefixed bytes (section 1.5.4).
pub fn string(text: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = text.as_ref();
    let length = u16::try_from(bytes.len()).expect("at most 65535 bytes");
    [&length.to_be_bytes()[..], bytes].concat()
}

/// A variable byte integer (section 1.5.5).
pub fn varint(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let low = (value % 128) as u8;
        value /= 128;
        out.push(if value > 0 { low | 0x80 } else { low });
        if value == 0 {
            return out;
        }
    }
}

/// A packet of this first byte around this body.
pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    [&[first][..], &varint(body.len()), body].concat()
}

/// Encoded properties with their length in front; nothing at all in 3.1.1.
pub fn properties(version: Version, props: &[u8]) -> Vec<u8> {
    if version == V5 { [&varint(props.len())[..], props].concat() } else { Vec::new() }
}

/// A PUBLISH as a client sends it.
pub fn publish(version: Version, message: &Publish, props: &[u8]) -> Vec<u8> {
    let flags = u8::from(message.dup) << 3 | message.qos << 1 | u8::from(message.retain);
    let mut body = string(&message.topic);
    if message.qos > 0 {
        body.extend(message.id.to_be_bytes());
    }
    body.extend(properties(version, props));
    body.extend(&message.payload);
    packet(0x30 | flags, &body)
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP by first byte, with success.
pub fn acknowledgement(first: u8, id: u16) -> Vec<u8> {
    packet(first, &id.to_be_bytes())
}

pub fn subscribe(version: Version, id: u16, filter: &str, options: u8) -> Vec<u8> {
    subscribe_to(version, id, &[(filter, options)], &[])
}

/// Filters with their options, in one packet.
pub fn subscribe_to(version: Version, id: u16, filters: &[(&str, u8)], props: &[u8]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    body.extend(properties(version, props));
    for (filter, options) in filters {
        body.extend(string(filter));
        body.push(*options);
    }
    packet(0x82, &body)
}

pub fn unsubscribe(version: Version, id: u16, filter: &str) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    body.extend(properties(version, &[]));
    body.extend(string(filter));
    packet(0xA2, &body)
}

/// Takes one whole packet off the front of `buffer`, if it is there.
pub fn split(buffer: &mut Vec<u8>) -> Result<Option<(u8, Vec<u8>)>> {
    let (mut length, mut at) = (0usize, 1usize);
    loop {
        let Some(byte) = buffer.get(at) else { return Ok(None) };
        length |= usize::from(byte & 0x7F) << (7 * (at - 1));
        at += 1;
        if byte & 0x80 == 0 {
            break;
        }
        if at > 4 {
            return Err(bad("a remaining length of more than 4 bytes"));
        }
    }
    if at > 2 && buffer[at - 1] == 0 {
        return Err(bad("a remaining length that is longer than needed"));
    }
    if buffer.len() < at + length {
        return Ok(None);
    }
    let body = buffer[at..at + length].to_vec();
    let first = buffer[0];
    buffer.drain(..at + length);
    Ok(Some((first, body)))
}

/// Reads a packet that a server may send. Leftover bytes and wrong flags are errors.
pub fn decode(version: Version, first: u8, body: &[u8]) -> Result<Packet> {
    let mut r = Reader { rest: body };
    let packet = match (first >> 4, first & 0x0F) {
        (2, 0) => conn_ack(version, &mut r)?,
        (3, flags) => Packet::Publish(read_publish(version, flags, &mut r)?),
        (4, 0) => {
            let (id, reason, props) = read_ack(version, &mut r)?;
            Packet::PubAck { id, reason, props }
        }
        (5, 0) => read_ack(version, &mut r).map(|(id, reason, _)| Packet::PubRec { id, reason })?,
        (6, 2) => read_ack(version, &mut r).map(|(id, reason, _)| Packet::PubRel { id, reason })?,
        (7, 0) => {
            read_ack(version, &mut r).map(|(id, reason, _)| Packet::PubComp { id, reason })?
        }
        (9, 0) => {
            let (id, props) = (r.u16()?, r.props(version)?);
            Packet::SubAck { id, codes: r.all(), props }
        }
        (11, 0) => {
            let id = r.u16()?;
            r.props(version)?;
            Packet::UnsubAck { id, codes: r.all() }
        }
        (13, 0) => Packet::PingResp,
        (14, 0) if version == V5 => disconnect(&mut r)?,
        _ => return Err(bad(&format!("a first byte of {first:#04x} from a server"))),
    };
    if r.rest.is_empty() { Ok(packet) } else { Err(bad(&format!("leftover bytes: {packet:?}"))) }
}

fn conn_ack(version: Version, r: &mut Reader<'_>) -> Result<Packet> {
    let flags = r.u8()?;
    if flags > 1 {
        return Err(bad("reserved CONNACK flags"));
    }
    let code = r.u8()?;
    // A server that refuses an unknown protocol level answers in 3.1.1's form, without properties.
    let props = if r.rest.is_empty() { Props::default() } else { r.props(version)? };
    Ok(Packet::ConnAck { session_present: flags == 1, code, props })
}

fn disconnect(r: &mut Reader<'_>) -> Result<Packet> {
    let reason = if r.rest.is_empty() { 0 } else { r.u8()? };
    let props = if r.rest.is_empty() { Props::default() } else { r.props(V5)? };
    Ok(Packet::Disconnect { reason, props })
}

fn read_publish(version: Version, flags: u8, r: &mut Reader<'_>) -> Result<Publish> {
    let qos = flags >> 1 & 3;
    let topic = r.text()?;
    let id = if qos > 0 { r.u16()? } else { 0 };
    if qos == 3 || (qos > 0 && id == 0) {
        return Err(bad("a PUBLISH with QoS 3 or packet id 0"));
    }
    let props = r.props(version)?;
    let (retain, dup) = (flags & 1 == 1, flags & 8 == 8);
    Ok(Publish { topic, payload: r.all(), qos, retain, dup, id, props })
}

fn read_ack(version: Version, r: &mut Reader<'_>) -> Result<(u16, u8, Props)> {
    let id = r.u16()?;
    if version != V5 || r.rest.is_empty() {
        return Ok((id, 0, Props::default()));
    }
    let reason = r.u8()?;
    let props = if r.rest.is_empty() { Props::default() } else { r.props(V5)? };
    Ok((id, reason, props))
}

fn bad(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, format!("the server sent {what}"))
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn bytes(&mut self, count: usize) -> Result<&[u8]> {
        if self.rest.len() < count {
            return Err(bad("a packet that ends too early"));
        }
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        Ok(taken)
    }

    fn all(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.rest).to_vec()
    }

    fn u8(&mut self) -> Result<u8> {
        Ok(self.bytes(1)?[0])
    }

    fn u16(&mut self) -> Result<u16> {
        let bytes = self.bytes(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from(self.u16()?) << 16 | u32::from(self.u16()?))
    }

    fn string(&mut self) -> Result<Vec<u8>> {
        let length = self.u16()?.into();
        Ok(self.bytes(length)?.to_vec())
    }

    fn text(&mut self) -> Result<String> {
        String::from_utf8(self.string()?).map_err(|_| bad("text that is not UTF-8"))
    }

    fn varint(&mut self) -> Result<usize> {
        let mut value = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.u8()?;
            value |= usize::from(byte & 0x7F) << shift;
            if byte == 0 && shift > 0 {
                return Err(bad("a variable byte integer that is longer than needed"));
            }
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(bad("a variable byte integer of more than 4 bytes"))
    }

    fn props(&mut self, version: Version) -> Result<Props> {
        if version != V5 {
            return Ok(Props::default());
        }
        let length = self.varint()?;
        let mut inner = Reader { rest: self.bytes(length)? };
        let mut props = Vec::new();
        while !inner.rest.is_empty() {
            let code = inner.u8()?;
            props.push((code, inner.value(code)?));
        }
        Ok(Props(props))
    }

    fn value(&mut self, code: u8) -> Result<Value> {
        Ok(match code {
            0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2A => {
                Value::Number(self.u8()?.into())
            }
            0x13 | 0x21..=0x23 => Value::Number(self.u16()?.into()),
            0x02 | 0x11 | 0x18 | 0x27 => Value::Number(self.u32()?),
            0x0B => Value::Number(self.varint()? as u32),
            0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1A | 0x1C | 0x1F => {
                Value::Bytes(self.string()?)
            }
            0x26 => Value::Pair(self.text()?, self.text()?),
            _ => return Err(bad(&format!("the unknown property {code:#04x}"))),
        })
    }
}
