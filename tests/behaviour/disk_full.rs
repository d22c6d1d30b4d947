//! A full disk: new QoS 1 and 2 publishes are refused, delivery goes on, and when there is space
//! again it recovers by itself. (Threat D6.) On a small file system of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::support::broker::Start;
use super::support::{Broker, Client, Connect, skip_loudly, wait_until, words};

/// A broker whose data directory is a 64 MiB tmpfs, in a mount namespace that ends with it.
struct Small {
    broker: Broker,
    /// The file system, seen through the broker's process.
    root: PathBuf,
    _dir: tempfile::TempDir,
}

/// Mounts in a namespace of its own, then becomes the program behind.
const MOUNT: &str = "mount -t tmpfs -o size=64m,mode=700 tmpfs \"$0\" && exec \"$@\"";

fn mounts_are_allowed(dir: &Path) -> bool {
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", MOUNT]).arg(dir).arg("true");
    command.output().is_ok_and(|output| output.status.success())
}

impl Small {
    fn start(test: &str) -> Option<Small> {
        let dir = tempfile::TempDir::new().expect("temporary directory");
        if !mounts_are_allowed(dir.path()) {
            skip_loudly(test, "mounting a tmpfs is not allowed here (it needs root)");
            return None;
        }
        let path = dir.path().to_str().expect("UTF-8");
        let start = Start::dev().prefix(&["unshare", "-m", "sh", "-c", MOUNT, path]);
        let broker =
            start.data(&dir.path().join("data")).env("HOMING__STORE__RESERVE", "16MiB").start();
        let root = PathBuf::from(format!("/proc/{}/root{path}", broker.pid()));
        Some(Small { broker, root, _dir: dir })
    }

    fn filler(&self) -> PathBuf {
        self.root.join("filler")
    }

    /// Fills the file system to the last byte.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.filler()).expect("filler");
        let chunk = vec![0; 64 * 1024];
        while std::io::Write::write_all(&mut file, &chunk).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.filler()).expect("remove the filler");
    }
}

const MESSAGE: &str = "a message";

/// The reason code of one publish.
fn publish(bob: &mut Client) -> u8 {
    let id = bob.publish("alice", MESSAGE, 1);
    bob.expect_puback(id)
}

#[test]
fn publishes_are_refused_until_there_is_space() {
    let Some(small) = Small::start("disk_full::publishes_are_refused_until_there_is_space") else {
        return;
    };
    let mut bob = Connect::v5("bob", "post").open(small.broker.mqtt);
    assert_eq!(publish(&mut bob), 0);
    small.fill();
    let refusal = wait_until("a refusal", || Some(publish(&mut bob)).filter(|code| *code != 0));
    assert_eq!(refusal, 0x97);
    small.broker.log.wait_for(&[words::DISK_FULL]);
    let id = bob.publish("alice", "exactly once", 2);
    assert_eq!(bob.expect_pubrec(id), 0x97);
    small.free();
    wait_until("recovery", || (publish(&mut bob) == 0).then_some(()));
}

#[test]
fn a_3_1_1_sender_is_closed_and_not_acknowledged() {
    let Some(small) = Small::start("disk_full::a_3_1_1_sender_is_closed_and_not_acknowledged")
    else {
        return;
    };
    let mut bob = Connect::v5("bob", "post").open(small.broker.mqtt);
    small.fill();
    wait_until("a refusal", || (publish(&mut bob) != 0).then_some(()));
    let mut old = Connect::v311("carol", "post").open(small.broker.mqtt);
    old.publish("alice", "never stored", 1);
    assert_eq!(old.expect_closed(), []);
}

#[test]
fn delivery_goes_on_and_nothing_acknowledged_is_lost() {
    let Some(small) = Small::start("disk_full::delivery_goes_on_and_nothing_acknowledged_is_lost")
    else {
        return;
    };
    let broker = &small.broker;
    broker.know("alice", "phone");
    broker.mail("alice", &["one", "two", "three"]);
    let mut bob = Connect::v5("bob", "post").open(broker.mqtt);
    small.fill();
    wait_until("a refusal", || {
        let id = bob.publish("carol", "x", 1);
        (bob.expect_puback(id) != 0).then_some(())
    });
    let mut phone = broker.device("alice", "phone");
    assert_eq!(phone.take_texts(2), ["one", "two"]);
    phone.disconnect();
    // The cursor moved, on a full disk too.
    assert_eq!(broker.device("alice", "phone").take_text(), "three");
    small.free();
    wait_until("recovery", || {
        let id = bob.publish("alice", "four", 1);
        (bob.expect_puback(id) == 0).then_some(())
    });
    assert_eq!(broker.device("alice", "phone").take_text(), "four");
}

/// Threat D8. What is due meanwhile was acknowledged: late rather than never.
#[test]
fn what_is_due_waits_until_there_is_space() {
    let Some(small) = Small::start("disk_full::what_is_due_waits_until_there_is_space") else {
        return;
    };
    let mut phone = small.broker.device_v5("alice", "phone");
    let mut bob = Connect::v5("bob", "post").open(small.broker.mqtt);
    for text in ["one", "two"] {
        bob.publish_acked("$delayed/2/alice", text, 1);
    }
    let due = Instant::now() + Duration::from_secs(2);
    small.fill();
    wait_until("a refusal", || (publish(&mut bob) != 0).then_some(()));
    wait_until("the time at which it is due", || (Instant::now() > due).then_some(()));
    assert_ne!(publish(&mut bob), 0);
    small.free();
    let mut texts = Vec::new();
    while texts.len() < 2 {
        let text = phone.take_text();
        texts.extend((text != MESSAGE).then_some(text));
    }
    assert_eq!(texts, ["one", "two"]);
}
