//! A topic that is published to again and again: whoever subscribes, goes, comes back or is denied
//! meanwhile gets what the subscriptions and the rules say at that moment.

use crate::model::Reason;
use crate::mqtt::QoS;
use crate::shard::Token;

use super::world::{World, durable, v311};

const TOPIC: &str = "a/b";

/// Somebody whose topic is remembered, and whoever gets its messages.
fn busy() -> (World, Token, Token) {
    let mut world = World::new();
    let phone = world.connect("alice", v311("phone"));
    world.subscribe(phone, TOPIC, QoS::AtMostOnce);
    let post = world.device("bob", "post");
    world.take(phone);
    for _ in 0..4 {
        world.publish(post, TOPIC, "known");
    }
    assert_eq!(texts(&mut world, phone), ["known"; 4]);
    (world, phone, post)
}

fn texts(world: &mut World, token: Token) -> Vec<String> {
    let all = world.take(token);
    all.iter().filter_map(|line| line.rsplit_once("a/b ").map(|(_, text)| text.into())).collect()
}

#[test]
fn who_subscribes_gets_the_next_one_and_who_unsubscribes_does_not() {
    let (mut world, phone, post) = busy();
    let late = world.connect("carol", v311("phone"));
    world.subscribe(late, "a/+", QoS::AtMostOnce);
    world.take(late);
    world.publish(post, TOPIC, "both");
    world.unsubscribe(phone, TOPIC);
    world.publish(post, TOPIC, "one");
    assert_eq!(texts(&mut world, phone), ["both"]);
    assert_eq!(texts(&mut world, late), ["both", "one"]);
}

#[test]
fn who_is_gone_gets_nothing_and_who_takes_its_place_nothing_of_it() {
    let (mut world, phone, post) = busy();
    world.lose(phone);
    let other = world.connect("carol", v311("phone"));
    world.take(other);
    world.publish(post, TOPIC, "nobody's");
    assert_eq!(world.take(other), [""; 0]);
}

#[test]
fn a_rule_counts_from_the_next_message_on() {
    let (mut world, phone, post) = busy();
    world.rules(r#"{ deny = "publish", topic = "a/#", user = "bob" }"#);
    world.publish(post, TOPIC, "denied");
    assert_eq!(texts(&mut world, phone), [""; 0]);
    assert_eq!(world.dropped(Reason::NotAuthorized), 1);
}

/// It gets QoS 0 while it is connected, and QoS 1 into its queue while it is not.
#[test]
fn a_durable_session_is_found_wherever_it_is() {
    let (mut world, _, post) = busy();
    let keeper = world.connect("carol", durable("keeper"));
    world.subscribe(keeper, TOPIC, QoS::AtLeastOnce);
    world.take(keeper);
    for number in 1..=4 {
        world.publish(post, TOPIC, "zero");
        world.publish1(post, TOPIC, "one", number);
        world.puback_all(keeper);
    }
    assert_eq!(texts(&mut world, keeper).len(), 8);
    world.puback_all(keeper);
    world.lose(keeper);
    world.publish(post, TOPIC, "lost");
    world.publish1(post, TOPIC, "kept", 5);
    let keeper = world.connect("carol", durable("keeper"));
    assert_eq!(texts(&mut world, keeper), ["kept"]);
}

/// Each message has its own member, so none is remembered.
#[test]
fn those_who_share_take_turns_and_who_joins_them_is_seen() {
    let (mut world, phone, post) = busy();
    let members = ["dan", "eve"].map(|uid| {
        let token = world.connect(uid, v311("phone"));
        world.subscribe(token, "$share/g/a/b", QoS::AtMostOnce);
        world.take(token);
        token
    });
    (1..=4).for_each(|number| world.publish(post, TOPIC, &number.to_string()));
    assert_eq!(texts(&mut world, phone), ["1", "2", "3", "4"]);
    let mut taken = members.map(|token| texts(&mut world, token));
    taken.sort();
    assert_eq!(taken, [["1", "3"], ["2", "4"]]);
}

/// What each copy is like is said by each message, and by who sent it.
#[test]
fn the_route_is_remembered_and_not_the_message() {
    let (mut world, phone, post) = busy();
    world.subscribe(phone, TOPIC, QoS::AtLeastOnce);
    world.take(phone);
    world.publish(post, TOPIC, "zero");
    world.publish1(post, TOPIC, "one", 1);
    world.publish(post, TOPIC, "zero");
    let all = ["PUBLISH q0 a/b zero", "PUBLISH q1 #1 a/b one", "PUBLISH q0 a/b zero"];
    assert_eq!(world.take(phone), all);
}
