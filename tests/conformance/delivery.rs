//! Delivery at QoS 0, 1 and 2 and its repetition (MQTT 5, sections 4.3 and 4.4).

use std::collections::BTreeSet;

use crate::packets::acknowledgement;
use crate::rig::{self, BOTH};
use crate::support::client::{duplicate, message};
use crate::support::{Broker, Client, Connect, V5, Version, prop};

/// A subscriber to `t` at this QoS.
fn subscriber(broker: &Broker, connect: &Connect, qos: u8) -> Client {
    let mut client = connect.open(broker.mqtt);
    client.subscribe("t", qos);
    client
}

fn expiring(seconds: u32) -> Vec<u8> {
    prop::u32(prop::MESSAGE_EXPIRY, seconds)
}

/// Expired messages are removed at once.
fn broker_that_sweeps() -> Broker {
    rig::broker_with(&[("HOMING__STORE__SWEEP_INTERVAL", "100ms")])
}

/// Waits until a message has expired and was removed that is published now with an expiry of a
/// second: so have all that were published before with such an expiry.
fn let_a_second_pass(broker: &Broker) {
    let connect = rig::connect(V5, "hourglass").durable();
    let mut client = connect.open(broker.mqtt);
    client.subscribe("hourglass", 1);
    client.disconnect();
    rig::client(broker, V5, "sand").publish_acked_with("hourglass", "sand", 1, &expiring(1));
    broker.wait_for_removed("expired", 1);
}

#[test]
fn at_qos_0_there_is_no_packet_id_no_dup_and_no_answer() {
    let broker = rig::broker();
    for version in BOTH {
        let mut client = subscriber(&broker, &rig::connect(version, "c"), 0);
        let mut post = rig::client(&broker, version, "post");
        for qos in [0, 1, 2] {
            post.publish_acked("t", "x", qos);
            let publish = client.expect_publish();
            assert_eq!((publish.qos, publish.id, publish.dup), (0, 0, false));
        }
        client.expect_silence();
    }
}

/// Also where some of them have been answered and others not.
#[test]
fn a_new_message_has_an_unused_packet_id_and_no_dup() {
    let broker = rig::broker();
    for version in BOTH {
        let name = format!("c{version}");
        for connect in [rig::connect(version, &name), rig::connect(version, &name).durable()] {
            let mut client = subscriber(&broker, &connect, 2);
            let mut post = rig::client(&broker, version, "post");
            let mut used = BTreeSet::new();
            for number in 0..60_u8 {
                let qos = 1 + number % 2;
                post.publish_acked("t", [number], qos);
                let publish = client.expect_publish();
                assert_eq!((publish.qos, publish.dup), (qos, false));
                assert!(publish.id != 0 && used.insert(publish.id), "{}", publish.id);
                // Every third stays unanswered and some are answered by half; the others end, and
                // their ids are free.
                match number % 6 {
                    0 | 3 => {}
                    1 => client.pubrec(publish.id),
                    _ => {
                        answer(&mut client, qos, publish.id);
                        used.remove(&publish.id);
                    }
                }
            }
            client.disconnect();
            connect.clone().clean(true).open(broker.mqtt).disconnect();
        }
    }
}

fn answer(client: &mut Client, qos: u8, id: u16) {
    match qos {
        1 => client.puback(id),
        _ => {
            client.pubrec(id);
            assert_eq!(client.expect_pubrel(id), 0);
            client.pubcomp(id);
        }
    }
}

/// Whatever DUP says.
#[test]
fn after_its_puback_a_packet_id_is_of_a_new_message() {
    let broker = rig::broker();
    for version in BOTH {
        let mut client = subscriber(&broker, &rig::connect(version, "c"), 1);
        let mut post = rig::client(&broker, version, "post");
        for publish in [message("t", "x", 1, 5), duplicate("t", "x", 1, 5)] {
            post.send_publish(&publish, &[]);
            assert_eq!(post.expect_puback(5), 0);
            assert_eq!(client.take_text(), "x");
        }
    }
}

/// Whatever DUP says.
#[test]
fn after_its_pubcomp_a_packet_id_is_of_a_new_message() {
    let broker = rig::broker();
    for version in BOTH {
        let mut client = subscriber(&broker, &rig::connect(version, "c"), 1);
        let mut post = rig::client(&broker, version, "post");
        for publish in [message("t", "x", 2, 5), duplicate("t", "x", 2, 5)] {
            post.send_publish(&publish, &[]);
            assert_eq!(post.expect_pubrec(5), 0);
            post.pubrel(5);
            assert_eq!(post.expect_pubcomp(5), 0);
            assert_eq!(client.take_text(), "x");
        }
    }
}

#[test]
fn after_a_pubrec_with_an_error_a_packet_id_is_of_a_new_message() {
    let rule = r#"[{ deny = "publish", topic = "closed" }]"#;
    let broker = rig::broker_with(&[("HOMING__ACL__RULES", rule)]);
    let mut client = subscriber(&broker, &rig::connect(V5, "c"), 1);
    let mut post = rig::client(&broker, V5, "post");
    post.send_publish(&message("closed", "x", 2, 5), &[]);
    assert_eq!(post.expect_pubrec(5), 0x87);
    for publish in [message("t", "one", 2, 5), message("t", "two", 2, 6)] {
        post.send_publish(&publish, &[]);
        assert_eq!(post.expect_pubrec(publish.id), 0);
    }
    assert_eq!(client.take_texts(2), ["one", "two"]);
}

#[test]
fn until_its_pubrel_a_message_is_answered_again_and_passed_on_once() {
    let broker = rig::broker();
    for version in BOTH {
        let mut client = subscriber(&broker, &rig::connect(version, "c"), 2);
        let mut post = rig::client(&broker, version, "post");
        for publish in [message("t", "x", 2, 5), duplicate("t", "x", 2, 5)] {
            for _ in 0..2 {
                post.send_publish(&publish, &[]);
                assert_eq!(post.expect_pubrec(5), 0);
            }
        }
        post.pubrel(5);
        assert_eq!(post.expect_pubcomp(5), 0);
        assert_eq!(client.take_text(), "x");
        post.publish_acked("t", "next", 2);
        assert_eq!(client.take_text(), "next");
    }
}

#[test]
fn what_is_unanswered_is_not_sent_again_on_the_same_connection() {
    let broker = rig::broker();
    for version in BOTH {
        let connect = rig::connect(version, &format!("c{version}")).durable();
        let mut client = subscriber(&broker, &connect, 2);
        let mut post = rig::client(&broker, version, "post");
        post.publish_acked("t", "one", 1);
        post.publish_acked("t", "two", 2);
        post.publish_acked("t", "three", 2);
        (0..2).for_each(|_| drop(client.expect_publish()));
        let three = client.expect_publish();
        client.pubrec(three.id);
        client.expect_pubrel(three.id);
        // Whatever else happens on it.
        for number in 0..5 {
            client.subscribe(&format!("other/{number}"), 2);
            client.publish_acked("elsewhere", "x", 2);
        }
        client.expect_silence();
        client.disconnect();
    }
}

/// Up to PUBREC it is the message, behind it PUBREL, each with the id of the first time.
#[test]
fn what_is_unanswered_is_sent_again_when_the_session_is_resumed() {
    let broker = rig::broker();
    for version in BOTH {
        let connect = rig::connect(version, &format!("c{version}")).durable();
        let mut client = subscriber(&broker, &connect, 2);
        let mut post = rig::client(&broker, version, "post");
        (0..6_u8).for_each(|number| post.publish_acked("t", [number], 1 + number % 2));
        let first: Vec<_> = (0..6).map(|_| client.expect_publish()).collect();
        answer(&mut client, 1, first[0].id);
        client.pubrec(first[3].id);
        client.expect_pubrel(first[3].id);
        client.cut();

        let mut client = connect.open(broker.mqtt);
        for before in [1, 2, 4, 5].map(|number| &first[number]) {
            let again = client.expect_publish();
            assert_eq!(
                (again.id, &again.payload, again.qos),
                (before.id, &before.payload, before.qos)
            );
            assert!(again.dup);
        }
        assert_eq!(client.expect_pubrel(first[3].id), 0);
        client.expect_silence();
        client.disconnect();
    }
}

#[test]
fn what_the_client_refused_is_not_sent_again() {
    let broker = rig::broker();
    let connect = rig::connect(V5, "c").durable();
    let mut client = subscriber(&broker, &connect, 2);
    let mut post = rig::client(&broker, V5, "post");
    for (first_byte, qos, code) in [(0x40, 1, 0x80), (0x50, 2, 0x83), (0x40, 1, 0x97)] {
        post.publish_acked("t", "unwanted", qos);
        let publish = client.expect_publish();
        assert_eq!(publish.qos, qos);
        client.send_raw(&acknowledgement(first_byte, publish.id, code));
    }
    client.expect_silence();
    client.cut();
    post.publish_acked("t", "next", 1);
    let mut client = connect.open(broker.mqtt);
    assert_eq!(client.take_text(), "next");
    client.expect_silence();
}

/// Once PUBLISH was sent, the exchange goes on to its end, on a further connection too.
#[test]
fn an_expired_message_that_was_sent_at_qos_2_is_completed() {
    let broker = broker_that_sweeps();
    let connect = rig::connect(V5, "c").durable();
    let mut client = subscriber(&broker, &connect, 2);
    rig::client(&broker, V5, "post").publish_acked_with("t", "short", 2, &expiring(1));
    let first = client.expect_publish();
    client.cut();
    let_a_second_pass(&broker);
    let mut client = connect.open(broker.mqtt);
    let again = client.expect_publish();
    assert_eq!((again.id, again.text(), again.dup), (first.id, "short", true));
    answer(&mut client, 2, again.id);
    client.expect_silence();
}

/// The receiver of an exchange, too: it answers to the end though the message has expired.
#[test]
fn the_exchange_goes_on_when_the_message_has_expired() {
    let broker = broker_that_sweeps();
    let mut post = rig::client(&broker, V5, "post");
    post.send_publish(&message("t", "short", 2, 5), &expiring(1));
    assert_eq!(post.expect_pubrec(5), 0);
    let_a_second_pass(&broker);
    post.send_publish(&duplicate("t", "short", 2, 5), &expiring(1));
    assert_eq!(post.expect_pubrec(5), 0);
    post.pubrel(5);
    assert_eq!(post.expect_pubcomp(5), 0);
}

/// QoS 2 from a publisher to a subscriber, all eight packets.
#[test]
fn qos_2_is_four_packets_each_way() {
    let broker = rig::broker();
    let each: [(Version, bool); 4] = [(4, false), (4, true), (5, false), (5, true)];
    for (version, durable) in each {
        let connect = rig::connect(version, &format!("c{version}"));
        let connect = if durable { connect.durable() } else { connect };
        let mut client = subscriber(&broker, &connect, 2);
        let mut post = rig::client(&broker, version, "post");
        let id = post.publish("t", "x", 2);
        assert_eq!(post.expect_pubrec(id), 0);
        post.pubrel(id);
        assert_eq!(post.expect_pubcomp(id), 0);
        let publish = client.expect_publish();
        assert_eq!((publish.qos, publish.text()), (2, "x"));
        client.pubrec(publish.id);
        assert_eq!(client.expect_pubrel(publish.id), 0);
        client.pubcomp(publish.id);
        client.expect_silence();
        client.disconnect();
    }
}
