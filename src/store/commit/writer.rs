//! The writer's thread: commit, retry, answer; and what to do when the store fails.

use std::sync::Arc;
use std::time::Duration;

use super::queue::{Queue, bytes_of};
use super::{Batch, Done, Reply, Request};
use crate::clock::{Clock, Stopwatch};
use crate::model::DueName;
use crate::store::{
    Change, Commit, DiskGuard, Removal, Schedule, Store, StoreError, Write, Written,
};

/// Tries of one batch while the store is away, and the wait before the first repetition; each
/// further wait is twice as long (6.3 s in all).
const TRIES_COUNT_MAX: u32 = 7;
const RETRY_WAIT: Duration = Duration::from_millis(100);

pub(super) struct Writer<F> {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    guard: Option<DiskGuard>,
    queue: Arc<Queue>,
    on_commit: F,
}

/// The writer's end is told by a panic, too.
struct End(Arc<Queue>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.end();
    }
}

type Answer = Result<Written, StoreError>;

/// The answers to a batch and what went; `fatal` if the store is no more.
#[derive(Default)]
struct Outcome {
    answers: Vec<Answer>,
    removed: Vec<(Removal, u64)>,
    synced: Option<Duration>,
    legacies: bool,
    fatal: Option<StoreError>,
}

impl Outcome {
    fn failed(count: usize, error: &StoreError) -> Outcome {
        Outcome { answers: vec![Err(error.clone()); count], ..Default::default() }
    }

    fn join(mut self, other: Outcome) -> Outcome {
        self.answers.extend(other.answers);
        self.removed.extend(other.removed);
        self.synced = self.synced.max(other.synced);
        self.legacies |= other.legacies;
        self.fatal = self.fatal.or(other.fatal);
        self
    }
}

impl From<Commit> for Outcome {
    fn from(commit: Commit) -> Outcome {
        let Commit { answers, removed, synced, legacies } = commit;
        let answers = answers.into_iter().map(Ok).collect();
        Outcome { answers, removed, synced, legacies, fatal: None }
    }
}

/// It takes room on the disk. A will does too, but nobody could be told that it is refused.
fn adds(write: &Write) -> bool {
    match write {
        Write::Append(_) => true,
        Write::Schedule(Schedule { change: Change::Put(due, _), .. }) => {
            !due.name.as_ref().is_some_and(DueName::is_will)
        }
        _ => false,
    }
}

impl<F: FnMut(Vec<Done>, Batch<'_>)> Writer<F> {
    pub(super) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        guard: Option<DiskGuard>,
        queue: Arc<Queue>,
        on_commit: F,
    ) -> Writer<F> {
        Writer { store, clock, guard, queue, on_commit }
    }

    pub(super) fn run(mut self) -> Result<(), StoreError> {
        let _end = End(self.queue.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let result = match runtime {
            Ok(runtime) => runtime.block_on(self.write_all()),
            Err(error) => Err(StoreError::Open(format!("its thread has no event loop: {error}"))),
        };
        if let Err(error) = &result {
            self.refuse_rest(error);
        }
        result
    }

    async fn write_all(&mut self) -> Result<(), StoreError> {
        while let Some((requests, oldest)) = self.queue.next_batch().await {
            let transaction = Stopwatch::start();
            let (writes, replies): (Vec<_>, Vec<_>) =
                requests.into_iter().map(|request| (request.write, request.reply)).unzip();
            let outcome = self.commit_possible(&writes).await;
            let batch = Batch {
                removed: &outcome.removed,
                waited: oldest.elapsed(),
                took: transaction.elapsed(),
                synced: outcome.synced,
                legacies: outcome.legacies,
            };
            self.answer(writes, replies, outcome.answers, batch);
            if let Some(error) = outcome.fatal {
                return Err(error);
            }
        }
        self.store.close().await
    }

    /// Commits; without what adds to the store where the disk has no room for it. If it has none
    /// even for the rest, the ballast makes some.
    async fn commit_possible(&mut self, writes: &[Write]) -> Outcome {
        let moment = self.clock.moment();
        let low = self.guard.as_mut().and_then(|guard| guard.check(moment).err());
        let outcome = match &low {
            Some(error) => self.commit_without_additions(writes, error).await,
            None => self.commit_whole(writes).await,
        };
        let expected = |write: &Write| low.is_some() && adds(write);
        let full = writes.iter().zip(&outcome.answers).find_map(|(write, answer)| match answer {
            Err(error @ StoreError::Full(_)) if !expected(write) => Some(error.clone()),
            _ => None,
        });
        let Some(error) = full else { return outcome };
        if let Some(guard) = &mut self.guard {
            guard.release();
        }
        self.commit_without_additions(writes, &error).await
    }

    async fn commit_without_additions(&mut self, writes: &[Write], full: &StoreError) -> Outcome {
        let others: Vec<Write> = writes.iter().filter(|write| !adds(write)).cloned().collect();
        let outcome = self.commit_whole(&others).await;
        let mut answers = outcome.answers.into_iter();
        let answers = writes.iter().map(|write| match write {
            write if adds(write) => Err(full.clone()),
            _ => answers.next().unwrap_or_else(|| Err(full.clone())),
        });
        Outcome { answers: answers.collect(), ..outcome }
    }

    /// One transaction. A damaged place or a write that cannot be stored must not refuse its
    /// neighbours: the batch is halved until the one that meets it is alone.
    async fn commit_whole(&mut self, writes: &[Write]) -> Outcome {
        if writes.is_empty() {
            return Outcome::default();
        }
        match self.commit_patiently(writes).await {
            Ok(commit) => commit.into(),
            Err(StoreError::Corrupt(_) | StoreError::Refused(_)) if writes.len() > 1 => {
                self.commit_halves(writes).await
            }
            Err(error @ StoreError::OutcomeUnknown(_)) => {
                let fatal = self.reopen(&error).await.err();
                // What it may have left is looked for.
                Outcome { fatal, legacies: true, ..Outcome::failed(writes.len(), &error) }
            }
            Err(error) => {
                tracing::error!("{} writes are refused: {error}", writes.len());
                Outcome::failed(writes.len(), &error)
            }
        }
    }

    async fn commit_halves(&mut self, writes: &[Write]) -> Outcome {
        let (first, second) = writes.split_at(writes.len() / 2);
        let first = Box::pin(self.commit_whole(first)).await;
        let second = match &first.fatal {
            Some(error) => Outcome::failed(second.len(), error),
            None => Box::pin(self.commit_whole(second)).await,
        };
        first.join(second)
    }

    /// Waits for a store that is away, within bounds.
    async fn commit_patiently(&self, writes: &[Write]) -> Result<Commit, StoreError> {
        let mut wait = RETRY_WAIT;
        for _ in 1..TRIES_COUNT_MAX {
            match self.store.commit(writes, self.clock.stamp()).await {
                Err(StoreError::Unavailable(words)) => {
                    tracing::warn!("the store is away, next try in {wait:?}: {words}");
                    tokio::time::sleep(wait).await;
                    wait *= 2;
                }
                result => return result,
            }
        }
        self.store.commit(writes, self.clock.stamp()).await
    }

    async fn reopen(&self, error: &StoreError) -> Result<(), StoreError> {
        tracing::error!("{error}; no acknowledgement is given for it. Opening the store again");
        self.store.reopen().await.inspect(|()| tracing::warn!("the store is open again"))
    }

    /// Reports first, so that readers are woken, then answers those who wait.
    fn answer(
        &mut self,
        writes: Vec<Write>,
        replies: Vec<Reply>,
        answers: Vec<Answer>,
        batch: Batch<'_>,
    ) {
        let (count, bytes) = (writes.len(), writes.iter().map(bytes_of).sum());
        let mut waiting = Vec::new();
        let mut done = Vec::with_capacity(writes.len());
        for ((write, reply), result) in writes.into_iter().zip(replies).zip(answers) {
            let tag = match reply {
                Reply::None => None,
                Reply::Tagged(tag) => Some(tag),
                Reply::Once(answer) => {
                    waiting.push((answer, result.clone()));
                    None
                }
            };
            done.push(Done { write, tag, result });
        }
        (self.on_commit)(done, batch);
        self.queue.answered(count, bytes);
        for (answer, result) in waiting {
            // Who asked may be gone; the write is done all the same.
            let _ = answer.send(result);
        }
    }

    fn refuse_rest(&mut self, error: &StoreError) {
        let (writes, replies): (Vec<_>, Vec<_>) =
            self.queue.close().into_iter().map(|Request { write, reply }| (write, reply)).unzip();
        let answers = vec![Err(error.clone()); writes.len()];
        let none = Duration::ZERO;
        self.answer(
            writes,
            replies,
            answers,
            Batch { removed: &[], waited: none, took: none, synced: None, legacies: false },
        );
    }
}
