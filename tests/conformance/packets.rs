//! Packets that the conformance tests send byte by byte, and answers that they read whole.

use crate::support::wire::{self, packet, properties, string};
use crate::support::{Client, Packet, Version};

/// A SUBSCRIBE of several filters, each with its options.
pub fn subscribe(version: Version, id: u16, filters: &[(&str, u8)]) -> Vec<u8> {
    wire::subscribe_to(version, id, filters, &[])
}

/// An UNSUBSCRIBE of several filters.
pub fn unsubscribe(version: Version, id: u16, filters: &[&str]) -> Vec<u8> {
    let filters: Vec<u8> = filters.iter().flat_map(string).collect();
    packet(0xA2, &[&id.to_be_bytes()[..], &properties(version, &[]), &filters].concat())
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP by first byte, with a reason code of MQTT 5.
pub fn acknowledgement(first: u8, id: u16, reason: u8) -> Vec<u8> {
    packet(first, &[&id.to_be_bytes()[..], &[reason]].concat())
}

/// This packet with other flags in its first byte.
pub fn with_flags(mut bytes: Vec<u8>, flags: u8) -> Vec<u8> {
    bytes[0] = bytes[0] & 0xF0 | flags;
    bytes
}

/// The codes of the SUBACK for `id`, which is the next packet.
pub fn next_suback(client: &mut Client, id: u16) -> Vec<u8> {
    match client.recv() {
        Packet::SubAck { id: found, codes, .. } if found == id => codes,
        other => panic!("expected SUBACK {id}, got {other:?}"),
    }
}

/// The codes of the UNSUBACK for `id`, which is the next packet. None in 3.1.1.
pub fn next_unsuback(client: &mut Client, id: u16) -> Vec<u8> {
    match client.recv() {
        Packet::UnsubAck { id: found, codes, .. } if found == id => codes,
        other => panic!("expected UNSUBACK {id}, got {other:?}"),
    }
}
