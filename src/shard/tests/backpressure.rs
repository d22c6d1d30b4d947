//! No peer makes the process grow: who does not take its answers is read no further.

use std::time::Duration;

use crate::model::Reason;
use crate::mqtt::{Connect, Packet, QoS, encode};

use super::world::{World, durable, v311};

#[test]
fn a_client_that_takes_no_answers_is_read_no_further() {
    let mut world = World::new();
    let phone = world.device("alice", "phone");
    world.blocked = true;
    let mut pings = Vec::new();
    (0..100_000).for_each(|_| encode(&Packet::PingReq, crate::mqtt::Version::V311, &mut pings));
    let taken = world.shard.bytes(phone, &pings);
    assert!(taken.paused && taken.bytes == 64 * 1024, "{taken:?}");
    world.blocked = false;
    world.flush(phone);
    assert!(world.shard.wants_input(phone));
}

#[test]
fn subscriptions_that_wait_for_their_commit_are_few() {
    let mut world = World::new();
    let phone = world.connect("alice", durable("phone"));
    world.held = true;
    let mut count = 0;
    while world.shard.wants_input(phone) {
        world.subscribe(phone, "a/b", QoS::AtMostOnce);
        count += 1;
    }
    assert_eq!(count, 16);
    world.release();
    assert!(world.shard.wants_input(phone));
}

/// Nobody waits for their answers, and still they are counted until then.
#[test]
fn publishes_with_qos_0_that_wait_for_their_commit_are_few() {
    let mut world = World::new();
    let post = world.device("bob", "post");
    world.held = true;
    let mut count = 0;
    while world.shard.wants_input(post) {
        world.publish(post, "alice", "x");
        count += 1;
    }
    assert_eq!(count, world.settings.receive_maximum);
    world.release();
    assert!(world.shard.wants_input(post));
    assert_eq!(world.dropped(Reason::StoreFailed), 0);
}

/// And a failure of the store is counted, though nobody hears of it.
#[test]
fn a_publish_with_qos_0_that_could_not_be_stored_is_counted() {
    let mut world = World::new();
    let post = world.device("bob", "post");
    world.failing = true;
    world.publish(post, "alice", "x");
    assert_eq!(world.dropped(Reason::StoreFailed), 1);
    assert_eq!(world.take(post), [""; 0]);
}

#[test]
fn unanswered_publishes_stop_the_reading_and_the_keep_alive() {
    let mut world = World::new();
    let post = world.connect("bob", Connect { keep_alive_secs: 10, ..v311("post") });
    world.held = true;
    for id in 1.. {
        if !world.shard.wants_input(post) {
            break;
        }
        world.publish1(post, "alice", "x", id);
    }
    world.pass(Duration::from_secs(100));
    assert!(!world.is_closed(post), "it could not be heard");
    world.release();
    world.pass(Duration::from_secs(14));
    assert!(!world.is_closed(post));
    world.pass(Duration::from_secs(1));
    assert!(world.is_closed(post), "silent for one and a half times its keep alive");
}
