//! Subscription identifiers: which ones a delivered message carries.

use crate::mqtt::{
    Connect, FilterBuffer, Packet, PacketId, Property, PropertyBuffer, QoS, Subscribe,
    SubscribeOptions,
};
use crate::shard::Token;

use super::world::{World, v5};

pub fn subscribe_with_id(world: &mut World, token: Token, filter: &str, id: u32) {
    let (mut filters, mut properties) = (FilterBuffer::new(), PropertyBuffer::new());
    filters.push(filter, SubscribeOptions::plain(QoS::AtLeastOnce)).unwrap();
    properties.push(Property::SubscriptionIdentifier(id));
    let (filters, properties) = (filters.as_filters(), properties.as_properties());
    world.send(
        token,
        Packet::Subscribe(Subscribe { packet_id: PacketId::MIN, properties, filters }),
    );
}

fn durable(world: &mut World) -> Token {
    let mut properties = PropertyBuffer::new();
    properties.push(Property::SessionExpiryInterval(60));
    let properties = properties.as_properties();
    world.connect("eve", Connect { clean_start: false, properties, ..v5("ear") })
}

#[test]
fn a_message_names_all_the_subscriptions_it_matches() {
    let mut world = World::new();
    let (ear, bob) = (world.connect("eve", v5("ear")), world.connect("bob", v5("phone")));
    for (filter, id) in [("news/#", 1), ("news/+", 2), ("sports/#", 3)] {
        subscribe_with_id(&mut world, ear, filter, id);
    }
    world.subscribe(ear, "#", QoS::AtMostOnce);
    world.take(ear);
    world.publish(bob, "news/rust", "hi");
    assert_eq!(world.subscription_ids(ear), [1, 2]);
    world.publish(bob, "weather/today", "hi");
    assert_eq!(world.subscription_ids(ear), [0; 0]);
}

#[test]
fn the_last_identifier_of_a_filter_holds_until_it_is_unsubscribed() {
    let mut world = World::new();
    let (ear, bob) = (world.connect("eve", v5("ear")), world.connect("bob", v5("phone")));
    subscribe_with_id(&mut world, ear, "news/#", 1);
    subscribe_with_id(&mut world, ear, "news/#", 268_435_455);
    world.take(ear);
    world.publish(bob, "news/rust", "hi");
    assert_eq!(world.subscription_ids(ear), [268_435_455]);
    world.subscribe(ear, "news/#", QoS::AtMostOnce);
    world.take(ear);
    world.publish(bob, "news/rust", "hi");
    assert_eq!(world.subscription_ids(ear), [0; 0]);
}

#[test]
fn the_inbox_can_have_one_too() {
    let mut world = World::new();
    let (ear, bob) = (world.connect("eve", v5("ear")), world.connect("bob", v5("phone")));
    subscribe_with_id(&mut world, ear, "eve", 7);
    subscribe_with_id(&mut world, ear, "eve/envelope", 8);
    world.take(ear);
    world.publish(bob, "eve", "hi");
    assert_eq!(world.subscription_ids(ear), [8]);
}

#[test]
fn a_durable_session_keeps_them() {
    let mut world = World::new();
    let bob = world.connect("bob", v5("phone"));
    let ear = durable(&mut world);
    subscribe_with_id(&mut world, ear, "news/#", 5);
    subscribe_with_id(&mut world, ear, "eve", 6);
    world.lose(ear);
    world.publish1(bob, "news/rust", "hi", 1);
    let ear = durable(&mut world);
    assert_eq!(world.subscription_ids(ear), [5]);
    world.publish(bob, "eve", "hi");
    world.settle();
    assert_eq!(world.subscription_ids(ear), [6]);
}
