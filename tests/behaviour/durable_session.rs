//! A session that outlives its connection: subscriptions to plain topics go on, and what they bring
//! waits. 3.1.1's clean session 0, MQTT 5's session expiry.

use super::support::{Broker, Client, Connect, V5, V311, prop};

const TOPIC: &str = "news/today";

/// A durable session of alice that has subscribed and gone.
fn subscribed(broker: &Broker, version: u8) -> Connect {
    let connect = Connect::new(version, "alice", "phone").durable();
    let (mut phone, ack) = connect.open_with_ack(broker.mqtt);
    assert!(!ack.session_present);
    phone.subscribe("news/+", 2);
    phone.disconnect();
    connect
}

fn publish(broker: &Broker, texts: &[&str], qos: u8) {
    let mut bob = Connect::v311("bob", "post").open(broker.mqtt);
    for text in texts {
        bob.publish_acked(TOPIC, text, qos);
    }
    bob.disconnect();
}

fn resume(broker: &Broker, connect: &Connect) -> Client {
    let (client, ack) = connect.open_with_ack(broker.mqtt);
    assert!(ack.session_present, "{connect:?}");
    client
}

#[test]
fn messages_wait_for_its_return() {
    for version in [V311, V5] {
        for qos in [1, 2] {
            let broker = Broker::with_plain_topics();
            let connect = subscribed(&broker, version);
            publish(&broker, &["one", "two", "three"], qos);
            let mut phone = resume(&broker, &connect);
            assert_eq!(phone.take_texts(3), ["one", "two", "three"]);
            publish(&broker, &["live"], qos);
            assert_eq!(phone.take_text(), "live");
        }
    }
}

#[test]
fn it_survives_kill_9() {
    for version in [V311, V5] {
        let mut broker = Broker::with_plain_topics();
        let connect = subscribed(&broker, version);
        publish(&broker, &["one"], 1);
        broker.crash();
        publish(&broker, &["two"], 1);
        let mut phone = resume(&broker, &connect);
        assert_eq!(phone.take_texts(2), ["one", "two"]);
    }
}

#[test]
fn a_clean_start_ends_it() {
    for version in [V311, V5] {
        let broker = Broker::with_plain_topics();
        let connect = subscribed(&broker, version);
        publish(&broker, &["one"], 1);
        let (mut phone, ack) = connect.clone().clean(true).open_with_ack(broker.mqtt);
        assert!(!ack.session_present);
        publish(&broker, &["two"], 1);
        phone.expect_silence();
    }
}

#[test]
fn a_session_without_expiry_ends_with_its_connection() {
    let broker = Broker::with_plain_topics();
    let connect = Connect::v5("alice", "phone").clean(false);
    let mut phone = connect.open(broker.mqtt);
    phone.subscribe(TOPIC, 1);
    phone.disconnect();
    publish(&broker, &["one"], 1);
    let (mut phone, ack) = connect.open_with_ack(broker.mqtt);
    assert!(!ack.session_present);
    phone.expect_silence();
}

#[test]
fn a_disconnect_may_shorten_its_life() {
    let broker = Broker::with_plain_topics();
    let connect = Connect::v5("alice", "phone").durable();
    let mut phone = connect.open(broker.mqtt);
    // DISCONNECT with reason 0 and session expiry 0.
    phone.send_raw(&[0xE0, 7, 0, 5, prop::SESSION_EXPIRY, 0, 0, 0, 0]);
    phone.expect_closed();
    assert!(!connect.open_with_ack(broker.mqtt).1.session_present);
}

#[test]
fn its_time_runs_out() {
    let settings = [("HOMING__ACL__DEFAULT", "allow"), ("HOMING__STORE__SWEEP_INTERVAL", "100ms")];
    let broker = Broker::with(&settings);
    let connect = Connect::v5("alice", "phone").clean(false).prop(prop::session_expiry(1));
    let mut phone = connect.open(broker.mqtt);
    phone.subscribe(TOPIC, 1);
    phone.disconnect();
    publish(&broker, &["one"], 1);
    broker.wait_for_removed("session_ended", 1);
    assert!(!connect.open_with_ack(broker.mqtt).1.session_present);
}

// [MQTT-4.4.0-1]: original packet ids and, in a PUBLISH, DUP.
#[test]
fn unacknowledged_messages_come_again_with_dup_and_their_ids() {
    for version in [V311, V5] {
        let broker = Broker::with_plain_topics();
        let connect = Connect::new(version, "alice", "phone").durable();
        let mut phone = connect.open(broker.mqtt);
        phone.subscribe(TOPIC, 1);
        publish(&broker, &["one", "two", "three"], 1);
        let first: Vec<_> = (0..3).map(|_| phone.expect_publish()).collect();
        assert!(first.iter().all(|publish| !publish.dup));
        phone.puback(first[0].id);
        phone.ping();
        phone.cut();

        let mut phone = resume(&broker, &connect);
        for before in &first[1..] {
            let again = phone.take();
            assert!(again.dup, "{again:?}");
            assert_eq!((again.id, again.text()), (before.id, before.text()));
        }
        phone.expect_silence();
    }
}

#[test]
fn subscriptions_go_until_they_are_ended() {
    let broker = Broker::with_plain_topics();
    let connect = subscribed(&broker, V311);
    let mut phone = resume(&broker, &connect);
    phone.unsubscribe("news/+");
    phone.disconnect();
    publish(&broker, &["one"], 1);
    resume(&broker, &connect).expect_silence();
}

#[test]
fn two_users_with_the_same_client_id_have_two_sessions() {
    let broker = Broker::with_plain_topics();
    subscribed(&broker, V311);
    let (mut other, ack) = Connect::v311("carol", "phone").durable().open_with_ack(broker.mqtt);
    assert!(!ack.session_present);
    publish(&broker, &["one"], 1);
    other.expect_silence();
}

#[test]
fn inbox_and_plain_mail_wait_side_by_side() {
    let broker = Broker::with_plain_topics();
    let connect = subscribed(&broker, V311);
    connect.device(broker.mqtt).disconnect();
    broker.mail("alice", &["letter"]);
    publish(&broker, &["news"], 1);
    let mut phone = connect.device(broker.mqtt);
    let (one, two) = (phone.expect_publish(), phone.expect_publish());
    assert_ne!(one.id, two.id);
    let mut topics = [one.topic.as_str(), two.topic.as_str()];
    topics.sort_unstable();
    assert_eq!(topics, ["alice", TOPIC]);
}
