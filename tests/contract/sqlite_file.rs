//! The SQLite file itself: its rights, its maker, its version, and what is said when it cannot be
//! used.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::SystemTime;

use homing::model::Seq;
use homing::store::{Log, SqliteStore, Store, StoreError, Write, Written};

use crate::rig::{LIMITS, appended, sqlite_connection};
use crate::say::*;

async fn open_in(dir: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(dir, LIMITS, T0).await
}

async fn refusal(dir: &Path) -> String {
    match open_in(dir).await {
        Err(StoreError::Open(words)) => words,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("opened"),
    }
}

fn execute(dir: &Path, sql: &str) {
    sqlite_connection(dir).execute_batch(sql).unwrap();
}

fn ask<T: rusqlite::types::FromSql>(dir: &Path, sql: &str) -> T {
    sqlite_connection(dir).query_row(sql, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn all_files_are_private_even_if_they_were_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("homing.db");
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let store = open_in(dir.path()).await.unwrap();
    store.commit(&[append(inbox("bob"), 1)], T0).await.unwrap();
    for name in ["homing.db", "homing.db-wal", "homing.db-shm"] {
        let mode = std::fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn the_file_says_who_made_it_and_how() {
    let dir = tempfile::tempdir().unwrap();
    let _store = open_in(dir.path()).await.unwrap();
    let expected = [
        ("application_id", 0x686f_6d67),
        ("user_version", 5),
        ("page_size", 4 * 1024),
        ("auto_vacuum", 2),
    ];
    for (name, value) in expected {
        assert_eq!(ask::<i64>(dir.path(), &format!("PRAGMA {name}")), value, "{name}");
    }
    assert_eq!(ask::<String>(dir.path(), "PRAGMA journal_mode"), "wal");
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    open_in(dir.path()).await.unwrap().close().await.unwrap();
    execute(dir.path(), "PRAGMA user_version = 99");
    let words = refusal(dir.path()).await;
    assert!(words.contains("schema version 99") && words.contains("newer homing"), "{words}");
}

#[tokio::test]
async fn a_database_of_another_program_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("homing.db"), "").unwrap();
    execute(dir.path(), "CREATE TABLE theirs (x)");
    assert!(refusal(dir.path()).await.contains("another program"));
    execute(dir.path(), "INSERT INTO theirs VALUES (1)");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_reported_in_words() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("homing.db"), "x".repeat(50_000)).unwrap();
    let words = refusal(dir.path()).await;
    assert!(words.contains("homing.db") && words.contains("restore a backup"), "{words}");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_reported_in_words() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("homing.db")).unwrap();
    let words = refusal(dir.path()).await;
    assert!(words.contains("homing.db") && words.contains("check"), "{words}");
}

#[tokio::test]
async fn a_batch_with_nothing_to_write_does_not_touch_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_in(dir.path()).await.unwrap();
    let bob = key("bob", "phone");
    let first = [append_key(inbox("bob"), 1, "x"), know(&bob), open(&bob, true, true)];
    store.commit(&first, T0).await.unwrap();
    store.commit(&[advance(&bob, Log::Inbox, 1, 1)], T0).await.unwrap();
    let touched = || {
        let meta = std::fs::metadata(dir.path().join("homing.db-wal")).unwrap();
        (meta.len(), meta.modified().unwrap())
    };
    let before: (u64, SystemTime) = touched();
    let nothing = [
        append_key(inbox("bob"), 2, "x"),
        open(&bob, false, true),
        know(&bob),
        advance(&bob, Log::Inbox, 1, 1),
        open(&key("stranger", "pipe"), true, false),
    ];
    let commit = store.commit(&nothing, T0).await.unwrap();
    assert!(matches!(commit.answers[0], Written::Duplicate { .. }));
    assert_eq!(touched(), before);
}

#[tokio::test]
async fn a_batch_of_many_chunks_keeps_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_in(dir.path()).await.unwrap();
    let names: Vec<String> = (0..700).map(|n| format!("u{n}")).collect();
    let one = |(n, name): (usize, &String)| append_key(inbox(name), n as u128, name);
    let batch: Vec<Write> = names.iter().enumerate().map(one).collect();
    for round in 1..=2 {
        let answers = store.commit(&batch, T0).await.unwrap().answers;
        for (n, answer) in answers.iter().enumerate() {
            match round {
                1 => assert_eq!(appended(answer), [1]),
                _ => assert_eq!(*answer, Written::Duplicate { id: message(n as u128).id }),
            }
        }
    }
    let entries = store.read(&inbox("u699"), Seq(0), 10, usize::MAX).await.unwrap();
    assert_eq!(*entries[0].message, message(699));
}

#[tokio::test]
async fn reopening_keeps_everything_and_finds_damage() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_in(dir.path()).await.unwrap();
    let batch: Vec<Write> = (0..40).map(|n| append(inbox("bob"), n)).collect();
    store.commit(&batch, T0).await.unwrap();
    store.reopen().await.unwrap();
    store.verify().await.unwrap();
    let commit = store.commit(&[append(inbox("bob"), 40)], T0).await.unwrap();
    assert_eq!(appended(&commit.answers[0]), [41]);
    store.close().await.unwrap();
    let refused = store.commit(&[append(inbox("bob"), 41)], T0).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");

    let path = dir.path().join("homing.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let (page, end) = (5 * 4 * 1024, bytes.len());
    bytes[page..end].fill(0xA5);
    std::fs::write(&path, bytes).unwrap();
    let error = match open_in(dir.path()).await {
        Err(error) => error,
        Ok(store) => store.reopen().await.unwrap_err(),
    };
    assert!(error.to_string().contains("backup"), "{error}");
}

#[tokio::test]
async fn a_shared_body_is_stored_once_and_goes_with_its_last_record() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_in(dir.path()).await.unwrap();
    let both = Write::Append(to(&[inbox("a"), inbox("b")], message(1)));
    store.commit(&[both, know(&key("a", "x")), know(&key("b", "x"))], T0).await.unwrap();
    let bodies = || ask::<i64>(dir.path(), "SELECT count(*) FROM body");
    for (name, left) in [("a", 1), ("b", 0)] {
        let cursor = advance(&key(name, "x"), Log::Inbox, 1, 1);
        store.commit(&[cursor, Write::Sweep(sweep())], T0).await.unwrap();
        assert_eq!(bodies(), left);
    }
}
