//! How the process is, for probes and for people: read at `/health` and by the control socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::model::Moment;

/// Set by the node and the store, read by whoever asks; shared as `Arc<Health>`.
pub struct Health {
    clock: Arc<dyn Clock>,
    started: Moment,
    serving: AtomicBool,
    draining: AtomicBool,
    store_writable: AtomicBool,
}

/// The state of the process in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Its clients' sockets are not served yet.
    Starting,
    Ok,
    /// Delivery goes on, but nothing new is stored: the disk is full or the store failed.
    ReadOnly,
    /// It shuts down and takes no new connections.
    Draining,
}

impl Status {
    pub fn words(self) -> &'static str {
        match self {
            Status::Starting => "it is starting: try again soon",
            Status::Ok => "it serves",
            Status::ReadOnly => {
                "it delivers but stores nothing new: the disk is full or the store failed, the \
                 log says which"
            }
            Status::Draining => "it is shutting down: use another one",
        }
    }

    /// New clients are welcome.
    pub fn is_ready(self) -> bool {
        self == Status::Ok
    }
}

/// The answer to "how are you".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub status: Status,
    pub version: String,
    pub store_writable: bool,
    pub uptime_secs: u64,
    /// The status for people.
    pub words: String,
}

impl Health {
    /// Uptime counts from here.
    pub fn new(clock: Arc<dyn Clock>) -> Health {
        Health {
            started: clock.moment(),
            clock,
            serving: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            store_writable: AtomicBool::new(true),
        }
    }

    /// Clients are served from now on.
    pub fn serve(&self) {
        self.serving.store(true, Ordering::Relaxed);
    }

    /// The process shuts down; there is no way back.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub fn set_store_writable(&self, writable: bool) {
        self.store_writable.store(writable, Ordering::Relaxed);
    }

    pub fn report(&self) -> Report {
        let store_writable = self.store_writable.load(Ordering::Relaxed);
        let status = match self.draining.load(Ordering::Relaxed) {
            true => Status::Draining,
            false if !self.serving.load(Ordering::Relaxed) => Status::Starting,
            false if store_writable => Status::Ok,
            false => Status::ReadOnly,
        };
        Report {
            status,
            version: env!("CARGO_PKG_VERSION").into(),
            store_writable,
            uptime_secs: self.clock.moment().since(self.started).as_secs(),
            words: status.words().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn the_report_says_what_was_set_and_draining_comes_first() {
        let clock = Arc::new(ManualClock::default());
        let health = Health::new(clock.clone());
        assert_eq!(health.report().status, Status::Starting);
        health.serve();
        clock.advance(Duration::from_millis(2500));
        assert_eq!((health.report().status, health.report().uptime_secs), (Status::Ok, 2));
        health.set_store_writable(false);
        assert_eq!(health.report().status, Status::ReadOnly);
        health.drain();
        assert_eq!(health.report().status, Status::Draining);
        assert!(!health.report().store_writable);
    }
}
