//! The only file that asks the operating system for the time.

pub mod steady;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::model::{Moment, Stamp};
use steady::{Jump, Steady};

/// Where time comes from: the operating system, or a test.
pub trait Clock: Send + Sync {
    fn moment(&self) -> Moment;
    /// The time to go by: for messages, their age, and whatever ends with it. Never jumps.
    fn stamp(&self) -> Stamp;
    /// What the wall clock says, however wrong: for what others dated, tokens and certificates.
    fn wall(&self) -> Stamp;
}

/// The operating system's clocks. Its stamps follow the wall clock's jumps only as
/// [`SystemClock::look`] takes them over.
pub struct SystemClock {
    start: Instant,
    /// The one of `steady`, for those who ask often.
    offset: AtomicI64,
    steady: Mutex<Steady>,
}

impl Default for SystemClock {
    #[allow(clippy::disallowed_methods)] // the one place
    fn default() -> Self {
        let steady = Steady::new(Moment(0), wall());
        let offset = AtomicI64::new(steady.offset());
        SystemClock { start: Instant::now(), offset, steady: Mutex::new(steady) }
    }
}

impl SystemClock {
    /// Compares the two clocks; to be called every second.
    pub fn look(&self) -> Option<Jump> {
        let mut steady = self.steady();
        let jump = steady.look(self.moment(), wall());
        self.offset.store(steady.offset(), Ordering::Relaxed);
        jump
    }

    /// See [`Steady::begin`].
    pub fn begin(&self, newest: Stamp) -> Option<Duration> {
        let mut steady = self.steady();
        let away = steady.begin(self.moment(), newest);
        self.offset.store(steady.offset(), Ordering::Relaxed);
        away
    }

    /// See [`Steady::waits`].
    pub fn waits(&self) -> i64 {
        self.steady().waits()
    }

    /// See [`Steady::doubt`].
    pub fn doubt(&self) -> Duration {
        self.steady().doubt(self.moment())
    }

    fn steady(&self) -> MutexGuard<'_, Steady> {
        self.steady.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[allow(clippy::disallowed_methods)] // the one place
fn wall() -> Stamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Stamp(since.as_millis() as i64)
}

impl Clock for SystemClock {
    fn moment(&self) -> Moment {
        Moment(self.start.elapsed().as_millis() as u64)
    }

    fn stamp(&self) -> Stamp {
        Stamp(self.offset.load(Ordering::Relaxed).saturating_add_unsigned(self.moment().0))
    }

    fn wall(&self) -> Stamp {
        wall()
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

    fn wall(&self) -> Stamp {
        self.stamp()
    }
}
