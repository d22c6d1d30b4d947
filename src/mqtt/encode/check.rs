//! Finds the packets that no frame can express, before anything is written.

use super::VARINT_MAX;
use crate::mqtt::topic::TEXT_BYTES_MAX;
use crate::mqtt::{Connect, Packet, Properties, Publish, QoS, SubAck, Version};

/// Fine, or why not.
type Checked = Result<(), &'static str>;

#[inline]
pub fn check(packet: &Packet<'_>, version: Version, body_bytes: usize) -> Checked {
    length(body_bytes)?;
    match packet {
        Packet::Publish(p) => publish(p, body_bytes),
        Packet::PubAck(p) | Packet::PubRec(p) | Packet::PubRel(p) | Packet::PubComp(p) => {
            properties(&p.properties)
        }
        Packet::Connect(p) => connect(p),
        Packet::ConnAck(p) => properties(&p.properties),
        Packet::Subscribe(p) => filters(p.filters.len(), &p.properties),
        Packet::Unsubscribe(p) => filters(p.filters.len(), &p.properties),
        Packet::UnsubAck(_) if version == Version::V311 => Ok(()),
        Packet::SubAck(p) | Packet::UnsubAck(p) => codes(p),
        Packet::PingReq | Packet::PingResp => Ok(()),
        Packet::Disconnect(p) => properties(&p.properties),
        Packet::Auth(_) if version == Version::V311 => Err("3.1.1 has no AUTH"),
        Packet::Auth(p) => properties(&p.properties),
    }
}

#[inline]
fn length(body_bytes: usize) -> Checked {
    if body_bytes > VARINT_MAX as usize { Err("it is longer than MQTT can say") } else { Ok(()) }
}

#[inline]
pub fn publish(p: &Publish<'_>, body_bytes: usize) -> Checked {
    length(body_bytes)?;
    if p.packet_id.is_some() != (p.qos != QoS::AtMostOnce) {
        return Err("a packet id stands exactly above QoS 0");
    }
    if p.dup && p.qos == QoS::AtMostOnce {
        return Err("QoS 0 is never a duplicate");
    }
    field(p.topic.as_bytes(), "the topic is too long")?;
    properties(&p.properties)
}

fn connect(p: &Connect<'_>) -> Checked {
    if p.version == Version::V311 && p.username.is_none() && p.password.is_some() {
        return Err("a 3.1.1 password needs a user name");
    }
    field(p.client_id.as_bytes(), "the client id is too long")?;
    field(p.username.unwrap_or_default().as_bytes(), "the user name is too long")?;
    field(p.password.unwrap_or_default(), "the password is too long")?;
    if let Some(will) = &p.will {
        field(will.topic.as_bytes(), "the will topic is too long")?;
        field(will.payload, "the will payload is too long")?;
        properties(&will.properties)?;
    }
    properties(&p.properties)
}

fn codes(p: &SubAck<'_>) -> Checked {
    if p.codes.is_empty() {
        return Err("a code is missing");
    }
    properties(&p.properties)
}

fn filters(count: usize, block: &Properties<'_>) -> Checked {
    if count == 0 {
        return Err("a filter is missing");
    }
    properties(block)
}

#[inline]
fn field(bytes: &[u8], too_long: &'static str) -> Checked {
    if bytes.len() > TEXT_BYTES_MAX { Err(too_long) } else { Ok(()) }
}

#[inline]
fn properties(properties: &Properties<'_>) -> Checked {
    if properties.is_faulty() { Err("a property has a value it cannot have") } else { Ok(()) }
}
