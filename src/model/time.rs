//! Two kinds of time that do not convert into one another: a [`Moment`] for timers, a [`Stamp`]
//! for messages. Only `clock.rs` makes them from the operating system's clocks.

use std::time::Duration;

/// A point on the monotonic clock, in milliseconds since the process started. For timers only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub u64);

impl Moment {
    pub fn after(self, wait: Duration) -> Moment {
        let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        Moment(self.0.saturating_add(millis))
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
        Stamp(self.0.saturating_add(millis(wait)))
    }

    pub fn before(self, wait: Duration) -> Stamp {
        Stamp(self.0.saturating_sub(millis(wait)))
    }

    /// Whole seconds from here until `later`; zero if it has passed.
    pub fn secs_until(self, later: Stamp) -> u64 {
        (later.0.saturating_sub(self.0).max(0) as u64).div_ceil(1000)
    }
}

/// What is longer than all time that can be told is as long as that.
fn millis(wait: Duration) -> i64 {
    i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Threat M9. An odd setting moves no time to the other side.
    #[test]
    fn the_longest_wait_is_later_and_not_earlier() {
        for wait in [Duration::MAX, Duration::from_millis(u64::MAX)] {
            assert_eq!(Stamp(5).after(wait), Stamp(i64::MAX));
            assert!(Stamp(5).before(wait) < Stamp(0));
            assert!(Moment(5).after(wait) > Moment(5));
        }
    }
}
