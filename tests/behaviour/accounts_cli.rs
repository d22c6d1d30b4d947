//! `homing user add|passwd|list|remove`, with a running broker and without.

use super::support::broker::Start;
use super::support::command::homing;
use super::support::{Broker, Connect, skip_loudly, wait_until};

fn set_password(broker: &Broker, verb: &str, uid: &str, password: &str) {
    broker.command(&["user", verb, uid, "--password-stdin"]).stdin(&format!("{password}\n")).ok();
}

#[test]
fn a_user_added_to_a_running_broker_may_connect_at_once() {
    let broker = Broker::dev();
    assert_eq!(Connect::v311("dora", "phone").password("secret").refused(broker.mqtt), 4);
    set_password(&broker, "add", "dora", "secret");
    let mut dora = Connect::v311("dora", "phone").password("secret").device(broker.mqtt);
    dora.expect_marker_from(&mut broker.device("bob", "post"), "dora");
}

#[test]
fn mail_can_be_sent_to_a_user_just_added() {
    let broker = Broker::dev();
    let mut bob = broker.device_v5("bob", "post");
    let id = bob.publish("dora", "too early", 1);
    assert_eq!(bob.expect_puback(id), 0x87);
    set_password(&broker, "add", "dora", "secret");
    bob.publish_acked("dora", "welcome", 1);
    let mut dora = Connect::v311("dora", "phone").password("secret").device(broker.mqtt);
    assert_eq!(dora.take_text(), "welcome");
}

#[test]
fn a_new_password_replaces_the_old_one() {
    let broker = Broker::dev();
    let with = |password: &str| Connect::v311("alice", "phone").password(password);
    with("dev").open(broker.mqtt).disconnect();
    set_password(&broker, "passwd", "alice", "better");
    assert_eq!(with("dev").refused(broker.mqtt), 4);
    with("better").open(broker.mqtt).disconnect();
}

#[test]
fn users_are_listed() {
    let broker = Broker::dev();
    set_password(&broker, "add", "dora", "secret");
    let list = broker.command(&["user", "list"]).ok();
    let names: Vec<&str> = list.split_whitespace().collect();
    for uid in ["alice", "bob", "carol", "dora"] {
        assert!(names.contains(&uid), "{list}");
    }
    let json = broker.command(&["user", "list", "--json"]).ok();
    let values: Result<Vec<serde_json::Value>, _> =
        serde_json::Deserializer::from_str(&json).into_iter().collect();
    let dora = |value: &serde_json::Value| value.to_string().contains("\"dora\"");
    assert!(values.expect("JSON").iter().any(dora), "{json}");
}

#[test]
fn removing_a_user_ends_its_sessions() {
    let broker = Broker::dev();
    let mut phone = broker.device_v5("alice", "phone");
    let mut tablet = broker.device("alice", "tablet");
    let mut bob = broker.device_v5("bob", "post");
    broker.command(&["user", "remove", "alice"]).ok();
    assert!(phone.expect_disconnect() >= 0x80);
    tablet.expect_closed();
    assert_eq!(Connect::v311("alice", "phone").refused(broker.mqtt), 4);
    let id = bob.publish("alice", "anybody there?", 1);
    assert_eq!(bob.expect_puback(id), 0x87);
}

/// Whoever gets the uid next has nothing of whoever had it: no mail, whether a device was known
/// or not, and no durable session.
#[test]
fn a_uid_that_is_given_again_starts_empty() {
    let broker = Broker::with_plain_topics();
    for uid in ["dora", "emil"] {
        set_password(&broker, "add", uid, "old");
    }
    let mut bob = broker.device("bob", "post");
    let durable = |password: &str| Connect::v311("dora", "phone").password(password).clean(false);
    let mut phone = durable("old").open(broker.mqtt);
    assert_eq!(phone.subscribe("news/#", 1), 1);
    phone.disconnect();
    for topic in ["dora", "emil", "news/today"] {
        bob.publish_acked(topic, "of the one before", 1);
    }
    for uid in ["dora", "emil"] {
        broker.command(&["user", "remove", uid]).ok();
    }
    bob.publish_acked("news/today", "while there was nobody", 1);
    for uid in ["dora", "emil"] {
        set_password(&broker, "add", uid, "new");
    }
    durable("new").device(broker.mqtt).expect_marker_from(&mut bob, "dora");
    for uid in ["dora", "emil"] {
        let mut tablet = Connect::v311(uid, "tablet").password("new").device(broker.mqtt);
        tablet.expect_marker_from(&mut bob, uid);
    }
}

#[test]
fn what_cannot_be_done_is_said() {
    let broker = Broker::dev();
    let add = |uid: &str| broker.command(&["user", "add", uid, "--password-stdin"]).stdin("x\n");
    assert!(add("alice").fails().contains("alice"), "exists already");
    assert!(broker.command(&["user", "remove", "nobody"]).fails().contains("nobody"));
    for uid in ["a/b", "#", "", "group"] {
        add(uid).fails();
    }
    // A JID folds case: the two would be one user on the XMPP side.
    assert!(add("Alice").fails().contains("alice"));
}

#[test]
fn without_a_running_broker_it_works_on_the_directory() {
    let dir = tempfile::TempDir::new().unwrap();
    let data = dir.path().join("data");
    let user = |words: &[&str]| homing(&[&["user"], words].concat()).arg("--data").arg(&data);
    user(&["add", "dora", "--password-stdin"]).stdin("secret\n").ok();
    assert!(user(&["list"]).ok().contains("dora"));

    let mut broker = Start::serve().data(&data).start();
    Connect::v311("dora", "phone").password("secret").open(broker.mqtt).disconnect();
    assert!(broker.terminate().success());

    user(&["remove", "dora"]).ok();
    let broker = Start::serve().data(&data).start();
    assert_eq!(Connect::v311("dora", "phone").password("secret").refused(broker.mqtt), 4);
}

#[test]
fn passwords_are_not_in_the_files_or_the_log() {
    let broker = Broker::dev();
    set_password(&broker, "add", "dora", "hunter2-hunter2");
    Connect::v311("dora", "phone").password("hunter2-hunter2").open(broker.mqtt).disconnect();
    for entry in std::fs::read_dir(&broker.data).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            let bytes = std::fs::read(entry.path()).unwrap();
            let found = bytes.windows(15).any(|window| window == b"hunter2-hunter2");
            assert!(!found, "{:?}", entry.path());
        }
    }
    assert_eq!(broker.log.matching(&["hunter2"]), Vec::<String>::new());
}

#[test]
fn only_the_owner_may_use_the_control_socket_and_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let broker = Broker::dev();
    broker.mail("alice", &["private"]);
    let files = || std::fs::read_dir(&broker.data).unwrap().map(Result::unwrap);
    wait_until("files", || (files().count() > 0).then_some(()));
    for entry in files() {
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?} is {mode:o}", entry.path());
    }
}

#[test]
fn roles_are_given_listed_and_changed() {
    let broker = Broker::dev();
    let add = ["user", "add", "ops", "--role", "operator", "--role", "vip", "--password-stdin"];
    broker.command(&add).stdin("secret\n").ok();
    assert!(broker.command(&["user", "list"]).ok().contains("ops (operator, vip)"));
    let mut ops = Connect::v5("ops", "desk").password("secret").device(broker.mqtt);
    broker.command(&["user", "roles", "ops", "--role", "service"]).ok();
    assert!(ops.expect_disconnect() >= 0x80, "a connection must not keep the old roles");
    set_password(&broker, "passwd", "ops", "better");
    assert!(broker.command(&["user", "list", "--json"]).ok().contains("[\"service\"]"));
    broker.command(&["user", "roles", "ops"]).ok();
    assert!(broker.command(&["user", "list", "--json"]).ok().contains(r#""roles":[],"uid":"ops""#));
    let told = broker.command(&["user", "roles", "ops", "--role", "a/b"]).fails();
    assert!(told.contains("a role has"), "{told}");
}

/// As root, whose files the broker could not write.
#[test]
fn the_directory_of_another_user_is_left_as_it_is() {
    const NOBODY: u32 = 65_534;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    if let Err(error) = std::os::unix::fs::chown(&data, Some(NOBODY), None) {
        return skip_loudly("the_directory_of_another_user_is_left_as_it_is", &error.to_string());
    }
    let add = homing(&["user", "add", "dora", "--password-stdin", "--data"]);
    let told = add.arg(&data).stdin("secret\n").fails();
    assert!(told.contains("run it as the user of the broker"), "{told}");
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0);
}
