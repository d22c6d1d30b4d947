//! The exact length of a packet's body, field by field in the order they are written.

use crate::mqtt::wire::varint_bytes;
use crate::mqtt::{Ack, Auth, Connect, Disconnect, Packet, Properties, Publish, Version};

/// The length of everything behind the fixed header.
#[inline]
pub fn body_bytes(packet: &Packet<'_>, version: Version) -> usize {
    match packet {
        Packet::Publish(publish) => publish_bytes(publish, version),
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            ack_bytes(ack, version)
        }
        Packet::Connect(connect) => connect_bytes(connect),
        Packet::ConnAck(connack) => 2 + properties_bytes(&connack.properties, version),
        Packet::Subscribe(subscribe) => {
            let filters = subscribe.filters.as_bytes().len();
            2 + properties_bytes(&subscribe.properties, version) + filters
        }
        Packet::Unsubscribe(unsubscribe) => {
            let filters = unsubscribe.filters.as_bytes().len();
            2 + properties_bytes(&unsubscribe.properties, version) + filters
        }
        Packet::UnsubAck(_) if !version.has_properties() => 2,
        Packet::SubAck(ack) | Packet::UnsubAck(ack) => {
            2 + properties_bytes(&ack.properties, version) + ack.codes.len()
        }
        Packet::PingReq | Packet::PingResp => 0,
        Packet::Disconnect(disconnect) => disconnect_bytes(disconnect, version),
        Packet::Auth(auth) => auth_bytes(auth, version),
    }
}

#[inline]
pub fn publish_bytes(publish: &Publish<'_>, version: Version) -> usize {
    let packet_id = if publish.packet_id.is_some() { 2 } else { 0 };
    text_bytes(publish.topic)
        + packet_id
        + properties_bytes(&publish.properties, version)
        + publish.payload.len()
}

/// Without properties their length is left out too; without a reason nothing but the id is left.
fn ack_bytes(ack: &Ack<'_>, version: Version) -> usize {
    2 + reason_bytes(ack.reason, &ack.properties, version)
}

fn disconnect_bytes(disconnect: &Disconnect<'_>, version: Version) -> usize {
    reason_bytes(disconnect.reason, &disconnect.properties, version)
}

fn reason_bytes(reason: u8, properties: &Properties<'_>, version: Version) -> usize {
    match (version.has_properties(), properties.is_empty(), reason) {
        (false, ..) | (true, true, 0) => 0,
        (true, true, _) => 1,
        (true, false, _) => 1 + properties_bytes(properties, version),
    }
}

fn auth_bytes(auth: &Auth<'_>, version: Version) -> usize {
    if auth.reason == 0 && auth.properties.is_empty() {
        return 0;
    }
    1 + properties_bytes(&auth.properties, version)
}

/// Protocol name, level, flags and keep alive are ten bytes.
fn connect_bytes(connect: &Connect<'_>) -> usize {
    let will = connect.will.map_or(0, |will| {
        let properties = properties_bytes(&will.properties, connect.version);
        properties + text_bytes(will.topic) + 2 + will.payload.len()
    });
    10 + properties_bytes(&connect.properties, connect.version)
        + text_bytes(connect.client_id)
        + will
        + connect.username.map_or(0, text_bytes)
        + connect.password.map_or(0, |password| 2 + password.len())
}

fn text_bytes(text: &str) -> usize {
    2 + text.len()
}

/// The block with its length, in versions that have one.
#[inline]
fn properties_bytes(properties: &Properties<'_>, version: Version) -> usize {
    if !version.has_properties() {
        return 0;
    }
    let block = properties.as_bytes().len();
    varint_bytes(block) + block
}
