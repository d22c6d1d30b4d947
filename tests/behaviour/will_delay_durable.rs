//! A will with a delay waits on disk: it goes out after a restart, after kill -9, and not at all if
//! its session goes on (MQTT 5, section 3.1.3.2.2).

use std::time::{Duration, Instant};

use super::support::{Broker, Client, Connect, Will, prop};

const WILL_DELAY: u8 = 0x18;

fn phone(delay_secs: u32) -> Connect {
    let props = prop::u32(WILL_DELAY, delay_secs);
    Connect::v5("alice", "phone").durable().will(Will { props, ..Will::new("bob", "gone", 1) })
}

/// Gone without DISCONNECT; the server has seen it.
fn leave(broker: &Broker, delay_secs: u32) {
    let mut phone = phone(delay_secs).device(broker.mqtt);
    // A disconnect with will (reason 4), so that the end is known to be over.
    phone.send_raw(&[0xE0, 1, 0x04]);
    phone.expect_closed();
    // Behind what the store was asked when it ended.
    broker.device("carol", "barrier").publish_acked("carol", "barrier", 1);
}

fn bob(broker: &Broker) -> Client {
    broker.device_v5("bob", "desk")
}

/// Threat D8.
#[test]
fn it_survives_kill_9_and_goes_out_when_its_delay_is_over() {
    let mut broker = Broker::dev();
    broker.know("bob", "desk");
    let start = Instant::now();
    leave(&broker, 2);
    broker.crash();
    let will = bob(&broker).take();
    assert!(start.elapsed() >= Duration::from_secs(2));
    assert_eq!((will.text(), will.props.user("from")), ("gone", Some("alice")));
}

/// Threat D8.
#[test]
fn it_survives_an_orderly_end_and_is_not_hurried_by_it() {
    let mut broker = Broker::dev();
    broker.know("bob", "desk");
    let start = Instant::now();
    let _connected = phone(2).device(broker.mqtt);
    // The server ends the connection: that is no DISCONNECT of the client.
    assert!(broker.terminate().success());
    broker.restart();
    assert_eq!(bob(&broker).take_text(), "gone");
    assert!(start.elapsed() >= Duration::from_secs(2));
}

#[test]
fn a_session_that_goes_on_after_a_crash_takes_it_back() {
    let mut broker = Broker::dev();
    let mut bob = bob(&broker);
    leave(&broker, 2);
    broker.crash();
    let (phone, ack) = phone(2).open_with_ack(broker.mqtt);
    assert!(ack.session_present);
    // Of another one that is due later: when it comes, the first would have come.
    let props = prop::u32(WILL_DELAY, 3);
    let tablet = Connect::v5("alice", "tablet").durable();
    let mut tablet =
        tablet.will(Will { props, ..Will::new("bob", "tablet gone", 1) }).device(broker.mqtt);
    tablet.send_raw(&[0xE0, 1, 0x04]);
    tablet.expect_closed();
    bob.expect_closed();
    let mut bob = super::will_delay_durable::bob(&broker);
    assert_eq!(bob.take_text(), "tablet gone");
    drop(phone);
}

#[test]
fn a_clean_start_after_a_crash_ends_the_session_and_sends_it_at_once() {
    let mut broker = Broker::dev();
    broker.know("bob", "desk");
    leave(&broker, 3000);
    broker.crash();
    let mut bob = bob(&broker);
    let (_phone, ack) = Connect::v5("alice", "phone").open_with_ack(broker.mqtt);
    assert!(!ack.session_present);
    assert_eq!(bob.take_text(), "gone");
}

/// The session ends before the delay is over.
#[test]
fn it_goes_out_with_the_end_of_its_session() {
    let broker = Broker::dev();
    let mut bob = bob(&broker);
    let props = prop::u32(WILL_DELAY, 3000);
    let short = Connect::v5("alice", "phone").prop(prop::session_expiry(1));
    short.will(Will { props, ..Will::new("bob", "gone", 1) }).device(broker.mqtt).cut();
    assert_eq!(bob.take_text(), "gone");
}

/// Threat I8. The device was thrown out: what it left does not go out.
#[test]
fn a_kicked_device_takes_it_along() {
    let broker = Broker::dev();
    let mut bob = bob(&broker);
    leave(&broker, 1);
    broker.command(&["device", "kick", "alice", "phone"]).ok();
    let props = prop::u32(WILL_DELAY, 2);
    let tablet = Connect::v5("alice", "tablet").durable();
    tablet.will(Will { props, ..Will::new("bob", "tablet gone", 1) }).device(broker.mqtt).cut();
    assert_eq!(bob.take_text(), "tablet gone");
}
