//! The embedded store: one SQLite file in WAL mode, one writing connection, a few reading ones.

mod chunk;
mod due;
mod error;
mod flush;
mod load;
mod look;
mod read;
mod retained;
mod schema;
mod sweep;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use sqlx::{Connection, Row};
use tokio::sync::Mutex;

pub use self::look::look;

use self::error::{open_error, store_error};
use self::writer::Writer;
use super::{
    Account, Commit, KnownDevice, RetainedPage, Store, StoreError, StoreFuture, StoreIdentity,
    StoreLimits, Subscription, Write,
};
use crate::model::{Ban, ClientId, Entry, Filter, Recipient, Roles, Seq, SessionKey, Stamp, Uid};

/// The file's name inside the data directory.
pub const FILE_NAME: &str = "homing.db";
const READERS_COUNT_MAX: u32 = 4;

pub struct SqliteStore {
    path: PathBuf,
    limits: StoreLimits,
    identity: StoreIdentity,
    /// `None` once closed.
    writer: Mutex<Option<Writer>>,
    readers: RwLock<SqlitePool>,
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
        let mut conn = schema::open_writer(&path).await?;
        let identity = schema::identity(&mut conn, rand::random()).await?;
        schema::end_open_sessions(&mut conn, &limits, now).await?;
        let readers = RwLock::new(pool(&path));
        let writer = Mutex::new(Some(Writer::new(conn, limits)));
        Ok(SqliteStore { path, limits, identity, writer, readers })
    }

    fn pool(&self) -> SqlitePool {
        self.readers.read().unwrap_or_else(PoisonError::into_inner).clone()
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

    async fn close_all(&self) -> Result<(), StoreError> {
        self.pool().close().await;
        match self.writer.lock().await.take() {
            Some(writer) => writer.into_connection().close().await.map_err(store_error),
            None => Ok(()),
        }
    }

    /// What a failed fsync left in the log file may be readable and yet not on the disk, so all of
    /// it is written once more, into the main file, before anything is told.
    async fn reopen_all(&self) -> Result<(), StoreError> {
        if let Err(error) = self.close_all().await {
            tracing::warn!("while closing after a failure: {error}");
        }
        let mut conn = schema::open_writer(&self.path).await?;
        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
        let failed = |error| open_error(&self.path, error);
        let row = sqlx::query(sql).fetch_one(&mut conn).await.map_err(failed)?;
        if row.try_get::<i64, _>(0).map_err(failed)? != 0 {
            let path = self.path.display();
            return Err(StoreError::Open(format!("{path}: its log cannot be written back")));
        }
        quick_check(&mut conn).await?;
        // Whoever claimed it may not have heard of it.
        due::unclaim(&mut conn).await?;
        *self.readers.write().unwrap_or_else(PoisonError::into_inner) = pool(&self.path);
        *self.writer.lock().await = Some(Writer::new(conn, self.limits));
        Ok(())
    }
}

fn pool(path: &Path) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(READERS_COUNT_MAX)
        .test_before_acquire(false)
        .max_lifetime(None)
        .idle_timeout(None)
        .connect_lazy_with(schema::reader_options(path))
}

async fn quick_check(conn: &mut sqlx::sqlite::SqliteConnection) -> Result<(), StoreError> {
    let query = sqlx::query_scalar::<_, String>("PRAGMA quick_check(1)");
    match query.fetch_one(conn).await.map_err(store_error)?.as_str() {
        "ok" => Ok(()),
        finding => Err(super::record::corrupt(finding)),
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
        let pool = self.pool();
        Box::pin(async move { read::records(&pool, recipient, after, count_max, bytes_max).await })
    }

    fn legacies(&self, count_max: usize) -> StoreFuture<'_, Vec<(SessionKey, Entry)>> {
        let pool = self.pool();
        Box::pin(async move { read::legacies(&pool, count_max).await })
    }

    fn retained<'a>(
        &'a self,
        filter: &'a Filter,
        after: Option<&'a str>,
        count_max: usize,
        bytes_max: usize,
    ) -> StoreFuture<'a, RetainedPage> {
        let pool = self.pool();
        Box::pin(async move { retained::read(&pool, filter, after, count_max, bytes_max).await })
    }

    fn next_due(&self) -> StoreFuture<'_, Option<Stamp>> {
        let pool = self.pool();
        Box::pin(async move { due::next(&pool).await })
    }

    fn due_count(&self) -> StoreFuture<'_, u64> {
        let pool = self.pool();
        Box::pin(async move { due::count(&pool).await })
    }

    fn subscriptions<'a>(
        &'a self,
        after: Option<(SessionKey, Filter)>,
        count_max: usize,
    ) -> StoreFuture<'a, Vec<(SessionKey, Subscription)>> {
        let pool = self.pool();
        Box::pin(async move { read::subscriptions(&pool, after, count_max).await })
    }

    fn account<'a>(&'a self, uid: &'a Uid) -> StoreFuture<'a, Option<Account>> {
        let pool = self.pool();
        Box::pin(async move { read::account(&pool, uid).await })
    }

    fn accounts<'a>(
        &'a self,
        after: Option<&'a Uid>,
        count_max: usize,
    ) -> StoreFuture<'a, Vec<(Uid, Roles)>> {
        let pool = self.pool();
        Box::pin(async move { read::accounts(&pool, after, count_max).await })
    }

    fn bans(&self) -> StoreFuture<'_, Vec<Ban>> {
        let pool = self.pool();
        Box::pin(async move { read::bans(&pool).await })
    }

    fn newest(&self) -> StoreFuture<'_, Option<Stamp>> {
        let pool = self.pool();
        Box::pin(async move { read::newest(&pool).await })
    }

    fn devices<'a>(&'a self, uid: &'a Uid) -> StoreFuture<'a, Vec<KnownDevice>> {
        let pool = self.pool();
        Box::pin(async move { read::devices(&pool, uid).await })
    }

    fn sessions<'a>(&'a self, uid: &'a Uid) -> StoreFuture<'a, Vec<ClientId>> {
        let pool = self.pool();
        Box::pin(async move { read::sessions(&pool, uid).await })
    }

    fn retained_count(&self) -> StoreFuture<'_, u64> {
        let pool = self.pool();
        Box::pin(async move { read::retained_count(&pool).await })
    }

    fn identity(&self) -> StoreIdentity {
        self.identity
    }

    fn verify(&self) -> StoreFuture<'_, ()> {
        let pool = self.pool();
        Box::pin(async move { quick_check(&mut *pool.acquire().await.map_err(store_error)?).await })
    }

    fn reopen(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.reopen_all())
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.close_all())
    }
}
