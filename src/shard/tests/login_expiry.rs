//! A login that expires: its connection, its will, its wills that wait.

use std::time::Duration;

use crate::model::{Identity, Reason, Uid};
use crate::mqtt::{Connect, Properties, Property, PropertyBuffer, QoS, Will};
use crate::shard::Token;

use super::world::{World, durable, v5};

const LIFE: Duration = Duration::from_secs(10);

fn expiring(world: &World) -> Identity {
    let expires_at = Some(world.stamp().after(LIFE));
    Identity { expires_at, ..Identity::user(Uid::parse("bob").unwrap()) }
}

fn will(properties: Properties<'_>) -> Option<Will<'_>> {
    let (payload, qos) = (b"gone".as_slice(), QoS::AtLeastOnce);
    Some(Will { topic: "alice", payload, qos, retain: false, properties })
}

/// Leaves a will that waits for this long.
fn leaver(world: &mut World, delay_secs: u32) -> Token {
    let (mut delay, mut expiry) = (PropertyBuffer::new(), PropertyBuffer::new());
    delay.push(Property::WillDelayInterval(delay_secs));
    expiry.push(Property::SessionExpiryInterval(60));
    let (will, properties) = (will(delay.as_properties()), expiry.as_properties());
    let identity = expiring(world);
    world.connect_as(identity, Connect { will, properties, ..v5("leaver") })
}

/// Threat I5.
#[test]
fn the_connection_ends_when_its_login_does_and_not_before() {
    let mut world = World::new();
    let identity = expiring(&world);
    let (new, old) =
        (world.connect_as(identity.clone(), v5("new")), world.connect_as(identity, durable("old")));
    world.take(new);
    world.pass(LIFE - Duration::from_millis(1));
    assert_eq!(world.take(new), [""; 0]);
    world.pass(Duration::from_millis(1));
    assert_eq!(world.take(new), ["DISCONNECT 87"]);
    assert!(world.is_closed(new) && world.is_closed(old));
}

/// Threat N1.
#[test]
fn a_jump_of_the_wall_clock_ends_no_login() {
    let mut world = World::new();
    let bob = expiring(&world);
    let bob = world.connect_as(bob, v5("phone"));
    world.take(bob);
    world.jump(24 * 3600 * 1000);
    world.pass(LIFE / 2);
    assert_eq!(world.take(bob), [""; 0]);
    world.pass(LIFE / 2);
    assert_eq!(world.take(bob), ["DISCONNECT 87"]);
}

#[test]
fn a_login_that_has_expired_is_not_let_in() {
    let mut world = World::new();
    let bob = expiring(&world);
    world.pass(LIFE);
    let new = world.connect_as(bob.clone(), v5("new"));
    assert_eq!(world.take(new), ["CONNACK 87"]);
    let old = world.connect_as(bob, durable("old"));
    assert_eq!(world.take(old), ["CONNACK 05"]);
    assert!(world.is_closed(new) && world.is_closed(old));
}

/// Threat I8.
#[test]
fn a_will_is_not_sent_for_a_login_that_has_expired() {
    for delay in [0, 30] {
        let mut world = World::new();
        let phone = world.device("alice", "phone");
        leaver(&mut world, delay);
        world.pass(LIFE);
        world.pass(Duration::from_secs(60));
        assert_eq!(world.take(phone), [""; 0], "{delay}");
        assert_eq!(world.dropped(Reason::LoginExpired), 1);
    }
}

/// Threat I8.
#[test]
fn a_will_that_waits_is_dropped_if_its_login_expires_meanwhile() {
    for (delay, sent) in [(5, 1), (15, 0)] {
        let mut world = World::new();
        let phone = world.device("alice", "phone");
        let bob = leaver(&mut world, delay);
        world.lose(bob);
        world.pass(Duration::from_secs(delay.into()));
        assert_eq!(world.take(phone).len(), sent, "{delay}");
        assert_eq!(world.dropped(Reason::LoginExpired), 1 - sent as u64);
    }
}

/// Threat I8.
#[test]
fn a_will_that_waits_is_asked_about_again_when_it_goes_out() {
    let mut world = World::new();
    let phone = world.device("alice", "phone");
    let bob = leaver(&mut world, 5);
    world.lose(bob);
    world.rules(r#"{ deny = "send", to = "alice" }"#);
    world.pass(Duration::from_secs(5));
    assert_eq!(world.take(phone), [""; 0]);
    assert_eq!(world.dropped(Reason::NotAuthorized), 1);
}
