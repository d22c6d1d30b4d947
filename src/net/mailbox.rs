//! A worker's letter box: other threads put whole batches in, the worker takes all at once. What
//! goes in is bounded by its causes: publishes in flight per connection, one read per log, and
//! copies for other workers' subscribers, whose senders are read no further while a box is full.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// Room for so many letters is kept; what a burst needed beyond goes back to the system.
const KEPT_LETTERS_COUNT_MAX: usize = 4096;

pub struct Mailbox<T> {
    letters: Mutex<Vec<T>>,
    /// How many wait, for those who only look.
    count: AtomicUsize,
    arrived: Notify,
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Mailbox {
            letters: Mutex::new(Vec::new()),
            count: AtomicUsize::new(0),
            arrived: Notify::new(),
        }
    }
}

impl<T> Mailbox<T> {
    pub fn post(&self, batch: impl IntoIterator<Item = T>) {
        let was_empty = {
            let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
            let was_empty = letters.is_empty();
            letters.extend(batch);
            self.count.store(letters.len(), Ordering::Relaxed);
            was_empty && !letters.is_empty()
        };
        if was_empty {
            self.arrived.notify_one();
        }
    }

    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All letters, in the order they came; waits for the first. `into` is empty and is reused.
    pub async fn take(&self, into: &mut Vec<T>) {
        into.shrink_to(KEPT_LETTERS_COUNT_MAX);
        loop {
            {
                let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::swap(&mut *letters, into);
                self.count.store(0, Ordering::Relaxed);
            }
            if !into.is_empty() {
                return;
            }
            self.arrived.notified().await;
        }
    }
}
