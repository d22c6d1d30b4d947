//! Power can fail at any byte: the write-ahead log is cut at every acknowledgement, and in the
//! middle between two, and each such image opens with all that had been acknowledged by then.

use std::path::{Path, PathBuf};

use super::support::broker::Start;
use super::support::{Broker, Connect};

const MESSAGES: usize = 12;

/// The write-ahead log in a data directory.
fn wal(data: &Path) -> PathBuf {
    let files = std::fs::read_dir(data).expect("data directory").map(|entry| entry.unwrap().path());
    let mut logs = files.filter(|path| path.to_string_lossy().ends_with("-wal"));
    let log = logs.next().expect("a write-ahead log");
    assert_eq!(logs.next(), None, "one write-ahead log");
    log
}

/// A copy of the directory whose write-ahead log ends after `length` bytes. Its shared-memory file
/// is left behind, as power loss would.
fn image(data: &Path, into: &Path, length: u64) {
    std::fs::create_dir(into).expect("directory of the image");
    for entry in std::fs::read_dir(data).expect("data directory").map(Result::unwrap) {
        let name = entry.file_name().into_string().expect("UTF-8");
        if entry.file_type().unwrap().is_file() && !name.ends_with("-shm") {
            std::fs::copy(entry.path(), into.join(name)).expect("copy");
        }
    }
    let cut = std::fs::OpenOptions::new().write(true).open(wal(into)).expect("log of the image");
    cut.set_len(length).expect("cut");
}

/// A killed broker's directory, and the length of its log after each acknowledgement.
fn written() -> (Broker, Vec<u64>) {
    let mut broker = Broker::dev();
    let length = |broker: &Broker| wal(&broker.data).metadata().expect("log").len();
    let mut bob = Connect::v311("bob", "post").open(broker.mqtt);
    let mut lengths = Vec::new();
    for number in 0..MESSAGES {
        bob.publish_acked("alice", number.to_string(), 1);
        lengths.push(length(&broker));
    }
    broker.kill9();
    assert!(lengths.is_sorted(), "the log was started anew: {lengths:?}");
    (broker, lengths)
}

/// Opens the image; the first `acked` messages must be there, and what follows is in order too.
fn holds(dir: &Path, acked: usize) {
    let broker = Start::dev().data(dir).start();
    let mut phone = broker.device("alice", "phone");
    let expected: Vec<String> = (0..acked).map(|number| number.to_string()).collect();
    assert_eq!(phone.take_texts(acked), expected);
    // It takes new ones, after at most those that were on their way.
    broker.mail("alice", &["new"]);
    let mut next = acked;
    loop {
        match phone.take_text().as_str() {
            "new" => return,
            text => assert_eq!(text, next.to_string()),
        }
        next += 1;
    }
}

#[test]
fn every_prefix_of_the_log_opens_with_what_was_acknowledged() {
    let (broker, lengths) = written();
    let images = tempfile::TempDir::new().unwrap();
    for (number, length) in lengths.iter().enumerate() {
        let dir = images.path().join(format!("after-{number}"));
        image(&broker.data, &dir, *length);
        holds(&dir, number + 1);
    }
}

#[test]
fn a_log_torn_inside_a_write_opens_with_what_was_acknowledged_before() {
    let (broker, lengths) = written();
    let images = tempfile::TempDir::new().unwrap();
    for number in 1..MESSAGES {
        let (before, after) = (lengths[number - 1], lengths[number]);
        let dir = images.path().join(format!("within-{number}"));
        image(&broker.data, &dir, before + (after - before) / 2);
        holds(&dir, number);
    }
}
