//! Nobody waits for the log: where its lines are not read, or are made long by strangers.

use tempfile::TempDir;

use super::support::broker::Start;
use super::support::{Broker, Connect, wait_until};

/// A pipe that nobody reads is full after some hundred lines.
#[test]
fn a_log_that_nobody_reads_stops_nobody() {
    let dir = TempDir::new().expect("a directory");
    let pipe = dir.path().join("log");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo").success());
    let script = format!("exec \"$0\" \"$@\" 2<>{}", pipe.display());
    let start = Start::dev().prefix(&["sh", "-c", &script]);
    let start = start.env("HOMING__LIMITS__FLAPPING__PER_CLIENT", "0");
    let broker = start.env("HOMING__LOG__LEVEL", "trace").start();
    wait_until("lines are dropped", || {
        for _ in 0..100 {
            broker.device("alice", "phone").disconnect();
        }
        let dropped = broker.metrics("homing_log_lines_dropped_total", &[]);
        (dropped > 0.0).then_some(())
    });
    let mut alice = broker.device("alice", "phone");
    alice.expect_marker_from(&mut broker.device("bob", "post"), "alice");
}

#[test]
fn a_stranger_writes_no_long_lines() {
    let broker = Broker::dev();
    let long = "x".repeat(20_000);
    Connect::v5(&long, "phone").refused(broker.mqtt);
    Connect::v5("alice", &long).refused(broker.mqtt);
    let both = || (broker.log.matching(&["connection refused"]).len() >= 2).then_some(());
    wait_until("both lines", both);
    for line in broker.log.matching(&["connection refused"]) {
        assert!(line.len() < 1024, "{} bytes", line.len());
    }
}
