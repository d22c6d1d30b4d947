//! Chapter 3.1.2.5 to 3.1.2.7 and 3.1.3.2: when a will is sent, how, and what it carries.

use std::time::{Duration, Instant};

use crate::rig::{BOTH, broker, client, connect, expect_nothing_before_a_marker};
use crate::support::{Broker, Client, Connect, V5, Version, Will, prop};

/// Somebody who hears of all wills.
fn watcher(broker: &Broker) -> Client {
    let mut watcher = client(broker, V5, "watcher");
    watcher.subscribe("will/+", 2);
    watcher
}

fn with_will(version: Version, name: &str) -> Connect {
    connect(version, name).will(Will::new(&format!("will/{name}"), name, 1))
}

/// Delay and session expiry are in seconds.
fn delayed(name: &str, delay: u32, expiry: u32) -> Connect {
    let will = Will::new(&format!("will/{name}"), name, 1).prop(prop::u32(prop::WILL_DELAY, delay));
    connect(V5, name).clean(false).will(will).prop(prop::session_expiry(expiry))
}

#[test]
fn it_has_the_qos_that_was_asked_for() {
    let broker = broker();
    let mut watcher = watcher(&broker);
    for version in BOTH {
        for qos in [0, 1, 2] {
            let will = Will::new("will/q", "x", qos);
            connect(version, "phone").will(will).open(broker.mqtt).cut();
            assert_eq!(watcher.take().qos, qos);
        }
    }
}

#[test]
fn it_is_sent_once() {
    let broker = broker();
    let mut watcher = watcher(&broker);
    for version in BOTH {
        with_will(version, "phone").durable().open(broker.mqtt).cut();
        assert_eq!(watcher.take_text(), "phone");
        // The session goes on, the will does not.
        connect(version, "phone").durable().open(broker.mqtt).cut();
        with_will(version, "next").open(broker.mqtt).cut();
        assert_eq!(watcher.take_text(), "next");
        expect_nothing_before_a_marker(&mut watcher, "will/marker");
    }
}

#[test]
fn without_one_nothing_is_sent() {
    let broker = broker();
    let mut watcher = watcher(&broker);
    for version in BOTH {
        connect(version, "phone").open(broker.mqtt).cut();
        with_will(version, "next").open(broker.mqtt).cut();
        assert_eq!(watcher.take_text(), "next");
        expect_nothing_before_a_marker(&mut watcher, "will/marker");
    }
}

#[test]
fn it_is_retained_if_so_asked_and_else_not() {
    let broker = broker();
    let mut watcher = watcher(&broker);
    for version in BOTH {
        let (kept, gone) = (format!("will/kept-{version}"), format!("will/gone-{version}"));
        connect(version, "one").will(Will::new(&kept, "kept", 1).retain()).open(broker.mqtt).cut();
        connect(version, "two").will(Will::new(&gone, "gone", 1)).open(broker.mqtt).cut();
        watcher.take_texts(2);
        let mut late = client(&broker, version, "late");
        late.subscribe(&gone, 1);
        late.subscribe(&kept, 1);
        let publish = late.take();
        assert_eq!((publish.text(), publish.retain), ("kept", true));
        late.expect_silence();
    }
}

#[test]
fn it_waits_for_its_delay() {
    let broker = broker();
    let mut watcher = watcher(&broker);
    let phone = delayed("phone", 1, 3600).open(broker.mqtt);
    let cut = Instant::now();
    phone.cut();
    assert_eq!(watcher.take_text(), "phone");
    assert!(cut.elapsed() >= Duration::from_millis(990), "after {:?}", cut.elapsed());
}

#[test]
fn it_is_sent_with_the_end_of_the_session_if_that_comes_first() {
    let broker = broker();
    let mut watcher = watcher(&broker);
    // No session outlives this connection.
    delayed("phone", 3600, 0).open(broker.mqtt).cut();
    assert_eq!(watcher.take_text(), "phone");
    // This one is ended by a clean start.
    delayed("phone", 3600, 3600).open(broker.mqtt).cut();
    connect(V5, "phone").open(broker.mqtt).ping();
    assert_eq!(watcher.take_text(), "phone");
}

#[test]
fn who_comes_back_within_the_delay_is_not_mourned() {
    let broker = broker();
    let mut watcher = watcher(&broker);
    delayed("phone", 3, 3600).open(broker.mqtt).cut();
    let (mut phone, ack) = connect(V5, "phone").durable().open_with_ack(broker.mqtt);
    assert!(ack.session_present);
    // This one was left later with the same delay, and so would the other have been sent before.
    delayed("desk", 3, 3600).open(broker.mqtt).cut();
    assert_eq!(watcher.take_text(), "desk");
    phone.ping();
}

#[test]
fn its_properties_arrive_in_their_order() {
    let broker = broker();
    let mut watcher = watcher(&broker);
    let properties = [
        prop::byte(prop::PAYLOAD_FORMAT, 1),
        prop::text(prop::CONTENT_TYPE, "text/plain"),
        prop::text(prop::RESPONSE_TOPIC, "answers"),
        prop::text(prop::CORRELATION_DATA, [0, 1, 2]),
        prop::user("b", "1"),
        prop::user("a", "2"),
        prop::user("b", "3"),
    ];
    let will = Will::new("will/phone", "x", 1).prop(properties.concat());
    connect(V5, "phone").will(will).open(broker.mqtt).cut();
    let props = watcher.take().props;
    assert_eq!(props.number(prop::PAYLOAD_FORMAT), Some(1));
    assert_eq!(props.text(prop::CONTENT_TYPE).as_deref(), Some("text/plain"));
    assert_eq!(props.text(prop::RESPONSE_TOPIC).as_deref(), Some("answers"));
    assert_eq!(props.text(prop::CORRELATION_DATA).as_deref(), Some("\0\u{1}\u{2}"));
    assert_eq!(props.pairs(), [("b", "1"), ("a", "2"), ("b", "3")]);
}
