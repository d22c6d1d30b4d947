//! QoS 2 in both directions, with a crash between any two steps.

use crate::mqtt::{Packet, Publish, QoS};
use crate::shard::Token;

use super::packets::publish;
use super::world::{World, durable};

/// A durable session that is subscribed to `a/b` with QoS 2.
fn subscriber(world: &mut World) -> Token {
    let phone = world.connect("alice", durable("phone"));
    world.subscribe(phone, "a/b", QoS::ExactlyOnce);
    world.take(phone);
    phone
}

fn back(world: &mut World) -> Token {
    let phone = world.connect("alice", durable("phone"));
    assert_eq!(world.take(phone)[0], "CONNACK 00 present");
    phone
}

#[test]
fn a_publish_resent_after_a_crash_is_stored_once() {
    let mut world = World::new();
    let post = world.connect("bob", durable("post"));
    world.publish2(post, "alice", "hello", 5);
    assert_eq!(world.take(post)[1..], ["PUBREC #5 00"]);
    world.crash();
    let post = world.connect("bob", durable("post"));
    world.resend(post, "alice", "hello", QoS::ExactlyOnce, 5);
    world.pubrel(post, 5);
    assert_eq!(world.take(post)[1..], ["PUBREC #5 00", "PUBCOMP #5 00"]);
    world.crash();
    let post = world.connect("bob", durable("post"));
    world.pubrel(post, 5);
    world.publish2(post, "alice", "new", 5);
    assert_eq!(world.take(post)[1..], ["PUBCOMP #5 00", "PUBREC #5 00"]);
    let phone = world.device("alice", "phone");
    world.lose(phone);
    let phone = world.connect("alice", super::world::v311("phone"));
    world.settle();
    let mail = ["PUBLISH q1 #32768 dup alice hello", "PUBLISH q1 #32769 dup alice new"];
    assert_eq!(world.take(phone)[1..], mail);
}

#[test]
fn a_publish_that_was_not_committed_is_not_known_after_the_crash() {
    let mut world = World::new();
    let post = world.connect("bob", durable("post"));
    world.take(post);
    world.held = true;
    world.publish2(post, "alice", "hello", 5);
    assert_eq!(world.take(post), [""; 0]);
    world.crash();
    let post = world.connect("bob", durable("post"));
    world.resend(post, "alice", "hello", QoS::ExactlyOnce, 5);
    assert_eq!(world.take(post)[1..], ["PUBREC #5 00"]);
    let phone = world.connect("alice", super::world::v311("phone"));
    world.settle();
    assert_eq!(world.take(phone)[1..], ["PUBLISH q1 #32768 alice hello"]);
}

#[test]
fn pubrel_follows_the_commit_of_pubrec() {
    let mut world = World::new();
    let phone = subscriber(&mut world);
    let post = world.device("bob", "post");
    world.publish2(post, "a/b", "hello", 1);
    assert_eq!(world.take(phone), ["PUBLISH q2 #1 a/b hello"]);
    world.held = true;
    world.pubrec(phone, 1);
    assert_eq!(world.take(phone), [""; 0]);
    world.release();
    assert_eq!(world.take(phone), ["PUBREL #1 00"]);
}

#[test]
fn a_delivery_is_taken_up_where_the_crash_cut_it() {
    let mut world = World::new();
    let mut phone = subscriber(&mut world);
    let post = world.device("bob", "post");
    world.publish2(post, "a/b", "hello", 1);
    world.take(phone);
    world.crash();
    phone = back(&mut world);
    // Sent, but not known to have arrived: again, under its id.
    let post = world.device("bob", "post");
    world.lose(phone);
    phone = world.connect("alice", durable("phone"));
    assert_eq!(world.take(phone)[1..], ["PUBLISH q2 #1 dup a/b hello"]);
    world.pubrec(phone, 1);
    world.crash();
    phone = world.connect("alice", durable("phone"));
    assert_eq!(world.take(phone), ["CONNACK 00 present", "PUBREL #1 00"]);
    let _ = post;
}

/// PUBCOMP makes the client forget the id. Until the cursor has passed the record, the server must
/// remember that: otherwise a crash between the two commits would send it again, as new.
#[test]
fn a_completed_message_is_not_sent_again_after_a_crash() {
    let mut world = World::new();
    let mut phone = subscriber(&mut world);
    let post = world.device("bob", "post");
    world.publish2(post, "a/b", "one", 1);
    world.publish2(post, "a/b", "two", 2);
    world.pubrec(phone, 1);
    world.pubrec(phone, 2);
    world.pubcomp(phone, 1);
    world.crash();
    phone = world.connect("alice", durable("phone"));
    assert_eq!(world.take(phone), ["CONNACK 00 present", "PUBREL #2 00"]);
}

#[test]
fn a_message_completed_before_an_older_one_is_not_sent_again_either() {
    let mut world = World::new();
    let mut phone = subscriber(&mut world);
    let post = world.device("bob", "post");
    world.publish2(post, "a/b", "one", 1);
    world.publish2(post, "a/b", "two", 2);
    world.take(phone);
    world.pubrec(phone, 2);
    world.pubcomp(phone, 2);
    world.lose(phone);
    phone = world.connect("alice", durable("phone"));
    let again = ["CONNACK 00 present", "PUBLISH q2 #1 dup a/b one", "PUBREL #2 00"];
    assert_eq!(world.take(phone), again);
    world.pubcomp(phone, 2);
    world.pubrec(phone, 1);
    world.pubcomp(phone, 1);
    world.lose(phone);
    phone = world.connect("alice", durable("phone"));
    assert_eq!(world.take(phone), ["CONNACK 00 present"]);
}

#[test]
fn a_completed_message_is_over_for_the_next_connection_too() {
    let mut world = World::new();
    let bob = world.device("bob", "post");
    let retain = Publish { retain: true, ..publish("t/a", "kept", QoS::ExactlyOnce, 1) };
    world.send(bob, Packet::Publish(retain));
    world.pubrel(bob, 1);
    let carol = world.connect("carol", durable("tablet"));
    world.subscribe(carol, "t/a", QoS::ExactlyOnce);
    world.take(carol);
    world.pubrec(carol, 1);
    world.pubcomp(carol, 1);
    assert_eq!(world.take(carol), ["PUBREL #1 00"]);
    let again = world.connect("carol", durable("tablet"));
    assert_eq!(world.take(again), ["CONNACK 00 present"]);
}
