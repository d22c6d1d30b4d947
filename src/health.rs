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
    draining: AtomicBool,
    store_writable: AtomicBool,
}

/// The state of the process in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Ok,
    /// Delivery goes on, but nothing new is stored: the disk is full or the store failed.
    ReadOnly,
    /// It shuts down and takes no new connections.
    Draining,
}

/// The answer to "how are you".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub status: Status,
    pub version: String,
    pub store_writable: bool,
    pub uptime_secs: u64,
}

impl Health {
    /// Uptime counts from here.
    pub fn new(clock: Arc<dyn Clock>) -> Health {
        Health {
            started: clock.moment(),
            clock,
            draining: AtomicBool::new(false),
            store_writable: AtomicBool::new(true),
        }
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
            false if store_writable => Status::Ok,
            false => Status::ReadOnly,
        };
        Report {
            status,
            version: env!("CARGO_PKG_VERSION").into(),
            store_writable,
            uptime_secs: self.clock.moment().since(self.started).as_secs(),
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
        clock.advance(Duration::from_millis(2500));
        assert_eq!((health.report().status, health.report().uptime_secs), (Status::Ok, 2));
        health.set_store_writable(false);
        assert_eq!(health.report().status, Status::ReadOnly);
        health.drain();
        assert_eq!(health.report().status, Status::Draining);
        assert!(!health.report().store_writable);
    }
}
