//! More connections than files: the broker lives, whoever is in stays in, and administration works.

use super::support::broker::Start;
use super::support::{Client, Connect, V311, wait_until};

/// Files that the broker may open, and connections that come.
const FILES: &str = "256";
const FLOOD: usize = 1000;

fn with_few_files() -> Start {
    Start::dev().prefix(&["prlimit", &format!("--nofile={FILES}:{FILES}")])
}

/// Threat M7.
#[test]
fn silent_connections_do_not_keep_others_out() {
    let mut broker = with_few_files().start();
    broker.log.wait_for(&["limits.connections is 100000", "192"]);
    let mut alice = broker.device("alice", "phone");
    let _flood: Vec<Client> = (0..FLOOD).map(|_| Client::silent(broker.mqtt, V311)).collect();
    let mut bob = broker.device("bob", "post");
    alice.expect_marker_from(&mut bob, "alice");
    broker.command(&["user", "list"]).ok();
    let refused = || broker.metrics("homing_connections_refused_total", &[]);
    wait_until("the flood's end", || (refused() >= (FLOOD - 256) as f64).then_some(()));
    broker.add_user("dave", "secret");
    assert!(broker.try_exit().is_none());
    let lines = broker.log.matching(&["connection refused"]).len();
    assert!(lines < FLOOD / 4, "{lines} lines about a flood of {FLOOD}");
    assert_eq!(broker.log.matching(&["could not be accepted"]), Vec::<String>::new());
}

/// Threat M7. Those who have logged in are not sent away for others, and leave files for the rest.
#[test]
fn when_all_places_are_taken_the_rest_of_the_broker_goes_on() {
    let start = with_few_files().env("HOMING__LIMITS__CONNECTIONS_PER_USER", "1000");
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
