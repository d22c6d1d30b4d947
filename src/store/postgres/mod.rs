//! The store in PostgreSQL, for when one machine is too small.
//!
//! A commit is on the disk of the server that answers. `synchronous_commit = on` promises no more
//! without standbys; with `synchronous_standby_names` it covers them too. A batch that only reads
//! locks its recipients, so the server may write for it.

mod connect;
mod due;
mod error;
mod flush;
mod load;
mod look;
mod read;
mod retained;
mod sweep;
mod writer;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tokio::sync::Mutex;

pub use self::look::look;

use self::error::store_error;
use self::writer::Writer;
use super::{
    Account, Commit, KnownDevice, RetainedPage, Store, StoreError, StoreFuture, StoreIdentity,
    StoreLimits, Subscription, Write,
};
use crate::model::{Ban, ClientId, Entry, Filter, Recipient, Roles, Seq, SessionKey, Stamp, Uid};

const READERS_COUNT_MAX: u32 = 8;
/// Tries to reach the server again after an unknown outcome, and the wait between them.
const REOPEN_TRIES_COUNT_MAX: u32 = 30;
const REOPEN_WAIT: Duration = Duration::from_secs(1);

/// As [`crate::store::open`].
///
/// # Errors
/// As [`PostgresStore::open`].
pub async fn open(
    url: &str,
    limits: StoreLimits,
    now: Stamp,
) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(PostgresStore::open(url, limits, now).await?))
}

pub struct PostgresStore {
    options: PgConnectOptions,
    limits: StoreLimits,
    identity: StoreIdentity,
    /// `None` once closed.
    writer: Mutex<Option<Writer>>,
    readers: RwLock<PgPool>,
}

impl PostgresStore {
    /// Connects and brings the schema to the newest version; `now` is the time of the start.
    ///
    /// # Errors
    /// [`StoreError::Open`] or [`StoreError::Unavailable`] with the cause and what to do.
    pub async fn open(
        url: &str,
        limits: StoreLimits,
        now: Stamp,
    ) -> Result<PostgresStore, StoreError> {
        let options = connect::options(url)?;
        let mut conn = connect::connect(&options).await?;
        let identity = connect::prepare(&mut conn, &limits, rand::random(), now).await?;
        let readers = RwLock::new(pool(&options));
        let writer = Mutex::new(Some(Writer::new(options.clone(), limits, conn)));
        Ok(PostgresStore { options, limits, identity, writer, readers })
    }

    fn pool(&self) -> PgPool {
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
        match self.writer.lock().await.take().and_then(Writer::into_connection) {
            Some(conn) => conn.close().await.map_err(store_error),
            None => Ok(()),
        }
    }

    /// The server answers for its files; what is left to do is to reach it again.
    async fn reopen_all(&self) -> Result<(), StoreError> {
        if let Err(error) = self.close_all().await {
            tracing::warn!("while closing after a failure: {error}");
        }
        let mut tries = 1;
        let conn = loop {
            match connect::connect_again(&self.options).await {
                Ok(conn) => break conn,
                Err(error) if tries == REOPEN_TRIES_COUNT_MAX => return Err(error),
                Err(error) => tracing::warn!("try {tries} of {REOPEN_TRIES_COUNT_MAX}: {error}"),
            }
            tries += 1;
            tokio::time::sleep(REOPEN_WAIT).await;
        };
        *self.readers.write().unwrap_or_else(PoisonError::into_inner) = pool(&self.options);
        let writer = Writer::new(self.options.clone(), self.limits, conn);
        *self.writer.lock().await = Some(writer);
        Ok(())
    }
}

fn pool(options: &PgConnectOptions) -> PgPool {
    PgPoolOptions::new().max_connections(READERS_COUNT_MAX).connect_lazy_with(options.clone())
}

impl Store for PostgresStore {
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

    fn reopen(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.reopen_all())
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.close_all())
    }
}
