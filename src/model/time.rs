//! Two kinds of time that do not convert into one another: a [`Moment`] for timers, a [`Stamp`]
//! for messages. Only `clock.rs` makes them from the operating system's clocks.

use std::fmt;
use std::time::Duration;

/// A point on the monotonic clock, in milliseconds since the process started. For timers only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub u64);

impl Moment {
    /// Of what does not happen: later than all others.
    pub const NEVER: Moment = Moment(u64::MAX);

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

    /// From here to `later`; zero if it has passed.
    pub fn until(self, later: Stamp) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0).max(0) as u64)
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

/// RFC 3339 in UTC: `2026-11-21T10:30:00.123Z`.
impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;
        let (year, month, day) = civil(self.0.div_euclid(DAY_MILLIS));
        let millis = self.0.rem_euclid(DAY_MILLIS);
        let (secs, millis) = (millis / 1000, millis % 1000);
        let (hour, minute, second) = (secs / 3600, secs / 60 % 60, secs % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

/// Year, month and day of the days since 1970-01-01. The year is taken to begin in March, so that
/// the day that some years have more is its last.
fn civil(days: i64) -> (i64, i64, i64) {
    const ERA_DAYS: i64 = 400 * 365 + 97;
    let from_year_0 = days + 719_468;
    let (era, of_era) = (from_year_0.div_euclid(ERA_DAYS), from_year_0.rem_euclid(ERA_DAYS));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_around_leap_days() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (1_709_251_200_000, "2024-03-01T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Stamp(millis).to_string(), text);
        }
    }

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
