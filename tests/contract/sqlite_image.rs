//! Crash images: the file with every prefix of its log, whole frames and torn ones. Whatever was
//! acknowledged before the prefix ends is there, and nothing is there by half.

use std::path::Path;

use homing::model::{Seq, Step};
use homing::store::{SqliteStore, Store, StoreError, Write};

use crate::rig::{LIMITS, copy_image};
use crate::say::*;

const WAL: &str = "homing.db-wal";
const WAL_HEADER_BYTES: usize = 32;
const FRAME_BYTES: usize = 24 + 4 * 1024;

/// Every kind of write, so that each commit has several frames.
fn batch(number: u128) -> Vec<Write> {
    let bob = key("bob", "phone");
    let mut wide = message(number);
    wide.body = vec![number as u8; 40_000].into();
    vec![
        append_key(inbox("a"), number, &format!("key {number}")),
        Write::Append(to(&[inbox("a"), inbox("b")], wide)),
        put_account(uid(&format!("u{number}")), "hash"),
        open(&bob, false, true),
        Write::Step { key: bob, step: Step::Received { seq: Seq(number as u64) } },
    ]
}

/// How many batches an image shows; panics if one is there by half.
async fn batches_in(dir: &Path) -> usize {
    let store = SqliteStore::open(dir, LIMITS, T0).await.unwrap();
    let read = async |name: &str| {
        store.read(&inbox(name), Seq(0), 10_000, usize::MAX).await.unwrap().len()
    };
    let (a, b) = (read("a").await, read("b").await);
    let accounts = store.accounts(None, 1000).await.unwrap().len();
    let opened = store.commit(&[open(&key("bob", "phone"), false, true)], T0).await.unwrap();
    let homing::store::Written::Opened(opened) = &opened.answers[0] else { panic!() };
    assert_eq!((a, accounts), (2 * b, b), "half a batch");
    assert_eq!(opened.state.received.len(), b, "half a batch");
    store.close().await.unwrap();
    b
}

struct Image {
    dir: tempfile::TempDir,
    /// The log's length after each commit.
    lengths: Vec<usize>,
}

async fn image(commits: u128) -> Image {
    let from = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(from.path(), LIMITS, T0).await.unwrap();
    let mut lengths = Vec::new();
    for number in 0..commits {
        store.commit(&batch(number), T0).await.unwrap();
        lengths.push(std::fs::metadata(from.path().join(WAL)).unwrap().len() as usize);
    }
    let dir = tempfile::tempdir().unwrap();
    copy_image(from.path(), dir.path());
    assert!(lengths.is_sorted_by(|a, b| a < b), "the log was cut in between: {lengths:?}");
    Image { dir, lengths }
}

impl Image {
    /// A copy whose log is `wal`.
    fn with_log(&self, wal: &[u8]) -> tempfile::TempDir {
        let copy = tempfile::tempdir().unwrap();
        copy_image(self.dir.path(), copy.path());
        std::fs::write(copy.path().join(WAL), wal).unwrap();
        copy
    }

    fn log(&self) -> Vec<u8> {
        std::fs::read(self.dir.path().join(WAL)).unwrap()
    }
}

#[tokio::test]
async fn every_prefix_of_the_log_shows_what_was_acknowledged_and_nothing_by_half() {
    let image = image(6).await;
    let log = image.log();
    let mut ends: Vec<usize> = vec![0, 1, WAL_HEADER_BYTES];
    for frame in (WAL_HEADER_BYTES..log.len()).step_by(FRAME_BYTES) {
        ends.extend([frame + 1, frame + FRAME_BYTES / 2, frame + FRAME_BYTES - 1]);
        ends.push(frame + FRAME_BYTES);
    }
    for end in ends {
        let copy = image.with_log(&log[..end]);
        let expected = image.lengths.iter().filter(|length| **length <= end).count();
        assert_eq!(batches_in(copy.path()).await, expected, "{end} of {} bytes", log.len());
    }
}

#[tokio::test]
async fn a_flipped_byte_in_the_log_loses_only_what_follows() {
    let image = image(4).await;
    let mut log = image.log();
    log[image.lengths[2] + 1000] ^= 1;
    assert_eq!(batches_in(image.with_log(&log).path()).await, 3);
}

/// A full checkpoint and a new log: the older content of the file takes part too.
#[tokio::test]
async fn a_flipped_byte_in_the_main_file_is_reported_by_the_checksum() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), LIMITS, T0).await.unwrap();
    let mut message = message(1);
    message.body = b"a body that is easily found".to_vec().into();
    store.commit(&[Write::Append(to(&[inbox("bob")], message))], T0).await.unwrap();
    store.close().await.unwrap();
    let path = dir.path().join("homing.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(12).position(|window| window == b"easily found").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let store = SqliteStore::open(dir.path(), LIMITS, T0).await.unwrap();
    let read = store.read(&inbox("bob"), Seq(0), 10, 1000).await;
    let Err(StoreError::Corrupt(words)) = read else { panic!("{read:?}") };
    assert!(words.contains("record 1 of inbox bob") && words.contains("backup"), "{words}");
}
