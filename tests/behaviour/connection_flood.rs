//! More connections than files: the broker lives, whoever is in stays in, and administration works.

use super::support::broker::Start;
use super::support::connect::stream_from;
use super::support::{Client, Connect, V311, wait_until};

/// The broker may have so many files open, and leaves a quarter of them to the rest of it.
fn with_files(files: usize) -> Start {
    Start::dev().prefix(&["prlimit", &format!("--nofile={files}:{files}")])
}

/// A quarter of them says nothing, the others half a CONNECT.
fn flood(broker: std::net::SocketAddr, count: usize) -> Vec<Client> {
    const PER_ADDRESS: usize = 5000;
    let half = &Connect::v311("alice", "slow").encode()[..10];
    let come = |number| {
        let source = [127, 0, 0, 2 + (number / PER_ADDRESS) as u8];
        let stream = stream_from(source.into(), broker).expect("a connection");
        let mut client = Client::new(stream, V311, "flood");
        if number % 4 > 0 {
            // The broker is free to have closed it.
            _ = client.try_send(half);
        }
        client
    };
    (0..count).map(come).collect()
}

fn silent_connections_keep_nobody_out(files: usize, count: usize) {
    let mut broker = with_files(files).start();
    let room = files * 3 / 4;
    broker.log.wait_for(&["limits.connections is 100000", &room.to_string()]);
    let mut alice = broker.device("alice", "phone");
    let _flood = flood(broker.mqtt, count);
    let mut bob = broker.device("bob", "post");
    alice.expect_marker_from(&mut bob, "alice");
    broker.command(&["user", "list"]).ok();
    let refused = || broker.metrics("homing_connections_refused_total", &[]);
    wait_until("the flood's end", || (refused() >= (count - room) as f64).then_some(()));
    broker.add_user("dave", "secret");
    alice.ping();
    assert!(broker.try_exit().is_none());
    let lines = broker.log.matching(&["connection refused"]).len();
    assert!(lines < count / 4, "{lines} lines about a flood of {count}");
    assert_eq!(broker.log.matching(&["could not be accepted"]), Vec::<String>::new());
}

/// Threats M7, W12.
#[test]
fn silent_and_slow_connections_do_not_keep_others_out() {
    silent_connections_keep_nobody_out(256, 1000);
}

/// Threats M7, W12. `scripts/storm`
#[test]
#[ignore = "18,000 connections; scripts/storm runs it"]
fn flood_full() {
    silent_connections_keep_nobody_out(4000, 18_000);
}

/// Threat M7. Those who have logged in are not sent away for others, and leave files for the rest.
#[test]
fn when_all_places_are_taken_the_rest_of_the_broker_goes_on() {
    let start = with_files(256).env("HOMING__LIMITS__CONNECTIONS_PER_USER", "1000");
    let broker = start.start();
    let mut alice = broker.device("alice", "phone");
    let mut all = Vec::new();
    let open = |number: usize| Connect::v311("bob", &format!("d{number}")).try_open(broker.mqtt);
    while let Ok((client, _)) = open(all.len()) {
        all.push(client);
    }
    assert_eq!(all.len() + 1, 192);
    alice.expect_marker_from(&mut all[0], "alice");
    broker.add_user("dave", "secret");
    assert_eq!(broker.metrics("homing_connections", &[]), 192.0);
    assert_eq!(broker.metrics("homing_connections_refused_total", &[("reason", "full")]), 1.0);
}
