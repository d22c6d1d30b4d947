//! Two kinds of time that do not convert into one another: a [`Moment`] for timers, a [`Stamp`]
//! for messages. Only `clock.rs` makes them from the operating system's clocks.

use std::time::Duration;

/// A point on the monotonic clock, in milliseconds since the process started. For timers only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub u64);

impl Moment {
    pub fn after(self, wait: Duration) -> Moment {
        Moment(self.0.saturating_add(wait.as_millis() as u64))
    }

    /// How long from `earlier` to here; zero if `earlier` is later.
    pub fn since(self, earlier: Moment) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Wall-clock time in milliseconds since 1970-01-01T00:00:00Z. For what a message says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(pub i64);

impl Stamp {
    pub fn after(self, wait: Duration) -> Stamp {
        Stamp(self.0.saturating_add(wait.as_millis() as i64))
    }

    pub fn before(self, wait: Duration) -> Stamp {
        Stamp(self.0.saturating_sub(wait.as_millis() as i64))
    }

    /// Whole seconds from here until `later`; zero if it has passed.
    pub fn secs_until(self, later: Stamp) -> u64 {
        (later.0.saturating_sub(self.0).max(0) as u64).div_ceil(1000)
    }
}
