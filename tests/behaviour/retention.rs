//! What is kept is bounded, and every removal is counted by its reason.

use super::support::{Broker, Connect, prop};

/// Looks often for what is due.
const SWEEP: (&str, &str) = ("HOMING__STORE__SWEEP_INTERVAL", "100ms");

#[test]
fn an_inbox_keeps_the_newest_messages_up_to_its_count() {
    let broker = Broker::with(&[SWEEP, ("HOMING__INBOX__MESSAGES_MAX", "5")]);
    broker.mail("alice", &["1", "2", "3", "4", "5", "6", "7", "8"]);
    broker.wait_for_removed("retention_count", 3);
    let mut phone = broker.device("alice", "phone");
    assert_eq!(phone.take_texts(5), ["4", "5", "6", "7", "8"]);
}

#[test]
fn the_count_of_one_inbox_does_not_touch_another() {
    let broker = Broker::with(&[SWEEP, ("HOMING__INBOX__MESSAGES_MAX", "5")]);
    broker.mail("carol", &["old"]);
    broker.mail("alice", &["1", "2", "3", "4", "5", "6", "7", "8"]);
    broker.wait_for_removed("retention_count", 3);
    assert_eq!(broker.device("carol", "phone").take_text(), "old");
}

#[test]
fn messages_older_than_the_retention_go() {
    let broker = Broker::with(&[SWEEP, ("HOMING__INBOX__RETENTION", "1s")]);
    broker.mail("alice", &["old", "old too"]);
    broker.wait_for_removed("retention_age", 2);
    let mut phone = broker.device("alice", "phone");
    phone.expect_marker_from(&mut broker.device("bob", "post"), "alice");
}

#[test]
fn an_expired_message_is_not_delivered_but_counted() {
    let broker = Broker::with(&[SWEEP]);
    broker.know("alice", "phone");
    let mut bob = broker.device_v5("bob", "post");
    bob.publish_acked_with("alice", "short-lived", 1, &prop::u32(prop::MESSAGE_EXPIRY, 1));
    bob.publish_acked("alice", "lasting", 1);
    broker.wait_for_removed("expired", 1);
    assert_eq!(broker.device("alice", "phone").take_text(), "lasting");
}

#[test]
fn a_delivered_message_tells_what_is_left_of_its_expiry() {
    let broker = Broker::dev();
    let mut phone = broker.device_v5("alice", "phone");
    let mut bob = broker.device_v5("bob", "post");
    bob.publish_acked_with("alice", "x", 1, &prop::u32(prop::MESSAGE_EXPIRY, 1000));
    let left = phone.take().props.number(prop::MESSAGE_EXPIRY).expect("message expiry interval");
    assert!((900..=1000).contains(&left), "{left}");
}

#[test]
fn what_every_known_device_has_acknowledged_goes() {
    let broker = Broker::with(&[SWEEP]);
    let mut phone = broker.device("alice", "phone");
    let mut tablet = broker.device("alice", "tablet");
    broker.mail("alice", &["one", "two"]);
    assert_eq!(phone.take_texts(2), ["one", "two"]);
    assert_eq!(tablet.take_text(), "one");
    tablet.ping();
    broker.wait_for_removed("acknowledged", 1);
    assert_eq!(tablet.take_text(), "two");
    tablet.ping();
    broker.wait_for_removed("acknowledged", 2);
}

#[test]
fn numbers_go_on_after_everything_was_removed() {
    let mut broker = Broker::with(&[SWEEP]);
    let mut phone = broker.device_v5("alice", "phone");
    broker.mail("alice", &["one"]);
    let first = phone.take();
    assert_eq!(first.props.user("seq"), Some("1"));
    phone.ping();
    broker.wait_for_removed("acknowledged", 1);
    broker.crash();
    broker.mail("alice", &["two"]);
    let second = Connect::v5("alice", "phone").device(broker.mqtt).take();
    assert_eq!(second.props.user("seq"), Some("2"));
}

#[test]
fn a_user_keeps_so_many_devices_and_no_more() {
    let broker = Broker::with(&[SWEEP, ("HOMING__LIMITS__DEVICES_PER_USER", "2")]);
    for device in ["first", "second", "third"] {
        broker.know("alice", device);
    }
    broker.wait_for_removed("device_count", 1);
}
