//! Every device of a user gets every message and has its own place in the inbox.

use super::support::{Broker, Connect};

#[test]
fn each_device_gets_every_message() {
    let broker = Broker::dev();
    let mut devices = [
        broker.device("alice", "phone"),
        broker.device_v5("alice", "tablet"),
        broker.device("alice", "laptop"),
    ];
    broker.mail("alice", &["one", "two", "three"]);
    for device in &mut devices {
        assert_eq!(device.take_texts(3), ["one", "two", "three"]);
    }
}

#[test]
fn each_device_keeps_its_own_cursor() {
    let broker = Broker::dev();
    let mut phone = broker.device("alice", "phone");
    let mut tablet = broker.device("alice", "tablet");
    broker.mail("alice", &["one", "two", "three"]);
    assert_eq!(phone.take_texts(3), ["one", "two", "three"]);
    assert_eq!(tablet.take_text(), "one");
    phone.disconnect();
    tablet.disconnect();

    let mut bob = broker.device("bob", "post");
    let mut phone = broker.device("alice", "phone");
    phone.expect_marker_from(&mut bob, "alice");
    let mut tablet = broker.device("alice", "tablet");
    assert_eq!(tablet.take_texts(2), ["two", "three"]);
}

#[test]
fn the_first_device_starts_at_the_oldest_message_kept() {
    let broker = Broker::dev();
    broker.mail("alice", &["one", "two"]);
    let mut phone = broker.device("alice", "phone");
    assert_eq!(phone.take_texts(2), ["one", "two"]);
}

#[test]
fn a_further_device_starts_where_the_most_advanced_one_stands() {
    let broker = Broker::dev();
    broker.know("alice", "tablet");
    let mut phone = broker.device("alice", "phone");
    broker.mail("alice", &["one", "two", "three"]);
    assert_eq!(phone.take_texts(2), ["one", "two"]);
    phone.expect_publish();
    phone.disconnect();

    let mut laptop = broker.device("alice", "laptop");
    assert_eq!(laptop.take_text(), "three");
    let mut tablet = broker.device("alice", "tablet");
    assert_eq!(tablet.take_texts(3), ["one", "two", "three"]);
}

#[test]
fn an_acknowledgement_out_of_order_does_not_skip_what_is_before_it() {
    let broker = Broker::dev();
    let mut phone = broker.device("alice", "phone");
    broker.mail("alice", &["one", "two", "three"]);
    let ids: Vec<u16> = (0..3).map(|_| phone.expect_publish().id).collect();
    phone.puback(ids[0]);
    phone.puback(ids[2]);
    phone.disconnect();

    let mut phone = broker.device("alice", "phone");
    assert_eq!(phone.take_text(), "two");
}

#[test]
fn an_unacknowledged_message_comes_again_with_dup() {
    let broker = Broker::dev();
    let mut phone = broker.device("alice", "phone");
    broker.mail("alice", &["one"]);
    let first = phone.expect_publish();
    assert!(!first.dup);
    phone.disconnect();

    let again = broker.device("alice", "phone").expect_publish();
    assert!(again.dup);
    assert_eq!((again.id, again.payload), (first.id, first.payload));
}

#[test]
fn mail_to_the_own_uid_reaches_all_own_devices() {
    let broker = Broker::dev();
    let mut phone = broker.device("alice", "phone");
    let mut tablet = broker.device("alice", "tablet");
    phone.publish_acked("alice", "note to self", 1);
    assert_eq!(tablet.take_text(), "note to self");
    assert_eq!(phone.take_text(), "note to self");
}

#[test]
fn a_publish_only_script_leaves_no_device() {
    let broker = Broker::with(&[("HOMING__INBOX__SETTLE", "2s")]);
    let mut phone = broker.device("alice", "phone");
    let mut script = Connect::v311("alice", "script").open(broker.mqtt);
    script.publish("bob", "hello", 0);
    script.disconnect();
    broker.mail("alice", &["one"]);
    assert_eq!(phone.take_text(), "one");
    phone.disconnect();

    // Had it become a device, its own cursor would still stand before "one".
    let mut bob = broker.device("bob", "post");
    broker.device("alice", "script").expect_marker_from(&mut bob, "alice");
}

#[test]
fn subscribing_to_the_own_inbox_gives_no_second_copy() {
    let broker = Broker::dev();
    let mut phone = Connect::v311("alice", "phone").open(broker.mqtt);
    assert_eq!(phone.subscribe("alice", 2), 1, "granted QoS");
    broker.mail("alice", &["one"]);
    assert_eq!(phone.take_text(), "one");
    phone.expect_marker_from(&mut broker.device("bob", "post"), "alice");
}

#[test]
fn unsubscribing_from_the_own_inbox_pauses_this_connection() {
    let broker = Broker::dev();
    let mut phone = broker.device("alice", "phone");
    let mut tablet = broker.device("alice", "tablet");
    phone.unsubscribe("alice");
    broker.mail("alice", &["one"]);
    assert_eq!(tablet.take_text(), "one");
    phone.expect_silence();
    phone.disconnect();
    assert_eq!(broker.device("alice", "phone").take_text(), "one");
}

#[test]
fn wildcards_never_match_an_inbox() {
    let broker = Broker::with_plain_topics();
    let mut spy = broker.device("carol", "spy");
    spy.subscribe("#", 0);
    spy.subscribe("+", 0);
    let mut phone = broker.device("alice", "phone");
    broker.mail("alice", &["secret"]);
    assert_eq!(phone.take_text(), "secret");
    let mut bob = broker.device("bob", "post");
    spy.expect_marker_from(&mut bob, "plain/topic");
}
