//! From packets to bytes, behind whatever `out` holds already.
//!
//! The caller keeps texts and binary fields within 65,535 bytes and whole packets within
//! 268,435,455; decoded values always are. For 3.1.1, reason codes and properties are left out.

use super::packet::kind;
use super::{Ack, ConnAck, Connect, Packet, Properties, Publish, SubAck, Version, Will, reason};

/// Appends the packet to `out`.
pub fn encode(packet: &Packet<'_>, version: Version, out: &mut Vec<u8>) {
    let length = body_bytes(packet, version);
    out.reserve(length + 5);
    out.push(first_byte(packet));
    write_variable(out, length as u32);
    write_body(packet, version, out);
}

/// How long [`encode`] makes it.
pub fn encoded_bytes(packet: &Packet<'_>, version: Version) -> usize {
    let length = body_bytes(packet, version);
    1 + variable_bytes(length as u32) + length
}

fn first_byte(packet: &Packet<'_>) -> u8 {
    let (kind, flags) = match packet {
        Packet::Connect(_) => (kind::CONNECT, 0),
        Packet::ConnAck(_) => (kind::CONNACK, 0),
        Packet::Publish(publish) => {
            let flags = u8::from(publish.dup) << 3 | (publish.qos as u8) << 1;
            (kind::PUBLISH, flags | u8::from(publish.retain))
        }
        Packet::PubAck(_) => (kind::PUBACK, 0),
        Packet::PubRec(_) => (kind::PUBREC, 0),
        Packet::PubRel(_) => (kind::PUBREL, 0b0010),
        Packet::PubComp(_) => (kind::PUBCOMP, 0),
        Packet::Subscribe(_) => (kind::SUBSCRIBE, 0b0010),
        Packet::SubAck(_) => (kind::SUBACK, 0),
        Packet::Unsubscribe(_) => (kind::UNSUBSCRIBE, 0b0010),
        Packet::UnsubAck(_) => (kind::UNSUBACK, 0),
        Packet::PingReq => (kind::PINGREQ, 0),
        Packet::PingResp => (kind::PINGRESP, 0),
        Packet::Disconnect(_) => (kind::DISCONNECT, 0),
        Packet::Auth(_) => (kind::AUTH, 0),
    };
    kind << 4 | flags
}

fn body_bytes(packet: &Packet<'_>, version: Version) -> usize {
    let block = |properties: &Properties<'_>| block_bytes(properties, version);
    match packet {
        Packet::Connect(connect) => connect_bytes(connect),
        Packet::ConnAck(connack) => 2 + block(&connack.properties),
        Packet::Publish(publish) => {
            let id = if publish.packet_id.is_some() { 2 } else { 0 };
            2 + publish.topic.len() + id + block(&publish.properties) + publish.payload.len()
        }
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            2 + reasoned_bytes(ack.reason, &ack.properties, version)
        }
        Packet::Subscribe(p) => 2 + block(&p.properties) + p.filters.as_bytes().len(),
        Packet::Unsubscribe(p) => 2 + block(&p.properties) + p.filters.as_bytes().len(),
        Packet::SubAck(p) => 2 + block(&p.properties) + p.codes.len(),
        Packet::UnsubAck(p) => 2 + block(&p.properties) + unsuback_codes(p, version).len(),
        Packet::PingReq | Packet::PingResp => 0,
        Packet::Disconnect(p) => reasoned_bytes(p.reason, &p.properties, version),
        Packet::Auth(p) => reasoned_bytes(p.reason, &p.properties, version),
    }
}

fn connect_bytes(connect: &Connect<'_>) -> usize {
    let field = |length: usize| 2 + length;
    let will = |will: &Will<'_>| {
        block_bytes(&will.properties, connect.version)
            + field(will.topic.len())
            + field(will.payload.len())
    };
    let fixed = field(4) + 1 + 1 + 2;
    fixed
        + block_bytes(&connect.properties, connect.version)
        + field(connect.client_id.len())
        + connect.will.as_ref().map_or(0, will)
        + connect.username.map_or(0, |text| field(text.len()))
        + connect.password.map_or(0, |data| field(data.len()))
}

fn block_bytes(properties: &Properties<'_>, version: Version) -> usize {
    let length = properties.as_bytes().len();
    match version {
        Version::V5 => variable_bytes(length as u32) + length,
        Version::V311 => 0,
    }
}

/// The short forms of MQTT 5: nothing for plain success, the code alone without properties.
fn reasoned_bytes(code: u8, properties: &Properties<'_>, version: Version) -> usize {
    match version {
        Version::V311 => 0,
        Version::V5 if !properties.is_empty() => 1 + block_bytes(properties, version),
        Version::V5 => usize::from(code != reason::SUCCESS),
    }
}

fn write_body(packet: &Packet<'_>, version: Version, out: &mut Vec<u8>) {
    match packet {
        Packet::Connect(connect) => write_connect(connect, out),
        Packet::ConnAck(connack) => write_connack(connack, version, out),
        Packet::Publish(publish) => write_publish(publish, version, out),
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            write_ack(ack, version, out);
        }
        Packet::Subscribe(p) => {
            out.extend_from_slice(&p.packet_id.get().to_be_bytes());
            write_block(&p.properties, version, out);
            out.extend_from_slice(p.filters.as_bytes());
        }
        Packet::Unsubscribe(p) => {
            out.extend_from_slice(&p.packet_id.get().to_be_bytes());
            write_block(&p.properties, version, out);
            out.extend_from_slice(p.filters.as_bytes());
        }
        Packet::SubAck(p) => write_suback(p, p.codes, version, out),
        Packet::UnsubAck(p) => write_suback(p, unsuback_codes(p, version), version, out),
        Packet::PingReq | Packet::PingResp => {}
        Packet::Disconnect(p) => write_reasoned(p.reason, &p.properties, version, out),
        Packet::Auth(p) => write_reasoned(p.reason, &p.properties, version, out),
    }
}

fn write_connect(connect: &Connect<'_>, out: &mut Vec<u8>) {
    let (level, version) = match connect.version {
        Version::V311 => (4, Version::V311),
        Version::V5 => (5, Version::V5),
    };
    write_binary(out, b"MQTT");
    out.push(level);
    out.push(connect_flags(connect));
    out.extend_from_slice(&connect.keep_alive_secs.to_be_bytes());
    write_block(&connect.properties, version, out);
    write_binary(out, connect.client_id.as_bytes());
    if let Some(will) = &connect.will {
        write_block(&will.properties, version, out);
        write_binary(out, will.topic.as_bytes());
        write_binary(out, will.payload);
    }
    connect.username.iter().for_each(|text| write_binary(out, text.as_bytes()));
    connect.password.iter().for_each(|data| write_binary(out, data));
}

fn connect_flags(connect: &Connect<'_>) -> u8 {
    let will = |will: &Will<'_>| 1 << 2 | (will.qos as u8) << 3 | u8::from(will.retain) << 5;
    u8::from(connect.clean_start) << 1
        | connect.will.as_ref().map_or(0, will)
        | u8::from(connect.password.is_some()) << 6
        | u8::from(connect.username.is_some()) << 7
}

fn write_connack(connack: &ConnAck<'_>, version: Version, out: &mut Vec<u8>) {
    out.push(connack.session_present.into());
    out.push(connack.code);
    write_block(&connack.properties, version, out);
}

fn write_publish(publish: &Publish<'_>, version: Version, out: &mut Vec<u8>) {
    write_binary(out, publish.topic.as_bytes());
    if let Some(packet_id) = publish.packet_id {
        out.extend_from_slice(&packet_id.get().to_be_bytes());
    }
    write_block(&publish.properties, version, out);
    out.extend_from_slice(publish.payload);
}

fn write_ack(ack: &Ack<'_>, version: Version, out: &mut Vec<u8>) {
    out.extend_from_slice(&ack.packet_id.get().to_be_bytes());
    write_reasoned(ack.reason, &ack.properties, version, out);
}

fn write_reasoned(code: u8, properties: &Properties<'_>, version: Version, out: &mut Vec<u8>) {
    if version == Version::V5 && (code != reason::SUCCESS || !properties.is_empty()) {
        out.push(code);
        if !properties.is_empty() {
            write_block(properties, version, out);
        }
    }
}

/// A 3.1.1 UNSUBACK has no codes (section 3.11).
fn unsuback_codes<'a>(unsuback: &SubAck<'a>, version: Version) -> &'a [u8] {
    match version {
        Version::V5 => unsuback.codes,
        Version::V311 => &[],
    }
}

fn write_suback(suback: &SubAck<'_>, codes: &[u8], version: Version, out: &mut Vec<u8>) {
    out.extend_from_slice(&suback.packet_id.get().to_be_bytes());
    write_block(&suback.properties, version, out);
    out.extend_from_slice(codes);
}

fn write_block(properties: &Properties<'_>, version: Version, out: &mut Vec<u8>) {
    if version == Version::V5 {
        write_variable(out, properties.as_bytes().len() as u32);
        out.extend_from_slice(properties.as_bytes());
    }
}

pub(super) fn write_binary(out: &mut Vec<u8>, data: &[u8]) {
    out.extend_from_slice(&(data.len() as u16).to_be_bytes());
    out.extend_from_slice(data);
}

pub(super) fn write_variable(out: &mut Vec<u8>, mut value: u32) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn variable_bytes(value: u32) -> usize {
    match value {
        0..=0x7f => 1,
        0x80..=0x3fff => 2,
        0x4000..=0x1f_ffff => 3,
        _ => 4,
    }
}
