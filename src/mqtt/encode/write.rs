//! Writes the fields of a packet. Lengths were checked before: nothing here can fail.

use crate::mqtt::reason::{is_failure, v311};
use crate::mqtt::wire::{put_binary, put_text, put_varint};
use crate::mqtt::{
    Auth, ConnAck, Connect, Packet, PacketId, Properties, Publish, SubAck, Subscribe, Unsubscribe,
    Version,
};

/// Packet type and flags (2.1.1).
#[inline]
pub fn first_byte(packet: &Packet<'_>) -> u8 {
    match packet {
        Packet::Connect(_) => 0x10,
        Packet::ConnAck(_) => 0x20,
        Packet::Publish(p) => publish_first_byte(p),
        Packet::PubAck(_) => 0x40,
        Packet::PubRec(_) => 0x50,
        Packet::PubRel(_) => 0x62,
        Packet::PubComp(_) => 0x70,
        Packet::Subscribe(_) => 0x82,
        Packet::SubAck(_) => 0x90,
        Packet::Unsubscribe(_) => 0xA2,
        Packet::UnsubAck(_) => 0xB0,
        Packet::PingReq => 0xC0,
        Packet::PingResp => 0xD0,
        Packet::Disconnect(_) => 0xE0,
        Packet::Auth(_) => 0xF0,
    }
}

#[inline]
pub fn publish_first_byte(p: &Publish<'_>) -> u8 {
    0x30 | u8::from(p.dup) << 3 | (p.qos as u8) << 1 | u8::from(p.retain)
}

/// Everything behind the fixed header.
#[inline]
pub fn body(packet: &Packet<'_>, version: Version, out: &mut Vec<u8>) {
    match packet {
        Packet::Publish(p) => publish(p, version, out),
        Packet::PubAck(p) | Packet::PubRec(p) | Packet::PubRel(p) | Packet::PubComp(p) => {
            put_id(p.packet_id, out);
            reason(p.reason, &p.properties, version, out);
        }
        Packet::Connect(p) => connect(p, out),
        Packet::ConnAck(p) => connack(p, version, out),
        Packet::Subscribe(p) => subscribe(p, version, out),
        Packet::Unsubscribe(p) => unsubscribe(p, version, out),
        Packet::SubAck(p) => suback(p, version, out),
        Packet::UnsubAck(p) if version.has_properties() => suback(p, version, out),
        Packet::UnsubAck(p) => put_id(p.packet_id, out),
        Packet::PingReq | Packet::PingResp => {}
        Packet::Disconnect(p) => reason(p.reason, &p.properties, version, out),
        Packet::Auth(p) => auth(p, version, out),
    }
}

#[inline]
pub fn publish(p: &Publish<'_>, version: Version, out: &mut Vec<u8>) {
    put_text(out, p.topic);
    if let Some(id) = p.packet_id {
        put_id(id, out);
    }
    put_properties(&p.properties, version, out);
    out.extend_from_slice(p.payload);
}

fn connect(p: &Connect<'_>, out: &mut Vec<u8>) {
    put_text(out, "MQTT");
    out.extend_from_slice(&[p.version.level(), connect_flags(p)]);
    out.extend_from_slice(&p.keep_alive_secs.to_be_bytes());
    put_properties(&p.properties, p.version, out);
    put_text(out, p.client_id);
    if let Some(will) = &p.will {
        put_properties(&will.properties, p.version, out);
        put_text(out, will.topic);
        put_binary(out, will.payload);
    }
    if let Some(username) = p.username {
        put_text(out, username);
    }
    if let Some(password) = p.password {
        put_binary(out, password);
    }
}

fn connect_flags(p: &Connect<'_>) -> u8 {
    let will = p.will.map_or(0, |will| 1 << 2 | (will.qos as u8) << 3 | u8::from(will.retain) << 5);
    u8::from(p.clean_start) << 1
        | will
        | u8::from(p.password.is_some()) << 6
        | u8::from(p.username.is_some()) << 7
}

fn connack(p: &ConnAck<'_>, version: Version, out: &mut Vec<u8>) {
    out.extend_from_slice(&[u8::from(p.session_present), p.code]);
    put_properties(&p.properties, version, out);
}

fn subscribe(p: &Subscribe<'_>, version: Version, out: &mut Vec<u8>) {
    put_id(p.packet_id, out);
    put_properties(&p.properties, version, out);
    if version.has_properties() {
        out.extend_from_slice(p.filters.as_bytes());
        return;
    }
    for (filter, options) in p.filters.iter() {
        put_text(out, filter);
        out.push(options.qos as u8);
    }
}

fn unsubscribe(p: &Unsubscribe<'_>, version: Version, out: &mut Vec<u8>) {
    put_id(p.packet_id, out);
    put_properties(&p.properties, version, out);
    out.extend_from_slice(p.filters.as_bytes());
}

fn suback(p: &SubAck<'_>, version: Version, out: &mut Vec<u8>) {
    put_id(p.packet_id, out);
    put_properties(&p.properties, version, out);
    if version.has_properties() {
        out.extend_from_slice(p.codes);
        return;
    }
    let one_failure = |&code| if is_failure(code) { v311::SUBSCRIPTION_FAILURE } else { code };
    out.extend(p.codes.iter().map(one_failure));
}

/// A reason, left out with what follows it where the short form says the same (3.4.2.1).
fn reason(reason: u8, properties: &Properties<'_>, version: Version, out: &mut Vec<u8>) {
    let short = reason == 0 && properties.is_empty();
    if short || !version.has_properties() {
        return;
    }
    out.push(reason);
    if !properties.is_empty() {
        put_properties(properties, version, out);
    }
}

fn auth(p: &Auth<'_>, version: Version, out: &mut Vec<u8>) {
    if p.reason == 0 && p.properties.is_empty() {
        return;
    }
    out.push(p.reason);
    put_properties(&p.properties, version, out);
}

#[inline]
fn put_id(id: PacketId, out: &mut Vec<u8>) {
    out.extend_from_slice(&id.get().to_be_bytes());
}

#[inline]
fn put_properties(properties: &Properties<'_>, version: Version, out: &mut Vec<u8>) {
    if !version.has_properties() {
        return;
    }
    put_varint(out, properties.as_bytes().len());
    out.extend_from_slice(properties.as_bytes());
}
