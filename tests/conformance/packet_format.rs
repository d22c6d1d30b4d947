//! Chapter 2: first bytes, packet identifiers, properties.

use crate::rig::{BOTH, Raw, broker, client, connect, is_closed_for};
use crate::support::client::message;
use crate::support::wire::{packet, properties, string};
use crate::support::{Client, Packet, V5, V311, Version};

/// Packets of a client with the body that each needs, and the flags that are right.
fn packets(version: Version) -> Vec<(&'static str, u8, Vec<u8>)> {
    let filter =
        |tail: &[u8]| [&[0, 1][..], &properties(version, &[]), &string("a"), tail].concat();
    let mut all = vec![
        ("PUBACK", 0x40, vec![0, 1]),
        ("PUBREC", 0x50, vec![0, 1]),
        ("PUBREL", 0x62, vec![0, 1]),
        ("PUBCOMP", 0x70, vec![0, 1]),
        ("SUBSCRIBE", 0x82, filter(&[0])),
        ("UNSUBSCRIBE", 0xA2, filter(&[])),
        ("PINGREQ", 0xC0, vec![]),
        ("DISCONNECT", 0xE0, vec![]),
    ];
    if version == V5 {
        all.push(("AUTH", 0xF0, vec![]));
    }
    all
}

#[test]
fn reserved_flags_close_the_connection() {
    let broker = broker();
    for version in BOTH {
        for (name, right, body) in packets(version) {
            for flags in (0..16).filter(|flags| *flags != right & 0x0F) {
                let first = right & 0xF0 | flags;
                let mut liar = client(&broker, version, &format!("{name}-{version}-{flags}"));
                is_closed_for(&mut liar, &packet(first, &body), 0x81, name);
            }
        }
        let connect = connect(version, "liar").encode();
        for flags in 1..16 {
            let mut liar = Client::silent(broker.mqtt, version);
            liar.send_raw(&[&[0x10 | flags][..], &connect[1..]].concat());
            assert_eq!(liar.expect_closed(), [], "CONNECT with flags {flags:#x}");
        }
    }
}

#[test]
fn what_has_no_properties_says_so_by_a_length_of_zero() {
    let broker = broker();
    let mut raw = Raw::open(&broker, &connect(V5, "raw"));
    raw.connack();
    raw.answers(b"\x82\x07\x12\x34\x00\x00\x01a\x00", b"\x90\x04\x12\x34\x00\x00");
    raw.answers(b"\x30\x05\x00\x01a\x00x", b"\x30\x05\x00\x01a\x00x");
    raw.answers(b"\xA2\x06\x12\x35\x00\x00\x01a", b"\xB0\x04\x12\x35\x00\x00");
    // A client that leaves the length out has a packet that ends too early.
    let without = packet(0x82, &[&[0, 1][..], &string("a"), &[0]].concat());
    is_closed_for(&mut client(&broker, V5, "brief"), &without, 0x81, "no property length");
}

#[test]
fn mqtt_3_1_1_has_neither_properties_nor_reasons() {
    let broker = broker();
    let mut raw = Raw::open(&broker, &connect(V311, "raw"));
    assert_eq!(raw.connack(), b"\x20\x02\x00\x00");
    raw.answers(b"\x82\x06\x12\x34\x00\x01a\x01", b"\x90\x03\x12\x34\x01");
    raw.answers(b"\x30\x04\x00\x01ax", b"\x30\x04\x00\x01ax");
    raw.answers(b"\x34\x06\x00\x01b\x00\x09x", b"\x50\x02\x00\x09");
    raw.answers(b"\x62\x02\x00\x09", b"\x70\x02\x00\x09");
    raw.answers(b"\xA2\x05\x12\x35\x00\x01a", b"\xB0\x02\x12\x35");
    raw.answers(b"\xC0\x00", b"\xD0\x00");
}

#[test]
fn a_publish_of_qos_0_has_no_packet_identifier() {
    let broker = broker();
    for version in BOTH {
        let mut raw = Raw::open(&broker, &connect(version, &format!("raw-{version}")));
        raw.connack();
        let no_props = properties(version, &[]);
        let filter = [&[0, 1][..], &no_props, &string("t"), &[2]].concat();
        raw.answers(
            &packet(0x82, &filter),
            &packet(0x90, &[&[0, 1], &no_props[..], &[2]].concat()),
        );
        let publish = packet(0x30, &[&string("t")[..], &no_props, b"\x00\x07"].concat());
        raw.answers(&publish, &publish);
    }
}

#[test]
fn acknowledgements_have_the_identifier_of_their_publish() {
    let broker = broker();
    for version in BOTH {
        let mut sender = client(&broker, version, &format!("sender-{version}"));
        for id in [1, 255, 256, 32_767, 32_768, 65_535] {
            let with_id = |qos| message("t", "x", qos, id);
            sender.send_publish(&with_id(1), &[]);
            assert!(
                matches!(sender.recv(), Packet::PubAck { id: same, reason: 0, .. } if same == id)
            );
            sender.send_publish(&with_id(2), &[]);
            assert_eq!(sender.recv(), Packet::PubRec { id, reason: 0 });
            sender.pubrel(id);
            assert_eq!(sender.recv(), Packet::PubComp { id, reason: 0 });
        }
        let mut receiver = client(&broker, version, &format!("receiver-{version}"));
        receiver.subscribe("t", 2);
        sender.publish_acked("t", "x", 2);
        let id = receiver.expect_publish().id;
        receiver.pubrec(id);
        assert_eq!(receiver.recv(), Packet::PubRel { id, reason: 0 });
    }
}

#[test]
fn a_packet_identifier_of_zero_closes_the_connection() {
    let broker = broker();
    for version in BOTH {
        let no_props = properties(version, &[]);
        let filter = |first: u8, tail: &[u8]| {
            packet(first, &[&[0, 0][..], &no_props, &string("a"), tail].concat())
        };
        let publish = |first: u8| packet(first, &[&string("a")[..], &[0, 0], &no_props].concat());
        let all = [
            publish(0x32),
            publish(0x34),
            filter(0x82, &[0]),
            filter(0xA2, &[]),
            vec![0x40, 2, 0, 0],
        ];
        for (number, bytes) in all.into_iter().enumerate() {
            let mut liar = client(&broker, version, &format!("liar-{version}-{number}"));
            is_closed_for(&mut liar, &bytes, 0x82, "packet identifier 0");
        }
    }
}
