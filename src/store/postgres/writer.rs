//! The writing connection: a transaction per batch, again when another node was in between.

use std::ops::RangeInclusive;

use sqlx::postgres::{PgConnectOptions, PgConnection};

use super::error::{Failed, commit_error};
use super::{connect, due, flush, load, retained, sweep};
use crate::clock::Stopwatch;
use crate::model::{Due, Stamp};
use crate::store::batch::{Changes, Counts, DEDUPE_KEPT, Needs, PageItem, Transaction, Work, run};
use crate::store::{Claim, Commit, StoreError, StoreLimits, Write};

/// Tries of one batch that other nodes come in between of.
const TRIES_COUNT_MAX: u32 = 10;

pub(super) struct Writer {
    options: PgConnectOptions,
    limits: StoreLimits,
    /// Taken out during a transaction: one that is dropped half-way is never used again.
    conn: Option<PgConnection>,
}

impl Writer {
    pub(super) fn new(
        options: PgConnectOptions,
        limits: StoreLimits,
        conn: PgConnection,
    ) -> Writer {
        Writer { options, limits, conn: Some(conn) }
    }

    pub(super) fn into_connection(self) -> Option<PgConnection> {
        self.conn
    }

    pub(super) async fn commit(
        &mut self,
        batch: &[Write],
        now: Stamp,
    ) -> Result<Commit, StoreError> {
        for _ in 1..TRIES_COUNT_MAX {
            match self.commit_once(batch, now).await {
                Err(Failed::Again(error)) => tracing::debug!("the batch is tried again: {error}"),
                result => return result.map_err(Failed::into_error),
            }
        }
        self.commit_once(batch, now).await.map_err(Failed::into_error)
    }

    async fn commit_once(&mut self, batch: &[Write], now: Stamp) -> Result<Commit, Failed> {
        let conn = match self.conn.take() {
            Some(conn) => conn,
            None => connect::connect(&self.options).await?,
        };
        let mut open = Open { conn };
        match open.commit(batch, Work::new(self.limits, now)).await {
            Err(error @ Failed::Broken(_)) => Err(error),
            Err(error) => {
                if sqlx::query("ROLLBACK").execute(&mut open.conn).await.is_ok() {
                    self.conn = Some(open.conn);
                }
                Err(error)
            }
            Ok(commit) => {
                self.conn = Some(open.conn);
                Ok(commit)
            }
        }
    }
}

/// A connection with a transaction in progress.
struct Open {
    conn: PgConnection,
}

impl Open {
    async fn commit(&mut self, batch: &[Write], mut work: Work) -> Result<Commit, Failed> {
        let begin = sqlx::query("BEGIN ISOLATION LEVEL READ COMMITTED");
        begin.execute(&mut self.conn).await?;
        let commit = run(self, &mut work, batch).await?;
        let watch = Stopwatch::start();
        sqlx::query("COMMIT").execute(&mut self.conn).await.map_err(commit_error)?;
        Ok(Commit { synced: Some(watch.elapsed()), ..commit })
    }
}

impl Transaction for Open {
    type Error = Failed;

    async fn load(&mut self, needs: Needs, work: &mut Work) -> Result<(), Failed> {
        let conn = &mut self.conn;
        load::recipients(conn, needs.recipients, work).await?;
        load::states(conn, needs.states.into_iter().collect(), work).await?;
        load::dedupe(conn, needs.dedupe.into_iter().collect(), work).await?;
        load::subscriptions(conn, needs.subscriptions.into_iter().collect(), work).await?;
        retained::load(conn, needs.retained, needs.keepers, work).await?;
        due::load(conn, needs.due_names, needs.due, needs.owners, work).await
    }

    async fn flush(&mut self, changes: Changes, now: Stamp) -> Result<Counts, Failed> {
        flush::flush(&mut self.conn, changes, now, now.before(DEDUPE_KEPT)).await
    }

    async fn claim(&mut self, claim: Claim) -> Result<Vec<Due>, Failed> {
        due::claim(&mut self.conn, claim).await
    }

    async fn page(
        &mut self,
        after: i64,
        count: u32,
        oldest: Stamp,
    ) -> Result<Vec<PageItem>, Failed> {
        sweep::page(&mut self.conn, after, count, oldest).await
    }

    async fn remove_expired(&mut self, work: &mut Work, count: u32) -> Result<u64, Failed> {
        let (gone, logs) = sweep::remove_expired(&mut self.conn, work.now, count).await?;
        work.forget(&logs);
        let left = count - u32::try_from(gone).unwrap_or(count).min(count);
        Ok(gone + retained::remove_expired(&mut self.conn, work.now, left).await?)
    }

    async fn remove_states(
        &mut self,
        after: i64,
        oldest: Stamp,
        count: u32,
    ) -> Result<Option<i64>, Failed> {
        sweep::remove_states(&mut self.conn, after, oldest, count).await
    }

    async fn remove_dedupe(
        &mut self,
        times: RangeInclusive<Stamp>,
        count: u32,
    ) -> Result<u64, Failed> {
        sweep::remove_dedupe(&mut self.conn, times, count).await
    }
}
