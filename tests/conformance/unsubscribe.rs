//! UNSUBSCRIBE and UNSUBACK (MQTT 5, sections 3.10 and 3.11).

use crate::packets::{next_unsuback, unsubscribe};
use crate::rig::{self, BOTH};
use crate::support::{Client, V5, V311, prop};

/// The codes of one UNSUBSCRIBE, whose answer is the next packet; none in 3.1.1.
fn leave(client: &mut Client, filters: &[&str]) -> Vec<u8> {
    let id = client.next_id();
    client.send_raw(&unsubscribe(client.version, id, filters));
    next_unsuback(client, id)
}

#[test]
fn a_packet_without_filters_closes_the_connection() {
    let broker = rig::broker();
    for version in BOTH {
        let mut client = rig::client(&broker, version, "c");
        rig::is_closed_for(&mut client, &unsubscribe(version, 1, &[]), 0x82, "no filters");
    }
}

#[test]
fn filters_are_compared_character_by_character() {
    let broker = rig::broker();
    for version in BOTH {
        let mut client = rig::client(&broker, version, "c");
        client.subscribe("a/+", 1);
        // Each would match, or is nearly the same; none is this filter.
        for other in ["a/b", "a/#", "#", "+/+", "a/+/", "A/+", "/a/+", "a"] {
            client.unsubscribe(other);
        }
        client.publish_acked("a/b", "still here", 1);
        assert_eq!(client.take_text(), "still here");
        client.unsubscribe("a/+");
        client.publish_acked("a/b", "gone", 1);
        client.expect_silence();
    }
}

#[test]
fn nothing_new_comes_behind_it() {
    let broker = rig::broker();
    for version in BOTH {
        let name = format!("c{version}");
        for connect in [rig::connect(version, &name), rig::connect(version, &name).durable()] {
            let mut client = connect.open(broker.mqtt);
            client.subscribe("t/1", 1);
            client.subscribe("t/2", 1);
            client.unsubscribe("t/1");
            let mut post = rig::client(&broker, version, "post");
            post.publish_acked("t/1", "unwanted", 1);
            post.publish_acked("t/2", "wanted", 1);
            assert_eq!(client.take_text(), "wanted");
            client.expect_silence();
            client.disconnect();
        }
    }
}

/// QoS 1 and 2: messages that were sent and not answered when their filter is left.
#[test]
fn deliveries_that_have_begun_are_completed() {
    let broker = rig::broker();
    for version in BOTH {
        let connect = rig::connect(version, &format!("c{version}")).durable();
        let mut client = connect.open(broker.mqtt);
        client.subscribe("t/#", 2);
        let mut post = rig::client(&broker, version, "post");
        (1..=2).for_each(|qos| post.publish_acked("t/x", format!("qos {qos}"), qos));
        let (one, two) = (client.expect_publish(), client.expect_publish());
        client.pubrec(two.id);
        client.unsubscribe("t/#");
        assert_eq!(client.expect_pubrel(two.id), 0);
        client.cut();

        let mut client = connect.open(broker.mqtt);
        let again = client.expect_publish();
        assert_eq!((again.id, again.text(), again.dup), (one.id, "qos 1", true));
        client.puback(again.id);
        assert_eq!(client.expect_pubrel(two.id), 0);
        client.pubcomp(two.id);
        client.expect_silence();
        client.disconnect();
        connect.open(broker.mqtt).expect_silence();
    }
}

#[test]
fn each_is_answered_with_its_packet_id_whether_there_was_one_or_not() {
    let broker = rig::broker();
    for version in BOTH {
        let mut client = rig::client(&broker, version, "c");
        client.subscribe("t", 1);
        let ids = [1, 7, 0x7FFF, 0x8000, 0xFFFF];
        for id in ids {
            client.send_raw(&unsubscribe(version, id, &["t"]));
        }
        for id in ids {
            next_unsuback(&mut client, id);
        }
    }
}

#[test]
fn several_filters_in_one_packet_are_as_several_packets() {
    let broker = rig::broker();
    for version in BOTH {
        let mut client = rig::client(&broker, version, "c");
        for filter in ["a", "b/#", "c", "d"] {
            client.subscribe(filter, 1);
        }
        let codes = leave(&mut client, &["a", "none", "b/#", "a", "d"]);
        let expected: &[u8] = if version == V5 { &[0, 0x11, 0, 0x11, 0] } else { &[] };
        assert_eq!(codes, expected);
        for topic in ["a", "b/x", "d", "c"] {
            client.publish_acked(topic, topic, 1);
        }
        assert_eq!(client.take_text(), "c");
        client.expect_silence();
    }
}

#[test]
fn only_codes_of_its_table_are_used() {
    let broker = rig::broker();
    let mut client = rig::client(&broker, V5, "c");
    for filter in ["none", "a/#", "$share/g/t", "$SYS/#", "u/c", "u/somebody", "group/1"] {
        let codes = leave(&mut client, &[filter]);
        let known = [0x00, 0x11, 0x80, 0x83, 0x87, 0x8F].contains(&codes[0]);
        assert!(codes.len() == 1 && known, "{filter}: {codes:02x?}");
    }
    let mut client = rig::client(&broker, V311, "c");
    assert_eq!(leave(&mut client, &["none", "u/somebody"]), [0; 0]);
}

#[test]
fn words_are_left_out_where_the_client_takes_only_small_packets() {
    let broker = rig::broker();
    let connect = rig::connect(V5, "small").prop(prop::u32(prop::MAXIMUM_PACKET_SIZE, 64));
    let mut client = connect.open(broker.mqtt);
    client.largest = 0;
    for filter in ["none", "$SYS/#", "u/somebody"] {
        leave(&mut client, &[filter]);
    }
    // First byte, length, packet id, no properties, one code.
    assert_eq!(client.largest, 6);
}
