//! The only file that asks the operating system for the time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::model::{Moment, Stamp};

/// Where time comes from: the operating system, or a test.
pub trait Clock: Send + Sync {
    fn moment(&self) -> Moment;
    fn stamp(&self) -> Stamp;
}

/// The operating system's clocks.
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    #[allow(clippy::disallowed_methods)] // the one place
    fn default() -> Self {
        SystemClock { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn moment(&self) -> Moment {
        Moment(self.start.elapsed().as_millis() as u64)
    }

    #[allow(clippy::disallowed_methods)] // the one place
    fn stamp(&self) -> Stamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Stamp(since.as_millis() as i64)
    }
}

/// Measures how long things take, finer than a [`Moment`]. For measuring alone, not for timers.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    start: Instant,
}

impl Stopwatch {
    #[allow(clippy::disallowed_methods)] // the one place
    pub fn start() -> Stopwatch {
        Stopwatch { start: Instant::now() }
    }

    /// Since the start.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Nanoseconds since the start.
    pub fn nanos(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }
}

/// A clock that stands still until a test moves it.
#[derive(Default)]
pub struct ManualClock {
    millis: std::sync::atomic::AtomicU64,
}

impl ManualClock {
    pub fn advance(&self, by: std::time::Duration) {
        self.millis.fetch_add(by.as_millis() as u64, std::sync::atomic::Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn moment(&self) -> Moment {
        Moment(self.millis.load(std::sync::atomic::Ordering::Relaxed))
    }

    fn stamp(&self) -> Stamp {
        Stamp(1_700_000_000_000 + self.moment().0 as i64)
    }
}
