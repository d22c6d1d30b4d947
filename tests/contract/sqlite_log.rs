//! SQLite's log under load that goes on: it is written back between transactions and stays bounded.

use std::path::Path;

use homing::store::{SqliteStore, Store, StoreError, Write};

use crate::rig::{LIMITS, sqlite_connection};
use crate::say::*;

const BODY_BYTES: usize = 200_000;
const MESSAGES_PER_BATCH: u128 = 5;
/// What the file keeps at the most, and what one batch adds to it.
const LOG_BYTES_MAX: u64 = (16 + 2) * 1024 * 1024;

fn log_bytes(dir: &Path) -> u64 {
    std::fs::metadata(dir.join("homing.db-wal")).unwrap().len()
}

/// Commits about 1 MB for as long as the sum is not reached; returns the longest log.
async fn load(store: &SqliteStore, dir: &Path, mut bytes: u64) -> u64 {
    let mut longest = 0;
    while bytes > 0 {
        let wide = |number| {
            let mut message = message(number);
            message.body = vec![number as u8; BODY_BYTES].into();
            Write::Append(to(&[inbox("bob")], message))
        };
        let batch: Vec<Write> = (0..MESSAGES_PER_BATCH).map(wide).collect();
        store.commit(&batch, T0).await.unwrap();
        longest = longest.max(log_bytes(dir));
        bytes = bytes.saturating_sub(BODY_BYTES as u64 * MESSAGES_PER_BATCH as u64);
    }
    longest
}

#[tokio::test]
async fn it_stays_bounded_and_is_again_once_a_long_reader_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), LIMITS, T0).await.unwrap();
    let longest = load(&store, dir.path(), LOG_BYTES_MAX * 3 / 2).await;
    assert!(longest <= LOG_BYTES_MAX, "{longest}");

    let reader = sqlite_connection(dir.path());
    reader.execute_batch("BEGIN; SELECT count(*) FROM log").unwrap();
    let longest = load(&store, dir.path(), LOG_BYTES_MAX * 3 / 2).await;
    assert!(longest > LOG_BYTES_MAX, "the reader was not in the way: {longest}");
    drop(reader);
    load(&store, dir.path(), LOG_BYTES_MAX / 2).await;
    assert!(log_bytes(dir.path()) <= LOG_BYTES_MAX, "{}", log_bytes(dir.path()));
    store.verify().await.unwrap();
}

#[tokio::test]
async fn a_check_of_all_that_is_stored_ends_with_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let limits = homing::store::StoreLimits { messages_max: 1_000_000, ..LIMITS };
    let store = SqliteStore::open(dir.path(), limits, T0).await.unwrap();
    load(&store, dir.path(), LOG_BYTES_MAX).await;
    // A connection is made and reads; then a check that meets the end in its midst, or before it.
    store.newest().await.unwrap();
    let (checked, closed) = tokio::join!(store.verify(), store.close());
    closed.unwrap();
    assert!(matches!(checked, Err(StoreError::Unavailable(_))), "{checked:?}");
}
