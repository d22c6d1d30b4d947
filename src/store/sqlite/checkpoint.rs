//! When the log is written back into the main file: between two transactions, by the writer itself.
//! SQLite would do it inside COMMIT, before the answers, and say nothing of a failure.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::Connection;

use super::statement::{first, get};
use crate::store::StoreError;

/// The log's size from which on it is written back: a page that many commits change is written
/// back once, and the next commit waits for as long as that takes. So the log is bounded by this
/// and one commit; only what reads for long keeps it from beginning anew, and is bounded for that.
/// After kill -9 so much is read at the start.
const LOG_BYTES_DUE: u32 = 8 * 1024 * 1024;
/// If a reader was in the way, or the disk had no room, it is tried again after as much more.
const LOG_BYTES_UNTIL_NEXT: u32 = 2 * 1024 * 1024;

/// Of the writer; in pages, which are larger in files of older versions.
pub(super) struct Checkpoints {
    /// In the log after the last commit.
    pages: Arc<AtomicU32>,
    pages_before: u32,
    due: u32,
    until_next: u32,
    due_at: u32,
}

impl Checkpoints {
    /// From now on `writer` writes nothing back by itself, but at its close.
    pub(super) fn of(writer: &mut Connection) -> Result<Checkpoints, StoreError> {
        let page_bytes: u32 = writer.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let count = |bytes: u32| bytes / page_bytes.max(1);
        let (due, until_next) = (count(LOG_BYTES_DUE), count(LOG_BYTES_UNTIL_NEXT));
        let pages = Arc::new(AtomicU32::new(0));
        let told = pages.clone();
        writer.wal_hook(Some(move |_: &mut _, pages: i32| {
            told.store(pages.unsigned_abs(), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Checkpoints { pages, pages_before: 0, due, until_next, due_at: due })
    }

    /// Before a transaction begins, when all that was committed is answered.
    ///
    /// # Errors
    /// What was written may not be on the disk, and SQLite would not write it again: only opening
    /// the store again does.
    pub(super) fn before_commit(&mut self, writer: &Connection) -> Result<(), StoreError> {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.pages_before {
            self.due_at = self.due;
        }
        self.pages_before = pages;
        if pages < self.due_at {
            return Ok(());
        }
        self.due_at = pages + self.until_next;
        match write_back(writer) {
            Err(error @ StoreError::OutcomeUnknown(_)) => Err(error),
            Err(error) => {
                tracing::warn!("the store's log is not written back: {error}");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}

/// As far as the readers allow.
fn write_back(writer: &Connection) -> Result<(), StoreError> {
    let sql = "PRAGMA wal_checkpoint(PASSIVE)";
    first(writer, sql, [], |row| get::<i64>(row, 0)).map(drop)
}
