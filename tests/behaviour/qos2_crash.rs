//! QoS 2 is exact through a crash: what was received is not received again, what was released stays
//! released, in both directions.

use super::support::client::{duplicate, message};
use super::support::{Broker, Client, Connect, V5, V311};

fn sender(version: u8) -> Connect {
    Connect::new(version, "bob", "post").durable()
}

/// Resumes bob's session, which must be there.
fn resume(broker: &Broker, version: u8) -> Client {
    let (bob, ack) = sender(version).open_with_ack(broker.mqtt);
    assert!(ack.session_present);
    bob
}

/// Alice has `one` exactly once, and then `two`.
fn stored_once(broker: &Broker, bob: &mut Client) {
    bob.publish_acked("alice", "two", 1);
    let mut phone = broker.device_v5("alice", "phone");
    let (one, two) = (phone.take(), phone.take());
    assert_eq!((one.text(), one.props.user("seq")), ("one", Some("1")));
    assert_eq!((two.text(), two.props.user("seq")), ("two", Some("2")));
}

#[test]
fn a_release_after_the_crash_completes() {
    for version in [V311, V5] {
        let mut broker = Broker::dev();
        let mut bob = sender(version).open(broker.mqtt);
        bob.send_publish(&message("alice", "one", 2, 5), &[]);
        assert_eq!(bob.expect_pubrec(5), 0);
        broker.crash();
        let mut bob = resume(&broker, version);
        bob.pubrel(5);
        assert_eq!(bob.expect_pubcomp(5), 0);
        stored_once(&broker, &mut bob);
    }
}

/// Threat M2.
#[test]
fn a_resend_after_the_crash_is_stored_once() {
    for version in [V311, V5] {
        let mut broker = Broker::dev();
        let mut bob = sender(version).open(broker.mqtt);
        bob.send_publish(&message("alice", "one", 2, 5), &[]);
        assert_eq!(bob.expect_pubrec(5), 0);
        broker.crash();
        let mut bob = resume(&broker, version);
        bob.send_publish(&duplicate("alice", "one", 2, 5), &[]);
        assert_eq!(bob.expect_pubrec(5), 0);
        bob.pubrel(5);
        assert_eq!(bob.expect_pubcomp(5), 0);
        stored_once(&broker, &mut bob);
    }
}

#[test]
fn a_released_id_is_new_after_the_crash() {
    let mut broker = Broker::dev();
    let mut bob = sender(V5).open(broker.mqtt);
    bob.send_publish(&message("alice", "one", 2, 5), &[]);
    assert_eq!(bob.expect_pubrec(5), 0);
    bob.pubrel(5);
    assert_eq!(bob.expect_pubcomp(5), 0);
    broker.crash();
    let mut bob = resume(&broker, V5);
    bob.send_publish(&message("alice", "two", 2, 5), &[]);
    assert_eq!(bob.expect_pubrec(5), 0);
    bob.pubrel(5);
    assert_eq!(bob.expect_pubcomp(5), 0);
    assert_eq!(broker.device("alice", "phone").take_texts(2), ["one", "two"]);
}

#[test]
fn a_cut_connection_does_not_lose_the_state() {
    let broker = Broker::dev();
    let mut bob = sender(V311).open(broker.mqtt);
    bob.send_publish(&message("alice", "one", 2, 5), &[]);
    assert_eq!(bob.expect_pubrec(5), 0);
    bob.cut();
    let mut bob = resume(&broker, V311);
    bob.send_publish(&duplicate("alice", "one", 2, 5), &[]);
    assert_eq!(bob.expect_pubrec(5), 0);
    bob.pubrel(5);
    bob.expect_pubcomp(5);
    stored_once(&broker, &mut bob);
}

/// A durable subscriber at QoS 2 that has been sent one message.
fn subscriber(broker: &Broker, version: u8) -> (Connect, Client, u16) {
    let connect = Connect::new(version, "alice", "phone").durable();
    let mut phone = connect.open(broker.mqtt);
    phone.subscribe("news/today", 2);
    broker.device("bob", "post").publish_acked("news/today", "one", 2);
    let publish = phone.expect_publish();
    assert_eq!((publish.text(), publish.qos), ("one", 2));
    (connect, phone, publish.id)
}

#[test]
fn what_a_subscriber_has_received_is_released_and_not_sent_again() {
    for version in [V311, V5] {
        let mut broker = Broker::with_plain_topics();
        let (connect, mut phone, id) = subscriber(&broker, version);
        phone.pubrec(id);
        assert_eq!(phone.expect_pubrel(id), 0);
        broker.crash();
        let mut phone = connect.open(broker.mqtt);
        assert_eq!(phone.expect_pubrel(id), 0);
        phone.expect_silence();
        phone.pubcomp(id);
        phone.disconnect();
        connect.open(broker.mqtt).expect_silence();
    }
}

#[test]
fn what_a_subscriber_has_not_received_is_sent_again_with_its_id() {
    let mut broker = Broker::with_plain_topics();
    let (connect, _, id) = subscriber(&broker, V311);
    broker.crash();
    let mut phone = connect.open(broker.mqtt);
    let again = phone.take();
    assert_eq!((again.text(), again.id, again.dup), ("one", id, true));
    phone.expect_silence();
}

#[test]
fn a_clean_start_forgets_the_state() {
    let broker = Broker::dev();
    let mut bob = sender(V5).open(broker.mqtt);
    bob.send_publish(&message("alice", "one", 2, 5), &[]);
    assert_eq!(bob.expect_pubrec(5), 0);
    bob.cut();
    let mut bob = sender(V5).clean(true).open(broker.mqtt);
    bob.pubrel(5);
    assert_eq!(bob.expect_pubcomp(5), 0x92);
}
