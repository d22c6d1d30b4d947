//! Chapter 1.5: text, lengths and pairs as they stand in packets.

use crate::rig::{BOTH, broker, broker_with, client, connect, is_closed_for, is_no_connect};
use crate::support::client::message;
use crate::support::wire::{packet, properties, publish, string, varint};
use crate::support::{Broker, Connect, V5, Version, Will, prop};

/// UTF-8 that is none: cut short, a surrogate, longer than needed, beyond U+10FFFF, a stray byte.
const NO_TEXT: [&[u8]; 5] =
    [b"a\xE2\x82", b"\xED\xA0\x80", b"\xC0\xAF", b"\xF4\x90\x80\x80", b"a\xFFb"];
const NULL: &[u8] = b"a\0b";

/// A packet with this text in each place where a client sends text.
fn with_text(version: Version, text: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let filter = |first: u8, tail: &[u8]| {
        let head = [&[0, 1][..], &properties(version, &[])].concat();
        packet(first, &[&head, &string(text)[..], tail].concat())
    };
    let topic = packet(0x30, &[string(text), properties(version, &[])].concat());
    let mut all = vec![
        ("a topic name", topic),
        ("a filter", filter(0x82, &[0])),
        ("a filter to leave", filter(0xA2, &[])),
    ];
    if version == V5 {
        let with = |property: Vec<u8>| publish(V5, &message("a/b", "x", 0, 0), &property);
        let pair = |name: &[u8], value: &[u8]| {
            with([&[prop::USER_PROPERTY][..], &string(name), &string(value)].concat())
        };
        all.push(("a content type", with(prop::text(prop::CONTENT_TYPE, text))));
        all.push(("a response topic", with(prop::text(prop::RESPONSE_TOPIC, text))));
        all.push(("the name of a user property", pair(text, b"value")));
        all.push(("the value of a user property", pair(b"name", text)));
    }
    all
}

/// A CONNECT with this text in each of its places; the will's payload and the password are none.
fn connects_with_text(version: Version, text: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let head = |flags: u8| {
        let fixed = [&string("MQTT")[..], &[version, flags, 0, 60]].concat();
        [fixed, properties(version, &[])].concat()
    };
    let of = |flags: u8, fields: &[Vec<u8>]| packet(0x10, &[head(flags), fields.concat()].concat());
    let will = |topic: &[u8]| [properties(version, &[]), string(topic), string("x")].concat();
    vec![
        ("the client id", of(0x82, &[string(text), string("alice")])),
        ("the will topic", of(0x86, &[string("id"), will(text), string("alice")])),
        ("the user name", of(0x82, &[string("id"), string(text)])),
    ]
}

fn is_refused_everywhere(broker: &Broker, version: Version, text: &[u8], name: &str) {
    for (number, (what, bytes)) in with_text(version, text).into_iter().enumerate() {
        let mut liar = client(broker, version, &format!("{name}-{number}"));
        is_closed_for(&mut liar, &bytes, 0x81, what);
    }
    for (what, bytes) in connects_with_text(version, text) {
        is_no_connect(broker, version, &bytes, what);
    }
}

#[test]
fn text_that_is_no_utf8_closes_the_connection() {
    let broker = broker();
    for version in BOTH {
        for (number, text) in NO_TEXT.into_iter().enumerate() {
            is_refused_everywhere(&broker, version, text, &format!("v{version}-{number}"));
        }
    }
}

#[test]
fn text_with_a_null_character_closes_the_connection() {
    let broker = broker();
    for version in BOTH {
        is_refused_everywhere(&broker, version, NULL, &format!("v{version}"));
    }
}

#[test]
fn good_text_in_the_same_places_is_taken() {
    let broker = broker();
    let text = "a/ж€𝄞".as_bytes();
    for version in BOTH {
        for (number, (_, bytes)) in with_text(version, text).into_iter().enumerate() {
            let mut honest = client(&broker, version, &format!("v{version}-{number}"));
            honest.send_raw(&bytes);
            honest.ping();
        }
    }
    let mut spaced = connect(V5, "ж€𝄞").will(Will::new("ж€𝄞", "x", 0)).open(broker.mqtt);
    spaced.ping();
}

#[test]
fn a_byte_order_mark_is_a_character_like_any_other() {
    let broker = broker();
    for version in BOTH {
        let mut plain = client(&broker, version, &format!("plain-{version}"));
        plain.subscribe("a", 1);
        let mut marked = client(&broker, version, &format!("marked-{version}"));
        marked.subscribe("\u{FEFF}a", 1);
        marked.publish_acked("\u{FEFF}a", "marked", 1);
        let publish = marked.take();
        assert_eq!((publish.topic.as_str(), publish.text()), ("\u{FEFF}a", "marked"));
        plain.expect_silence();
    }
    let mut marked = client(&broker, V5, "properties");
    marked.subscribe("p", 0);
    marked.publish_with("p", "x", 0, &prop::user("\u{FEFF}name", "a\u{FEFF}"));
    assert_eq!(marked.take().props.user("\u{FEFF}name"), Some("a\u{FEFF}"));
}

#[test]
fn a_length_that_is_longer_than_needed_closes_the_connection() {
    let broker = broker();
    for version in BOTH {
        let pings = [&[0xC0, 0x80, 0][..], &[0xC0, 0x80, 0x80, 0], &[0xC0, 0x80, 0x80, 0x80, 0]];
        for (number, ping) in pings.into_iter().enumerate() {
            let mut waster = client(&broker, version, &format!("v{version}-{number}"));
            is_closed_for(&mut waster, ping, 0x81, "a remaining length");
        }
    }
    // Of a PUBLISH: no properties in two bytes, a subscription of identifier 1 in two bytes.
    let publish = packet(0x30, &[&string("a/b")[..], &[0x80, 0]].concat());
    is_closed_for(&mut client(&broker, V5, "properties"), &publish, 0x81, "a property length");
    let long_id = [&[0, 1, 3, prop::SUBSCRIPTION_ID, 0x81, 0][..], &string("a"), &[0]].concat();
    let mut subscriber = client(&broker, V5, "identifier");
    is_closed_for(&mut subscriber, &packet(0x82, &long_id), 0x81, "a subscription identifier");
}

/// The raw client refuses what is longer than needed, so every length here is as short as it goes.
#[test]
fn lengths_are_right_at_their_borders() {
    let broker = broker_with(&[("HOMING__LIMITS__PACKET", "4MiB")]);
    for version in BOTH {
        let mut both = client(&broker, version, &format!("both-{version}"));
        both.subscribe("t", 0);
        // Topic, its length and no properties.
        let head = string("t").len() + properties(version, &[]).len();
        for remaining in [head, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152] {
            let payload = vec![b'x'; remaining - head];
            both.publish("t", &payload, 0);
            assert_eq!(both.take().payload.len(), payload.len(), "remaining length {remaining}");
        }
    }
    // A property length on both sides of a border.
    let mut both = client(&broker, V5, "properties");
    both.subscribe("t", 0);
    for length in [100, 122, 123, 16_000, 16_378, 16_379] {
        let value = "x".repeat(length);
        both.publish_with("t", "", 0, &prop::user("", &value));
        assert_eq!(both.take().props.user(""), Some(value.as_str()));
    }
    assert_eq!(varint(prop::user("", &"x".repeat(123)).len()).len(), 2);
}

#[test]
fn both_strings_of_a_pair_are_text() {
    let broker = broker();
    let bad = [NULL, NO_TEXT[0], NO_TEXT[1]];
    for (number, text) in bad.into_iter().enumerate() {
        for (name, value) in [(text, &b"value"[..]), (b"name", text)] {
            let pair = [&[prop::USER_PROPERTY][..], &string(name), &string(value)].concat();
            let id = format!("{number}-{}", name.len());
            let publish = publish(V5, &message("a/b", "x", 0, 0), &pair);
            is_closed_for(&mut client(&broker, V5, &id), &publish, 0x81, "in PUBLISH");
            let body = [&[0, 1][..], &properties(V5, &pair), &string("a"), &[0]].concat();
            is_closed_for(&mut client(&broker, V5, &id), &packet(0x82, &body), 0x81, "SUBSCRIBE");
            let connect = Connect::v5(&id, &id).prop(pair.clone());
            is_no_connect(&broker, V5, &connect.encode(), "in CONNECT");
            let will = Will::new("a/b", "x", 0).prop(pair);
            is_no_connect(&broker, V5, &Connect::v5(&id, &id).will(will).encode(), "in a will");
        }
    }
}
