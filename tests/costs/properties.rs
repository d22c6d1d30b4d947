//! Very many user properties cost what their bytes cost, from the socket to a subscriber.

use homing::mqtt::{
    FilterBuffer, Packet, PacketId, Property, PropertyBuffer, Publish, QoS, Subscribe,
    SubscribeOptions, Version, decode, encode,
};
use homing::shard::Token;

use crate::world::{World, v5};
use crate::{ALONE, Cost, cost, cost_once};

/// Two letters of name and value each take so many bytes.
const PROPERTY_BYTES: usize = 9;

/// A PUBLISH with so many bytes of user properties.
fn frame(bytes: usize) -> Vec<u8> {
    let mut properties = PropertyBuffer::new();
    for _ in 0..bytes / PROPERTY_BYTES {
        properties.push(Property::UserProperty("ab", "cd"));
    }
    let packet = Packet::Publish(Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic: "t/a",
        packet_id: None,
        properties: properties.as_properties(),
        payload: b"x",
    });
    let mut out = Vec::new();
    encode(&packet, Version::V5, &mut out);
    out
}

fn subscribe(world: &mut World, token: Token, filter: &str) {
    let mut filters = FilterBuffer::new();
    filters.push(filter, SubscribeOptions::plain(QoS::AtMostOnce)).unwrap();
    let (packet_id, properties) = (PacketId::MIN, Default::default());
    let filters = filters.as_filters();
    world.send(token, Packet::Subscribe(Subscribe { packet_id, properties, filters }));
}

/// From the publisher's bytes to those of a subscriber.
fn through(bytes: usize) -> Cost {
    let frame = frame(bytes);
    let mut world = World::new();
    let (bob, alice) = (world.connect("bob", v5("post")), world.connect("alice", v5("phone")));
    subscribe(&mut world, alice, "t/#");
    world.heard(alice);
    let mut heard = 0;
    let cost = cost_once(|| {
        assert_eq!(world.input(bob, &frame), frame.len());
        heard = world.heard(alice).len();
    });
    assert!(heard >= bytes - PROPERTY_BYTES, "{heard} bytes came");
    cost
}

/// Threat W6. Reading them takes no memory at all; on their way they are held once as a whole, and
/// nothing is done for each of them alone. (How many instructions they take is counted by
/// `scripts/codec-instructions`.)
#[test]
fn sixty_four_kib_of_user_properties_cost_what_their_bytes_cost() {
    let _alone = ALONE.lock();
    let large = frame(64 * 1024);
    let read = cost(|| assert!(decode(&large, Version::V5, u32::MAX).unwrap().is_some()));
    assert_eq!(read, Cost { count: 0, kept_bytes: 0 });
    let (some, many) = (through(8 * 1024), through(64 * 1024));
    println!("8 KiB of user properties: {some:?}, 64 KiB: {many:?}");
    // A growing buffer doubles: three times from 8 to 64 KiB.
    assert!(many.count <= some.count + 20, "8 KiB: {some:?}, 64 KiB: {many:?}");
}
