//! Lines go to stderr from a thread of their own. Whoever logs never waits: while nobody reads them
//! so many lines wait, and the rest is dropped and counted.

use std::sync::{Mutex, OnceLock, PoisonError};

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

/// Lines that wait to be written, of a few hundred bytes each.
const LINES_WAITING_COUNT_MAX: usize = 8 * 1024;

/// Ends the thread when it is dropped, with what waits written.
static THREAD: Mutex<Option<WorkerGuard>> = Mutex::new(None);
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// Where lines are left.
pub fn stderr() -> NonBlocking {
    let builder = NonBlockingBuilder::default().thread_name("homing-log").lossy(true);
    let builder = builder.buffered_lines_limit(LINES_WAITING_COUNT_MAX);
    let (writer, thread) = builder.finish(std::io::stderr());
    _ = DROPPED.set(writer.error_counter());
    *THREAD.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
    writer
}

/// Writes what waits, before the process ends: what is logged afterwards is lost. A reader that
/// reads nothing is waited for a second.
pub fn finish() {
    drop(THREAD.lock().unwrap_or_else(PoisonError::into_inner).take());
}

/// Lines that were dropped since the start.
pub fn dropped() -> u64 {
    DROPPED.get().map_or(0, |count| count.dropped_lines() as u64)
}
