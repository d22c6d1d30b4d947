//! Retained messages: kept, sent to new subscriptions, removed.

use crate::model::Reason;
use crate::mqtt::{
    Connect, FilterBuffer, Packet, PacketId, Properties, Property, PropertyBuffer, Publish, QoS,
    RetainHandling, Subscribe, SubscribeOptions, Will,
};
use crate::shard::Token;

use super::packets::publish;
use super::world::{World, durable, v5, v311};

fn retain(world: &mut World, token: Token, topic: &str, body: &str) {
    let publish = Publish { retain: true, ..publish(topic, body, QoS::AtLeastOnce, 1) };
    world.send(token, Packet::Publish(publish));
}

fn subscribe_with(world: &mut World, token: Token, filter: &str, handling: RetainHandling) {
    let mut filters = FilterBuffer::new();
    let options = SubscribeOptions::plain(QoS::AtLeastOnce);
    filters.push(filter, SubscribeOptions { retain_handling: handling, ..options }).unwrap();
    let (properties, filters) = (Properties::default(), filters.as_filters());
    let packet_id = PacketId::MIN;
    world.send(token, Packet::Subscribe(Subscribe { packet_id, properties, filters }));
}

/// A world in which bob keeps two messages.
fn kept() -> (World, Token) {
    let mut world = World::new();
    let bob = world.connect("bob", v5("phone"));
    retain(&mut world, bob, "news/rust", "1.95");
    retain(&mut world, bob, "news/go", "2");
    world.take(bob);
    (world, bob)
}

#[test]
fn a_new_subscription_gets_them_after_its_suback() {
    let (mut world, _) = kept();
    let ear = world.connect("eve", v311("ear"));
    world.take(ear);
    world.subscribe(ear, "news/+", QoS::AtMostOnce);
    let go = "PUBLISH q0 retain news/go 2";
    let rust = "PUBLISH q0 retain news/rust 1.95";
    assert_eq!(world.take(ear), ["SUBACK #1 [00]", go, rust]);
}

/// A filter without any costs no read of the store. One that is not committed yet counts: the read
/// comes behind it, or the subscription was there when receivers were looked for.
#[test]
fn they_are_looked_for_where_there_may_be_some() {
    let mut world = World::new();
    let bob = world.connect("bob", v5("phone"));
    retain(&mut world, bob, "news/rust", "1.95");
    let filters = ["quiet/#", "news/go", "late/+", "+/x", "#"];
    let ears = filters.map(|filter| (world.connect("eve", v5(filter)), filter));
    (world.held, world.reads_wait) = (true, true);
    retain(&mut world, bob, "late/x", "1");
    let asked = ears.map(|(ear, filter)| {
        world.subscribe(ear, filter, QoS::AtMostOnce);
        std::mem::take(&mut world.shard.effects().retained).len()
    });
    assert_eq!(asked, [0, 1, 1, 1, 1]);
}

#[test]
fn they_are_flagged_for_new_subscriptions_alone() {
    let (mut world, bob) = kept();
    let ear = world.connect("eve", v5("ear"));
    world.subscribe(ear, "news/#", QoS::AtMostOnce);
    world.take(ear);
    retain(&mut world, bob, "news/rust", "1.96");
    assert_eq!(world.take(ear), ["PUBLISH q0 news/rust 1.96"]);
}

#[test]
fn an_empty_one_removes_it_and_is_a_message_like_any_other() {
    let (mut world, bob) = kept();
    let ear = world.connect("eve", v5("ear"));
    world.subscribe(ear, "news/#", QoS::AtMostOnce);
    world.take(ear);
    retain(&mut world, bob, "news/rust", "");
    assert_eq!(world.take(ear), ["PUBLISH q0 news/rust "]);
    let late = world.connect("eve", v5("late"));
    world.take(late);
    world.subscribe(late, "news/#", QoS::AtMostOnce);
    assert_eq!(world.take(late), ["SUBACK #1 [00]", "PUBLISH q0 retain news/go 2"]);
}

#[test]
fn retain_handling_says_when_they_come() {
    let (mut world, _) = kept();
    let ear = world.connect("eve", v5("ear"));
    world.take(ear);
    let mut come = |handling| {
        subscribe_with(&mut world, ear, "news/rust", handling);
        world.take(ear).len() - 1
    };
    assert_eq!(come(RetainHandling::SendIfNew), 1);
    assert_eq!(come(RetainHandling::SendIfNew), 0);
    assert_eq!(come(RetainHandling::SendAtSubscribe), 1);
    assert_eq!(come(RetainHandling::DoNotSend), 0);
}

/// [MQTT-4.4.0-1]: what was sent and not acknowledged is sent again.
#[test]
fn a_durable_session_does_not_lose_them_with_its_connection() {
    let (mut world, _) = kept();
    let ear = world.connect("eve", durable("ear"));
    world.subscribe(ear, "news/#", QoS::AtLeastOnce);
    assert_eq!(world.take(ear).len(), 4);
    world.lose(ear);
    world.crash();
    let ear = world.connect("eve", durable("ear"));
    let sent = [
        "CONNACK 00 present",
        "PUBLISH q1 retain #1 dup news/go 2",
        "PUBLISH q1 retain #2 dup news/rust 1.95",
    ];
    assert_eq!(world.take(ear), sent);
}

#[test]
fn many_of_them_come_as_fast_as_they_are_acknowledged() {
    let mut world = World::new();
    world.limit(|live| live.retain.count_max = 100);
    let bob = world.connect("bob", v5("phone"));
    (0..30).for_each(|n| retain(&mut world, bob, &format!("n/{n:02}"), "x"));
    let mut properties = PropertyBuffer::new();
    properties.push(Property::ReceiveMaximum(3));
    let properties = properties.as_properties();
    let ear = world.connect("eve", Connect { properties, ..v5("ear") });
    world.take(ear);
    world.subscribe(ear, "n/#", QoS::AtLeastOnce);
    assert_eq!(world.take(ear).len(), 4);
    let mut got = 3;
    while got < 30 {
        world.puback_all(ear);
        got += world.take(ear).len();
    }
    assert_eq!(got, 30);
}

#[test]
fn an_older_one_does_not_come_behind_a_newer_message() {
    let (mut world, bob) = kept();
    let ear = world.connect("eve", v5("ear"));
    world.take(ear);
    world.reads_wait = true;
    world.subscribe(ear, "news/#", QoS::AtMostOnce);
    retain(&mut world, bob, "news/rust", "1.96");
    world.reads_wait = false;
    world.run();
    let told = ["SUBACK #1 [00]", "PUBLISH q0 news/rust 1.96", "PUBLISH q0 retain news/go 2"];
    assert_eq!(world.take(ear), told);
}

/// Threat M8.
#[test]
fn beyond_the_quota_the_publish_is_refused() {
    let (mut world, bob) = kept();
    retain(&mut world, bob, "news/c", "11");
    assert_eq!(world.take(bob), ["PUBACK #1 00"]);
    retain(&mut world, bob, "news/zig", "1");
    assert_eq!(world.take(bob), ["PUBACK #1 97"]);
    let ear = world.connect("eve", v5("ear"));
    world.take(ear);
    world.subscribe(ear, "news/zig", QoS::AtMostOnce);
    assert_eq!(world.take(ear), ["SUBACK #1 [00]"]);
}

/// Threat I2.
#[test]
fn what_one_may_not_receive_stays_away_although_it_is_kept() {
    let (mut world, _) = kept();
    world.rules(r#"{ deny = "subscribe", topic = "news/go" }"#);
    let ear = world.connect("eve", v5("ear"));
    world.take(ear);
    world.subscribe(ear, "news/#", QoS::AtMostOnce);
    assert_eq!(world.take(ear), ["SUBACK #1 [00]", "PUBLISH q0 retain news/rust 1.95"]);
    assert_eq!(world.dropped(Reason::NotAuthorized), 1);
}

#[test]
fn a_will_can_be_one() {
    let mut world = World::new();
    let properties = Properties::default();
    let (payload, qos) = (b"gone".as_slice(), QoS::AtMostOnce);
    let will = Some(Will { topic: "state/bob", payload, qos, retain: true, properties });
    let bob = world.connect("bob", Connect { will, ..v5("phone") });
    world.lose(bob);
    let ear = world.connect("eve", v5("ear"));
    world.take(ear);
    world.subscribe(ear, "state/+", QoS::AtMostOnce);
    assert_eq!(world.take(ear), ["SUBACK #1 [00]", "PUBLISH q0 retain state/bob gone"]);
}

#[test]
fn on_an_inbox_it_means_nothing() {
    let mut world = World::new();
    let bob = world.connect("bob", v5("phone"));
    retain(&mut world, bob, "alice", "hi");
    let phone = world.device("alice", "phone");
    world.subscribe(phone, "alice", QoS::AtLeastOnce);
    let got = world.take(phone);
    assert!(got.iter().all(|packet| !packet.contains("retain")), "{got:?}");
}

#[test]
fn an_unsubscribe_stops_what_is_being_read() {
    let (mut world, _) = kept();
    let ear = world.connect("eve", v311("ear"));
    world.reads_wait = true;
    world.subscribe(ear, "news/+", QoS::AtMostOnce);
    world.unsubscribe(ear, "news/+");
    world.take(ear);
    world.reads_wait = false;
    world.run();
    assert_eq!(world.take(ear), Vec::<String>::new());
    world.subscribe(ear, "news/go", QoS::AtMostOnce);
    assert_eq!(world.take(ear), ["SUBACK #1 [00]", "PUBLISH q0 retain news/go 2"]);
}
