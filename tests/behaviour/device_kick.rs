//! `homing device list|kick`, `homing user kick`: who is shown, who has to go, what is forgotten.

use super::support::strace::Strace;
use super::support::{Broker, Connect, Will};

#[test]
fn devices_are_listed_with_what_waits_for_them() {
    let broker = Broker::dev();
    broker.know("alice", "phone");
    broker.mail("alice", &["one", "two"]);
    let _tablet = broker.device("alice", "tablet");
    let list = broker.command(&["device", "list", "alice"]).ok();
    assert!(list.contains("phone, last seen"), "{list}");
    assert!(list.contains("2 unread"), "{list}");
    assert!(list.contains("tablet, connected"), "{list}");
    let json = broker.command(&["device", "list", "alice", "--json"]).ok();
    let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!((&first["client_id"], &first["unread"]), (&"phone".into(), &2.into()));
}

/// Threat I7. The same client id under another uid is another session, and stays.
#[test]
fn a_kicked_device_is_gone_at_once_and_comes_back_as_a_new_one() {
    let broker = Broker::with_plain_topics();
    let mut bobs = broker.device("bob", "phone");
    let (mut phone, ack) = Connect::v311("alice", "phone").durable().open_with_ack(broker.mqtt);
    assert!(!ack.session_present);
    phone.subscribe("a/#", 1);
    broker.command(&["device", "kick", "alice", "phone"]).ok();
    phone.expect_closed();
    broker.mail("a/b", &["queued for nobody"]);
    let (mut phone, ack) = Connect::v311("alice", "phone").durable().open_with_ack(broker.mqtt);
    assert!(!ack.session_present, "the session was forgotten");
    phone.expect_marker_from(&mut broker.device("carol", "post"), "alice");
    bobs.expect_marker_from(&mut broker.device("carol", "post"), "bob");
    let words = broker.command(&["device", "kick", "alice", "nothing"]).fails();
    assert!(words.contains("has no device"), "{words}");
}

/// The store is slow: a device that has just left is no less known.
#[test]
fn a_device_that_left_at_this_moment_is_listed_and_kicked() {
    let broker = Broker::dev();
    broker.know("alice", "laptop");
    let slow = "inject=fdatasync,fsync:delay_enter=300000";
    let strace = Strace::attach(broker.pid(), &["-e", "trace=fdatasync,fsync", "-e", slow]);
    broker.know("alice", "phone");
    assert!(broker.command(&["device", "list", "alice"]).ok().contains("phone"));
    broker.know("alice", "tablet");
    let told = broker.command(&["user", "kick", "alice"]).ok();
    strace.detach();
    assert!(told.contains("3 devices forgotten"), "{told}");
    assert_eq!(broker.command(&["device", "list", "alice"]).ok(), "");
}

/// Threat I8.
#[test]
fn a_kicked_user_leaves_no_will_and_all_devices_are_forgotten() {
    let broker = Broker::dev();
    let mut bob = broker.device("bob", "phone");
    let will = Will::new("bob", "my last words", 1);
    let mut phone = Connect::v5("alice", "phone").will(will).device(broker.mqtt);
    broker.know("alice", "tablet");
    let told = broker.command(&["user", "kick", "alice"]).ok();
    assert!(told.contains("2 devices forgotten"), "{told}");
    assert_eq!(phone.expect_disconnect(), 0x98);
    bob.expect_marker_from(&mut broker.device("carol", "post"), "bob");
    assert_eq!(broker.command(&["device", "list", "alice"]).ok(), "");
    broker.device("alice", "phone").disconnect();
}
