//! The circuit breaker: after failures in a row the API is left alone, but for one call at a time
//! that tries whether it is back. Pure: time and randomness are arguments.

use std::time::Duration;

use crate::model::Moment;

/// Between two tries. An API that is back is noticed within the last of them.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(2);

pub struct Breaker {
    failures_max: u32,
    /// How long a try may take; one that never ends is given up after it.
    try_wait: Duration,
    state: State,
}

enum State {
    Closed { failures: u32 },
    Open { pause: Duration, next_try: Moment },
}

/// The right to make one call; its outcome has to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// One call of many.
    Call,
    /// The one that tries whether the API is back.
    Try,
}

impl Breaker {
    pub fn new(failures_max: u32, try_wait: Duration) -> Breaker {
        Breaker { failures_max, try_wait, state: State::Closed { failures: 0 } }
    }

    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    pub fn failures(&self) -> u32 {
        match self.state {
            State::Closed { failures } => failures,
            State::Open { .. } => self.failures_max,
        }
    }

    /// How long nobody will be let through; takes no permit.
    pub fn blocked(&self, now: Moment) -> Option<Duration> {
        match self.state {
            State::Open { next_try, .. } if now < next_try => Some(next_try.since(now)),
            _ => None,
        }
    }

    /// # Errors
    /// How long nobody will be let through.
    pub fn permit(&mut self, now: Moment) -> Result<Permit, Duration> {
        if let Some(wait) = self.blocked(now) {
            return Err(wait);
        }
        match &mut self.state {
            State::Closed { .. } => Ok(Permit::Call),
            State::Open { next_try, .. } => {
                // Nobody else tries until this one has told its outcome, or should have.
                *next_try = now.after(self.try_wait);
                Ok(Permit::Try)
            }
        }
    }

    /// The API answered, whatever it said.
    pub fn answered(&mut self) {
        self.state = State::Closed { failures: 0 };
    }

    /// The API did not answer. `random` spreads the tries of several brokers. True if this opened
    /// the breaker.
    pub fn failed(&mut self, permit: Permit, now: Moment, random: u32) -> bool {
        match &mut self.state {
            State::Closed { failures } if *failures + 1 < self.failures_max => *failures += 1,
            State::Closed { .. } => {
                self.state = open(PAUSE_FIRST, now, random);
                return true;
            }
            State::Open { pause, .. } if permit == Permit::Try => {
                let longer = (*pause * 2).min(PAUSE_MAX);
                self.state = open(longer, now, random);
            }
            // Began before it opened: tells nothing new.
            State::Open { .. } => {}
        }
        false
    }
}

fn open(pause: Duration, now: Moment, random: u32) -> State {
    State::Open { pause, next_try: now.after(jittered(pause, random)) }
}

/// Between three quarters of a duration and the whole of it.
pub fn jittered(whole: Duration, random: u32) -> Duration {
    whole.mul_f64(0.75 + 0.25 * f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TRY_WAIT: Duration = Duration::from_secs(2);

    fn breaker() -> Breaker {
        Breaker::new(3, TRY_WAIT)
    }

    /// Opened at zero.
    fn opened() -> Breaker {
        let mut breaker = breaker();
        let failed = |breaker: &mut Breaker| breaker.failed(Permit::Call, Moment(0), u32::MAX);
        assert!(!failed(&mut breaker) && !failed(&mut breaker) && failed(&mut breaker));
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let mut breaker = breaker();
        for _ in 0..10 {
            breaker.failed(Permit::Call, Moment(0), 0);
            breaker.failed(Permit::Call, Moment(0), 0);
            breaker.answered();
        }
        assert!(!breaker.is_open());
        assert_eq!(breaker.permit(Moment(0)), Ok(Permit::Call));
        assert!(opened().is_open());
    }

    #[test]
    fn one_tries_at_a_time_and_the_first_answer_closes_it() {
        let mut breaker = opened();
        assert_eq!(breaker.permit(Moment(0)), Err(PAUSE_FIRST));
        assert_eq!(breaker.permit(Moment(250)), Ok(Permit::Try));
        assert_eq!(breaker.permit(Moment(251)), Err(Duration::from_millis(1999)));
        breaker.answered();
        assert_eq!(breaker.permit(Moment(252)), Ok(Permit::Call));
    }

    #[test]
    fn pauses_grow_to_their_bound_and_late_failures_do_not_move_them() {
        let mut breaker = opened();
        let mut now = Moment(0);
        for pause in [250, 500, 1000, 2000, 2000] {
            assert_eq!(breaker.blocked(now), Some(Duration::from_millis(pause)));
            breaker.failed(Permit::Call, now, 0);
            now = now.after(Duration::from_millis(pause));
            assert_eq!(breaker.permit(now), Ok(Permit::Try));
            breaker.failed(Permit::Try, now, u32::MAX);
        }
    }

    #[test]
    fn a_try_that_tells_nothing_is_given_up() {
        let mut breaker = opened();
        assert_eq!(breaker.permit(Moment(250)), Ok(Permit::Try));
        assert_eq!(breaker.permit(Moment(2250)), Ok(Permit::Try));
    }

    proptest! {
        /// However calls end while the API is away, tries never come faster than three quarters of
        /// the first pause, and never later than the last pause.
        #[test]
        fn tries_are_few_and_never_far_apart(
            randoms in proptest::collection::vec(any::<u32>(), 50),
        ) {
            let mut breaker = opened();
            let (mut last, mut now) = (0, 0);
            for random in randoms {
                while breaker.permit(Moment(now)).is_err() {
                    now += 1;
                }
                prop_assert!(last == 0 || now - last >= 187, "{}", now - last);
                prop_assert!(now - last <= 2000, "{}", now - last);
                last = now;
                breaker.failed(Permit::Try, Moment(now), random);
            }
        }
    }
}
