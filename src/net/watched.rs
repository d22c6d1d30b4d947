//! Tasks of a worker, none of which may die unseen. The runtime keeps a panic within the task; here
//! it ends the worker, whose state may be half changed, or only what the task was for (threat N12).

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use tokio::sync::Notify;
use tokio::task::spawn_local;

/// What a panic says.
type Panic = Box<dyn Any + Send>;

/// The panic of a task without which the worker cannot go on.
#[derive(Clone, Default)]
pub struct Watch(Rc<Panicked>);

#[derive(Default)]
struct Panicked {
    first: RefCell<Option<Panic>>,
    happened: Notify,
}

impl Watch {
    /// Runs a task that works on what all of the worker's tasks share.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let Watch(panicked) = self.clone();
        spawn_local(async move {
            if let Err(panic) = caught(task).await {
                panicked.first.borrow_mut().get_or_insert(panic);
                panicked.happened.notify_one();
            }
        });
    }

    /// Comes with the first panic.
    pub async fn panicked(&self) -> Panic {
        loop {
            self.0.happened.notified().await;
            if let Some(panic) = self.0.first.borrow_mut().take() {
                return panic;
            }
        }
    }
}

/// Runs a task whose panic costs nobody else anything; then `count` is called.
pub fn spawn_apart(task: impl Future<Output = ()> + 'static, count: impl FnOnce() + 'static) {
    spawn_local(async move {
        if caught(task).await.is_err() {
            count();
        }
    });
}

/// For what a panic may leave half changed, as the caller gives it up.
pub fn contained<T>(act: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_unwind(AssertUnwindSafe(act))
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
    use std::time::Duration;

    use tokio::task::{LocalSet, yield_now};
    use tokio::time::timeout;

    use super::*;

    async fn panic_later() {
        yield_now().await;
        panic!("injected");
    }

    /// Threat N12.
    #[tokio::test]
    async fn a_panic_in_a_task_of_the_worker_is_its_end() {
        let watch = Watch::default();
        LocalSet::new()
            .run_until(async {
                watch.spawn(yield_now());
                watch.spawn(panic_later());
                let panic = timeout(Duration::from_secs(30), watch.panicked()).await;
                assert_eq!(panic.unwrap().downcast_ref(), Some(&"injected"));
            })
            .await;
    }

    /// Threat N12.
    #[tokio::test]
    async fn a_panic_apart_is_counted_and_no_more() {
        let watch = Watch::default();
        let count = Rc::new(Cell::new(0));
        let counted = |task| {
            let count = count.clone();
            spawn_apart(task, move || count.update(|count| count + 1));
        };
        let tasks = LocalSet::new();
        tasks.run_until(async { counted(panic_later()) }).await;
        tasks.await;
        assert_eq!(count.get(), 1);
        assert!(watch.0.first.borrow().is_none());
    }
}
