//! So many connections in all, per address and per user, and what happens to one more.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::support::connect::stream_from;
use super::support::member_api::{MemberApi, Mood};
use super::support::{Broker, Client, Connect, V311, wait_until};

fn address(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

fn wait_for(broker: &Broker, metric: &str, reason: &str, count: f64) {
    let value = || broker.metrics(metric, &[("reason", reason)]);
    wait_until(&format!("{metric} {reason}"), || (value() == count).then_some(()));
}

const REFUSED: &str = "homing_connections_refused_total";

/// Threat M7.
#[test]
fn one_more_than_all_is_closed_unheard_and_there_is_room_again_when_one_leaves() {
    let broker = Broker::with(&[("HOMING__LIMITS__CONNECTIONS", "2")]);
    let alice = broker.device("alice", "phone");
    let _bob = broker.device("bob", "phone");
    let mut refused = Client::silent(broker.mqtt, V311);
    assert_eq!(refused.expect_closed(), []);
    wait_for(&broker, REFUSED, "full", 1.0);
    broker.log.wait_for(&["limits.connections", "refused"]);
    // HTTP and the control socket do not count among them.
    broker.command(&["user", "list"]).ok();
    alice.disconnect();
    wait_until("room", || Connect::v311("alice", "phone").try_open(broker.mqtt).ok());
}

/// Threat W12. The oldest of those who have not said who they are makes room.
#[test]
fn who_says_nothing_makes_room_for_one_more() {
    let broker = Broker::with(&[("HOMING__LIMITS__CONNECTIONS", "2")]);
    let mut silent = Client::silent(broker.mqtt, V311);
    wait_until("an accepted connection", || {
        (broker.metrics("homing_connections_opened_total", &[]) == 1.0).then_some(())
    });
    let mut alice = broker.device("alice", "phone");
    let mut bob = broker.device("bob", "phone");
    assert_eq!(silent.expect_closed(), []);
    wait_for(&broker, REFUSED, "unauthenticated", 1.0);
    alice.expect_marker_from(&mut bob, "alice");
}

/// Threat W12.
#[test]
fn those_who_say_nothing_are_few() {
    let broker = Broker::with(&[("HOMING__LIMITS__UNAUTHENTICATED", "5")]);
    let mut all: Vec<Client> = (0..20).map(|_| Client::silent(broker.mqtt, V311)).collect();
    wait_for(&broker, REFUSED, "unauthenticated", 15.0);
    let mut alice = broker.device("alice", "phone");
    // Hers has sent one more away for a moment; the youngest are still there.
    let mut last = all.pop().unwrap();
    last.send_raw(&Connect::v311("bob", "phone").encode());
    last.recv();
    alice.expect_marker_from(&mut last, "alice");
}

#[test]
fn one_more_from_the_same_address_is_closed_unheard() {
    let broker = Broker::with(&[("HOMING__LIMITS__CONNECTIONS_PER_IP", "2")]);
    let open = |last, id| Connect::v311("alice", id).try_from(address(last), broker.mqtt);
    let (first, _) = open(2, "one").unwrap();
    let _second = open(2, "two").unwrap();
    let stream = stream_from(address(2), broker.mqtt).unwrap();
    assert_eq!(Client::new(stream, V311, "third").expect_closed(), []);
    wait_for(&broker, REFUSED, "address", 1.0);
    broker.log.wait_for(&["limits.connections_per_ip", "127.0.0.2"]);
    open(3, "three").unwrap();
    first.disconnect();
    wait_until("room", || open(2, "four").ok());
}

#[test]
fn one_more_of_the_same_user_ends_the_one_silent_for_longest() {
    let broker = Broker::with(&[("HOMING__LIMITS__CONNECTIONS_PER_USER", "2")]);
    let mut old = broker.device_v5("alice", "old");
    let mut quiet = broker.device_v5("alice", "quiet");
    // Times are whole milliseconds.
    let pinged = std::time::Instant::now();
    wait_until("time to pass", || (pinged.elapsed().as_millis() > 5).then_some(()));
    old.ping();
    let mut new = broker.device_v5("alice", "new");
    assert_eq!(quiet.expect_disconnect(), 0x97);
    broker.log.wait_for(&["alice", "quiet", "limits.connections_per_user"]);
    broker.mail("alice", &["to both"]);
    assert_eq!((old.take_text(), new.take_text()), ("to both".into(), "to both".into()));
}

/// Threat M8.
#[test]
fn one_durable_session_more_ends_the_one_away_for_longest() {
    let broker = Broker::with(&[
        ("HOMING__ACL__DEFAULT", "allow"),
        ("HOMING__LIMITS__SESSIONS_PER_USER", "2"),
    ]);
    let leave = |name: &str| {
        let mut client = Connect::v311("alice", name).durable().open(broker.mqtt);
        assert_eq!(client.subscribe("news/today", 1), 1);
        client.disconnect();
    };
    leave("first");
    leave("second");
    broker.mail("news/today", &["queued"]);
    leave("third");
    broker.log.wait_for(&["alice", "first", "session ended"]);
    broker.wait_for_removed("session_ended", 1);
    let present = |name: &str| {
        let connect = Connect::v311("alice", name).durable();
        connect.open_with_ack(broker.mqtt).1.session_present
    };
    assert!(present("second"));
    assert!(!present("first"));
}

#[test]
fn a_users_subscriptions_are_bounded_over_all_sessions() {
    let broker = Broker::with(&[
        ("HOMING__ACL__DEFAULT", "allow"),
        ("HOMING__LIMITS__SUBSCRIPTIONS_PER_USER", "2"),
    ]);
    let mut away = Connect::v5("alice", "away").durable().open(broker.mqtt);
    assert_eq!(away.subscribe("news/1", 1), 1);
    away.disconnect();
    let mut here = broker.device_v5("alice", "here");
    assert_eq!(here.subscribe("news/1", 1), 1);
    assert_eq!(here.subscribe("news/2", 1), 0x97);
    let mut old = broker.device("alice", "old");
    assert_eq!(old.subscribe("news/2", 1), 0x80);
    let mut bob = broker.device_v5("bob", "phone");
    assert_eq!(bob.subscribe("news/2", 1), 1);
}

/// Threat M7. A CONNECT alone holds no place: it makes room while its login is not decided.
#[test]
fn whose_login_is_not_decided_makes_room_for_one_more() {
    let api = MemberApi::start();
    api.allow("alice", "dev");
    api.mood(Mood::Slow(Duration::from_secs(8)));
    let broker = Broker::with(&[
        ("HOMING__AUTH__PROVIDER", "http"),
        ("HOMING__AUTH__HTTP__URL", &api.url()),
        ("HOMING__LIMITS__CONNECTIONS", "2"),
    ]);
    let waiting = [1, 2].map(|number| {
        let mut client = Client::silent(broker.mqtt, V311);
        client.send_raw(&Connect::v311(&format!("mallory{number}"), "phone").encode());
        api.wait_for_calls(number);
        client
    });
    api.mood(Mood::Table);
    let mut alice = broker.device("alice", "phone");
    let [mut first, _] = waiting;
    assert_eq!(first.expect_closed(), []);
    wait_for(&broker, REFUSED, "unauthenticated", 1.0);
    alice.ping();
}
