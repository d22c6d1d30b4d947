//! SIGHUP and `homing reload`: what holds at once, what waits for the restart, and that a mistake
//! changes nothing.

use std::path::PathBuf;
use std::process::Command;

use super::support::broker::Start;
use super::support::{Broker, Connect, metrics, skip_loudly, wait_until};

/// A broker whose settings are in a file that the test changes.
struct Rig {
    broker: Broker,
    file: PathBuf,
    _dir: tempfile::TempDir,
}

const CLOSED: &str = "[acl]\ndefault = \"deny\"\n";
const OPEN: &str = "[acl]\ndefault = \"allow\"\n";

fn rig(text: &str) -> Rig {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("homing.toml");
    std::fs::write(&file, text).unwrap();
    let broker = Start::dev().arg("--config").arg(file.to_str().unwrap()).start();
    Rig { broker, file, _dir: dir }
}

impl Rig {
    fn write(&self, text: &str) {
        std::fs::write(&self.file, text).unwrap();
    }

    fn reload(&self) -> String {
        self.broker.command(&["reload"]).ok()
    }

    fn refused(&self) -> String {
        self.broker.command(&["reload"]).fails()
    }

    /// Whether plain topics are open to alice, on a connection of its own.
    fn may_publish(&self) -> bool {
        let mut alice = Connect::v5("alice", "asks").open(self.broker.mqtt);
        let id = alice.publish("news/x", "hi", 1);
        let allowed = alice.expect_puback(id) < 0x80;
        alice.disconnect();
        allowed
    }

    fn metric(&self, name: &str) -> f64 {
        metrics::sum(&metrics::get(self.broker.http, "/metrics").1, name, &[])
    }

    fn last_reload_succeeded(&self) -> bool {
        self.metric("homing_config_last_reload_success") == 1.0
    }
}

#[test]
fn what_can_change_holds_at_once_and_the_rest_waits_for_the_restart() {
    let rig = rig(CLOSED);
    let mut phone = rig.broker.device_v5("bob", "phone");
    assert!(!rig.may_publish());
    rig.write(&format!("{OPEN}[listen]\nworkers = 3\n"));
    assert_eq!(rig.reload(), "acl.default: holds now\nlisten.workers: holds after a restart");
    assert!(rig.may_publish());
    // Named each time until it is as it was.
    assert_eq!(rig.reload(), "listen.workers: holds after a restart");
    rig.write(OPEN);
    assert_eq!(rig.reload(), "the settings are what they were");
    phone.ping();
    assert!(rig.last_reload_succeeded());
}

#[test]
fn json_names_the_keys() {
    let rig = rig(CLOSED);
    rig.write(&format!("{OPEN}[store]\nreserve = \"1MiB\"\n"));
    let told = rig.broker.command(&["reload", "--json"]).ok();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["live"], serde_json::json!(["acl.default"]));
    assert_eq!(told["restart"], serde_json::json!(["store.reserve"]));
}

#[test]
fn sighup_reloads_and_does_not_end_the_broker() {
    let rig = rig(CLOSED);
    rig.write(OPEN);
    rig.broker.signal("HUP");
    rig.broker.log.wait_for(&["settings reloaded", "acl.default"]);
    wait_until("the new rule", || rig.may_publish().then_some(()));
}

#[test]
fn a_pipe_in_place_of_the_file_holds_nothing_up() {
    let mut rig = rig(OPEN);
    std::fs::remove_file(&rig.file).unwrap();
    assert!(Command::new("mkfifo").arg(&rig.file).status().unwrap().success());
    rig.broker.signal("HUP");
    rig.broker.log.wait_for(&["not reloaded", "it is no file"]);
    assert!(rig.refused().contains("it is no file"));
    assert!(rig.may_publish());
    assert!(rig.broker.terminate().success());
}

/// Threat I4.
#[test]
fn a_broken_an_empty_and_a_missing_file_change_nothing() {
    let rig = rig(OPEN);
    let unchanged = |words: &str| {
        let told = rig.refused();
        assert!(told.contains("nothing has changed") && told.contains(words), "{told}");
        assert!(rig.may_publish());
        assert!(!rig.last_reload_succeeded());
    };
    rig.write("[acl]\ndefault = \"deny\"\n[inbox\n");
    unchanged("line 3");
    rig.write("[acl]\ndefalt = \"deny\"\n");
    unchanged("did you mean `acl.default`?");
    rig.write("[acl]\ndefault = \"deny\"\n[inbox]\nsettle = \"9s\"\n");
    unchanged("inbox.settle_max");
    rig.write("[acl]\ndefault = \"deny\"\n[log]\nlevel = \"loud\"\n");
    unchanged("log.level");
    rig.write("");
    unchanged("is empty");
    std::fs::remove_file(&rig.file).unwrap();
    unchanged("cannot be read");
    rig.write(CLOSED);
    assert_eq!(rig.reload(), "acl.default: holds now");
    assert!(rig.last_reload_succeeded() && !rig.may_publish());
}

/// Threat I4.
#[test]
fn without_a_file_descriptor_left_nothing_changes() {
    let rig = rig(OPEN);
    rig.write(CLOSED);
    let pid = rig.broker.pid();
    let limit = |files: &str| {
        let words = ["--pid", &pid.to_string(), &format!("--nofile={files}:")];
        Command::new("prlimit").args(words).status().is_ok_and(|status| status.success())
    };
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let highest = open.filter_map(|fd| fd.unwrap().file_name().to_str()?.parse::<u32>().ok()).max();
    let mut phone = rig.broker.device("bob", "phone");
    if !limit(&highest.unwrap().min(3).to_string()) {
        return skip_loudly("reload", "prlimit is not allowed here");
    }
    rig.broker.signal("HUP");
    rig.broker.log.wait_for(&["nothing has changed", "cannot be read"]);
    phone.ping();
    assert!(limit("1024"));
    assert!(rig.may_publish() && !rig.last_reload_succeeded());
}

#[test]
fn the_log_level_changes() {
    let rig = rig("[log]\nlevel = \"error\"\n");
    rig.reload();
    assert_eq!(rig.broker.log.matching(&["settings reloaded"]), Vec::<String>::new());
    rig.write("[log]\nlevel = \"info\"\n");
    assert_eq!(rig.reload(), "log.level: holds now");
    rig.broker.log.wait_for(&["settings reloaded", "log.level"]);
}

/// What a client was promised in its CONNACK holds as long as its connection.
#[test]
fn a_smaller_packet_limit_is_for_new_connections() {
    let rig = rig("[limits]\npacket = \"64KiB\"\n");
    let mut old = rig.broker.device_v5("alice", "old");
    rig.write("[limits]\npacket = \"2KiB\"\n");
    assert_eq!(rig.reload(), "limits.packet: holds now");
    let large = "x".repeat(10_000);
    old.publish_acked("bob", &large, 1);
    let mut new = rig.broker.device_v5("alice", "new");
    new.publish("bob", &large, 1);
    assert_eq!(new.expect_disconnect(), 0x95);
}

#[test]
fn without_a_broker_it_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let reload = super::support::command::homing(&["reload", "--data"]).arg(dir.path()).run();
    assert_eq!(reload.status.code(), Some(3));
    assert!(reload.stderr.contains("no broker runs"), "{}", reload.stderr);
}
