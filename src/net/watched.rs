//! What belongs to one connection alone, and may panic: that costs this connection, and is counted
//! (threat N12). Any other panic of a worker is its end, since its state may be half changed.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use tokio::task::spawn_local;

use crate::metrics::Count;

/// What a panic says.
type Panic = Box<dyn Any + Send>;

/// Runs a task whose panic costs nobody else anything; then `count` is called.
pub fn spawn_apart(task: impl Future<Output = ()> + 'static, count: impl FnOnce() + 'static) {
    spawn_local(async move {
        if caught(task).await.is_err() {
            count();
        }
    });
}

/// For what a panic may leave half changed, as the caller gives it up.
fn contained<T>(act: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_unwind(AssertUnwindSafe(act))
}

/// What belongs to one connection alone. After a panic it is not touched any more, since it may be
/// half changed: the connection is given up.
pub struct Own<T> {
    inner: T,
    spoiled: bool,
}

impl<T> Own<T> {
    pub fn new(inner: T) -> Own<T> {
        Own { inner, spoiled: false }
    }

    /// `None` after a panic, of this or an earlier one; each is counted.
    pub fn with<R>(&mut self, panics: &Count, act: impl FnOnce(&mut T) -> R) -> Option<R> {
        if self.spoiled {
            return None;
        }
        let done = contained(|| act(&mut self.inner));
        self.spoiled = done.is_err();
        if self.spoiled {
            panics.inc();
        }
        done.ok()
    }
}

async fn caught(task: impl Future<Output = ()>) -> Result<(), Panic> {
    let mut task = pin!(task);
    let step = |context: &mut std::task::Context<'_>| {
        let polled = contained(|| task.as_mut().poll(context));
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) => Poll::Ready(Ok(())),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    };
    std::future::poll_fn(step).await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use tokio::task::{LocalSet, yield_now};

    use super::*;

    /// Threat N12.
    #[test]
    fn what_panicked_is_counted_once_and_not_touched_again() {
        let panics = Count::default();
        let mut own = Own::new(7);
        assert_eq!(own.with(&panics, |inner| std::mem::replace(inner, 8)), Some(7));
        assert_eq!(own.with(&panics, |_| -> u8 { panic!("injected") }), None);
        assert_eq!(own.with(&panics, |_| unreachable!("it may be half changed")), None::<u8>);
        assert_eq!(panics.get(), 1);
    }

    async fn panic_later() {
        yield_now().await;
        panic!("injected");
    }

    /// Threat N12.
    #[tokio::test]
    async fn a_panic_apart_is_counted_and_no_more() {
        let count = Rc::new(Cell::new(0));
        let counted = |task| {
            let count = count.clone();
            spawn_apart(task, move || count.update(|count| count + 1));
        };
        let tasks = LocalSet::new();
        tasks.run_until(async { counted(panic_later()) }).await;
        tasks.await;
        assert_eq!(count.get(), 1);
    }
}
