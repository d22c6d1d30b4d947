//! Inbox rules: settle, cursors, takeover, pause.

use crate::mqtt::{Connect, Packet, Property, PropertyBuffer, QoS};

use super::world::{World, v5, v311};

#[test]
fn mail_waits_for_the_settle_time_and_a_ping_ends_it() {
    let mut world = World::new();
    let post = world.device("bob", "post");
    world.publish1(post, "alice", "hello", 1);
    let phone = world.connect("alice", v311("phone"));
    assert_eq!(world.take(phone), ["CONNACK 00"]);
    world.send(phone, Packet::PingReq);
    assert_eq!(world.take(phone), ["PINGRESP", "PUBLISH q1 #32768 alice hello"]);
}

#[test]
fn each_publish_moves_the_settle_time_and_a_script_that_leaves_is_no_device() {
    let mut world = World::new();
    let post = world.device("bob", "post");
    world.publish1(post, "alice", "hello", 1);
    let script = world.connect("alice", v311("script"));
    for _ in 0..4 {
        world.pass(world.settings.settle * 9 / 10);
        world.publish(script, "bob", "hi");
    }
    assert_eq!(world.take(script), ["CONNACK 00"]);
    world.disconnect(script, 0);
    let phone = world.device("alice", "phone");
    world.lose(phone);
    let phone = world.connect("alice", v311("phone"));
    world.settle();
    assert_eq!(world.take(phone)[1..], ["PUBLISH q1 #32768 dup alice hello"]);
}

#[test]
fn the_settle_time_is_capped() {
    let mut world = World::new();
    let post = world.device("bob", "post");
    world.publish1(post, "alice", "hello", 1);
    let phone = world.connect("alice", v311("phone"));
    for _ in 0..9 {
        world.pass(world.settings.settle * 9 / 10);
        world.publish(phone, "bob", "hi");
    }
    assert_eq!(world.take(phone), ["CONNACK 00", "PUBLISH q1 #32768 alice hello"]);
}

#[test]
fn a_resent_message_keeps_its_packet_id_and_has_dup() {
    let mut world = World::new();
    let (phone, post) = (world.device("alice", "phone"), world.device("bob", "post"));
    (1..=3).for_each(|id| world.publish1(post, "alice", &id.to_string(), id));
    let all =
        ["PUBLISH q1 #32768 alice 1", "PUBLISH q1 #32769 alice 2", "PUBLISH q1 #32770 alice 3"];
    assert_eq!(world.take(phone), all);
    world.puback(phone, 32768);
    world.lose(phone);
    let phone = world.connect("alice", v311("phone"));
    world.settle();
    let again = ["PUBLISH q1 #32769 dup alice 2", "PUBLISH q1 #32770 dup alice 3"];
    assert_eq!(world.take(phone)[1..], again);
}

#[test]
fn a_takeover_ends_the_older_connection_and_loses_nothing() {
    let mut world = World::new();
    let (old, post) = (world.device("alice", "phone"), world.device("bob", "post"));
    world.publish1(post, "alice", "one", 1);
    let new = world.connect("alice", v311("phone"));
    assert!(world.is_closed(old));
    world.settle();
    assert_eq!(world.take(new), ["CONNACK 00", "PUBLISH q1 #32768 dup alice one"]);
    world.publish1(post, "alice", "two", 2);
    assert_eq!(world.take(new), ["PUBLISH q1 #32769 alice two"]);
}

#[test]
fn an_answer_for_the_old_connection_does_not_reach_the_new_one() {
    let mut world = World::new();
    let old = world.device("alice", "phone");
    world.held = true;
    world.publish1(old, "bob", "hello", 9);
    let new = world.connect("alice", v311("phone"));
    world.release();
    assert_eq!(world.take(new), ["CONNACK 00"]);
}

#[test]
fn acknowledgements_follow_the_commit_in_publish_order() {
    let mut world = World::new();
    let post = world.device("bob", "post");
    world.held = true;
    world.publish1(post, "alice", "stored", 1);
    world.publish1(post, "nobody/listens", "owed to none", 2);
    assert_eq!(world.take(post), [""; 0]);
    world.release();
    assert_eq!(world.take(post), ["PUBACK #1 00", "PUBACK #2 00"]);
}

#[test]
fn unsubscribing_the_own_inbox_pauses_and_subscribing_resumes() {
    let mut world = World::new();
    let (phone, post) = (world.device("alice", "phone"), world.device("bob", "post"));
    world.unsubscribe(phone, "alice");
    world.publish1(post, "alice", "hello", 1);
    assert_eq!(world.take(phone), ["UNSUBACK #1 []"]);
    world.subscribe(phone, "alice", crate::mqtt::QoS::AtMostOnce);
    assert_eq!(world.take(phone), ["SUBACK #1 [01]", "PUBLISH q1 #32768 alice hello"]);
}

/// The server named it, so it has no device's inbox; but it wants its session kept, so it has a
/// queue. Live mail and queued messages are in flight at once.
#[test]
fn live_mail_and_the_queue_of_a_nameless_session_share_no_packet_id() {
    let mut world = World::new();
    let bob = world.device("bob", "phone");
    let mut properties = PropertyBuffer::new();
    properties.push(Property::SessionExpiryInterval(60));
    let connect = Connect { properties: properties.as_properties(), ..v5("") };
    let alice = world.connect("alice", connect);
    world.subscribe(alice, "t/a", QoS::AtLeastOnce);
    world.take(alice);
    world.publish1(bob, "t/a", "queued", 1);
    world.publish1(bob, "alice", "live", 2);
    let seen = world.take(alice);
    assert_eq!(seen, ["PUBLISH q1 #1 t/a queued", "PUBLISH q1 #32768 alice live"]);
    world.puback_all(alice);
    world.publish1(bob, "t/a", "next", 3);
    assert_eq!(world.take(alice), ["PUBLISH q1 #2 t/a next"]);
}
