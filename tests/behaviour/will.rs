//! The will: published when a connection ends without DISCONNECT, and only then.

use super::support::{Broker, Connect, V5, V311, Will};

fn with_will(version: u8) -> Connect {
    Connect::new(version, "alice", "phone").will(Will::new("bob", "alice is gone", 1))
}

#[test]
fn a_cut_connection_publishes_it_to_an_inbox() {
    for version in [V311, V5] {
        let broker = Broker::dev();
        let mut bob = broker.device_v5("bob", "desk");
        with_will(version).device(broker.mqtt).cut();
        let will = bob.take();
        assert_eq!(will.text(), "alice is gone");
        assert_eq!(will.props.user("from"), Some("alice"));
    }
}

#[test]
fn a_disconnect_discards_it() {
    for version in [V311, V5] {
        let broker = Broker::dev();
        let mut bob = broker.device("bob", "desk");
        with_will(version).device(broker.mqtt).disconnect();
        bob.expect_marker_from(&mut broker.device("carol", "post"), "bob");
    }
}

#[test]
fn a_disconnect_with_will_publishes_it() {
    let broker = Broker::dev();
    let mut bob = broker.device("bob", "desk");
    let mut phone = with_will(V5).device(broker.mqtt);
    phone.send_raw(&[0xE0, 1, 0x04]);
    phone.expect_closed();
    assert_eq!(bob.take_text(), "alice is gone");
}

#[test]
fn a_protocol_error_publishes_it() {
    let broker = Broker::dev();
    let mut bob = broker.device("bob", "desk");
    let mut phone = with_will(V311).device(broker.mqtt);
    phone.send_raw(&[0x00, 0x00]);
    phone.expect_closed();
    assert_eq!(bob.take_text(), "alice is gone");
}

#[test]
fn a_takeover_publishes_it() {
    let broker = Broker::dev();
    let mut bob = broker.device("bob", "desk");
    let first = with_will(V311).device(broker.mqtt);
    let _second = broker.device("alice", "phone");
    assert_eq!(bob.take_text(), "alice is gone");
    drop(first);
}

#[test]
fn the_end_of_the_keep_alive_publishes_it() {
    let broker = Broker::dev();
    let mut bob = broker.device("bob", "desk");
    let mut phone = with_will(V311).keep_alive(1).device(broker.mqtt);
    phone.expect_closed();
    assert_eq!(bob.take_text(), "alice is gone");
}

#[test]
fn it_waits_for_a_recipient_who_is_away() {
    let broker = Broker::dev();
    let mut watcher = broker.device("bob", "watcher");
    broker.know("bob", "desk");
    with_will(V311).device(broker.mqtt).cut();
    watcher.take();
    assert_eq!(broker.device("bob", "desk").take_text(), "alice is gone");
}

#[test]
fn it_goes_to_a_plain_topic() {
    let broker = Broker::with_plain_topics();
    let mut bob = broker.device("bob", "desk");
    bob.subscribe("state/alice", 2);
    let will = Will::new("state/alice", "gone", 2);
    Connect::v311("alice", "phone").will(will).device(broker.mqtt).cut();
    let publish = bob.take();
    assert_eq!((publish.topic.as_str(), publish.text(), publish.qos), ("state/alice", "gone", 2));
}

#[test]
fn a_will_to_where_its_owner_may_not_publish_reaches_nobody() {
    let broker = Broker::dev();
    let mut bob = broker.device("bob", "desk");
    let will = Will::new("bob/envelope", "forged", 1);
    if let Ok((client, _)) = Connect::v311("alice", "phone").will(will).try_open(broker.mqtt) {
        client.cut();
    }
    bob.expect_marker_from(&mut broker.device("carol", "post"), "bob");
}
