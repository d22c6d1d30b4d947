//! A worker's letter box: other threads put whole batches in, the worker takes all at once. What
//! goes in is bounded by its causes: publishes in flight per connection, one read per log.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

pub struct Mailbox<T> {
    letters: Mutex<Vec<T>>,
    arrived: Notify,
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Mailbox { letters: Mutex::new(Vec::new()), arrived: Notify::new() }
    }
}

impl<T> Mailbox<T> {
    pub fn post(&self, batch: impl IntoIterator<Item = T>) {
        let was_empty = {
            let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
            let was_empty = letters.is_empty();
            letters.extend(batch);
            was_empty && !letters.is_empty()
        };
        if was_empty {
            self.arrived.notify_one();
        }
    }

    /// All letters, in the order they came; waits for the first. `into` is empty and is reused.
    pub async fn take(&self, into: &mut Vec<T>) {
        loop {
            std::mem::swap(&mut *self.letters.lock().unwrap_or_else(PoisonError::into_inner), into);
            if !into.is_empty() {
                return;
            }
            self.arrived.notified().await;
        }
    }
}
