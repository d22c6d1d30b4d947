//! A token bucket in whole numbers: what may pass without waiting, and how long the rest waits.

use std::time::Duration;

use crate::model::{Moment, Rate};

/// What is in it is counted in thousandths: a rate per second is then whole per millisecond.
const PARTS: i64 = 1000;

/// How much may pass now. It is full at the start; below zero is debt, which time pays off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    parts: i64,
    at: Moment,
}

impl Bucket {
    pub fn full(rate: Rate, now: Moment) -> Bucket {
        Bucket { parts: rate.burst() as i64 * PARTS, at: now }
    }

    /// Takes `count` in any case, on debt if need be. The moment from which on there is no debt: a
    /// moment that has passed if there is none.
    pub fn charge(&mut self, count: u64, rate: Rate, now: Moment) -> Moment {
        self.refill(rate, now);
        self.take(count);
        now.after(self.wait(rate))
    }

    /// Takes one and says how long its turn is to be awaited, unless that is longer than
    /// `patience`: then nothing is taken. Turns come in the order in which they were asked for.
    ///
    /// # Errors
    /// The wait that was too long.
    pub fn queue(
        &mut self,
        rate: Rate,
        now: Moment,
        patience: Duration,
    ) -> Result<Duration, Duration> {
        self.refill(rate, now);
        let before = *self;
        self.take(1);
        let wait = self.wait(rate);
        if wait > patience {
            *self = before;
            return Err(wait);
        }
        Ok(wait)
    }

    fn refill(&mut self, rate: Rate, now: Moment) {
        let millis = i64::try_from(now.since(self.at).as_millis()).unwrap_or(i64::MAX);
        let gained = (rate.per_sec() as i64).saturating_mul(millis);
        self.parts = self.parts.saturating_add(gained).min(rate.burst() as i64 * PARTS);
        self.at = self.at.max(now);
    }

    fn take(&mut self, count: u64) {
        let parts = i64::try_from(count).unwrap_or(i64::MAX).saturating_mul(PARTS);
        self.parts = self.parts.saturating_sub(parts);
    }

    /// Until the debt is paid.
    fn wait(&self, rate: Rate) -> Duration {
        let debt = self.parts.min(0).unsigned_abs();
        Duration::from_millis(debt.div_ceil(rate.per_sec()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(per_sec: u64, burst: u64) -> Rate {
        Rate::new(per_sec, burst).unwrap()
    }

    #[test]
    fn what_goes_beyond_the_burst_is_paid_off_in_time() {
        let rate = rate(100, 10);
        let mut bucket = Bucket::full(rate, Moment(0));
        assert_eq!(bucket.charge(10, rate, Moment(0)), Moment(0));
        assert_eq!(bucket.charge(5, rate, Moment(0)), Moment(50));
        assert_eq!(bucket.charge(1, rate, Moment(50)), Moment(60));
        // A long rest fills it, and no more than that.
        assert_eq!(bucket.charge(11, rate, Moment(1_000_000)), Moment(1_000_010));
    }

    #[test]
    fn whoever_would_wait_too_long_takes_no_turn() {
        let rate = rate(10, 1);
        let mut bucket = Bucket::full(rate, Moment(0));
        let patience = Duration::from_millis(200);
        let mut turn = |now| bucket.queue(rate, Moment(now), patience);
        assert_eq!(turn(0), Ok(Duration::ZERO));
        assert_eq!(turn(0), Ok(Duration::from_millis(100)));
        assert_eq!(turn(0), Ok(Duration::from_millis(200)));
        assert_eq!(turn(0), Err(Duration::from_millis(300)));
        assert_eq!(turn(0), Err(Duration::from_millis(300)));
        assert_eq!(turn(100), Ok(Duration::from_millis(200)));
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        use crate::model::limit::RATE_MAX;
        let rate = rate(RATE_MAX, RATE_MAX);
        let mut bucket = Bucket::full(rate, Moment(0));
        for _ in 0..3 {
            bucket.charge(u64::MAX, rate, Moment(1));
        }
        bucket.charge(1, rate, Moment(u64::MAX));
        assert!(bucket.parts <= RATE_MAX as i64 * PARTS);
    }

    proptest! {
        /// Threat M6. Whoever waits until the debt is paid gets no more than rate x time + burst.
        #[test]
        fn it_never_gives_more_than_the_rate_and_the_burst(
            per_sec in 1u64..10_000,
            burst in 1000u64..5000,
            asks in prop::collection::vec((0u64..500, 1u64..50), 1..200),
        ) {
            let rate = rate(per_sec, burst);
            let mut bucket = Bucket::full(rate, Moment(0));
            let (mut now, mut given) = (0, 0);
            for (pause, count) in asks {
                now += pause;
                now = bucket.charge(count, rate, Moment(now)).0.max(now);
                given += count;
                prop_assert!(given * 1000 <= per_sec * now + burst * 1000);
            }
        }

        /// Threat M6. Turns that were given come no faster than that either.
        #[test]
        fn turns_come_no_faster_than_the_rate(
            per_sec in 1u64..1000,
            burst in 100u64..200,
            pauses in prop::collection::vec(0u64..20, 1..500),
        ) {
            let rate = rate(per_sec, burst);
            let mut bucket = Bucket::full(rate, Moment(0));
            let (mut now, mut turns) = (0, 0);
            for pause in pauses {
                now += pause;
                if let Ok(wait) = bucket.queue(rate, Moment(now), Duration::from_secs(1)) {
                    turns += 1;
                    let turn_at = now + wait.as_millis() as u64;
                    prop_assert!(turns * 1000 <= per_sec * turn_at + burst * 1000);
                }
            }
        }
    }
}
