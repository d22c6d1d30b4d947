//! Messages of one sender to one recipient arrive in order.

use std::time::Duration;

use crate::mqtt::QoS;

use super::world::{World, durable, v311};

/// The first publish waits for its commit, since a durable session gets it; the others owe
/// nothing to anybody.
#[test]
fn a_publish_that_owes_nothing_does_not_overtake_one_that_is_being_committed() {
    let mut world = World::new();
    let keeper = world.connect("carol", durable("keeper"));
    world.subscribe(keeper, "a/1", QoS::AtLeastOnce);
    let phone = world.connect("alice", v311("phone"));
    world.subscribe(phone, "a/#", QoS::AtLeastOnce);
    let post = world.device("bob", "post");
    world.take(phone);
    world.held = true;
    world.publish1(post, "a/1", "one", 1);
    world.publish1(post, "a/2", "two", 2);
    world.publish(post, "a/2", "three");
    world.release();
    world.publish(post, "a/2", "four");
    let all = [
        "PUBLISH q1 #1 a/1 one",
        "PUBLISH q1 #2 a/2 two",
        "PUBLISH q0 a/2 three",
        "PUBLISH q0 a/2 four",
    ];
    assert_eq!(world.take(phone), all);
}

#[test]
fn a_publish_that_owes_nothing_waits_for_no_commit() {
    let mut world = World::new();
    let phone = world.connect("alice", v311("phone"));
    world.subscribe(phone, "a/b", QoS::AtLeastOnce);
    let post = world.device("bob", "post");
    world.take(phone);
    world.held = true;
    world.publish1(post, "a/b", "one", 1);
    assert_eq!(world.take(phone), ["PUBLISH q1 #1 a/b one"]);
    assert_eq!(world.take(post), ["PUBACK #1 00"]);
}

/// What may go at once goes behind what waits for the window.
#[test]
fn a_copy_with_qos_0_does_not_overtake_one_that_waits() {
    let mut world = World::new();
    let phone = world.connect("alice", v311("phone"));
    world.subscribe(phone, "a/b", QoS::AtLeastOnce);
    let post = world.device("bob", "post");
    world.take(phone);
    let max = world.settings.send_maximum;
    (1..=max + 1).for_each(|n| world.publish1(post, "a/b", &n.to_string(), n));
    world.publish(post, "a/b", "last");
    let sent = world.take(phone);
    assert_eq!(sent.last(), Some(&format!("PUBLISH q1 #{max} a/b {max}")));
    world.puback_all(phone);
    let late = max + 1;
    let rest = [format!("PUBLISH q1 #{late} a/b {late}"), "PUBLISH q0 a/b last".to_owned()];
    assert_eq!(world.take(phone), rest);
}

/// Also to the topic that was published to last: who gets a message is looked up for each.
#[test]
fn who_comes_and_goes_between_two_publishes_is_seen() {
    let mut world = World::new();
    let (phone, post) = (world.connect("alice", v311("phone")), world.device("bob", "post"));
    world.take(phone);
    world.publish(post, "a/b", "before");
    world.subscribe(phone, "a/b", QoS::AtMostOnce);
    world.publish(post, "a/b", "subscribed");
    world.publish(post, "a/c", "elsewhere");
    world.publish(post, "a/b", "again");
    assert_eq!(
        world.take(phone),
        ["SUBACK #1 [00]", "PUBLISH q0 a/b subscribed", "PUBLISH q0 a/b again"]
    );
    world.unsubscribe(phone, "a/b");
    world.publish(post, "a/b", "unsubscribed");
    assert_eq!(world.take(phone), ["UNSUBACK #1 []"]);
    world.subscribe(phone, "a/b", QoS::AtMostOnce);
    let other = world.connect("alice", v311("phone"));
    world.publish(post, "a/b", "taken over");
    assert_eq!(world.take(other), ["CONNACK 00"]);
    world.subscribe(other, "a/b", QoS::AtMostOnce);
    world.lose(other);
    world.publish(post, "a/b", "gone");
    assert_eq!(world.take(other), ["SUBACK #1 [00]"]);
}

/// Threat N1. Not even where the stamps themselves go forth and back.
#[test]
fn the_order_of_mail_is_not_that_of_the_wall_clock() {
    const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;
    let mut world = World::new();
    let phone = world.device("alice", "phone");
    let post = world.device("bob", "post");
    for (number, by) in [(1, DAY_MILLIS), (2, -2 * DAY_MILLIS), (3, DAY_MILLIS)] {
        world.jump(by);
        world.pass(Duration::from_millis(1));
        world.publish1(post, "alice", &number.to_string(), number);
    }
    let all =
        ["PUBLISH q1 #32768 alice 1", "PUBLISH q1 #32769 alice 2", "PUBLISH q1 #32770 alice 3"];
    assert_eq!(world.take(phone), all);
}
