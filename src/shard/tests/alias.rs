//! Topic aliases, from clients and to them.

use crate::mqtt::{Connect, Packet, Property, PropertyBuffer, Publish, QoS};
use crate::shard::Token;

use super::packets::publish;
use super::world::{World, v5};

fn with_alias(alias: u16) -> PropertyBuffer {
    let mut properties = PropertyBuffer::new();
    properties.push(Property::TopicAlias(alias));
    properties
}

fn send(world: &mut World, token: Token, topic: &str, alias: u16) {
    let properties = with_alias(alias);
    let publish = publish(topic, "hi", QoS::AtMostOnce, 0);
    let properties = properties.as_properties();
    world.send(token, Packet::Publish(Publish { properties, ..publish }));
}

/// A connection that takes so many aliases, subscribed to everything.
fn listener(world: &mut World, maximum: u16) -> Token {
    let mut properties = PropertyBuffer::new();
    properties.push(Property::TopicAliasMaximum(maximum));
    let properties = properties.as_properties();
    let token = world.connect("eve", Connect { properties, ..v5("listener") });
    world.subscribe(token, "#", QoS::AtMostOnce);
    world.settle();
    world.take(token);
    token
}

#[test]
fn a_number_stands_for_the_topic_it_was_given() {
    let mut world = World::new();
    let (ear, bob) = (listener(&mut world, 0), world.connect("bob", v5("phone")));
    send(&mut world, bob, "news/rust", 1);
    send(&mut world, bob, "", 1);
    send(&mut world, bob, "news/go", 1);
    send(&mut world, bob, "", 1);
    let told = ["news/rust", "news/rust", "news/go", "news/go"];
    assert_eq!(world.take(ear), told.map(|topic| format!("PUBLISH q0 {topic} hi")));
}

#[test]
fn a_number_beyond_the_maximum_and_one_without_a_topic_end_the_connection() {
    let mut world = World::new();
    for (topic, alias, code) in [("news/rust", 17, "94"), ("", 16, "82")] {
        let bob = world.connect("bob", v5("phone"));
        world.take(bob);
        send(&mut world, bob, topic, alias);
        assert_eq!(world.take(bob), [format!("DISCONNECT {code}")]);
    }
}

/// Threat M5.
#[test]
fn topics_with_numbers_are_bounded_in_bytes() {
    let mut world = World::new();
    let bob = world.connect("bob", v5("phone"));
    world.take(bob);
    let long = format!("a/{}", "x".repeat(40_000));
    (1..=4).for_each(|alias| send(&mut world, bob, &long, alias));
    assert_eq!(world.take(bob), ["DISCONNECT 97"]);
}

#[test]
fn a_client_gets_numbers_as_far_as_it_takes_them_and_the_topic_once() {
    let mut world = World::new();
    let (ear, bob) = (listener(&mut world, 1), world.connect("bob", v5("phone")));
    for topic in ["news/rust", "news/rust", "news/go", "news/go"] {
        world.publish(bob, topic, "hi");
    }
    let told = ["news/rust", "", "news/go", "news/go"];
    assert_eq!(world.take(ear), told.map(|topic| format!("PUBLISH q0 {topic} hi")));
}

#[test]
fn numbers_end_with_the_connection() {
    let mut world = World::new();
    let (ear, bob) = (listener(&mut world, 5), world.connect("bob", v5("phone")));
    world.publish(bob, "news/rust", "hi");
    world.lose(ear);
    let ear = listener(&mut world, 5);
    world.publish(bob, "news/rust", "hi");
    assert_eq!(world.take(ear), ["PUBLISH q0 news/rust hi"]);
}
