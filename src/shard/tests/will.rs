//! The will: when it goes out, when it does not.

use std::time::Duration;

use crate::auth::testing::{Bench, uid};
use crate::model::{Reason, Roles};
use crate::mqtt::reason::{DISCONNECT_WITH_WILL_MESSAGE, UNSPECIFIED_ERROR};
use crate::mqtt::{Connect, Properties, Property, PropertyBuffer, QoS, Will};
use crate::session::Settings;
use crate::shard::Token;
use crate::store::Account;

use super::world::{World, now, v5, v311};

const WILL: &str = "PUBLISH q1 #32768 alice gone";

fn will(properties: Properties<'_>) -> Option<Will<'_>> {
    let (payload, qos) = (b"gone".as_slice(), QoS::AtLeastOnce);
    Some(Will { topic: "alice", payload, qos, retain: false, properties })
}

fn leaver(world: &mut World) -> (Token, Token) {
    let phone = world.device("alice", "phone");
    let connect = Connect { will: will(Properties::default()), ..v5("leaver") };
    (phone, world.connect("bob", connect))
}

fn delayed(world: &mut World, id: &str, clean_start: bool) -> Token {
    delayed_of("bob", world, id, clean_start)
}

fn delayed_of(uid: &str, world: &mut World, id: &str, clean_start: bool) -> Token {
    let (mut delay, mut expiry) = (PropertyBuffer::new(), PropertyBuffer::new());
    delay.push(Property::WillDelayInterval(30));
    expiry.push(Property::SessionExpiryInterval(60));
    let (will, properties) = (will(delay.as_properties()), expiry.as_properties());
    world.connect(uid, Connect { clean_start, will, properties, ..v5(id) })
}

#[test]
fn a_lost_connection_leaves_its_will_and_a_normal_disconnect_none() {
    let mut world = World::new();
    let (phone, bob) = leaver(&mut world);
    world.disconnect(bob, 0);
    assert_eq!(world.take(phone), [""; 0]);
    let (_, bob) = (phone, leaver(&mut world));
    world.take(bob.0);
    world.lose(bob.1);
    assert_eq!(world.take(bob.0), [WILL]);
}

/// MQTT 5, section 3.14.4: only reason code 0 discards the will.
#[test]
fn a_disconnect_with_any_other_reason_leaves_the_will() {
    for reason in [DISCONNECT_WITH_WILL_MESSAGE, UNSPECIFIED_ERROR] {
        let mut world = World::new();
        let (phone, bob) = leaver(&mut world);
        world.disconnect(bob, reason);
        assert_eq!(world.take(phone), [WILL]);
    }
}

#[test]
fn a_delayed_will_waits_and_is_dropped_when_the_client_returns() {
    let mut world = World::new();
    let phone = world.device("alice", "phone");
    let bob = delayed(&mut world, "leaver", true);
    world.lose(bob);
    world.pass(Duration::from_secs(29));
    let bob = delayed(&mut world, "leaver", false);
    world.pass(Duration::from_secs(31));
    assert_eq!(world.take(phone), [""; 0]);
    world.lose(bob);
    world.pass(Duration::from_secs(30));
    assert_eq!(world.take(phone), [WILL]);
}

#[test]
fn a_clean_start_ends_the_session_and_sends_its_delayed_will() {
    let mut world = World::new();
    let phone = world.device("alice", "phone");
    let bob = delayed(&mut world, "leaver", true);
    world.lose(bob);
    world.connect("bob", v311("leaver"));
    assert_eq!(world.take(phone), [WILL]);
}

/// Threat M8. The quota is three.
#[test]
fn wills_beyond_the_quota_of_their_user_go_out_early_and_hurry_no_others() {
    let mut world = World::new();
    let phone = world.device("alice", "phone");
    let carol = delayed_of("carol", &mut world, "leaver", true);
    world.lose(carol);
    for number in 0..4 {
        assert_eq!(world.take(phone), [""; 0]);
        let bob = delayed(&mut world, &format!("leaver-{number}"), true);
        world.lose(bob);
    }
    assert_eq!(world.take(phone), [WILL]);
    world.puback_all(phone);
    world.pass(Duration::from_secs(30));
    assert_eq!(world.take(phone).len(), 4);
}

#[test]
fn a_server_that_stops_keeps_the_wills_that_wait_and_takes_nobody_in() {
    let mut world = World::new();
    let bob = delayed(&mut world, "leaver", true);
    world.lose(bob);
    world.shard.drain();
    world.run();
    let late = world.connect("alice", v5("late"));
    assert_eq!(world.take(late), ["CONNACK 88"]);
    assert!(world.is_closed(late));
    world.crash();
    let phone = world.connect("alice", v311("phone"));
    world.settle();
    assert_eq!(world.take(phone).len(), 1, "CONNACK");
    world.pass(Duration::from_secs(30));
    assert_eq!(world.take(phone), [WILL]);
}

#[test]
fn a_server_that_stops_names_another_one_to_those_who_can_be_told() {
    let reference = Some("other.example.org:8883".into());
    let mut world = World::with(Settings { server_reference: reference, ..Settings::default() });
    let (v5_client, v311_client) =
        (world.connect("alice", v5("a")), world.connect("bob", v311("b")));
    world.take(v5_client);
    world.take(v311_client);
    world.shard.drain();
    world.run();
    assert_eq!(world.take(v5_client), ["DISCONNECT 9c other.example.org:8883"]);
    assert_eq!(world.take(v311_client), [""; 0]);
    let late = world.connect("alice", v5("late"));
    assert_eq!(world.take(late), ["CONNACK 9c other.example.org:8883"]);
    let late = world.connect("alice", v311("late"));
    assert_eq!(world.take(late), ["CONNACK 03"]);
}

/// Only alice has an account, and nobody has asked yet.
fn world_of_accounts() -> (World, Bench) {
    let bench = Bench::new();
    let account = Account { password_hash: "hash".into(), roles: Roles::default() };
    bench.store.accounts.lock().unwrap().insert(uid("alice"), account);
    (World::with_users(bench.auth.directory.clone()), bench)
}

/// Threat I8.
#[test]
fn a_will_goes_out_when_the_directory_knows_its_user() {
    let (mut world, _) = world_of_accounts();
    let (phone, bob) = leaver(&mut world);
    world.take(phone);
    world.lose(bob);
    assert_eq!(world.take(phone), [""; 0]);
    world.answer_directory();
    assert_eq!(world.take(phone), [WILL]);
}

/// Threat I8.
#[test]
fn a_will_to_a_user_that_is_no_more_is_dropped() {
    let (mut world, bench) = world_of_accounts();
    let (phone, bob) = leaver(&mut world);
    world.take(phone);
    world.lose(bob);
    // It is removed while the answer is on its way.
    let asker = world.asked.pop().unwrap().asker;
    now(bench.auth.book.remove(&uid("alice"))).unwrap();
    world.shard.directory_answer(asker, Some(true));
    world.run();
    assert_eq!(world.take(phone), [""; 0]);
    assert_eq!(world.dropped(Reason::NotAuthorized), 1);
}

#[test]
fn a_stop_waits_for_the_wills_that_the_directory_is_asked_about() {
    let (mut world, _) = world_of_accounts();
    let (phone, bob) = leaver(&mut world);
    world.take(phone);
    world.lose(bob);
    world.lose(phone);
    assert!(!world.shard.is_empty());
    world.answer_directory();
    assert!(world.shard.is_empty());
}
