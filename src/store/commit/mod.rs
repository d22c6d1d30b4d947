//! Group commit: one thread, one transaction at a time for all that waits, answers after it.

mod queue;
mod writer;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use super::{DiskGuard, Removal, Store, StoreError, Write, Written};
use crate::clock::Clock;
use queue::Queue;
use writer::Writer;

/// Whom to answer: a session of a worker, and what it asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    pub worker: u16,
    pub session: u64,
    pub ticket: u64,
}

/// How a write is answered. All of them are reported to `on_commit` as well.
#[derive(Debug)]
pub enum Reply {
    None,
    Tagged(Tag),
    Once(oneshot::Sender<Result<Written, StoreError>>),
}

/// A write on its way in.
#[derive(Debug)]
pub struct Request {
    pub write: Write,
    pub reply: Reply,
}

/// A write with its result. Every append is here, tagged or not: its readers must be woken.
#[derive(Debug)]
pub struct Done {
    pub write: Write,
    pub tag: Option<Tag>,
    pub result: Result<Written, StoreError>,
}

/// What a batch was beside its results.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Records that went, by reason.
    pub removed: &'a [(Removal, u64)],
    /// From handing in its oldest write to its end.
    pub waited: Duration,
    /// The transaction alone.
    pub took: Duration,
    /// Its COMMIT alone, where there was one; of several the longest.
    pub synced: Option<Duration>,
    /// See [`super::Commit::legacies`].
    pub legacies: bool,
}

/// The way to the store's one writer.
#[derive(Clone)]
pub struct Committer {
    queue: Arc<Queue>,
}

impl Committer {
    /// Hands in writes; their order is kept. Never blocks: each connection has a bounded number in
    /// flight. After [`Committer::finish`] only [`Reply::Once`] is answered, with an error.
    pub fn post(&self, requests: Vec<Request>) {
        self.queue.push(requests);
    }

    /// Hands in one write and waits for its commit.
    ///
    /// # Errors
    /// The store's own, or [`StoreError::Unavailable`] once the writer has ended.
    pub async fn write(&self, write: Write) -> Result<Written, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.post(vec![Request { write, reply: Reply::Once(answer) }]);
        answered.await.unwrap_or_else(|_| Err(queue::ended()))
    }

    /// Waits until all that was handed in before this call is answered, or the writer has ended.
    pub fn settled(&self) -> impl Future<Output = ()> + Send + use<> {
        self.queue.settled()
    }

    /// Bytes handed in and not yet answered.
    pub fn queued_bytes(&self) -> u64 {
        self.queue.bytes()
    }

    /// Commits what waits, then closes the store. Returns when the writer has ended.
    pub async fn finish(&self) {
        self.queue.finish();
        self.ended().await;
    }

    /// Returns when the writer has ended: after [`Committer::finish`], or because the store failed
    /// for good; the thread's join handle says which.
    pub async fn ended(&self) {
        self.queue.wait_ended().await;
    }
}

/// Starts the writer's thread. `on_commit` runs on it, after each commit or failure, with the
/// results in the order of the writes and the records that went.
///
/// The thread ends with an error when the store could not be reopened after an unknown outcome:
/// the process must end then, as after a panic of the thread.
pub fn spawn(
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    guard: Option<DiskGuard>,
    on_commit: impl FnMut(Vec<Done>, Batch<'_>) + Send + 'static,
) -> (Committer, JoinHandle<Result<(), StoreError>>) {
    let queue = Arc::new(Queue::default());
    let committer = Committer { queue: queue.clone() };
    let writer = Writer::new(store, clock, guard, queue, on_commit);
    (committer, std::thread::spawn(move || writer.run()))
}

#[cfg(test)]
mod tests;
