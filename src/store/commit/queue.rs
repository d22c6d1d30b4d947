//! What waits for the next transaction. Swapped out whole; counted in bytes.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use super::{Reply, Request};
use crate::clock::Stopwatch;
use crate::model::limit::{COMMIT_BYTES_MAX, COMMIT_WRITES_COUNT_MAX};
use crate::store::{Change, Schedule, StoreError, Write};

/// What a write costs beside its body: the row around it.
const WRITE_OVERHEAD_BYTES: u64 = 256;

#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    filled: Notify,
    bytes: AtomicU64,
    /// Writes answered since the start; all that ever come, once the writer has ended.
    answered: watch::Sender<u64>,
    ended: watch::Sender<bool>,
}

#[derive(Default)]
struct Waiting {
    requests: VecDeque<Request>,
    /// Writes handed in since the start.
    handed: u64,
    /// Runs since the oldest of them came, or the last batch was taken.
    oldest: Option<Stopwatch>,
    finishing: bool,
    closed: bool,
}

pub(super) fn ended() -> StoreError {
    StoreError::Unavailable("its writer has ended; the broker is stopping".into())
}

/// What a write adds to a transaction and to the queue.
pub(super) fn bytes_of(write: &Write) -> u64 {
    let body = match write {
        Write::Append(append) => append.message.body.len() + append.message.topic.len(),
        Write::Schedule(Schedule { change: Change::Put(due, _), .. }) => {
            due.message.body.len() + due.message.topic.len()
        }
        Write::PutAccount { account, .. } => account.password_hash.len(),
        _ => 0,
    };
    WRITE_OVERHEAD_BYTES + body as u64
}

impl Queue {
    pub(super) fn push(&self, requests: Vec<Request>) {
        let bytes: u64 = requests.iter().map(|request| bytes_of(&request.write)).sum();
        let mut waiting = self.lock();
        if waiting.closed {
            drop(waiting);
            return refuse(requests);
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        waiting.handed += requests.len() as u64;
        waiting.requests.extend(requests);
        if !waiting.requests.is_empty() {
            waiting.oldest.get_or_insert_with(Stopwatch::start);
        }
        drop(waiting);
        self.filled.notify_one();
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// So many writes, of so many bytes, were answered.
    pub(super) fn answered(&self, count: usize, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.answered.send_modify(|answered| *answered = answered.saturating_add(count as u64));
    }

    /// Waits for the answers to all that was handed in before this call.
    pub(super) fn settled(&self) -> impl Future<Output = ()> + Send + use<> {
        let (handed, mut answered) = (self.lock().handed, self.answered.subscribe());
        async move {
            // The sender goes with the last committer: then there is nothing to wait for.
            _ = answered.wait_for(|answered| *answered >= handed).await;
        }
    }

    pub(super) fn finish(&self) {
        self.lock().finishing = true;
        self.filled.notify_one();
    }

    /// The next transaction's writes, and since when they wait; `None` when all is done and nothing
    /// more may come.
    pub(super) async fn next_batch(&self) -> Option<(Vec<Request>, Stopwatch)> {
        loop {
            {
                let mut waiting = self.lock();
                if !waiting.requests.is_empty() {
                    let batch = take_batch(&mut waiting.requests);
                    let oldest = waiting.oldest.take().unwrap_or_else(Stopwatch::start);
                    waiting.oldest = (!waiting.requests.is_empty()).then(Stopwatch::start);
                    return Some((batch, oldest));
                }
                if waiting.finishing {
                    waiting.closed = true;
                    return None;
                }
            }
            self.filled.notified().await;
        }
    }

    /// Nothing more is taken; what still waits comes back.
    pub(super) fn close(&self) -> Vec<Request> {
        let mut waiting = self.lock();
        waiting.closed = true;
        std::mem::take(&mut waiting.requests).into()
    }

    /// Whatever still waits is refused by dropping it.
    pub(super) fn end(&self) {
        drop(self.close());
        self.answered.send_replace(u64::MAX);
        self.ended.send_replace(true);
    }

    pub(super) async fn wait_ended(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refuse(requests: Vec<Request>) {
    for request in requests {
        if let Reply::Once(answer) = request.reply {
            // Nobody waits any more: nothing to tell.
            let _ = answer.send(Err(ended()));
        }
    }
}

/// As many as one transaction joins; at least one.
fn take_batch(requests: &mut VecDeque<Request>) -> Vec<Request> {
    let mut bytes = 0;
    let fits = requests.iter().take(COMMIT_WRITES_COUNT_MAX).take_while(|request| {
        bytes += bytes_of(&request.write);
        bytes <= COMMIT_BYTES_MAX as u64
    });
    let count = fits.count().max(1);
    requests.drain(..count).collect()
}
