//! The one writing connection: a transaction per batch, and the cache of what batches need.

use std::ops::RangeInclusive;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::checkpoint::Checkpoints;
use super::statement::execute;
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
    conn: Connection,
    checkpoints: Checkpoints,
    limits: StoreLimits,
    ledgers: Cache<Recipient, Ledger>,
    states: Cache<SessionKey, StateSlot>,
}

impl Writer {
    pub(super) fn new(mut conn: Connection, limits: StoreLimits) -> Result<Writer, StoreError> {
        let checkpoints = Checkpoints::of(&mut conn)?;
        let (ledgers, states) = (Cache::new(CACHE_BYTES_MAX), Cache::new(CACHE_BYTES_MAX));
        Ok(Writer { conn, checkpoints, limits, ledgers, states })
    }

    /// Writes the log back, as whoever closes last does.
    pub(super) fn close(self) -> Result<(), StoreError> {
        Ok(self.conn.close().map_err(|(_, error)| error)?)
    }

    /// After a failed fsync: the log stays, for it may hold the only whole copy. SQLite counts what
    /// it has written back before as safe and would remove it.
    pub(super) fn abandon(self) -> Result<(), StoreError> {
        self.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        self.close()
    }

    /// One transaction. What it took from the cache comes back only after its commit, so a failed
    /// one leaves nothing behind.
    pub(super) async fn commit(
        &mut self,
        batch: &[Write],
        now: Stamp,
    ) -> Result<Commit, StoreError> {
        self.checkpoints.before_commit(&self.conn)?;
        let mut work = Work::new(self.limits, now);
        self.execute("BEGIN")?;
        let result = run(self, &mut work, batch).await;
        let result = match result {
            Ok(commit) => {
                let watch = Stopwatch::start();
                let done = self.execute("COMMIT").map_err(after_commit);
                done.map(|()| Commit { synced: Some(watch.elapsed()), ..commit })
            }
            Err(error) => Err(error),
        };
        match result {
            Ok(commit) => {
                self.put_back(work);
                Ok(commit)
            }
            Err(error) => Err(self.roll_back(error)),
        }
    }

    /// SQLite may have rolled back by itself. If it cannot, only opening again tells what is there.
    fn roll_back(&mut self, error: StoreError) -> StoreError {
        if self.conn.is_autocommit() {
            return error;
        }
        match self.execute("ROLLBACK") {
            Ok(()) => error,
            Err(failure) => {
                StoreError::OutcomeUnknown(format!("{error}; and it was not undone: {failure}"))
            }
        }
    }

    fn execute(&self, sql: &str) -> Result<(), StoreError> {
        execute(&self.conn, sql, []).map(drop)
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

/// Memory may run out behind the fsync, when the log has it all.
fn after_commit(error: StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(words) => StoreError::OutcomeUnknown(words),
        error => error,
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
        let conn = &self.conn;
        load::recipients(conn, needs.recipients, work)?;
        load::states(conn, needs.states, work)?;
        load::dedupe(conn, needs.dedupe, work)?;
        load::subscriptions(conn, needs.subscriptions, work)?;
        retained::load(conn, needs.retained, needs.keepers, work)?;
        due::load(conn, needs.due_names, needs.due, needs.owners, work)
    }

    async fn flush(&mut self, changes: Changes, now: Stamp) -> Result<Counts, StoreError> {
        flush::flush(&self.conn, changes, now)
    }

    async fn claim(&mut self, claim: Claim) -> Result<Vec<Due>, StoreError> {
        due::claim(&self.conn, claim)
    }

    async fn page(
        &mut self,
        after: i64,
        count: u32,
        oldest: Stamp,
    ) -> Result<Vec<PageItem>, StoreError> {
        sweep::page(&self.conn, after, count, oldest)
    }

    async fn remove_expired(&mut self, work: &mut Work, count: u32) -> Result<u64, StoreError> {
        let (gone, logs) = sweep::remove_expired(&self.conn, work.now, count)?;
        work.forget(&logs);
        self.ledgers.retain(|ledger| !logs.contains(&ledger.id));
        let left = count - u32::try_from(gone).unwrap_or(count).min(count);
        Ok(gone + retained::remove_expired(&self.conn, work.now, left)?)
    }

    async fn remove_states(
        &mut self,
        after: i64,
        oldest: Stamp,
        count: u32,
    ) -> Result<Option<i64>, StoreError> {
        self.states.clear();
        sweep::remove_states(&self.conn, after, oldest, count)
    }

    async fn remove_dedupe(
        &mut self,
        times: RangeInclusive<Stamp>,
        count: u32,
    ) -> Result<u64, StoreError> {
        let gone = sweep::remove_dedupe(&self.conn, times, count)?;
        sweep::shrink(&self.conn)?;
        Ok(gone)
    }
}
