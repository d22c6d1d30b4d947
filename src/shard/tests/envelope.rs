//! `{uid}/envelope` and the stamps: inbox mail with its sender.

use std::time::Duration;

use crate::mqtt::{Packet, PacketId, Property, PropertyBuffer, Publish, QoS};

use super::packets::publish;
use super::world::{World, durable, v5, v311};

#[test]
fn what_waited_comes_as_the_envelope_that_ends_the_settle_time() {
    let mut world = World::new();
    let phone = world.connect("alice", durable("phone"));
    world.settle();
    world.lose(phone);
    let post = world.device("bob", "post");
    world.publish1(post, "alice", "hello", 1);
    let phone = world.connect("alice", durable("phone"));
    world.subscribe(phone, "alice/envelope", QoS::AtLeastOnce);
    let packets = world.take(phone);
    assert_eq!(packets[..2], ["CONNACK 00 present", "SUBACK #1 [01]"]);
    assert!(packets[2].starts_with("PUBLISH q1 #32768 alice/envelope {\"id\":"), "{packets:?}");
    assert!(packets[2].contains("\"from\":\"bob\",\"client\":\"post\",\"to\":\"alice\""));
}

#[test]
fn a_durable_session_goes_on_with_envelopes() {
    let mut world = World::new();
    let phone = world.connect("alice", durable("phone"));
    world.subscribe(phone, "alice/envelope", QoS::AtLeastOnce);
    world.lose(phone);
    world.crash();
    let post = world.device("bob", "post");
    world.publish1(post, "alice", "hello", 1);
    let phone = world.connect("alice", durable("phone"));
    world.settle();
    assert!(world.take(phone)[1].starts_with("PUBLISH q1 #32768 alice/envelope {"));
}

#[test]
fn whoever_unsubscribed_from_the_raw_mail_still_gets_envelopes() {
    let mut world = World::new();
    let (phone, post) = (world.device("alice", "phone"), world.device("bob", "post"));
    world.unsubscribe(phone, "alice");
    world.subscribe(phone, "alice/envelope", QoS::AtLeastOnce);
    world.take(phone);
    world.publish1(post, "alice", "one", 1);
    assert!(world.take(phone)[0].starts_with("PUBLISH q1 #32768 alice/envelope {"));
    world.unsubscribe(phone, "alice/envelope");
    world.publish1(post, "alice", "two", 2);
    assert_eq!(world.take(phone), ["UNSUBACK #1 []"]);
}

#[test]
fn a_connection_without_a_client_id_gets_live_mail_as_envelopes_too() {
    let mut world = World::new();
    let post = world.device("bob", "post");
    world.publish1(post, "alice", "missed", 1);
    let guest = world.connect("alice", v311(""));
    world.subscribe(guest, "alice/envelope", QoS::AtLeastOnce);
    world.publish1(post, "alice", "live", 2);
    let packets = world.take(guest);
    assert_eq!(packets.len(), 3);
    assert!(packets[2].contains("\"seq\":2") && packets[2].contains("\"body\":\"live\""));
}

#[test]
fn mqtt_5_sees_the_stamps_of_live_mail_without_a_client_id_too() {
    let mut world = World::new();
    let guest = world.connect("alice", v5(""));
    let post = world.device("bob", "post");
    world.publish1(post, "alice", "live", 1);
    let stamps = world.user_properties(guest);
    let names: Vec<&str> = stamps.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["from", "id", "seq", "ts"]);
    assert_eq!((&*stamps[0].1, &*stamps[2].1), ("bob", "1"));
}

#[test]
fn a_sender_cannot_forge_a_stamp() {
    let mut world = World::new();
    let (phone, post) = (world.connect("alice", v5("phone")), world.connect("bob", v5("post")));
    world.settle();
    let mut forged = PropertyBuffer::new();
    forged.push(Property::UserProperty("from", "carol"));
    forged.push(Property::UserProperty("mine", "kept"));
    let properties = forged.as_properties();
    let packet = Publish { properties, ..publish("alice", "x", QoS::AtLeastOnce, 1) };
    world.send(post, Packet::Publish(packet));
    let stamps = world.user_properties(phone);
    let from: Vec<&str> =
        stamps.iter().filter(|(name, _)| name == "from").map(|(_, who)| who.as_str()).collect();
    assert_eq!(from, ["bob"]);
    assert!(stamps.contains(&("mine".into(), "kept".into())));
}

#[test]
fn an_expired_message_is_dropped_unless_a_queue_has_sent_it_before() {
    let mut world = World::new();
    let phone = world.connect("alice", durable("phone"));
    world.subscribe(phone, "a/b", QoS::ExactlyOnce);
    let post = world.connect("bob", v5("post"));
    let mut expiry = PropertyBuffer::new();
    expiry.push(Property::MessageExpiryInterval(10));
    for (topic, id) in [("alice", 1), ("a/b", 2)] {
        let properties = expiry.as_properties();
        let packet_id = PacketId::new(id);
        let packet = Publish { properties, packet_id, ..publish(topic, "x", QoS::ExactlyOnce, id) };
        world.send(post, Packet::Publish(packet));
    }
    let sent = ["PUBLISH q1 #32768 alice x", "PUBLISH q2 #1 a/b x"];
    assert_eq!(world.take(phone)[2..], sent);
    world.lose(phone);
    world.pass(Duration::from_secs(11));
    let phone = world.connect("alice", durable("phone"));
    world.settle();
    assert_eq!(world.take(phone)[1..], ["PUBLISH q2 #1 dup a/b x"]);
}
