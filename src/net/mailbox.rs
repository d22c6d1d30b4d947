//! A worker's letter box: other threads put whole batches in, the worker takes all at once, and is
//! woken if it sleeps. What goes in is bounded by its causes: publishes in flight per connection,
//! one read per log, and copies for other workers' subscribers, whose senders are read no further
//! while a box is full.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Room for so many letters is kept; what a burst needed beyond goes back to the system.
const KEPT_LETTERS_COUNT_MAX: usize = 4096;

pub struct Mailbox<T> {
    inner: Mutex<Inner<T>>,
    /// How many letters wait, for those who only look.
    count: AtomicUsize,
    /// Wakes the worker.
    waker: OnceLock<mio::Waker>,
}

struct Inner<T> {
    letters: Vec<T>,
    /// The worker waits, or is about to: the next letter wakes it.
    asleep: bool,
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        let inner = Inner { letters: Vec::new(), asleep: false };
        Mailbox { inner: Mutex::new(inner), count: AtomicUsize::new(0), waker: OnceLock::new() }
    }
}

impl<T> Mailbox<T> {
    pub fn post(&self, batch: impl IntoIterator<Item = T>) {
        let wakes = {
            let mut inner = self.lock();
            inner.letters.extend(batch);
            self.count.store(inner.letters.len(), Ordering::Relaxed);
            !inner.letters.is_empty() && std::mem::take(&mut inner.asleep)
        };
        if wakes && let Some(Err(error)) = self.waker.get().map(mio::Waker::wake) {
            tracing::error!("a worker could not be woken: {error}");
        }
    }

    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All letters, in the order they came; none if there are none. `into` is empty and is reused.
    pub fn take(&self, into: &mut Vec<T>) {
        into.shrink_to(KEPT_LETTERS_COUNT_MAX);
        let mut inner = self.lock();
        std::mem::swap(&mut inner.letters, into);
        inner.asleep = false;
        self.count.store(0, Ordering::Relaxed);
    }

    /// From now on a letter that comes while the worker sleeps wakes it.
    pub(super) fn wakes(&self, waker: mio::Waker) {
        // There is one worker for each box, and it comes once.
        _ = self.waker.set(waker);
    }

    /// The worker is about to wait. False if there are letters already.
    pub(super) fn falls_asleep(&self) -> bool {
        let mut inner = self.lock();
        inner.asleep = inner.letters.is_empty();
        inner.asleep
    }

    /// A panic while it was held leaves no letter half put in.
    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_the_first_letter_wakes_who_sleeps() {
        let mut poll = mio::Poll::new().unwrap();
        let mailbox = Mailbox::default();
        mailbox.wakes(mio::Waker::new(poll.registry(), mio::Token(1)).unwrap());
        let mut events = mio::Events::with_capacity(8);
        let mut is_woken = || {
            poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
            !events.is_empty()
        };
        mailbox.post(["before it sleeps"]);
        assert!(!is_woken() && !mailbox.falls_asleep());
        let mut letters = Vec::new();
        mailbox.take(&mut letters);
        assert!(mailbox.falls_asleep());
        mailbox.post([]);
        assert!(!is_woken());
        mailbox.post(["it sleeps"]);
        assert!(is_woken());
        mailbox.post(["it is awake"]);
        assert!(!is_woken());
        assert_eq!((letters, mailbox.len()), (vec!["before it sleeps"], 2));
    }
}
