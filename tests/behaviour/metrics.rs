//! `/metrics`: every figure that the documentation lists and no other, each moved by what it
//! counts.

use std::collections::BTreeSet;

use serde_json::json;
use tempfile::TempDir;

use super::support::broker::Start;
use super::support::metrics::get;
use super::support::tokens::{self, Issuer, jwks, now};
use super::support::{Broker, Connect, Secured, V5, V311, wait_until};

const SWEEP: (&str, &str) = ("HOMING__STORE__SWEEP_INTERVAL", "100ms");

fn page(broker: &Broker) -> String {
    let (status, text) = get(broker.http, "/metrics");
    assert_eq!(status, 200, "{text}");
    text
}

/// Of the table in docs/metrics.md: the name without what the format adds.
fn documented() -> BTreeSet<(String, String)> {
    let text = include_str!("../../docs/metrics.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    rows.map(|(name, rest)| {
        let kind = rest.split(" |").next().expect("a type");
        let ending =
            [("counter", "_total"), ("info", "_info")].into_iter().find(|(k, _)| *k == kind);
        let name = ending.map_or(name, |(_, ending)| name.strip_suffix(ending).expect("an ending"));
        (name.to_owned(), kind.to_owned())
    })
    .collect()
}

fn served(text: &str) -> BTreeSet<(String, String)> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    types.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

#[test]
fn the_page_has_every_figure_of_the_documentation_and_no_other() {
    let broker = Secured::new().broker();
    assert_eq!(served(&page(&broker)), documented());
    let kinds: BTreeSet<String> = documented().into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(kinds.len(), 4, "the table was not read: {kinds:?}");
}

#[test]
fn connections_are_counted_by_listener_and_protocol() {
    let secured = Secured::new();
    let broker = secured.broker();
    let open = |listener: &str, proto: &str| {
        broker.metrics("homing_connections", &[("listener", listener), ("proto", proto)])
    };
    let all = || [("mqtt", "3.1.1"), ("mqtt", "5"), ("mqtts", "5")].map(|(l, p)| open(l, p));
    assert_eq!(all(), [0.0, 0.0, 0.0]);
    let old = Connect::v311("alice", "phone").open(broker.mqtt);
    let new = Connect::v5("bob", "phone").open(broker.mqtt);
    let safe = Connect::v5("carol", "phone").secure(broker.mqtts(), &secured.client());
    assert_eq!(all(), [1.0, 1.0, 1.0]);
    assert_eq!(broker.metrics("homing_connects_total", &[("result", "ok")]), 3.0);
    drop((old, safe));
    wait_until("two gone", || (all() == [0.0, 1.0, 0.0]).then_some(()));
    new.disconnect();
    wait_until("none left", || (all() == [0.0; 3]).then_some(()));
    assert_eq!(broker.metrics("homing_disconnects_total", &[("reason", "client")]), 1.0);
    assert_eq!(broker.metrics("homing_disconnects_total", &[("reason", "network")]), 2.0);
}

#[test]
fn messages_are_counted_by_their_way_in_and_out() {
    let broker = Broker::dev();
    let mut bob = broker.device("bob", "phone");
    broker.mail("bob", &["one", "two"]);
    assert_eq!((bob.take_text(), bob.take_text()), ("one".into(), "two".into()));
    bob.ping();
    let (mqtt, qos) = ("mqtt", ("qos", "1"));
    assert_eq!(broker.metrics("homing_messages_received_total", &[("via", mqtt), qos]), 2.0);
    assert_eq!(broker.metrics("homing_messages_delivered_total", &[("path", mqtt), qos]), 2.0);
    let (append, fsync) = ("homing_store_append_seconds", "homing_store_fsync_seconds");
    let count = |name: &str| broker.metrics(&format!("{name}_count"), &[]);
    let sum = |name: &str| broker.metrics(&format!("{name}_sum"), &[]);
    assert!(count(fsync) >= 2.0 && count(fsync) <= count(append));
    assert!(sum(fsync) > 0.0 && sum(fsync) <= sum(append));
}

#[test]
fn mail_that_waits_and_sessions_that_are_away_rise_and_fall() {
    let broker = Broker::with(&[SWEEP, ("HOMING__ACL__DEFAULT", "allow")]);
    let waiting = |count: f64| {
        let is = || broker.metrics("homing_offline_queue_messages", &[]) == count;
        wait_until("messages that wait", || is().then_some(()));
    };
    let sessions = |connected: f64, away: f64| {
        let count = |state| broker.metrics("homing_sessions", &[("state", state)]);
        let is = || (count("connected"), count("away")) == (connected, away);
        wait_until("sessions", || is().then_some(()));
    };
    waiting(0.0);
    sessions(0.0, 0.0);
    broker.know("bob", "phone");
    broker.mail("bob", &["one", "two", "three"]);
    waiting(3.0);
    let mut durable = Connect::v311("alice", "phone");
    durable.clean = false;
    let client = durable.open(broker.mqtt);
    sessions(1.0, 0.0);
    client.disconnect();
    sessions(0.0, 1.0);
    let mut bob = broker.device("bob", "phone");
    for _ in 0..3 {
        bob.take_text();
    }
    waiting(0.0);
    durable.clean = true;
    durable.open(broker.mqtt);
    sessions(0.0, 0.0);
}

#[test]
fn a_restart_finds_what_waits_again() {
    let mut broker = Broker::with(&[SWEEP]);
    broker.know("bob", "phone");
    broker.mail("bob", &["one", "two"]);
    broker.crash();
    let waiting = || broker.metrics("homing_offline_queue_messages", &[]) == 2.0;
    wait_until("messages that wait", || waiting().then_some(()));
}

#[test]
fn logins_are_counted_by_backend_and_result() {
    let (dir, issuer) = (TempDir::new().unwrap(), Issuer::new("k1"));
    let file = dir.path().join("keys.json");
    std::fs::write(&file, jwks(&[&issuer])).unwrap();
    let broker = Start::dev()
        .env("HOMING__AUTH__PROVIDER", "['jwt', 'accounts']")
        .env("HOMING__AUTH__JWT__ALGORITHMS", "['ES256']")
        .env("HOMING__AUTH__JWT__JWKS", file.to_str().unwrap())
        .start();
    let login = |version: u8, uid: &str, token: &str| {
        let connect = Connect::new(version, uid, "phone").password(token);
        connect.try_open(broker.mqtt).expect("CONNACK").1.code == 0
    };
    assert!(login(V5, "ut001", &issuer.token("ut001")));
    assert!(!login(V5, "ut001", &issuer.sign(&json!({ "sub": "ut001", "exp": now() - 60 }))));
    assert!(!login(V5, "ut001", &tokens::shared("secret", "ut001")));
    assert!(login(V311, "alice", "dev") && login(V5, "alice", "dev"));
    assert!(!login(V5, "bob", "wrong"));
    assert!(!login(V5, "nobody", "dev"));
    let asked = |backend: &str, result: &str| {
        let labels = [("backend", backend), ("result", result)];
        broker.metrics("homing_auth_requests_total", &labels)
    };
    assert_eq!((asked("jwt", "accepted"), asked("jwt", "refused")), (1.0, 2.0));
    let accounts = ["accepted", "refused", "unknown"].map(|result| asked("accounts", result));
    assert_eq!(accounts, [1.0, 1.0, 1.0]);
    let hits = [("backend", "accounts"), ("result", "accepted")];
    assert_eq!(broker.metrics("homing_auth_cache_hits_total", &hits), 1.0);
    for (backend, count) in [("jwt", 3.0), ("accounts", 3.0), ("http", 0.0)] {
        let seconds = broker.metrics("homing_auth_seconds_count", &[("backend", backend)]);
        assert_eq!(seconds, count, "{backend}");
    }
}
