//! The embedded store: one SQLite file in WAL mode, one writing connection, a few reading ones.
//! Nothing here waits for anything but the disk, so a commit does its work when it is polled: the
//! writer has a thread of its own (`commit.rs`). Reads go to threads that may block.

mod checkpoint;
mod due;
mod error;
mod flush;
mod load;
mod look;
mod read;
mod readers;
mod retained;
mod schema;
mod statement;
mod sweep;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rusqlite::Connection;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

pub use self::look::look;

use self::readers::Readers;
use self::writer::Writer;
use super::{
    Account, Commit, KnownDevice, RetainedPage, Store, StoreError, StoreFuture, StoreIdentity,
    StoreLimits, Subscription, Write,
};
use crate::model::{Ban, ClientId, Entry, Filter, Recipient, Roles, Seq, SessionKey, Stamp, Uid};

/// The file's name inside the data directory.
pub const FILE_NAME: &str = "homing.db";

pub struct SqliteStore {
    path: PathBuf,
    limits: StoreLimits,
    identity: StoreIdentity,
    /// `None` once closed.
    writer: Mutex<Option<Writer>>,
    readers: RwLock<Arc<Readers>>,
}

impl SqliteStore {
    /// Opens the store in `dir` or makes one; `now` is the time of the start.
    ///
    /// # Errors
    /// [`StoreError::Open`] with the file, the cause and what to do.
    pub async fn open(
        dir: &Path,
        limits: StoreLimits,
        now: Stamp,
    ) -> Result<SqliteStore, StoreError> {
        let path = dir.join(FILE_NAME);
        // Bringing a big store to a new schema takes minutes.
        let opening = spawn_blocking(move || SqliteStore::open_file(path, limits, now));
        let failed = |error| StoreError::Open(format!("opening it did not end: {error}"));
        opening.await.map_err(failed)?
    }

    fn open_file(
        path: PathBuf,
        limits: StoreLimits,
        now: Stamp,
    ) -> Result<SqliteStore, StoreError> {
        let mut conn = schema::open_writer(&path)?;
        let identity = schema::identity(&conn, rand::random())?;
        schema::end_open_sessions(&mut conn, &limits, now)?;
        let readers = RwLock::new(Arc::new(Readers::new(path.clone())));
        let writer = Mutex::new(Some(Writer::new(conn, limits)?));
        Ok(SqliteStore { path, limits, identity, writer, readers })
    }

    fn readers(&self) -> Arc<Readers> {
        self.readers.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn beside<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        let readers = self.readers();
        Box::pin(async move { readers.read(read).await })
    }

    async fn commit_batch(&self, batch: &[Write], now: Stamp) -> Result<Commit, StoreError> {
        if batch.is_empty() {
            return Ok(Commit::default());
        }
        match &mut *self.writer.lock().await {
            Some(writer) => writer.commit(batch, now).await,
            None => Err(StoreError::Unavailable("it is closed".into())),
        }
    }

    async fn close_all(
        &self,
        close: impl FnOnce(Writer) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.readers().close().await;
        self.writer.lock().await.take().map_or(Ok(()), close)
    }

    /// What a failed fsync left, in the log or in the main file, may be readable and yet not on the
    /// disk: so all of the log is written into the main file once more before anything is told.
    async fn reopen_all(&self) -> Result<(), StoreError> {
        if let Err(error) = self.close_all(Writer::abandon).await {
            tracing::warn!("while closing after a failure: {error}");
        }
        let conn = schema::open_writer(&self.path)?;
        schema::write_log_back(&conn, &self.path)?;
        schema::quick_check(&conn)?;
        // Whoever claimed it may not have heard of it.
        due::unclaim(&conn)?;
        let readers = Arc::new(Readers::new(self.path.clone()));
        *self.readers.write().unwrap_or_else(PoisonError::into_inner) = readers;
        *self.writer.lock().await = Some(Writer::new(conn, self.limits)?);
        Ok(())
    }
}

impl Store for SqliteStore {
    fn commit<'a>(&'a self, batch: &'a [Write], now: Stamp) -> StoreFuture<'a, Commit> {
        Box::pin(self.commit_batch(batch, now))
    }

    fn read<'a>(
        &'a self,
        recipient: &'a Recipient,
        after: Seq,
        count_max: usize,
        bytes_max: usize,
    ) -> StoreFuture<'a, Vec<Entry>> {
        let recipient = recipient.clone();
        self.beside(move |conn| read::records(conn, &recipient, after, count_max, bytes_max))
    }

    fn legacies(&self, count_max: usize) -> StoreFuture<'_, Vec<(SessionKey, Entry)>> {
        self.beside(move |conn| read::legacies(conn, count_max))
    }

    fn retained<'a>(
        &'a self,
        filter: &'a Filter,
        after: Option<&'a str>,
        count_max: usize,
        bytes_max: usize,
    ) -> StoreFuture<'a, RetainedPage> {
        let (filter, after) = (filter.clone(), after.map(str::to_owned));
        self.beside(move |conn| {
            retained::read(conn, &filter, after.as_deref(), count_max, bytes_max)
        })
    }

    fn next_due(&self) -> StoreFuture<'_, Option<Stamp>> {
        self.beside(due::next)
    }

    fn due_count(&self) -> StoreFuture<'_, u64> {
        self.beside(due::count)
    }

    fn subscriptions<'a>(
        &'a self,
        after: Option<(SessionKey, Filter)>,
        count_max: usize,
    ) -> StoreFuture<'a, Vec<(SessionKey, Subscription)>> {
        self.beside(move |conn| read::subscriptions(conn, after, count_max))
    }

    fn account<'a>(&'a self, uid: &'a Uid) -> StoreFuture<'a, Option<Account>> {
        let uid = uid.clone();
        self.beside(move |conn| read::account(conn, &uid))
    }

    fn accounts<'a>(
        &'a self,
        after: Option<&'a Uid>,
        count_max: usize,
    ) -> StoreFuture<'a, Vec<(Uid, Roles)>> {
        let after = after.cloned();
        self.beside(move |conn| read::accounts(conn, after.as_ref(), count_max))
    }

    fn bans(&self) -> StoreFuture<'_, Vec<Ban>> {
        self.beside(read::bans)
    }

    fn newest(&self) -> StoreFuture<'_, Option<Stamp>> {
        self.beside(read::newest)
    }

    fn devices<'a>(&'a self, uid: &'a Uid) -> StoreFuture<'a, Vec<KnownDevice>> {
        let uid = uid.clone();
        self.beside(move |conn| read::devices(conn, &uid))
    }

    fn sessions<'a>(&'a self, uid: &'a Uid) -> StoreFuture<'a, Vec<ClientId>> {
        let uid = uid.clone();
        self.beside(move |conn| read::sessions(conn, &uid))
    }

    fn retained_count(&self) -> StoreFuture<'_, u64> {
        self.beside(read::retained_count)
    }

    fn identity(&self) -> StoreIdentity {
        self.identity
    }

    fn verify(&self) -> StoreFuture<'_, ()> {
        self.beside(schema::quick_check)
    }

    fn reopen(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.reopen_all())
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.close_all(Writer::close))
    }
}
