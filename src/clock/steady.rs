//! Which time to go by when the wall clock jumps (threat N1). Pure: it is told what the clocks say.
//!
//! What is removed because it is old cannot be brought back. So a jump is not believed at once: the
//! time goes on as the monotonic clock says, and the new one is taken when it has stayed.

use std::time::Duration;

use crate::model::{Moment, Stamp};

/// A difference of the two clocks of more than this, between two looks, is a jump. Less is followed
/// at once: that is how a clock is corrected.
pub const JUMP: Duration = Duration::from_secs(60);
/// A jump is taken over when the clock has stayed there for so long.
pub const SETTLE: Duration = Duration::from_secs(10 * 60);
/// At a start later than this after the newest message, the clock may be wrong or the broker was
/// off; for [`SETTLE`] nothing goes for its age.
pub const AWAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a look at the clocks found. `by` is in milliseconds, negative for a step back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jump {
    /// The clock is somewhere else; the time stays as it was.
    Seen { by: i64 },
    /// The clock is back where it was before the jump.
    Over,
    /// The clock has stayed there: it is right from now on.
    Taken { by: i64 },
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Steady {
    /// Wall clock minus monotonic clock, in milliseconds, as it is believed.
    offset: i64,
    waiting: Option<Waiting>,
    /// How far the clock went forward by jumps that were taken: ages of what was there before may
    /// be too great by that.
    doubt: Duration,
    away: Option<Away>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    offset: i64,
    since: Moment,
}

#[derive(Clone, Copy, Debug)]
struct Away {
    gap: Duration,
    until: Moment,
}

impl Steady {
    pub fn new(now: Moment, wall: Stamp) -> Steady {
        let offset = offset(now, wall);
        Steady { offset, waiting: None, doubt: Duration::ZERO, away: None }
    }

    /// Milliseconds to add to a [`Moment`] for the time of day.
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// How far the clock of the system is from the time gone by, in milliseconds, while that waits.
    pub fn waits(&self) -> i64 {
        self.waiting.map_or(0, |waiting| waiting.offset.saturating_sub(self.offset))
    }

    /// By how much ages may be too great.
    pub fn doubt(&self, now: Moment) -> Duration {
        let away = self.away.filter(|away| now < away.until);
        self.doubt.saturating_add(away.map_or(Duration::ZERO, |away| away.gap))
    }

    /// At the start: `newest` is when the newest message in the store was taken. Time never begins
    /// before it, unless the clock stays there. Returns how long the broker seems to have been off,
    /// if that is long.
    pub fn begin(&mut self, now: Moment, newest: Stamp) -> Option<Duration> {
        let newest = offset(now, newest);
        if newest.saturating_sub(self.offset) > millis(JUMP) {
            self.offset = newest;
        }
        let gap = Duration::from_millis(self.offset.saturating_sub(newest).max(0) as u64);
        self.away = (gap > AWAY).then(|| Away { gap, until: now.after(SETTLE) });
        self.away.map(|away| away.gap)
    }

    /// What both clocks say now.
    pub fn look(&mut self, now: Moment, wall: Stamp) -> Option<Jump> {
        let offset = offset(now, wall);
        if is_near(offset, self.offset) {
            self.offset = offset;
            return self.waiting.take().map(|_| Jump::Over);
        }
        let by = offset.saturating_sub(self.offset);
        let before = self.waiting.filter(|waiting| is_near(offset, waiting.offset));
        let since = before.map_or(now, |waiting| waiting.since);
        if now.since(since) >= SETTLE {
            self.take(offset, by);
            return Some(Jump::Taken { by });
        }
        self.waiting = Some(Waiting { offset, since });
        before.is_none().then_some(Jump::Seen { by })
    }

    fn take(&mut self, offset: i64, by: i64) {
        let step = Duration::from_millis(by.unsigned_abs());
        self.doubt = match by > 0 {
            true => self.doubt.saturating_add(step),
            false => self.doubt.saturating_sub(step),
        };
        (self.offset, self.waiting) = (offset, None);
    }
}

fn offset(now: Moment, wall: Stamp) -> i64 {
    wall.0.saturating_sub_unsigned(now.0)
}

fn is_near(a: i64, b: i64) -> bool {
    a.abs_diff(b) <= JUMP.as_millis() as u64
}

fn millis(duration: Duration) -> i64 {
    duration.as_millis() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 60 * 60 * 1000;
    const START: i64 = 1_700_000_000_000;

    /// Looks once a second, as the broker does, with the clock set off by `by` milliseconds.
    struct Rig {
        steady: Steady,
        secs: u64,
    }

    impl Rig {
        fn new() -> Rig {
            Rig { steady: Steady::new(Moment(0), Stamp(START)), secs: 0 }
        }

        fn look(&mut self, by: i64) -> Option<Jump> {
            self.secs += 1;
            let wall = Stamp(START + self.secs as i64 * 1000 + by);
            self.steady.look(Moment(self.secs * 1000), wall)
        }

        /// All that was seen while the clock was off by `by` for so many seconds.
        fn stay(&mut self, by: i64, secs: u64) -> Vec<Jump> {
            (0..secs).filter_map(|_| self.look(by)).collect()
        }

        /// How far the time gone by is from the right one.
        fn error(&self) -> i64 {
            self.steady.offset() - START
        }

        fn doubt(&self) -> i64 {
            self.steady.doubt(Moment(self.secs * 1000)).as_millis() as i64
        }
    }

    /// Threat N1.
    #[test]
    fn a_jump_that_goes_away_again_has_never_been() {
        for by in [DAY, -DAY, 3650 * DAY, -3650 * DAY, i64::MAX / 2, i64::MIN / 2] {
            let mut rig = Rig::new();
            assert_eq!(rig.stay(by, SETTLE.as_secs()), [Jump::Seen { by }]);
            assert_eq!((rig.error(), rig.steady.waits()), (0, by));
            assert_eq!(rig.stay(0, 5), [Jump::Over]);
            assert_eq!((rig.error(), rig.doubt(), rig.steady.waits()), (0, 0, 0));
        }
    }

    /// Threat N1.
    #[test]
    fn a_clock_that_stays_is_taken_over_once() {
        for by in [DAY, -DAY, 3650 * DAY] {
            let mut rig = Rig::new();
            assert_eq!(rig.stay(by, 2000), [Jump::Seen { by }, Jump::Taken { by }]);
            assert_eq!((rig.error(), rig.steady.waits()), (by, 0));
            assert_eq!(rig.doubt(), by.max(0), "ages of before count that much less");
        }
    }

    #[test]
    fn the_way_back_takes_the_doubt_away() {
        let mut rig = Rig::new();
        rig.stay(3650 * DAY, 2000);
        rig.stay(DAY, 2000);
        assert_eq!((rig.error(), rig.doubt()), (DAY, DAY));
        rig.stay(-DAY, 2000);
        assert_eq!((rig.error(), rig.doubt()), (-DAY, 0));
    }

    #[test]
    fn a_clock_that_jumps_on_is_not_believed() {
        let mut rig = Rig::new();
        for hour in 1..200 {
            let by = hour * 3_600_000;
            assert_eq!(rig.stay(by, 300), [Jump::Seen { by }]);
        }
        assert_eq!(rig.error(), 0);
    }

    #[test]
    fn small_corrections_are_followed_at_once() {
        let mut rig = Rig::new();
        for by in [60_000, 0, -60_000, -60_001] {
            assert_eq!(rig.look(by), None);
            assert_eq!(rig.error(), by);
        }
    }

    /// Threat N1. The clock of a machine that has just started may be anything.
    #[test]
    fn a_start_before_the_newest_message_goes_on_from_there() {
        let mut rig = Rig::new();
        assert_eq!(rig.steady.begin(Moment(0), Stamp(START + DAY)), None);
        assert_eq!(rig.error(), DAY);
        assert_eq!(rig.look(0), Some(Jump::Seen { by: -DAY }));
        assert_eq!(rig.look(DAY + 30_000), Some(Jump::Over), "the time has come from the network");
        assert_eq!(rig.error(), DAY + 30_000);
    }

    #[test]
    fn after_a_long_time_off_nothing_is_old_at_once() {
        let mut rig = Rig::new();
        let off = Duration::from_millis(40 * DAY as u64);
        assert_eq!(rig.steady.begin(Moment(0), Stamp(START - 40 * DAY)), Some(off));
        assert_eq!(rig.stay(0, SETTLE.as_secs() - 1), []);
        assert_eq!((rig.error(), rig.doubt()), (0, 40 * DAY));
        rig.look(0);
        assert_eq!(rig.doubt(), 0);
        assert_eq!(Rig::new().steady.begin(Moment(0), Stamp(START - 1000)), None);
    }
}
