//! Every packet in every state of a connection (MQTT 5, sections 3.1 to 3.15): what a client may
//! not send there ends it, and nothing else does.

use crate::mqtt::{
    Ack, Auth, ConnAck, Disconnect, FilterBuffer, FilterNameBuffer, Packet, PacketId, Properties,
    QoS, SubAck, Subscribe, SubscribeOptions, Unsubscribe, Version, encode,
};
use crate::shard::Token;

use super::packets::publish;
use super::world::{World, v5, v311};

/// In words, and how a connection comes there.
type State = (&'static str, fn(&mut World, Token));

const STATES: [State; 6] = [
    ("has just connected", |_, _| {}),
    ("has settled", |world, _| world.settle()),
    ("has subscribed", |world, token| world.subscribe(token, "a/b", QoS::ExactlyOnce)),
    ("has a QoS 2 publish held", |world, token| world.publish2(token, "a/c", "x", 7)),
    ("is owed a commit", |world, token| {
        world.held = true;
        world.publish1(token, "alice", "x", 8);
    }),
    ("has a QoS 2 message unanswered", |world, token| {
        world.subscribe(token, "a/b", QoS::ExactlyOnce);
        world.publish2(token, "a/b", "x", 9);
    }),
];

/// One packet of each type, and whether a client may send it.
fn packets(version: Version, see: &mut dyn FnMut(Packet<'_>, bool)) {
    let (packet_id, properties) = (PacketId::MAX, Properties::default());
    let ack = Ack::ok(packet_id);
    let (mut filters, mut names) = (FilterBuffer::new(), FilterNameBuffer::new());
    filters.push("c/d", SubscribeOptions::plain(QoS::AtMostOnce)).unwrap();
    names.push("c/d").unwrap();
    let (names, filters) = (names.as_filters(), filters.as_filters());
    let codes: &[u8] = if version == Version::V5 { &[0] } else { &[] };
    see(Packet::Publish(publish("c/d", "x", QoS::AtMostOnce, 0)), true);
    see(Packet::PubAck(ack), true);
    see(Packet::PubRec(ack), true);
    see(Packet::PubRel(ack), true);
    see(Packet::PubComp(ack), true);
    see(Packet::Subscribe(Subscribe { packet_id, properties, filters }), true);
    see(Packet::Unsubscribe(Unsubscribe { packet_id, properties, filters: names }), true);
    see(Packet::PingReq, true);
    see(Packet::Connect(v5("phone")), false);
    see(Packet::ConnAck(ConnAck { session_present: false, code: 0, properties }), false);
    see(Packet::SubAck(SubAck { packet_id, properties, codes: &[0] }), false);
    see(Packet::UnsubAck(SubAck { packet_id, properties, codes }), false);
    see(Packet::PingResp, false);
    if version == Version::V5 {
        see(Packet::Auth(Auth { reason: 0, properties }), false);
    }
}

/// Threat W3.
#[test]
fn what_only_servers_send_ends_the_connection_in_every_state_and_nothing_else_does() {
    for version in [Version::V311, Version::V5] {
        for (state, reach) in STATES {
            packets(version, &mut |packet, is_allowed| {
                let mut world = World::new();
                let connect = if version == Version::V5 { v5("phone") } else { v311("phone") };
                let token = world.connect("bob", connect);
                reach(&mut world, token);
                let mut bytes = Vec::new();
                encode(&packet, version, &mut bytes);
                // A SUBSCRIBE waits for the commits of what the client published before.
                if world.input(token, &bytes) == 0 {
                    world.release();
                    assert_eq!(world.input(token, &bytes), bytes.len());
                }
                let what = format!("{} when it {state}, {version:?}", packet.name());
                assert_eq!(world.is_closed(token), !is_allowed, "{what}");
                let end = world.take(token).pop();
                let told = !is_allowed && version == Version::V5;
                assert_eq!(end.is_some_and(|end| end == "DISCONNECT 82"), told, "{what}");
            });
        }
    }
}

/// Threat W3. Before it is let in nothing is taken, and behind its end everything is dropped.
#[test]
fn a_connection_that_is_not_open_hears_nothing() {
    for version in [Version::V311, Version::V5] {
        packets(version, &mut |packet, _| {
            let mut world = World::new();
            world.held = true;
            let connect = if version == Version::V5 { v5("phone") } else { v311("phone") };
            let token = world.connect("bob", connect);
            let mut bytes = Vec::new();
            encode(&packet, version, &mut bytes);
            assert_eq!(world.input(token, &bytes), 0, "{}", packet.name());
            world.release();
            world.take(token);
            world.send(token, Packet::Disconnect(Disconnect::default()));
            assert_eq!(world.input(token, &bytes), bytes.len());
            assert_eq!(world.take(token), Vec::<String>::new(), "{}", packet.name());
        });
    }
}

/// Whoever reads its connection looks no more at it until it is told.
#[test]
fn whose_session_was_asked_for_says_when_it_may_be_read() {
    let mut world = World::new();
    world.held = true;
    let token = world.connect("bob", v311("phone"));
    assert!(world.shard.is_opening(token) && !world.shard.wants_input(token));
    assert_eq!(world.shard.effects().resumed, []);
    world.release();
    assert_eq!(world.shard.effects().resumed, [token]);
    assert!(!world.shard.is_opening(token) && world.shard.wants_input(token));
}
