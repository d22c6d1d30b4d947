//! The last words of a process, and those of a panic. Neither waits for whoever reads stderr: a
//! pipe that is full must not keep a process that has failed from ending.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::Write;
use std::panic::PanicHookInfo;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use super::writer;

/// For what waits in the log, which takes a second of it at most, and what is said last.
const SAY_WAIT: Duration = Duration::from_secs(2);

/// Writes what waits in the log, then these words, if any, whatever the log's level: the process
/// ends. What is logged afterwards is lost.
pub fn finish(words: Option<String>) {
    within(SAY_WAIT, move || {
        writer::finish();
        if let Some(words) = words {
            // Nobody is left to hear that it cannot be written.
            _ = writeln!(std::io::stderr(), "homing: {words}");
        }
    });
}

/// Does this on a thread of its own, which is left behind when it takes too long. False if it was.
fn within(wait: Duration, act: impl FnOnce() + Send + 'static) -> bool {
    let (done, ended) = sync_channel::<()>(1);
    let acting = thread::Builder::new().name("homing-last-words".into()).spawn(move || {
        act();
        drop(done);
    });
    acting.is_ok() && ended.recv_timeout(wait) == Err(RecvTimeoutError::Disconnected)
}

/// Panics go to the log, which nobody waits for: the thread that panicked may serve others yet.
pub fn hear_panics() {
    std::panic::set_hook(Box::new(panicked));
}

fn panicked(info: &PanicHookInfo<'_>) {
    let words = info.payload_as_str().unwrap_or("it said nothing");
    let at = info.location().map(ToString::to_string);
    let thread = thread::current();
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then_some(backtrace);
    let backtrace = backtrace.map(|trace| trace.to_string());
    tracing::error!(thread = thread.name(), at, backtrace, "a panic, which is a bug: {words}");
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    /// Threat N12.
    #[test]
    fn last_words_that_nobody_takes_are_not_waited_for() {
        let (release, full) = channel::<()>();
        assert!(!within(Duration::from_millis(20), move || _ = full.recv()));
        drop(release);
        let (say, heard) = channel();
        assert!(within(Duration::from_secs(30), move || say.send("all").unwrap()));
        assert_eq!(heard.try_recv(), Ok("all"));
    }
}
