//! The audit log: every administrative action is a line in the data directory.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::support::Broker;
use super::support::command::homing;

fn lines(broker: &Broker) -> Vec<Value> {
    let text = std::fs::read_to_string(broker.data.join("audit.log")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn told(line: &Value) -> (&str, &str, &str) {
    let text = |key: &str| line[key].as_str().unwrap_or_default();
    (text("action"), text("target"), text("result"))
}

#[test]
fn actions_are_written_down_before_they_are_answered() {
    let broker = Broker::dev();
    broker.add_user("dora", "hunter2");
    broker.command(&["user", "remove", "nobody"]).fails();
    broker.command(&["ban", "add", "--user", "bob", "--reason", "spam"]).ok();
    broker.command(&["reload"]).ok();
    broker.command(&["user", "list"]).ok();
    let lines = lines(&broker);
    let expected = [
        ("user_add", "dora", "done"),
        ("user_remove", "nobody", "refused"),
        ("ban_add", "user bob", "done"),
        ("reload", "", "done"),
    ];
    assert_eq!(lines.iter().map(told).collect::<Vec<_>>(), expected);
    assert!(lines[1]["words"].as_str().unwrap().contains("no user nobody"));
    for line in &lines {
        assert!(line["by"]["uid"].is_u64() && line["by"]["pid"].is_u64(), "{line}");
        assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line}");
        assert!(!line.to_string().contains("hunter2"), "{line}");
    }
}

#[test]
fn the_file_is_private() {
    let broker = Broker::dev();
    let file = std::fs::metadata(broker.data.join("audit.log")).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_signal_is_named_as_what_it_is_and_a_rotated_file_is_begun_anew() {
    let broker = Broker::dev();
    let old = broker.data.join("audit.old");
    std::fs::rename(broker.data.join("audit.log"), &old).unwrap();
    broker.signal("HUP");
    broker.log.wait_for(&["settings reloaded"]);
    broker.command(&["user", "remove", "carol"]).ok();
    let lines = lines(&broker);
    assert_eq!(lines[0]["by"]["signal"], "SIGHUP");
    assert_eq!(told(&lines[1]), ("user_remove", "carol", "done"));
    assert_eq!(std::fs::read_to_string(old).unwrap(), "");
}

#[test]
fn without_a_broker_the_command_writes_it() {
    let mut broker = Broker::dev();
    broker.terminate();
    homing(&["user", "remove", "carol", "--data"]).arg(&broker.data).ok();
    assert_eq!(told(&lines(&broker)[0]), ("user_remove", "carol", "done"));
}

#[test]
fn a_log_that_cannot_be_written_stops_nothing_and_is_told() {
    let broker = Broker::dev();
    let path = broker.data.join("audit.log");
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    broker.command(&["reload"]).run();
    let removed = broker.command(&["user", "remove", "carol"]).run();
    assert!(removed.status.success(), "{}", removed.stderr);
    assert!(removed.stderr.contains("not in the audit log"), "{}", removed.stderr);
    broker.log.wait_for(&["not in the audit log", "user_remove"]);
    broker.device("alice", "phone").ping();
}
