//! A QoS 1 publish resent after a cut connection is stored once, where the standard lets one know
//! that it is the same; everything else is a new message.

use super::support::client::{duplicate, message};
use super::support::{Broker, Client, Connect, V5, V311, prop, wire};

fn sender(version: u8) -> Connect {
    Connect::new(version, "bob", "post").durable()
}

/// Bob publishes with packet id 5, the message is stored (alice has it), and the connection is cut
/// before he has read the PUBACK.
fn publish_and_cut(broker: &Broker, version: u8, phone: &mut Client) {
    let mut bob = sender(version).open(broker.mqtt);
    bob.send_publish(&message("alice", "one", 1, 5), &[]);
    assert_eq!(phone.take_text(), "one");
    bob.cut();
}

fn acked(bob: &mut Client, publish: &super::support::Publish, props: &[u8]) {
    bob.send_publish(publish, props);
    assert_eq!(bob.expect_puback(publish.id), 0);
}

#[test]
fn a_resend_after_a_cut_is_stored_once() {
    for version in [V311, V5] {
        let broker = Broker::dev();
        let mut phone = broker.device("alice", "phone");
        publish_and_cut(&broker, version, &mut phone);
        let mut bob = sender(version).open(broker.mqtt);
        acked(&mut bob, &duplicate("alice", "one", 1, 5), &[]);
        phone.expect_marker_from(&mut bob, "alice");
    }
}

#[test]
fn a_resend_after_kill_9_is_stored_once() {
    for version in [V311, V5] {
        let mut broker = Broker::dev();
        let mut phone = broker.device("alice", "phone");
        publish_and_cut(&broker, version, &mut phone);
        phone.disconnect();
        broker.crash();
        let mut bob = sender(version).open(broker.mqtt);
        acked(&mut bob, &duplicate("alice", "one", 1, 5), &[]);
        bob.publish_acked("alice", "two", 1);
        // The first message may come once more, under its own number; then comes the second.
        let mut phone = broker.device_v5("alice", "phone");
        let next = phone.take();
        let next = if next.text() == "one" { phone.take() } else { next };
        assert_eq!((next.text(), next.props.user("seq")), ("two", Some("2")));
    }
}

#[test]
fn without_dup_it_is_a_new_message() {
    let broker = Broker::dev();
    let mut phone = broker.device("alice", "phone");
    publish_and_cut(&broker, V311, &mut phone);
    let mut bob = sender(V311).open(broker.mqtt);
    acked(&mut bob, &message("alice", "one", 1, 5), &[]);
    assert_eq!(phone.take_text(), "one");
}

#[test]
fn another_text_is_a_new_message() {
    let broker = Broker::dev();
    let mut phone = broker.device("alice", "phone");
    publish_and_cut(&broker, V311, &mut phone);
    let mut bob = sender(V311).open(broker.mqtt);
    acked(&mut bob, &duplicate("alice", "another", 1, 5), &[]);
    assert_eq!(phone.take_text(), "another");
}

#[test]
fn another_packet_id_is_a_new_message() {
    let broker = Broker::dev();
    let mut phone = broker.device("alice", "phone");
    publish_and_cut(&broker, V311, &mut phone);
    let mut bob = sender(V311).open(broker.mqtt);
    acked(&mut bob, &duplicate("alice", "one", 1, 6), &[]);
    assert_eq!(phone.take_text(), "one");
}

#[test]
fn the_same_from_another_client_is_a_new_message() {
    let broker = Broker::dev();
    let mut phone = broker.device("alice", "phone");
    publish_and_cut(&broker, V311, &mut phone);
    let mut other = Connect::v311("bob", "other").durable().open(broker.mqtt);
    acked(&mut other, &duplicate("alice", "one", 1, 5), &[]);
    assert_eq!(phone.take_text(), "one");
}

// [MQTT-4.3.2-5]: after a PUBACK the id is new, whatever DUP says.
#[test]
fn after_its_puback_an_id_is_new() {
    let broker = Broker::dev();
    let mut phone = broker.device("alice", "phone");
    let mut bob = sender(V311).open(broker.mqtt);
    acked(&mut bob, &message("alice", "one", 1, 5), &[]);
    acked(&mut bob, &duplicate("alice", "one", 1, 5), &[]);
    assert_eq!(phone.take_texts(2), ["one", "one"]);
}

#[test]
fn after_a_disconnect_an_id_is_new() {
    let broker = Broker::dev();
    let mut phone = broker.device("alice", "phone");
    let mut bob = sender(V311).open(broker.mqtt);
    acked(&mut bob, &message("alice", "one", 1, 5), &[]);
    bob.disconnect();
    let mut bob = sender(V311).open(broker.mqtt);
    acked(&mut bob, &duplicate("alice", "one", 1, 5), &[]);
    assert_eq!(phone.take_texts(2), ["one", "one"]);
}

#[test]
fn a_whole_window_is_resent_and_stored_once() {
    let broker = Broker::dev();
    let mut phone = broker.device("alice", "phone");
    let mut bob = sender(V311).open(broker.mqtt);
    let texts: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    for text in &texts {
        bob.publish("alice", text, 1);
    }
    assert_eq!(phone.take_texts(20), texts);
    bob.cut();
    let mut bob = sender(V311).open(broker.mqtt);
    for (text, id) in texts.iter().zip(1..) {
        bob.send_publish(&duplicate("alice", text, 1, id), &[]);
    }
    for id in 1..=20 {
        assert_eq!(bob.expect_puback(id), 0);
    }
    phone.expect_marker_from(&mut broker.device("carol", "post"), "alice");
}

#[test]
fn the_publishers_own_message_id_makes_it_one_message() {
    let mut broker = Broker::dev();
    let mut phone = broker.device("alice", "phone");
    let own = prop::user("message-id", "order-4711");
    let mut bob = Connect::v5("bob", "post").open(broker.mqtt);
    acked(&mut bob, &message("alice", "one", 1, 5), &own);
    acked(&mut bob, &message("alice", "one", 1, 6), &own);
    bob.disconnect();
    assert_eq!(phone.take_text(), "one");
    phone.disconnect();

    broker.crash();
    let mut bob = Connect::v5("bob", "post").open(broker.mqtt);
    acked(&mut bob, &message("alice", "one", 1, 7), &own);
    bob.publish_acked("alice", "two", 1);
    let mut phone = broker.device_v5("alice", "phone");
    let next = phone.take();
    let next = if next.text() == "one" { phone.take() } else { next };
    assert_eq!((next.text(), next.props.user("seq")), ("two", Some("2")));
}

#[test]
fn another_own_message_id_is_another_message() {
    let broker = Broker::dev();
    let mut phone = broker.device("alice", "phone");
    let mut bob = Connect::v5("bob", "post").open(broker.mqtt);
    for number in ["1", "2"] {
        bob.publish_acked_with("alice", "same text", 1, &prop::user("message-id", number));
    }
    assert_eq!(phone.take_texts(2), ["same text", "same text"]);
}

#[test]
fn the_same_own_message_id_to_somebody_else_is_another_message() {
    let broker = Broker::dev();
    let mut bob = Connect::v5("bob", "post").open(broker.mqtt);
    for to in ["alice", "carol"] {
        bob.publish_acked_with(to, "to both", 1, &prop::user("message-id", "order-4711"));
    }
    for to in ["alice", "carol"] {
        assert_eq!(broker.device(to, "phone").take_text(), "to both");
    }
}

#[test]
fn an_own_message_id_that_is_too_long_is_refused() {
    let broker = Broker::dev();
    let mut bob = Connect::v5("bob", "post").open(broker.mqtt);
    let own = prop::user("message-id", &"x".repeat(257));
    bob.send_publish(&message("alice", "one", 1, 5), &own);
    assert_eq!(bob.expect_puback(5), 0x97);
    broker.device("alice", "phone").expect_marker_from(&mut bob, "alice");
}

/// Without DUP it is another message, and it must not vanish behind the first one's answer.
#[test]
fn a_packet_id_that_is_not_answered_yet_is_not_used_for_another_message() {
    let broker = Broker::dev();
    let mut bob = Connect::v5("bob", "post").open(broker.mqtt);
    let both = [message("alice", "one", 1, 5), message("alice", "two", 1, 5)];
    let bytes: Vec<u8> = both.iter().flat_map(|m| wire::publish(V5, m, &[])).collect();
    bob.send_raw(&bytes);
    assert_eq!(bob.expect_disconnect(), 0x82);
}

#[test]
fn an_empty_client_id_is_never_taken_for_the_same() {
    let broker = Broker::dev();
    let mut phone = broker.device("alice", "phone");
    for _ in 0..2 {
        let mut bob = Connect::v311("bob", "").open(broker.mqtt);
        acked(&mut bob, &duplicate("alice", "one", 1, 5), &[]);
        bob.cut();
    }
    assert_eq!(phone.take_texts(2), ["one", "one"]);
}
