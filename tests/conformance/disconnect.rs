//! DISCONNECT (MQTT 5, section 3.14).

use crate::packets::with_flags;
use crate::rig::{self, BOTH};
use crate::support::client::message;
use crate::support::wire::{packet, publish};
use crate::support::{Client, Packet, V5, V311, prop};

/// Ways to make the server end a connection of MQTT 5, and the code it then gives.
fn provocations() -> [(&'static [u8], u8); 6] {
    [
        (&[0x00, 0], 0x81),
        (&[0xC1, 0], 0x81),
        (&[0x82, 3, 0, 1, 0], 0x82),
        // A topic with a wildcard; a topic alias of 0; AUTH without a method in CONNECT.
        (&[0x30, 6, 0, 3, b'a', b'/', b'#', 0], 0x90),
        (&[0x30, 7, 0, 1, b'a', 3, prop::TOPIC_ALIAS, 0, 0], 0x94),
        (&[0xF0, 0], 0x82),
    ]
}

/// Codes of the table of DISCONNECT that a server may send.
const OF_A_SERVER: [u8; 28] = [
    0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95, 0x96,
    0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
];

#[test]
fn the_server_says_why_in_its_last_packet_and_closes() {
    let broker = rig::broker();
    for (bytes, code) in provocations() {
        let mut client = rig::client(&broker, V5, "c");
        client.send_raw(bytes);
        // Behind it there is only the end of the connection.
        let seen = client.expect_closed();
        let [Packet::Disconnect { reason, props }] = &seen[..] else { panic!("{seen:?}") };
        assert!(OF_A_SERVER.contains(reason), "{reason:#04x}");
        assert!(*reason == code || code == 0x82 && *reason == 0x81, "{bytes:02x?}: {reason:#04x}");
        assert_eq!(props.number(prop::SESSION_EXPIRY), None);
    }
}

#[test]
fn words_are_left_out_where_the_client_takes_only_small_packets() {
    let broker = rig::broker();
    for (bytes, _) in provocations() {
        let connect = rig::connect(V5, "small").prop(prop::u32(prop::MAXIMUM_PACKET_SIZE, 64));
        let mut client = connect.open(broker.mqtt);
        client.largest = 0;
        client.send_raw(bytes);
        client.expect_disconnect();
        assert!(client.largest <= 4, "{bytes:02x?}: {} bytes", client.largest);
    }
    let mut client = rig::client(&broker, V5, "any");
    client.largest = 0;
    client.send_raw(&[0x00, 0]);
    client.expect_disconnect();
    assert!(client.largest > 4, "it has words to say");
}

/// What is wrong before the login is told in CONNACK, if at all.
#[test]
fn the_server_sends_none_before_its_connack() {
    let broker = rig::broker();
    let whole = rig::connect(V5, "c").encode();
    let unknown_method = rig::connect(V5, "c").prop([&[0x15, 0, 1][..], b"x"].concat()).encode();
    let truncated = packet(0x10, &whole[2..whole.len() - 3]);
    let connects = [with_flags(whole, 1), truncated, unknown_method];
    for bytes in connects.iter().map(Vec::as_slice).chain([&[0xE0, 0][..], &[0xC0, 0]]) {
        let mut client = Client::silent(broker.mqtt, V5);
        client.send_raw(bytes);
        let seen = client.expect_closed();
        let refused = |packet: &Packet| matches!(packet, Packet::ConnAck { code: 0x80.., .. });
        assert!(seen.len() <= 1 && seen.iter().all(refused), "{bytes:02x?}: {seen:?}");
    }
}

#[test]
fn nothing_behind_it_is_processed() {
    let broker = rig::broker();
    for version in BOTH {
        let mut watcher = rig::client(&broker, version, "watcher");
        watcher.subscribe("t", 1);
        let mut client = rig::client(&broker, version, "c");
        let late = publish(version, &message("t", "late", 1, 1), &[]);
        client.send_raw(&[&[0xE0, 0][..], &late].concat());
        assert_eq!(client.expect_closed(), []);
        watcher.publish_acked("t", "in time", 1);
        assert_eq!(watcher.take_text(), "in time");
    }
}

#[test]
fn the_connection_is_closed_behind_it() {
    let broker = rig::broker();
    for version in BOTH {
        rig::client(&broker, version, "c").disconnect();
    }
    let mut client = rig::client(&broker, V311, "c");
    client.send_raw(&[0xE0, 0]);
    assert_eq!(client.expect_closed(), []);
}
