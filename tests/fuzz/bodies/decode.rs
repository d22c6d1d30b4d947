//! The body of the fuzz target `decode`: what must hold for any bytes whatever. The stable tests
//! replay it over the committed corpus; `tests/fuzz` feeds it new inputs.

use homing::mqtt::{
    Connect, DecodeError, Packet, Properties, Version, decode, decode_connect, encode,
    encoded_bytes, frame_bytes,
};

/// The largest packet the target looks at, in bytes.
const PACKET_BYTES_MAX: u32 = 65_536;

/// Decodes in both versions, and checks that what was read is read again from what is written.
pub fn fuzz_decode(data: &[u8]) {
    for version in [Version::V311, Version::V5] {
        match decode(data, version, PACKET_BYTES_MAX) {
            Ok(Some((packet, taken))) => {
                assert_eq!(frame_bytes(data, PACKET_BYTES_MAX), Ok(Some(taken)));
                assert!(taken <= data.len(), "never more than there is");
                read_everything(&packet);
                round_trip(&packet, version);
            }
            Ok(None) => assert!(may_wait(data), "a complete packet is not waited for"),
            Err(error) => assert!(error.reason() >= 0x80, "{error}"),
        }
    }
    let greeting = decode_connect(data, PACKET_BYTES_MAX);
    match decode(data, Version::V5, PACKET_BYTES_MAX) {
        Ok(Some((Packet::Connect(connect), taken))) => {
            assert_eq!(greeting, Ok(Some((connect, taken))))
        }
        _ => assert!(!matches!(greeting, Ok(Some(_))), "only CONNECT begins a connection"),
    }
}

fn may_wait(data: &[u8]) -> bool {
    match frame_bytes(data, PACKET_BYTES_MAX) {
        Ok(length) => length.is_none_or(|length| length > data.len()),
        Err(_) => false,
    }
}

/// Everything a validated packet holds can be walked, and nothing is missing.
fn read_everything(packet: &Packet<'_>) {
    match packet {
        Packet::Connect(connect) => {
            walk(connect.properties);
            connect.will.iter().for_each(|will| walk(will.properties));
        }
        Packet::Publish(publish) => walk(publish.properties),
        Packet::Subscribe(subscribe) => {
            assert_eq!(subscribe.filters.iter().count(), subscribe.filters.len());
        }
        Packet::Unsubscribe(unsubscribe) => {
            assert_eq!(unsubscribe.filters.iter().count(), unsubscribe.filters.len());
        }
        Packet::ConnAck(connack) => walk(connack.properties),
        Packet::Disconnect(disconnect) => walk(disconnect.properties),
        _ => {}
    }
}

/// The iterator reaches the end of the block: written again, it is the same.
fn walk(properties: Properties<'_>) {
    let mut again = homing::mqtt::PropertyBuffer::new();
    again.extend(properties.iter());
    assert_eq!(again.as_properties(), properties);
}

fn round_trip(packet: &Packet<'_>, version: Version) {
    let version = match packet {
        Packet::Connect(Connect { version, .. }) => *version,
        _ => version,
    };
    let mut frame = Vec::new();
    encode(packet, version, &mut frame);
    assert_eq!(frame.len(), encoded_bytes(packet, version));
    let again: Result<_, DecodeError> = decode(&frame, version, u32::MAX);
    assert_eq!(again, Ok(Some((*packet, frame.len()))));
}
