//! Writes the log back into the main file beside the writer: what a commit waits for is at most the
//! small rest that came meanwhile.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::schema;
use super::statement::{first, get};
use crate::store::StoreError;

/// Pages in the log (32 MiB) after which it is written back: a page that many commits change is
/// written back once.
pub(super) const LOG_PAGES_DUE: u32 = 2048;
/// From this on (64 MiB) the writer does it itself before each commit. So the log is bounded by
/// this and one commit; only what reads for long keeps it from beginning anew, and reads are
/// bounded for that. After kill -9 so much is read at the start.
const LOG_PAGES_MAX: u32 = 4096;
/// A rest (2 MiB) that is small enough for the writer.
const REST_PAGES_MAX: i64 = 128;
/// Looks at the rest that came meanwhile.
const PASSES_COUNT_MAX: u32 = 3;

/// What the writer and the thread beside it share.
#[derive(Default)]
struct Between {
    /// One at a time, so that the writer can wait for the other.
    working: Mutex<()>,
    /// All is written back but a small rest.
    rest_due: AtomicBool,
}

/// Of the writer.
pub(super) struct Checkpoints {
    between: Arc<Between>,
    /// Pages in the log after the last commit.
    pages: Arc<AtomicU32>,
    pages_seen: u32,
    due_at: u32,
    /// `None` once it is ending.
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// Starts the thread for the file at `path`; `writer` no longer writes back by itself.
    pub(super) fn start(path: &Path, writer: &mut Connection) -> Result<Checkpoints, StoreError> {
        let conn = schema::open_checkpointer(path)?;
        let (pages, between) = (Arc::new(AtomicU32::new(0)), Arc::new(Between::default()));
        let told = pages.clone();
        writer.wal_hook(Some(move |_: &mut _, pages: i32| {
            told.store(pages.unsigned_abs(), Ordering::Relaxed);
            Ok(())
        }))?;
        let (wake, woken) = sync_channel(1);
        let beside = between.clone();
        let thread = std::thread::spawn(move || work(&conn, &woken, &beside));
        let (wake, thread) = (Some(wake), Some(thread));
        Ok(Checkpoints { between, pages, pages_seen: 0, due_at: LOG_PAGES_DUE, wake, thread })
    }

    /// Before a transaction of the writer begins, when all that it had committed is answered.
    pub(super) fn before_commit(&mut self, writer: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.pages_seen {
            self.due_at = LOG_PAGES_DUE;
        }
        self.pages_seen = pages;
        let rest_due = self.between.rest_due.swap(false, Ordering::Relaxed);
        if rest_due || pages >= LOG_PAGES_MAX {
            warn(self.between.write_back(writer));
        } else if pages >= self.due_at
            && let Some(wake) = &self.wake
        {
            // If a reader is in the way, again after as many pages.
            self.due_at = pages + LOG_PAGES_DUE;
            // If the channel is full, it is awake.
            _ = wake.try_send(());
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the thread that writes the store's log back panicked");
        }
    }
}

/// The thread beside the writer.
fn work(conn: &Connection, woken: &Receiver<()>, between: &Between) {
    while woken.recv().is_ok() {
        let is_large = |rest: &Result<i64, _>| matches!(rest, Ok(pages) if *pages > REST_PAGES_MAX);
        let mut rest = between.write_back(conn);
        for _ in 1..PASSES_COUNT_MAX {
            if is_large(&rest) {
                rest = between.write_back(conn);
            }
        }
        between.rest_due.store(rest.is_ok(), Ordering::Relaxed);
        warn(rest);
    }
}

/// What could not be written back stays in the log, where it is safe, and is tried again.
fn warn(result: Result<i64, StoreError>) {
    if let Err(error) = result {
        tracing::warn!("the store's log is not written back: {error}");
    }
}

impl Between {
    /// Returns how many pages of the log are left to be written back.
    fn write_back(&self, conn: &Connection) -> Result<i64, StoreError> {
        let _one = self.one_at_a_time();
        let sql = "PRAGMA wal_checkpoint(PASSIVE)";
        let left = first(conn, sql, [], |row| Ok(get::<i64>(row, 1)? - get::<i64>(row, 2)?))?;
        Ok(left.unwrap_or(0))
    }

    fn one_at_a_time(&self) -> MutexGuard<'_, ()> {
        self.working.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
