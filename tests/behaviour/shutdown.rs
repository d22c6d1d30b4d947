//! SIGTERM: sessions are told, everything is flushed, exit 0 within ten seconds.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::support::command::homing;
use super::support::{Broker, Connect, Packet, Will, prop};

const LIMIT: Duration = Duration::from_secs(10);

#[test]
fn it_exits_0_in_time_with_clients_of_every_kind() {
    let mut broker = Broker::dev();
    let mut v5 = broker.device_v5("alice", "phone");
    let mut v311 = broker.device("bob", "desk");
    let mut nameless = Connect::v311("carol", "").device(broker.mqtt);
    // One that has unread mail, and one that has not said who it is.
    broker.mail("alice", &["unacknowledged"]);
    let _silent = super::support::Client::silent(broker.mqtt, 4);
    let start = Instant::now();
    assert_eq!(broker.terminate().code(), Some(0));
    assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
    assert_eq!(v5.expect_disconnect(), 0x8B);
    v311.expect_closed();
    nameless.expect_closed();
}

/// A database that takes the connection and says nothing.
#[test]
fn what_hangs_at_the_start_does_not_keep_it_out() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("postgres://homing@{}/homing", silent.local_addr().expect("its address"));
    let data = tempfile::tempdir().expect("a directory");
    let serve = homing(&["serve", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data"]);
    let broker = serve.arg(data.path()).env("HOMING__STORE__URL", &url).start();
    let _asked = silent.accept().expect("it asks the database");
    broker.terminate();
    let done = broker.done();
    assert_eq!(done.status.code(), Some(0), "{}", done.stderr);
    assert!(!done.stdout.contains("ready"), "{}", done.stdout);
}

#[test]
fn a_client_that_reads_nothing_does_not_delay_it() {
    let mut broker = Broker::dev();
    let _deaf = broker.device("alice", "deaf");
    let large = vec![b'x'; 500_000];
    let mut bob = broker.device("bob", "post");
    for _ in 0..20 {
        bob.publish_acked("alice", &large, 1);
    }
    let start = Instant::now();
    assert_eq!(broker.terminate().code(), Some(0));
    assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
}

#[test]
fn what_was_acknowledged_is_there_afterwards() {
    let mut broker = Broker::dev();
    let mut bob = broker.device("bob", "post");
    let ids: Vec<u16> = (0..50).map(|n| bob.publish("alice", n.to_string(), 1)).collect();
    broker.send_sigterm();
    let seen = bob.expect_closed();
    assert_eq!(broker.wait_for_exit().code(), Some(0));
    broker.restart();
    let acked = |packet: &&Packet| matches!(packet, Packet::PubAck { reason: 0, .. });
    let count = seen.iter().filter(acked).count();
    assert!(count <= ids.len());
    let expected: Vec<String> = (0..count).map(|number| number.to_string()).collect();
    assert_eq!(broker.device("alice", "phone").take_texts(count), expected);
}

#[test]
fn sigint_does_the_same() {
    let mut broker = Broker::dev();
    let mut phone = broker.device_v5("alice", "phone");
    let kill = format!("kill -INT {}", broker.pid());
    std::process::Command::new("sh").args(["-c", &kill]).status().unwrap();
    assert_eq!(broker.wait_for_exit().code(), Some(0));
    assert_eq!(phone.expect_disconnect(), 0x8B);
}

/// MQTT 5 hears where to go (0x9C), 3.1.1 is closed; reloads may change the place.
#[test]
fn clients_are_sent_to_another_server_where_one_is_named() {
    const OTHER: &str = "b.example.org:8883";
    let mut broker = Broker::with(&[("HOMING__ADVERTISE__SERVER_REFERENCE", OTHER)]);
    let mut v5 = broker.device_v5("alice", "phone");
    let mut v311 = broker.device("bob", "desk");
    assert_eq!(broker.terminate().code(), Some(0));
    match v5.expect_closed().last() {
        Some(Packet::Disconnect { reason: 0x9C, props }) => {
            assert_eq!(props.text(prop::SERVER_REFERENCE).as_deref(), Some(OTHER));
        }
        other => panic!("{other:?}"),
    }
    v311.expect_closed();
    assert!(broker.wait_for_log("use another one").contains("use_another_server"));
}

// The server ended the connection, not the client: the will is due.
#[test]
fn wills_are_kept_for_their_recipients() {
    let mut broker = Broker::dev();
    let will = Will::new("bob", "alice is gone", 1);
    let _phone = Connect::v311("alice", "phone").will(will).device(broker.mqtt);
    assert!(broker.terminate().success());
    broker.restart();
    assert_eq!(broker.device("bob", "desk").take_text(), "alice is gone");
}

#[test]
fn a_start_after_kill_9_needs_no_repair_by_hand() {
    let mut broker = Broker::dev();
    for round in 0..5 {
        broker.mail("alice", &[&round.to_string()]);
        broker.crash();
    }
    assert_eq!(broker.device("alice", "phone").take_texts(5), ["0", "1", "2", "3", "4"]);
}
