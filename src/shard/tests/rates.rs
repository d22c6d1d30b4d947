//! Publish rates slow the reading of a connection, and of nobody else; what a user may have.

use std::time::Duration;

use super::world::{World, v5, v311};
use crate::model::Rate;
use crate::mqtt::{Connect, Packet, QoS};
use crate::shard::{Pace, Rates, Token};

fn pace(per_sec: u64, burst: u64) -> Pace {
    Pace { count: Rate::new(per_sec, burst), bytes: None }
}

fn world(rates: Rates) -> World {
    let mut world = World::new();
    world.limit(|live| live.rates = rates);
    world
}

/// How many of `count` publishes are taken at once.
fn publish(world: &mut World, token: Token, count: u16) -> u16 {
    let mut taken = 0;
    while taken < count && world.shard.wants_input(token) {
        world.publish1(token, "alice", "x", taken + 1);
        taken += 1;
    }
    taken
}

#[test]
fn beyond_its_rate_a_connection_is_read_no_further_until_time_has_passed() {
    let mut world = world(Rates { connection: pace(10, 5), user: Pace::default() });
    let post = world.device("bob", "post");
    world.shard.effects().resumed.clear();
    assert_eq!(publish(&mut world, post, 100), 6);
    assert!(world.shard.is_throttled(post));
    assert_eq!(world.metrics.readers_throttled.get(), 1);
    world.pass(Duration::from_millis(99));
    assert!(world.shard.is_throttled(post));
    world.pass(Duration::from_millis(1));
    assert_eq!(std::mem::take(&mut world.shard.effects().resumed), [post]);
    assert_eq!(world.metrics.readers_throttled.get(), 0);
    assert_eq!(publish(&mut world, post, 100), 1);
    world.pass(Duration::from_secs(60));
    assert_eq!(publish(&mut world, post, 100), 6);
}

#[test]
fn bytes_count_too() {
    let bytes = Pace { count: None, bytes: Rate::new(100, 100) };
    let mut world = world(Rates { connection: bytes, user: Pace::default() });
    let post = world.device("bob", "post");
    world.publish1(post, "alice", &"x".repeat(1000), 1);
    world.pass(Duration::from_secs(8));
    assert!(world.shard.is_throttled(post));
    world.pass(Duration::from_secs(2));
    assert!(!world.shard.is_throttled(post));
}

#[test]
fn a_users_connections_share_the_users_rate_and_others_are_not_concerned() {
    let mut world = world(Rates { connection: Pace::default(), user: pace(10, 4) });
    let (one, other) = (world.device("bob", "one"), world.device("bob", "other"));
    let carol = world.device("carol", "post");
    assert_eq!((publish(&mut world, one, 3), publish(&mut world, other, 100)), (3, 2));
    assert_eq!(publish(&mut world, carol, 3), 3);
    // One who leaves and comes back finds its debt.
    world.lose(other);
    let other = world.device("bob", "other");
    world.pass(Duration::ZERO);
    assert!(publish(&mut world, other, 100) <= 5);
}

#[test]
fn who_is_slowed_down_is_not_silent() {
    let mut world = world(Rates { connection: pace(1, 1), user: Pace::default() });
    let post = world.connect("bob", Connect { keep_alive_secs: 10, ..v311("post") });
    world.limit(|live| {
        let bytes = Rate::new(1, 1);
        live.rates.connection = Pace { count: None, bytes };
    });
    world.publish1(post, "alice", &"x".repeat(100), 1);
    world.pass(Duration::from_secs(50));
    world.pass(Duration::from_secs(50));
    assert!(!world.is_closed(post), "it could not be heard");
    world.pass(Duration::from_secs(20));
    assert!(!world.shard.is_throttled(post));
    world.pass(Duration::from_secs(14));
    assert!(!world.is_closed(post));
    world.pass(Duration::from_secs(1));
    assert!(world.is_closed(post), "silent for one and a half times its keep alive");
}

#[test]
fn who_ends_while_it_is_slowed_down_leaves_no_trace() {
    let mut world = world(Rates { connection: pace(1, 1), user: Pace::default() });
    let post = world.device("bob", "post");
    world.shard.effects().resumed.clear();
    publish(&mut world, post, 2);
    assert_eq!(world.metrics.readers_throttled.get(), 1);
    world.lose(post);
    assert_eq!(world.metrics.readers_throttled.get(), 0);
    world.pass(Duration::from_secs(60));
    assert!(world.shard.effects().resumed.is_empty());
}

#[test]
fn one_connection_more_than_a_user_may_have_ends_the_one_silent_for_longest() {
    let mut world = World::new();
    world.limit(|live| live.connections_per_user_max = 2);
    let old = world.connect("bob", v5("old"));
    world.pass(Duration::from_secs(1));
    let quiet = world.connect("bob", v5("quiet"));
    world.pass(Duration::from_secs(1));
    world.send(old, Packet::PingReq);
    world.take(old);
    world.take(quiet);
    let new = world.connect("bob", v5("new"));
    assert_eq!(world.take(quiet), ["DISCONNECT 97"]);
    assert!(world.is_closed(quiet) && !world.is_closed(old) && !world.is_closed(new));
    // The same device again is no further one, and other users are not concerned.
    let again = world.connect("bob", v5("new"));
    let carol = world.connect("carol", v5("phone"));
    assert!(!world.is_closed(old) && !world.is_closed(again) && !world.is_closed(carol));
}

/// Threat M8.
#[test]
fn one_durable_session_more_ends_the_one_away_for_longest() {
    let mut world = World::new();
    world.limit(|live| live.sessions_per_user_max = 2);
    let post = world.device("carol", "post");
    for name in ["one", "two", "three"] {
        let session = world.connect("bob", super::world::durable(name));
        world.subscribe(session, "a/1", QoS::AtLeastOnce);
        world.pass(Duration::from_secs(1));
        if name != "one" {
            world.lose(session);
        }
    }
    // The first is connected, so it is the second that went.
    world.publish1(post, "a/1", "x", 1);
    let two = world.connect("bob", super::world::durable("two"));
    assert_eq!(world.take(two), ["CONNACK 00"]);
    let three = world.connect("bob", super::world::durable("three"));
    assert_eq!(world.take(three)[0], "CONNACK 00");
}

#[test]
fn a_users_subscriptions_are_counted_in_all_sessions_here_and_away() {
    let mut world = World::new();
    world.limit(|live| live.subscriptions_per_user_max = 3);
    let away = world.connect("bob", super::world::durable("away"));
    world.subscribe(away, "a/1", QoS::AtLeastOnce);
    world.lose(away);
    let here = world.connect("bob", v5("here"));
    world.subscribe(here, "a/1", QoS::AtMostOnce);
    let other = world.connect("bob", v5("other"));
    world.take(other);
    for (topic, code) in [("a/1", "00"), ("a/2", "97"), ("a/1", "00")] {
        world.subscribe(other, topic, QoS::AtMostOnce);
        assert_eq!(world.take(other), [format!("SUBACK #1 [{code}]")], "{topic}");
    }
}
