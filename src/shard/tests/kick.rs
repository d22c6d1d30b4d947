//! A kick, and the logins that are under way while it happens.

use crate::model::{ClientId, Identity, Moment, Reason, Uid};

use super::world::{World, durable, v5};

fn bob() -> Identity {
    Identity::user(Uid::parse("bob").unwrap())
}

/// Threat I3.
#[test]
fn a_login_that_was_under_way_at_a_kick_is_not_let_in() {
    let mut world = World::new();
    world.pass(std::time::Duration::from_secs(1));
    let asked_at = Moment(1_500);
    assert_eq!(world.shard.kick(&bob().uid, None, Reason::Removed), []);
    let new = world.connect_late(bob(), asked_at, v5("new"));
    assert_eq!(world.take(new), ["CONNACK 88"]);
    let old = world.connect_late(bob(), asked_at, durable("old"));
    assert_eq!(world.take(old), ["CONNACK 03"]);
    assert!(world.is_closed(new) && world.is_closed(old));
}

#[test]
fn a_late_login_takes_over_from_nobody() {
    let mut world = World::new();
    world.shard.kick(&bob().uid, None, Reason::Removed);
    let kicked_at = Moment(1_000);
    world.pass(std::time::Duration::from_millis(1));
    let phone = world.connect_as(bob(), v5("phone"));
    assert_eq!(world.take(phone), ["CONNACK 00"]);
    let late = world.connect_late(bob(), kicked_at, v5("phone"));
    assert_eq!(world.take(late), ["CONNACK 88"]);
    assert_eq!(world.take(phone), [""; 0]);
    assert!(!world.is_closed(phone));
}

/// The session of that key belongs to those who came in.
#[test]
fn a_late_login_ends_no_durable_session() {
    let mut world = World::new();
    let bob = world.connect_as(bob(), durable("phone"));
    world.subscribe(bob, "news/#", crate::mqtt::QoS::AtLeastOnce);
    world.lose(bob);
    let asked_at = Moment(1_000);
    world.pass(std::time::Duration::from_millis(1));
    let tablet = ClientId::parse("tablet").unwrap();
    world.shard.kick(&self::bob().uid, Some(&tablet), Reason::Removed);
    let late = world.connect_late(self::bob(), asked_at, v5("phone"));
    assert_eq!(world.take(late), ["CONNACK 88"]);
    let eve = world.connect("eve", v5("pad"));
    world.publish1(eve, "news/rust", "hi", 1);
    world.pass(std::time::Duration::from_millis(1));
    let bob = world.connect_as(self::bob(), durable("phone"));
    world.settle();
    assert_eq!(world.take(bob), ["CONNACK 00 present", "PUBLISH q1 #1 news/rust hi"]);
}
