//! Panics that are seen (threat N12). One in what belongs to a single connection costs that
//! connection, and is counted; any other one is the end of its thread, whose state may be half
//! changed. The runtime would keep it within the task.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::task::{JoinSet, spawn_local};

use crate::metrics::Count;

/// What a panic says.
type Panic = Box<dyn Any + Send>;

/// Runs tasks until all have ended.
///
/// # Panics
/// With the first panic of one of them.
pub async fn run_all<F: Future<Output = ()> + 'static>(tasks: impl IntoIterator<Item = F>) {
    let mut running = JoinSet::new();
    for task in tasks {
        running.spawn_local(task);
    }
    while let Some(ended) = running.join_next().await {
        if let Err(error) = ended {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

/// Runs a task whose panic costs nobody else anything; then `count` is called.
pub fn spawn_apart(task: impl Future<Output = ()> + 'static, count: impl FnOnce() + 'static) {
    // Else the task would hold its room several times: a future keeps what it hands on.
    go_on_apart(Box::pin(task), count);
}

/// The same for what is mostly over at once: then it is when this returns, and needs no task.
/// `room` is used again for the next one.
pub fn spawn_unless_over<F>(task: F, room: &mut Option<Pin<Box<F>>>, count: impl FnOnce() + 'static)
where
    F: Future<Output = ()> + 'static,
{
    let mut task = match room.take() {
        Some(mut room) => {
            room.set(task);
            room
        }
        None => Box::pin(task),
    };
    // Nobody has to be woken: what goes on as a task is looked at again.
    let mut context = Context::from_waker(Waker::noop());
    match contained(|| task.as_mut().poll(&mut context)) {
        Ok(Poll::Ready(())) => *room = Some(task),
        Ok(Poll::Pending) => go_on_apart(task, count),
        Err(_) => count(),
    }
}

fn go_on_apart(task: Pin<Box<impl Future<Output = ()> + 'static>>, count: impl FnOnce() + 'static) {
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

async fn caught(mut task: Pin<Box<impl Future<Output = ()>>>) -> Result<(), Panic> {
    let step = |context: &mut Context<'_>| {
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

    use std::time::Duration;

    use tokio::task::{LocalSet, yield_now};
    use tokio::time::timeout;

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
    #[should_panic = "injected"]
    async fn a_panic_in_one_of_several_tasks_is_the_end_of_all() {
        let boxed: [Pin<Box<dyn Future<Output = ()>>>; 2] =
            [Box::pin(std::future::pending()), Box::pin(panic_later())];
        let run = LocalSet::new().run_until(timeout(Duration::from_secs(30), run_all(boxed))).await;
        assert!(run.is_ok(), "the panic was not passed on");
    }

    #[tokio::test]
    async fn what_is_over_at_once_needs_no_task_and_what_waits_goes_on() {
        let (begun, ended) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let mut room = None;
        let tasks = LocalSet::new();
        let entered = tasks.enter();
        for waits in [false, true, false, true] {
            let (begun, ended) = (begun.clone(), ended.clone());
            let task = async move {
                begun.update(|count| count + 1);
                if waits {
                    yield_now().await;
                }
                ended.update(|count| count + 1);
            };
            spawn_unless_over(task, &mut room, || ());
        }
        drop(entered);
        assert_eq!((begun.get(), ended.get(), room.is_some()), (4, 2, false));
        tasks.await;
        assert_eq!((begun.get(), ended.get()), (4, 4));
    }

    /// Threat N12.
    #[tokio::test]
    async fn a_panic_at_once_is_counted_too() {
        let count = Rc::new(Cell::new(0));
        let counted = count.clone();
        spawn_unless_over(async { panic!("injected") }, &mut None, move || counted.set(1));
        assert_eq!(count.get(), 1);
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
