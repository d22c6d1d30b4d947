//! Mail for a device that is away waits for it, whatever its clean session flag says, and through
//! any end of the broker.

use super::support::{Broker, Connect, prop};

/// Every way to ask for a session that ends with the connection, or for one that does not.
fn ways() -> Vec<Connect> {
    let v311 = Connect::v311("alice", "phone");
    let v5 = Connect::v5("alice", "phone");
    vec![
        v311.clone().clean(true),
        v311.clean(false),
        v5.clone().clean(true),
        v5.clone().clean(true).prop(prop::session_expiry(0)),
        v5.clone().clean(false),
        v5.durable(),
    ]
}

#[test]
fn mail_waits_whatever_the_clean_session_flag() {
    let broker = Broker::dev();
    for before in ways() {
        before.device(broker.mqtt).disconnect();
        for after in ways() {
            broker.mail("alice", &["one", "two", "three"]);
            let mut phone = after.device(broker.mqtt);
            assert_eq!(phone.take_texts(3), ["one", "two", "three"], "{before:?} {after:?}");
            phone.disconnect();
        }
    }
}

#[test]
fn mail_waits_for_a_user_who_was_never_there() {
    let broker = Broker::dev();
    broker.mail("carol", &["welcome"]);
    assert_eq!(broker.device("carol", "phone").take_text(), "welcome");
}

#[test]
fn mail_of_every_qos_waits() {
    let broker = Broker::dev();
    let mut bob = broker.device("bob", "post");
    for qos in [0, 1, 2] {
        bob.publish_acked("alice", format!("qos {qos}"), qos);
    }
    let mut phone = broker.device("alice", "phone");
    for qos in [0, 1, 2] {
        let publish = phone.take();
        assert_eq!((publish.text(), publish.qos), (format!("qos {qos}").as_str(), 1));
    }
}

#[test]
fn mail_waits_through_a_restart() {
    let mut broker = Broker::dev();
    broker.know("alice", "phone");
    broker.mail("alice", &["one", "two"]);
    assert!(broker.terminate().success());
    broker.restart();
    assert_eq!(broker.device("alice", "phone").take_texts(2), ["one", "two"]);
}

#[test]
fn mail_waits_through_kill_9() {
    let mut broker = Broker::dev();
    broker.know("alice", "phone");
    broker.mail("alice", &["one", "two"]);
    broker.crash();
    assert_eq!(broker.device("alice", "phone").take_texts(2), ["one", "two"]);
}

#[test]
fn what_was_acknowledged_stays_acknowledged_through_a_restart() {
    let mut broker = Broker::dev();
    let mut phone = broker.device("alice", "phone");
    broker.mail("alice", &["one", "two"]);
    assert_eq!(phone.take_texts(2), ["one", "two"]);
    phone.disconnect();
    assert!(broker.terminate().success());
    broker.restart();
    let mut phone = broker.device("alice", "phone");
    phone.expect_marker_from(&mut broker.device("bob", "post"), "alice");
}

#[test]
fn more_than_a_window_of_mail_waits() {
    let broker = Broker::dev();
    let mut bob = broker.device("bob", "post");
    let texts: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
    for window in texts.chunks(32) {
        let ids: Vec<u16> = window.iter().map(|text| bob.publish("alice", text, 1)).collect();
        assert!(ids.into_iter().all(|id| bob.expect_puback(id) == 0));
    }
    assert_eq!(broker.device("alice", "phone").take_texts(1000), texts);
}

#[test]
fn an_empty_and_a_large_payload_arrive_whole() {
    let broker = Broker::dev();
    let large: Vec<u8> = (0..500_000u32).map(|number| number as u8).collect();
    let mut bob = broker.device("bob", "post");
    bob.publish_acked("alice", [], 1);
    bob.publish_acked("alice", &large, 1);
    let mut phone = broker.device("alice", "phone");
    assert!(phone.take().payload.is_empty());
    assert!(phone.take().payload == large);
}
