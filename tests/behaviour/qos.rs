//! QoS 0, 1 and 2, both ways, in both protocol versions.

use super::support::client::{duplicate, message};
use super::support::{Broker, Connect, V5, V311, prop};

#[test]
fn inboxes_take_every_qos_and_deliver_at_qos_1() {
    for version in [V311, V5] {
        let broker = Broker::dev();
        let mut phone = Connect::new(version, "alice", "phone").device(broker.mqtt);
        let mut bob = Connect::new(version, "bob", "post").device(broker.mqtt);
        for qos in [0, 1, 2] {
            bob.publish_acked("alice", [qos], qos);
            let publish = phone.take();
            assert_eq!((publish.topic.as_str(), publish.qos), ("alice", 1));
            assert_eq!((publish.payload, publish.retain), (vec![qos], false));
        }
    }
}

#[test]
fn plain_topics_deliver_at_the_lower_qos_of_both() {
    for version in [V311, V5] {
        let broker = Broker::with_plain_topics();
        for granted in [0, 1, 2] {
            let name = format!("sub{granted}");
            let mut subscriber = Connect::new(version, "alice", &name).device(broker.mqtt);
            assert_eq!(subscriber.subscribe("news/+", granted), granted);
            let mut bob = Connect::new(version, "bob", "post").device(broker.mqtt);
            for sent in [0, 1, 2] {
                bob.publish_acked("news/today", "x", sent);
                let publish = subscriber.take();
                assert_eq!(publish.qos, sent.min(granted), "sent {sent}, granted {granted}");
                assert_eq!(publish.topic, "news/today");
            }
            subscriber.expect_silence();
        }
    }
}

/// Threat M1.
#[test]
fn a_repeated_qos_2_publish_is_answered_again_and_stored_once() {
    for version in [V311, V5] {
        let broker = Broker::dev();
        let mut phone = Connect::new(version, "alice", "phone").device(broker.mqtt);
        let mut bob = Connect::new(version, "bob", "post").device(broker.mqtt);
        let id = bob.publish("alice", "once", 2);
        assert_eq!(bob.expect_pubrec(id), 0);
        for _ in 0..3 {
            bob.send_publish(&duplicate("alice", "once", 2, id), &[]);
            assert_eq!(bob.expect_pubrec(id), 0);
        }
        bob.pubrel(id);
        assert_eq!(bob.expect_pubcomp(id), 0);
        assert_eq!(phone.take_text(), "once");
        phone.expect_marker_from(&mut bob, "alice");
    }
}

#[test]
fn a_repeated_pubrel_is_answered_again() {
    let broker = Broker::dev();
    for (version, unknown) in [(V311, 0), (V5, 0x92)] {
        let mut bob = Connect::new(version, "bob", "post").device(broker.mqtt);
        bob.publish_acked("alice", "x", 2);
        bob.pubrel(1);
        assert_eq!(bob.expect_pubcomp(1), unknown);
    }
}

#[test]
fn a_released_qos_2_id_is_free_for_the_next_message() {
    let broker = Broker::dev();
    let mut phone = broker.device("alice", "phone");
    let mut bob = broker.device("bob", "post");
    for text in ["one", "two"] {
        let publish = message("alice", text, 2, 7);
        bob.send_publish(&publish, &[]);
        assert_eq!(bob.expect_pubrec(7), 0);
        bob.pubrel(7);
        bob.expect_pubcomp(7);
    }
    assert_eq!(phone.take_texts(2), ["one", "two"]);
}

#[test]
fn qos_2_to_a_subscriber_goes_through_all_four_packets() {
    let broker = Broker::with_plain_topics();
    let mut alice = broker.device("alice", "phone");
    alice.subscribe("news/today", 2);
    broker.device("bob", "post").publish_acked("news/today", "exact", 2);
    let publish = alice.expect_publish();
    assert_eq!(publish.qos, 2);
    alice.pubrec(publish.id);
    assert_eq!(alice.expect_pubrel(publish.id), 0);
    // Before PUBCOMP a repeated PUBREC is answered again.
    alice.pubrec(publish.id);
    assert_eq!(alice.expect_pubrel(publish.id), 0);
    alice.pubcomp(publish.id);
    alice.expect_silence();
}

#[test]
fn a_client_gets_no_more_in_flight_than_it_allows() {
    let broker = Broker::dev();
    broker.know("alice", "phone");
    broker.mail("alice", &["one", "two", "three", "four"]);
    let receive_maximum = prop::u16(prop::RECEIVE_MAXIMUM, 2);
    let mut phone = Connect::v5("alice", "phone").prop(receive_maximum).device(broker.mqtt);
    let first = phone.expect_publish();
    let second = phone.expect_publish();
    phone.expect_silence();
    phone.puback(first.id);
    assert_eq!(phone.expect_publish().text(), "three");
    phone.expect_silence();
    phone.puback(second.id);
    assert_eq!(phone.expect_publish().text(), "four");
}

/// Threat M5.
#[test]
fn the_largest_receive_maximum_in_flight_is_announced_and_kept() {
    let broker = Broker::with(&[("HOMING__LIMITS__RECEIVE_MAXIMUM", "3")]);
    let (mut bob, ack) = Connect::v5("bob", "post").open_with_ack(broker.mqtt);
    let announced = ack.props.number(prop::RECEIVE_MAXIMUM);
    assert_eq!(announced, Some(3));
    for _ in 0..4 {
        bob.publish("alice", "never released", 2);
    }
    assert_eq!(bob.expect_disconnect(), 0x93);
}

#[test]
fn a_sender_may_hold_the_whole_receive_maximum() {
    let broker = Broker::with(&[("HOMING__LIMITS__RECEIVE_MAXIMUM", "3")]);
    let mut bob = Connect::v5("bob", "post").open(broker.mqtt);
    let ids: Vec<u16> = (0..3).map(|_| bob.publish("alice", "held", 2)).collect();
    for id in &ids {
        assert_eq!(bob.expect_pubrec(*id), 0);
    }
    for id in ids {
        bob.pubrel(id);
        assert_eq!(bob.expect_pubcomp(id), 0);
    }
    bob.publish_acked("alice", "one more", 2);
}
