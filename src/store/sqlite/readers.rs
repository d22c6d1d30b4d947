//! Connections that read beside the writer: a few, each on a thread where it may wait for the disk.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::schema;
use crate::store::StoreError;

const READERS_COUNT_MAX: u32 = 4;
/// Steps of SQLite's machine, or pages of a check, after which a read looks whether the store is
/// being closed.
const STEPS_PER_LOOK: i32 = 1000;

pub(super) struct Readers {
    turns: Arc<Semaphore>,
    shelf: Arc<Shelf>,
}

/// Where connections lie between two reads.
struct Shelf {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    closing: Arc<AtomicBool>,
}

impl Readers {
    /// Connections are made when they are needed.
    pub(super) fn new(path: PathBuf) -> Readers {
        let shelf = Shelf { path, idle: Mutex::default(), closing: Arc::default() };
        let turns = Semaphore::new(READERS_COUNT_MAX as usize);
        Readers { turns: Arc::new(turns), shelf: Arc::new(shelf) }
    }

    /// Reads on a thread of the runtime that may block. One that nobody waits for any more goes on
    /// to its end, or until the store is closed.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = self.turns.clone().acquire_owned().await.map_err(|_| closed())?;
        let shelf = self.shelf.clone();
        let reading = spawn_blocking(move || {
            let conn = shelf.take()?;
            let result = read(&conn);
            shelf.put(conn);
            drop(turn);
            result
        });
        let failed = |error| StoreError::Unavailable(format!("a read did not end: {error}"));
        reading.await.map_err(failed)?
    }

    /// Abandons what is being read and closes all connections.
    pub(super) async fn close(&self) {
        self.shelf.closing.store(true, Ordering::Relaxed);
        // An error says that it is closed already.
        let all = self.turns.acquire_many(READERS_COUNT_MAX).await;
        self.turns.close();
        drop(all);
        self.shelf.idle().clear();
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("it is closed".into())
}

impl Shelf {
    fn take(&self) -> Result<Connection, StoreError> {
        if self.closing.load(Ordering::Relaxed) {
            return Err(closed());
        }
        if let Some(conn) = self.idle().pop() {
            return Ok(conn);
        }
        let mut conn = schema::open_reader(&self.path)?;
        let closing = self.closing.clone();
        let look = move || closing.load(Ordering::Relaxed);
        conn.progress_handler(STEPS_PER_LOOK, Some(look))?;
        Ok(conn)
    }

    fn put(&self, conn: Connection) {
        self.idle().push(conn);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
