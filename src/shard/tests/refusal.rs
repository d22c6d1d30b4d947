//! What is refused, and how each version hears of it.

use crate::model::Reason;
use crate::store::StoreError;

use crate::metrics::Dropped;
use crate::mqtt::{Connect, Property, PropertyBuffer, QoS};

use super::world::{World, v5};

const NOT_AUTHORIZED: &str = "bob/envelope";

#[test]
fn mqtt_5_hears_the_reason_and_stays() {
    let mut world = World::new();
    let post = world.connect("bob", v5("post"));
    world.publish1(post, NOT_AUTHORIZED, "x", 1);
    world.publish2(post, NOT_AUTHORIZED, "x", 2);
    world.publish1(post, "alice", "x", 3);
    assert_eq!(world.take(post)[1..], ["PUBACK #1 87", "PUBREC #2 87", "PUBACK #3 00"]);
}

#[test]
fn mqtt_311_is_closed_because_an_acknowledgement_would_lie() {
    let mut world = World::new();
    let post = world.device("bob", "post");
    world.publish1(post, NOT_AUTHORIZED, "x", 1);
    assert_eq!(world.take(post), [""; 0]);
    assert!(world.is_closed(post));
}

#[test]
fn qos_0_is_dropped_and_counted() {
    let mut world = World::new();
    let post = world.device("bob", "post");
    world.publish(post, NOT_AUTHORIZED, "x");
    world.shard.report();
    assert!(!world.is_closed(post));
    let dropped = world.metrics.messages_dropped(Dropped::Reason(Reason::NotAuthorized));
    assert_eq!(dropped.get(), 1);
}

#[test]
fn a_refusal_waits_for_the_acknowledgements_before_it() {
    let mut world = World::new();
    let post = world.connect("bob", v5("post"));
    world.take(post);
    world.held = true;
    world.publish1(post, "alice", "x", 1);
    world.publish1(post, NOT_AUTHORIZED, "x", 2);
    assert_eq!(world.take(post), [""; 0]);
    world.release();
    assert_eq!(world.take(post), ["PUBACK #1 00", "PUBACK #2 87"]);
}

#[test]
fn a_full_disk_refuses_and_a_failed_fsync_ends_the_connection() {
    let mut world = World::new();
    let post = world.connect("bob", v5("post"));
    world.store.fail_next(StoreError::Full("test".into()));
    world.publish1(post, "alice", "x", 1);
    assert_eq!(world.take(post)[1..], ["PUBACK #1 97"]);
    let unknown = StoreError::OutcomeUnknown("test".into());
    world.store.fail_next_but_keep(unknown);
    world.publish2(post, "alice", "x", 2);
    assert_eq!(world.take(post), ["DISCONNECT 83"]);
    let post = world.connect("bob", v5("post"));
    world.resend(post, "alice", "x", QoS::ExactlyOnce, 2);
    assert_eq!(world.take(post)[1..], ["PUBREC #2 00"]);
    let phone = world.connect("alice", v5("phone"));
    world.settle();
    assert_eq!(world.take(phone)[1..], ["PUBLISH q1 #32768 alice x"], "stored once");
}

/// A reason string has at most 65,535 bytes, and so has the filter that it would quote.
#[test]
fn a_filter_as_long_as_a_packet_can_hold_is_refused_in_few_words() {
    let mut world = World::new();
    let phone = world.connect("alice", v5("phone"));
    world.take(phone);
    world.subscribe(phone, &format!("group/{}", "x".repeat(65_000)), QoS::AtMostOnce);
    assert_eq!(world.take(phone), ["SUBACK #1 [83]"]);
}

/// [MQTT-3.1.2-24]: the CONNACK that lets it in would be longer than that.
#[test]
fn who_takes_no_packet_as_long_as_a_connack_is_not_let_in() {
    let mut world = World::new();
    let mut properties = PropertyBuffer::new();
    properties.push(Property::MaximumPacketSize(20));
    let connect = Connect { properties: properties.as_properties(), ..v5("phone") };
    let phone = world.connect("bob", connect);
    assert_eq!(world.take(phone), ["CONNACK 95"]);
    assert!(world.is_closed(phone));
}
