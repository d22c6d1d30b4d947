//! The one writing connection: a transaction per batch, and the cache of what batches need.

use std::ops::RangeInclusive;

use sqlx::sqlite::SqliteConnection;

use super::error::store_error;
use super::{due, flush, load, retained, sweep};
use crate::clock::Stopwatch;
use crate::model::{Due, Recipient, SessionKey, Stamp};
use crate::store::batch::{
    Changes, Counts, Ledger, Needs, PageItem, StateSlot, Transaction, Work, run,
};
use crate::store::cache::Cache;
use crate::store::{Claim, Commit, StoreError, StoreLimits, Write};

/// For recipients (about 100,000) and for sender states, each.
const CACHE_BYTES_MAX: usize = 32 * 1024 * 1024;

pub(super) struct Writer {
    conn: SqliteConnection,
    limits: StoreLimits,
    ledgers: Cache<Recipient, Ledger>,
    states: Cache<SessionKey, StateSlot>,
}

impl Writer {
    pub(super) fn new(conn: SqliteConnection, limits: StoreLimits) -> Writer {
        let (ledgers, states) = (Cache::new(CACHE_BYTES_MAX), Cache::new(CACHE_BYTES_MAX));
        Writer { conn, limits, ledgers, states }
    }

    pub(super) fn into_connection(self) -> SqliteConnection {
        self.conn
    }

    /// One transaction. What it took from the cache comes back only after its commit, so a failed
    /// one leaves nothing behind.
    pub(super) async fn commit(
        &mut self,
        batch: &[Write],
        now: Stamp,
    ) -> Result<Commit, StoreError> {
        let mut work = Work::new(self.limits, now);
        self.execute("BEGIN").await?;
        let result = run(self, &mut work, batch).await;
        let result = match result {
            Ok(commit) => {
                let watch = Stopwatch::start();
                let done = self.execute("COMMIT").await;
                done.map(|()| Commit { synced: Some(watch.elapsed()), ..commit })
            }
            Err(error) => Err(error),
        };
        match result {
            Ok(commit) => {
                self.put_back(work);
                Ok(commit)
            }
            Err(error) => Err(self.roll_back(error).await),
        }
    }

    /// SQLite may have rolled back by itself, and then says that no transaction is active; any
    /// other failure here means that only opening again tells what is there.
    async fn roll_back(&mut self, error: StoreError) -> StoreError {
        match self.execute("ROLLBACK").await {
            Ok(()) | Err(StoreError::Refused(_)) => error,
            Err(failure) => {
                StoreError::OutcomeUnknown(format!("{error}; and it was not undone: {failure}"))
            }
        }
    }

    async fn execute(&mut self, sql: &'static str) -> Result<(), StoreError> {
        sqlx::query(sql).execute(&mut self.conn).await.map(drop).map_err(store_error)
    }

    /// What is busy; not what was looked at because somebody has come or gone.
    fn put_back(&mut self, work: Work) {
        for (recipient, ledger) in work.ledgers {
            if let Some(ledger) = ledger.filter(|ledger| ledger.busy) {
                let bytes = ledger.bytes();
                self.ledgers.put(recipient, ledger, bytes);
            }
        }
        for (key, slot) in work.states.into_iter().filter(|(_, slot)| slot.busy) {
            let bytes = slot.bytes();
            self.states.put(key, slot, bytes);
        }
    }
}

impl Transaction for Writer {
    type Error = StoreError;

    async fn load(&mut self, mut needs: Needs, work: &mut Work) -> Result<(), StoreError> {
        needs.recipients.retain(|recipient, _| match self.ledgers.take(recipient) {
            Some(ledger) => {
                work.ledgers.insert(recipient.clone(), Some(ledger));
                false
            }
            None => true,
        });
        needs.states.retain(|key| match self.states.take(key) {
            Some(slot) => {
                work.states.insert(key.clone(), slot);
                false
            }
            None => true,
        });
        let conn = &mut self.conn;
        load::recipients(conn, needs.recipients, work).await?;
        load::states(conn, needs.states.into_iter().collect(), work).await?;
        load::dedupe(conn, needs.dedupe.into_iter().collect(), work).await?;
        load::subscriptions(conn, needs.subscriptions.into_iter().collect(), work).await?;
        retained::load(conn, needs.retained, needs.keepers, work).await?;
        due::load(conn, needs.due_names, needs.due, needs.owners, work).await
    }

    async fn flush(&mut self, changes: Changes, now: Stamp) -> Result<Counts, StoreError> {
        flush::flush(&mut self.conn, changes, now).await
    }

    async fn claim(&mut self, claim: Claim) -> Result<Vec<Due>, StoreError> {
        due::claim(&mut self.conn, claim).await
    }

    async fn page(
        &mut self,
        after: i64,
        count: u32,
        oldest: Stamp,
    ) -> Result<Vec<PageItem>, StoreError> {
        sweep::page(&mut self.conn, after, count, oldest).await
    }

    async fn remove_expired(&mut self, work: &mut Work, count: u32) -> Result<u64, StoreError> {
        let (gone, logs) = sweep::remove_expired(&mut self.conn, work.now, count).await?;
        work.forget(&logs);
        self.ledgers.retain(|ledger| !logs.contains(&ledger.id));
        let left = count - u32::try_from(gone).unwrap_or(count).min(count);
        Ok(gone + retained::remove_expired(&mut self.conn, work.now, left).await?)
    }

    async fn remove_states(
        &mut self,
        after: i64,
        oldest: Stamp,
        count: u32,
    ) -> Result<Option<i64>, StoreError> {
        self.states.clear();
        sweep::remove_states(&mut self.conn, after, oldest, count).await
    }

    async fn remove_dedupe(
        &mut self,
        times: RangeInclusive<Stamp>,
        count: u32,
    ) -> Result<u64, StoreError> {
        let gone = sweep::remove_dedupe(&mut self.conn, times, count).await?;
        sweep::shrink(&mut self.conn).await?;
        Ok(gone)
    }
}
