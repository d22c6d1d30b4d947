//! Durable sessions: resume, queue, end and expiry.

use std::time::Duration;

use crate::model::{Identity, Moment, Uid};
use crate::mqtt::{Connect, Disconnect, Packet, Property, PropertyBuffer, QoS};
use crate::shard::Token;

use super::world::{World, durable, v5, v311};

fn expiry(secs: u32) -> PropertyBuffer {
    let mut properties = PropertyBuffer::new();
    properties.push(Property::SessionExpiryInterval(secs));
    properties
}

fn connect5(world: &mut World, uid: &str, id: &str, clean_start: bool, secs: u32) -> Token {
    let expiry = expiry(secs);
    let properties = expiry.as_properties();
    world.connect(uid, Connect { clean_start, properties, ..v5(id) })
}

fn subscriptions(world: &World) -> usize {
    world.shard.with_tree(|tree| tree.len())
}

#[test]
fn what_was_published_meanwhile_waits_in_the_queue() {
    let mut world = World::new();
    let phone = world.connect("alice", durable("phone"));
    world.subscribe(phone, "a/+", QoS::AtLeastOnce);
    assert_eq!(world.take(phone), ["CONNACK 00", "SUBACK #1 [01]"]);
    world.disconnect(phone, 0);
    let post = world.device("bob", "post");
    world.publish1(post, "a/b", "one", 1);
    world.crash();
    let post = world.device("bob", "post");
    world.publish1(post, "a/c", "two", 2);
    let phone = world.connect("alice", durable("phone"));
    let waiting = ["CONNACK 00 present", "PUBLISH q1 #1 a/b one", "PUBLISH q1 #2 a/c two"];
    assert_eq!(world.take(phone), waiting);
}

#[test]
fn suback_of_a_durable_session_follows_the_commit() {
    let mut world = World::new();
    let phone = world.connect("alice", durable("phone"));
    world.take(phone);
    world.held = true;
    world.subscribe(phone, "a/b", QoS::AtLeastOnce);
    assert_eq!(world.take(phone), [""; 0]);
    world.release();
    assert_eq!(world.take(phone), ["SUBACK #1 [01]"]);
}

#[test]
fn a_clean_start_ends_the_older_session_and_its_subscriptions() {
    let mut world = World::new();
    let phone = world.connect("alice", durable("phone"));
    world.subscribe(phone, "a/b", QoS::AtLeastOnce);
    world.lose(phone);
    assert_eq!(subscriptions(&world), 1);
    world.connect("alice", v311("phone"));
    assert_eq!(subscriptions(&world), 0);
    let phone = world.connect("alice", durable("phone"));
    assert_eq!(world.take(phone), ["CONNACK 00"]);
}

/// Clean Start 0 with Session Expiry 0: the old session is taken up, with its queue, and ends with
/// this connection (MQTT 5, section 3.1.2.11.2).
#[test]
fn a_session_taken_up_without_expiry_is_served_and_ends_with_the_connection() {
    let mut world = World::new();
    let phone = connect5(&mut world, "alice", "phone", true, 100);
    world.subscribe(phone, "a/b", QoS::AtLeastOnce);
    world.lose(phone);
    let post = world.device("bob", "post");
    world.publish1(post, "a/b", "one", 1);
    let phone = connect5(&mut world, "alice", "phone", false, 0);
    assert_eq!(world.take(phone), ["CONNACK 00 present", "PUBLISH q1 #1 a/b one"]);
    world.lose(phone);
    assert_eq!(subscriptions(&world), 0);
    let phone = connect5(&mut world, "alice", "phone", false, 100);
    assert_eq!(world.take(phone), ["CONNACK 00"]);
}

#[test]
fn a_session_is_not_kept_by_a_connection_that_ends_before_it_is_opened() {
    let mut world = World::new();
    let phone = connect5(&mut world, "alice", "phone", true, 100);
    world.subscribe(phone, "a/b", QoS::AtLeastOnce);
    world.lose(phone);
    world.held = true;
    let phone = connect5(&mut world, "alice", "phone", false, 0);
    world.lose(phone);
    world.release();
    assert_eq!(subscriptions(&world), 0);
    let phone = connect5(&mut world, "alice", "phone", false, 100);
    assert_eq!(world.take(phone), ["CONNACK 00"]);
}

#[test]
fn a_session_that_expired_leaves_no_subscription_behind() {
    let mut world = World::new();
    let phone = connect5(&mut world, "alice", "phone", true, 10);
    world.subscribe(phone, "a/b", QoS::AtLeastOnce);
    world.lose(phone);
    world.pass(Duration::from_secs(11));
    let phone = connect5(&mut world, "alice", "phone", false, 10);
    assert_eq!(world.take(phone), ["CONNACK 00"]);
    assert_eq!(subscriptions(&world), 0);
}

#[test]
fn an_expiry_of_zero_at_disconnect_ends_the_session() {
    let mut world = World::new();
    let phone = connect5(&mut world, "alice", "phone", true, 100);
    world.subscribe(phone, "a/b", QoS::AtLeastOnce);
    world.lose(phone);
    let phone = connect5(&mut world, "alice", "phone", false, 100);
    let none = expiry(0);
    let properties = none.as_properties();
    world.send(phone, Packet::Disconnect(Disconnect { reason: 0, properties }));
    assert_eq!((subscriptions(&world), world.shard.away.len()), (0, 0));
    let phone = connect5(&mut world, "alice", "phone", false, 100);
    assert_eq!(world.take(phone), ["CONNACK 00"]);
}

/// The client id was assigned by the server; the client can come back with it.
#[test]
fn a_durable_session_with_an_assigned_client_id_keeps_its_cursor_and_steps() {
    let mut world = World::new();
    let phone = connect5(&mut world, "alice", "", true, 100);
    world.subscribe(phone, "a/b", QoS::ExactlyOnce);
    let post = world.device("bob", "post");
    world.publish1(post, "a/b", "one", 1);
    world.puback(phone, 1);
    world.publish2(phone, "c/d", "once", 7);
    world.lose(phone);
    let phone = connect5(&mut world, "alice", "assigned", false, 100);
    assert_eq!(world.take(phone), ["CONNACK 00 present"]);
    world.pubrel(phone, 7);
    assert_eq!(world.take(phone), ["PUBCOMP #7 00"]);
}

/// Threat I7. A login that took long must not throw out who came after it, nor end its session.
#[test]
fn a_login_that_was_asked_about_earlier_takes_nothing_over() {
    let mut world = World::new();
    let earlier = Moment(1);
    world.pass(Duration::from_secs(1));
    let phone = world.connect("alice", durable("phone"));
    world.subscribe(phone, "a/+", QoS::AtLeastOnce);
    assert_eq!(world.take(phone), ["CONNACK 00", "SUBACK #1 [01]"]);
    let alice = Identity::user(Uid::parse("alice").unwrap());
    for connect in [durable("phone"), v311("phone"), v5("phone")] {
        let late = world.connect_late(alice.clone(), earlier, connect);
        assert!(world.take(late)[0].starts_with("CONNACK") && world.is_closed(late));
    }
    let post = world.device("bob", "post");
    world.publish1(post, "a/b", "one", 1);
    assert_eq!(world.take(phone), ["PUBLISH q1 #1 a/b one"]);
    world.disconnect(phone, 0);
    let phone = world.connect("alice", durable("phone"));
    assert_eq!(world.take(phone)[0], "CONNACK 00 present");
}
