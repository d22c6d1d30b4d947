//! The store in memory: the model that the others are compared with, and the simulation's store.
//! Simple on purpose. What is handed in but not committed is lost by [`MemoryStore::crash`].

mod due;
mod open;
mod retained;
mod state;
mod sweep;

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{
    Account, Commit, KnownDevice, RetainedPage, Store, StoreError, StoreFuture, StoreIdentity,
    StoreLimits, Subscription, Write,
};
use crate::model::{Ban, ClientId, Entry, Filter, Recipient, Roles, Seq, SessionKey, Stamp, Uid};
use state::State;

/// A store without a disk, with failures on demand.
pub struct MemoryStore {
    identity: StoreIdentity,
    inner: Mutex<Inner>,
    changed: Notify,
}

struct Inner {
    durable: State,
    failures: VecDeque<Failure>,
    /// Commits wait: they are pending, and a crash loses them.
    held: bool,
    reopen_failure: Option<StoreError>,
    /// Raised by each crash, so that a pending commit notices that its process is gone.
    life: u64,
}

struct Failure {
    error: StoreError,
    /// The batch is on disk although the caller is told of an error.
    applied: bool,
}

impl MemoryStore {
    pub fn new(limits: StoreLimits) -> MemoryStore {
        let durable = State::new(limits);
        let inner = Inner {
            durable,
            failures: VecDeque::new(),
            held: false,
            reopen_failure: None,
            life: 0,
        };
        let identity = StoreIdentity { uuid: 1, epoch: 1 };
        MemoryStore { identity, inner: Mutex::new(inner), changed: Notify::new() }
    }

    /// The next commit fails and leaves nothing.
    pub fn fail_next(&self, error: StoreError) {
        self.lock().failures.push_back(Failure { error, applied: false });
    }

    /// The next commit answers `error` though its batch is on disk: the other half of
    /// [`StoreError::OutcomeUnknown`].
    pub fn fail_next_but_keep(&self, error: StoreError) {
        self.lock().failures.push_back(Failure { error, applied: true });
    }

    /// The next [`Store::reopen`] fails: the store is lost.
    pub fn fail_reopen(&self, error: StoreError) {
        self.lock().reopen_failure = Some(error);
    }

    /// Crash point before the commit: batches stay pending until [`MemoryStore::release`].
    pub fn hold(&self) {
        self.lock().held = true;
    }

    pub fn release(&self) {
        self.lock().held = false;
        self.changed.notify_waiters();
    }

    /// The process dies and starts again when the clock says `now`: pending batches are gone, what
    /// was committed stays, and durable sessions that were connected end.
    pub fn crash(&self, now: Stamp) {
        let mut inner = self.lock();
        inner.life += 1;
        inner.held = false;
        inner.failures.clear();
        inner.durable.restart(now);
        drop(inner);
        self.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_commit(&self, life: u64, batch: &[Write], now: Stamp) -> Option<Outcome> {
        let mut inner = self.lock();
        if inner.life != life {
            return Some(Err(StoreError::OutcomeUnknown("the process crashed".into())));
        }
        if inner.held {
            return None;
        }
        let failure = inner.failures.pop_front();
        if let Some(Failure { error, applied: false }) = failure {
            return Some(Err(error));
        }
        let commit = inner.durable.apply(batch, now);
        Some(failure.map_or(Ok(commit), |failure| Err(failure.error)))
    }

    async fn commit_when_released(&self, batch: &[Write], now: Stamp) -> Outcome {
        let life = self.lock().life;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.try_commit(life, batch, now) {
                Some(outcome) => return outcome,
                None => changed.await,
            }
        }
    }
}

type Outcome = Result<Commit, StoreError>;

fn answer<'a, T: Send + 'a>(value: T) -> StoreFuture<'a, T> {
    Box::pin(std::future::ready(Ok(value)))
}

impl Store for MemoryStore {
    fn commit<'a>(&'a self, batch: &'a [Write], now: Stamp) -> StoreFuture<'a, Commit> {
        Box::pin(self.commit_when_released(batch, now))
    }

    fn read<'a>(
        &'a self,
        recipient: &'a Recipient,
        after: Seq,
        count_max: usize,
        bytes_max: usize,
    ) -> StoreFuture<'a, Vec<Entry>> {
        answer(self.lock().durable.read(recipient, after, count_max, bytes_max))
    }

    fn legacies(&self, count_max: usize) -> StoreFuture<'_, Vec<(SessionKey, Entry)>> {
        answer(self.lock().durable.legacies.iter().take(count_max).cloned().collect())
    }

    fn retained<'a>(
        &'a self,
        filter: &'a Filter,
        after: Option<&'a str>,
        count_max: usize,
        bytes_max: usize,
    ) -> StoreFuture<'a, RetainedPage> {
        answer(self.lock().durable.retained(filter, after, count_max, bytes_max))
    }

    fn next_due(&self) -> StoreFuture<'_, Option<Stamp>> {
        answer(self.lock().durable.next_due())
    }

    fn due_count(&self) -> StoreFuture<'_, u64> {
        answer(self.lock().durable.due.len() as u64)
    }

    fn subscriptions<'a>(
        &'a self,
        after: Option<(SessionKey, Filter)>,
        count_max: usize,
    ) -> StoreFuture<'a, Vec<(SessionKey, Subscription)>> {
        answer(self.lock().durable.subscriptions(after, count_max))
    }

    fn account<'a>(&'a self, uid: &'a Uid) -> StoreFuture<'a, Option<Account>> {
        answer(self.lock().durable.accounts.get(uid).cloned())
    }

    fn accounts<'a>(
        &'a self,
        after: Option<&'a Uid>,
        count_max: usize,
    ) -> StoreFuture<'a, Vec<(Uid, Roles)>> {
        answer(self.lock().durable.accounts(after, count_max))
    }

    fn bans(&self) -> StoreFuture<'_, Vec<Ban>> {
        answer(self.lock().durable.bans.values().cloned().collect())
    }

    fn newest(&self) -> StoreFuture<'_, Option<Stamp>> {
        answer(self.lock().durable.newest())
    }

    fn devices<'a>(&'a self, uid: &'a Uid) -> StoreFuture<'a, Vec<KnownDevice>> {
        answer(self.lock().durable.devices(uid))
    }

    fn sessions<'a>(&'a self, uid: &'a Uid) -> StoreFuture<'a, Vec<ClientId>> {
        answer(self.lock().durable.sessions(uid))
    }

    fn retained_count(&self) -> StoreFuture<'_, u64> {
        answer(self.lock().durable.retained.len() as u64)
    }

    fn identity(&self) -> StoreIdentity {
        self.identity
    }

    fn reopen(&self) -> StoreFuture<'_, ()> {
        let mut inner = self.lock();
        inner.durable.unclaim();
        let result = inner.reopen_failure.take().map_or(Ok(()), Err);
        Box::pin(std::future::ready(result))
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        answer(())
    }
}
