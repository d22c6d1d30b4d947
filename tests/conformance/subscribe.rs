//! SUBSCRIBE and SUBACK (MQTT 5, sections 3.8 and 3.9).

use crate::packets::{next_suback, subscribe};
use crate::rig::{self, BOTH};
use crate::support::wire::{packet, properties};
use crate::support::{Broker, Client, V5, V311, Version, prop};

const NO_LOCAL: u8 = 0x04;

/// Nobody may subscribe to `closed/…`.
fn broker() -> Broker {
    let rule = r#"[{ deny = "subscribe", topic = "closed/#" }]"#;
    rig::broker_with(&[("HOMING__ACL__RULES", rule)])
}

/// What the server answers to these filters in one packet.
fn ask(client: &mut Client, filters: &[(&str, u8)]) -> Vec<u8> {
    let id = client.next_id();
    client.send_raw(&subscribe(client.version, id, filters));
    next_suback(client, id)
}

/// A SUBSCRIBE with this body behind the packet id.
fn asking(version: Version, filters: &[u8]) -> Vec<u8> {
    packet(0x82, &[&[0, 1][..], &properties(version, &[]), filters].concat())
}

#[test]
fn a_packet_without_filters_closes_the_connection() {
    let broker = rig::broker();
    for version in BOTH {
        let mut client = rig::client(&broker, version, "c");
        rig::is_closed_for(&mut client, &asking(version, &[]), 0x82, "no filters");
    }
}

#[test]
fn reserved_bits_and_qos_3_close_the_connection() {
    let broker = rig::broker();
    let malformed = |version: Version, options: u8, reason: u8| {
        let mut client = rig::client(&broker, version, "c");
        let bytes = subscribe(version, 1, &[("t", options)]);
        rig::is_closed_for(&mut client, &bytes, reason, &format!("{options:#04x}"));
    };
    for options in [0x03, 0x40, 0x80, 0xC1] {
        malformed(V5, options, 0x81);
    }
    // Retain Handling 3.
    malformed(V5, 0x30, 0x82);
    for options in [0x03, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80] {
        malformed(V311, options, 0x81);
    }
}

#[test]
fn no_local_keeps_own_messages_away_and_no_others() {
    let broker = rig::broker();
    let mut client = rig::client(&broker, V5, "c");
    client.subscribe("t", 1 | NO_LOCAL);
    client.publish_acked("t", "own", 1);
    let mut other = rig::client(&broker, V5, "other");
    other.publish_acked("t", "another's", 1);
    assert_eq!(client.take_text(), "another's");
    // Asked for again without it, own messages come.
    client.subscribe("t", 1);
    client.publish_acked("t", "own again", 1);
    assert_eq!(client.take_text(), "own again");
}

#[test]
fn each_is_answered_with_its_packet_id() {
    let broker = rig::broker();
    for version in BOTH {
        let mut client = rig::client(&broker, version, "c");
        let ids = [1, 7, 0x7FFF, 0x8000, 0xFFFF];
        for id in ids {
            client.send_raw(&subscribe(version, id, &[("t", 1)]));
        }
        for id in ids {
            assert_eq!(next_suback(&mut client, id), [1]);
        }
    }
}

#[test]
fn a_filter_that_is_there_is_replaced() {
    let broker = rig::broker();
    for version in BOTH {
        let mut client = rig::client(&broker, version, "c");
        let mut post = rig::client(&broker, version, "post");
        for qos in [2, 0, 1] {
            assert_eq!(client.subscribe("t/+", qos), qos);
            post.publish_acked("t/1", "x", 2);
            assert_eq!(client.take().qos, qos);
            client.expect_silence();
        }
    }
}

#[test]
fn retained_messages_come_again_when_it_is_replaced() {
    let broker = rig::broker();
    for version in BOTH {
        let mut client = rig::client(&broker, version, "c");
        rig::retain(&mut client, "t/1", "kept");
        for _ in 0..3 {
            client.subscribe("t/+", 1);
            let publish = client.take();
            assert_eq!((publish.text(), publish.retain), ("kept", true));
            client.expect_silence();
        }
    }
}

#[test]
fn nothing_is_lost_while_it_is_replaced() {
    let broker = rig::broker();
    for version in BOTH {
        let mut client = rig::client(&broker, version, "c");
        client.subscribe("t", 1);
        let mut post = rig::client(&broker, version, "post");
        for number in 0..60_u16 {
            post.publish("t", number.to_string(), 1);
            client.send_raw(&subscribe(version, 100 + number, &[("t", 1)]));
        }
        let texts: Vec<String> = (0..60).map(|number| number.to_string()).collect();
        assert_eq!(client.take_texts(60), texts);
    }
}

#[test]
fn several_filters_in_one_packet_are_as_several_packets() {
    let broker = rig::broker();
    for version in BOTH {
        let mut client = rig::client(&broker, version, "c");
        rig::retain(&mut client, "r/1", "kept");
        // The same filter twice: the later one replaces the earlier one.
        let asked = [("a", 0), ("r/1", 1), ("b/#", 2), ("a", 1)];
        assert_eq!(ask(&mut client, &asked), [0, 1, 2, 1]);
        assert_eq!(client.take_text(), "kept");
        let mut post = rig::client(&broker, version, "post");
        for (topic, qos) in [("a", 1), ("b/x", 2)] {
            post.publish_acked(topic, topic, 2);
            let publish = client.take();
            assert_eq!((publish.text(), publish.qos), (topic, qos));
        }
        client.expect_silence();
    }
}

#[test]
fn each_filter_has_its_code_in_its_place() {
    let broker = broker();
    for (version, refused) in [(V311, 0x80), (V5, 0x87)] {
        let mut client = rig::client(&broker, version, "c");
        let asked = [("a", 2), ("closed/door", 1), ("b", 0), ("closed/gate", 2), ("c", 1)];
        assert_eq!(ask(&mut client, &asked), [2, refused, 0, refused, 1]);
        // Those that were refused bring nothing.
        client.publish_acked("closed/door", "no", 1);
        client.publish_acked("c", "yes", 1);
        assert_eq!(client.take_text(), "yes");
    }
}

#[test]
fn only_codes_of_its_table_are_used() {
    let broker = broker();
    for version in BOTH {
        let mut client = rig::client(&broker, version, "c");
        for filter in ["closed/x", "group/1", "u/somebody", "u/somebody/envelope", "$delayed/1/x"] {
            let [code] = ask(&mut client, &[(filter, 1)])[..] else { panic!("{filter}") };
            let known: &[u8] = match version {
                V5 => &[0x80, 0x83, 0x87, 0x8F, 0x97, 0x9E, 0xA1, 0xA2],
                _ => &[0x80],
            };
            assert!(known.contains(&code), "{filter}: {code:#04x}");
        }
        // A request at any QoS is granted at that QoS.
        assert_eq!(ask(&mut client, &[("a", 0), ("b", 1), ("c", 2)]), [0, 1, 2]);
    }
}

#[test]
fn words_are_left_out_where_the_client_takes_only_small_packets() {
    let broker = broker();
    let bare = 6;
    let mut client = rig::client(&broker, V5, "any");
    client.largest = 0;
    client.subscribe("closed/door", 1);
    assert!(client.largest > bare);
    let connect = rig::connect(V5, "small").prop(prop::u32(prop::MAXIMUM_PACKET_SIZE, 64));
    let mut client = connect.open(broker.mqtt);
    client.largest = 0;
    client.subscribe("closed/door", 1);
    assert_eq!(client.largest, bare);
}
