//! MQTT 5 clients are told why the server closes; 3.1.1 clients, who cannot be, are just closed.

use super::support::wire::{packet, properties, string, varint};
use super::support::{Broker, Connect, V5, prop, words};

/// Sends `bytes` on a fresh connection of alice's phone and returns the reason of the DISCONNECT.
fn reason_after(broker: &Broker, bytes: &[u8]) -> u8 {
    let mut phone = Connect::v5("alice", "phone").open(broker.mqtt);
    phone.send_raw(bytes);
    phone.expect_disconnect()
}

#[test]
fn taken_over() {
    let broker = Broker::dev();
    let mut first = broker.device_v5("alice", "phone");
    let _second = broker.device_v5("alice", "phone");
    assert_eq!(first.expect_disconnect(), 0x8E);
}

#[test]
fn shutting_down() {
    let mut broker = Broker::dev();
    let mut phone = broker.device_v5("alice", "phone");
    assert!(broker.terminate().success());
    assert_eq!(phone.expect_disconnect(), 0x8B);
}

#[test]
fn malformed_packets() {
    let broker = Broker::dev();
    // A packet type 0; flags of PINGREQ; QoS 3; a topic longer than its packet.
    for bytes in [&[0x00, 0][..], &[0xC1, 0], &[0x36, 4, 0, 1, b'b', 0], &[0x30, 3, 0, 9, b'b']] {
        assert_eq!(reason_after(&broker, bytes), 0x81, "{bytes:02x?}");
    }
    broker.log.wait_for(&["alice", "phone", words::MALFORMED]);
}

#[test]
fn protocol_errors() {
    let broker = Broker::dev();
    let connect_again = Connect::v5("alice", "phone").encode();
    assert_eq!(reason_after(&broker, &connect_again), 0x82);
    let subscribe_to_nothing = packet(0x82, &[0, 1, 0]);
    assert_eq!(reason_after(&broker, &subscribe_to_nothing), 0x82);
    broker.log.wait_for(&["alice", "phone", words::BREAKS_PROTOCOL]);
}

#[test]
fn a_packet_larger_than_the_server_takes() {
    let broker = Broker::with(&[("HOMING__LIMITS__PACKET", "128KiB")]);
    let (mut phone, ack) = Connect::v5("alice", "phone").open_with_ack(broker.mqtt);
    let announced = ack.props.number(prop::MAXIMUM_PACKET_SIZE);
    assert_eq!(announced, Some(128 * 1024));
    // The header alone: bytes that the server leaves unread would make its close a reset, which
    // takes the DISCONNECT with it.
    phone.send_raw(&[&[0x30][..], &varint(200 * 1024)].concat());
    assert_eq!(phone.expect_disconnect(), 0x95);
    broker.log.wait_for(&["alice", "phone", words::TOO_LARGE]);
}

#[test]
fn a_topic_with_a_wildcard() {
    let broker = Broker::dev();
    let mut body = string("news/#");
    body.extend(properties(V5, &[]));
    assert_eq!(reason_after(&broker, &packet(0x30, &body)), 0x90);
}

/// Threat M5.
#[test]
fn a_topic_alias_that_was_never_offered() {
    let broker = Broker::dev();
    let mut body = string("bob");
    body.extend(properties(V5, &[prop::TOPIC_ALIAS, 0xFF, 0xFF]));
    assert_eq!(reason_after(&broker, &packet(0x30, &body)), 0x94);
}
