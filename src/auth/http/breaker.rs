//! The circuit breaker: after failures in a row the API is left alone, but for one call at a time
//! that tries whether it is back. Pure: time and randomness are arguments.
//!
//! Whoever may log in may send what the API stumbles over. So one user name cannot open it by
//! errors of the API, and a login that the API accepted before is believed more than others.

use std::collections::HashSet;
use std::time::Duration;

use crate::model::Moment;

/// Between two tries. An API that is back is noticed within the last of them.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// For so long after a pause only better logins may try: see [`Asker::waits`].
const PRECEDENCE: Duration = Duration::from_millis(250);

pub struct Breaker {
    failures_max: u32,
    /// How long a try may take; one that never ends is given up after it.
    try_wait: Duration,
    state: State,
}

enum State {
    Closed {
        failures: u32,
        /// The names of those that were errors.
        erred: HashSet<u64>,
        sure: bool,
    },
    Open {
        pause: Duration,
        next_try: Moment,
        /// Who tried last, in vain.
        loser: Option<u64>,
        /// A proven login failed too, so that it is the API and not what was sent to it.
        sure: bool,
    },
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Stands for the user name.
    pub name: u64,
    /// The API accepted this very login a while ago.
    pub proven: bool,
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It cannot be reached, does not answer in time, or says that it cannot now.
    Away,
    /// It says that it failed, perhaps of this login alone: counts once for each user name.
    Error,
}

/// The right to make one call; its outcome has to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// One call of many.
    Call,
    /// The one that tries whether the API is back.
    Try,
}

impl Asker {
    /// Nobody can win every try by coming often: who tried last waits for others, and who is
    /// unknown for those that are known.
    fn waits(self, loser: Option<u64>) -> Duration {
        PRECEDENCE * (u32::from(!self.proven) + u32::from(loser == Some(self.name)))
    }
}

impl Breaker {
    pub fn new(failures_max: u32, try_wait: Duration) -> Breaker {
        Breaker { failures_max, try_wait, state: closed() }
    }

    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    pub fn failures(&self) -> u32 {
        match self.state {
            State::Closed { failures, .. } => failures,
            State::Open { .. } => self.failures_max,
        }
    }

    /// How long this one will not be let through; takes no permit.
    pub fn blocked(&self, asker: Asker, now: Moment) -> Option<Duration> {
        match self.state {
            State::Open { next_try, loser, sure, .. } if sure || !asker.proven => {
                let from = next_try.after(asker.waits(loser));
                (now < from).then(|| from.since(now))
            }
            _ => None,
        }
    }

    /// # Errors
    /// How long this one will not be let through.
    pub fn permit(&mut self, asker: Asker, now: Moment) -> Result<Permit, Duration> {
        if let Some(wait) = self.blocked(asker, now) {
            return Err(wait);
        }
        match &mut self.state {
            State::Open { next_try, sure, .. } if *sure || !asker.proven => {
                // Nobody else tries until this one has told its outcome, or should have.
                *next_try = now.after(self.try_wait);
                Ok(Permit::Try)
            }
            _ => Ok(Permit::Call),
        }
    }

    /// The API answered, whatever it said.
    pub fn answered(&mut self) {
        self.state = closed();
    }

    /// The API answered this one alone, and nothing that could be read: the next one may tell more.
    pub fn unclear(&mut self, permit: Permit, asker: Asker, now: Moment, random: u32) {
        if let State::Open { pause, sure, .. } = self.state
            && permit == Permit::Try
        {
            self.state = open(pause, now, random, Some(asker.name), sure);
        }
    }

    /// The API did not answer. `random` spreads the tries of several brokers. True if this opened
    /// the breaker.
    pub fn failed(
        &mut self,
        permit: Permit,
        (failure, asker): (Failure, Asker),
        now: Moment,
        random: u32,
    ) -> bool {
        match &mut self.state {
            State::Closed { failures, erred, sure } => {
                *sure |= asker.proven;
                let counts = failure == Failure::Away || erred.insert(asker.name);
                *failures += u32::from(counts);
                if *failures < self.failures_max {
                    return false;
                }
                self.state = open(PAUSE_FIRST, now, random, None, *sure);
                return true;
            }
            State::Open { pause, sure, .. } if permit == Permit::Try => {
                let (longer, sure) = ((*pause * 2).min(PAUSE_MAX), *sure || asker.proven);
                self.state = open(longer, now, random, Some(asker.name), sure);
            }
            // Not a try: it does not move the tries.
            State::Open { sure, .. } => *sure |= asker.proven,
        }
        false
    }
}

fn closed() -> State {
    State::Closed { failures: 0, erred: HashSet::new(), sure: false }
}

fn open(pause: Duration, now: Moment, random: u32, loser: Option<u64>, sure: bool) -> State {
    State::Open { pause, next_try: now.after(jittered(pause, random)), loser, sure }
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

    fn proven(name: u64) -> Asker {
        Asker { name, proven: true }
    }

    fn stranger(name: u64) -> Asker {
        Asker { name, proven: false }
    }

    fn fails(breaker: &mut Breaker, failure: Failure, asker: Asker) -> bool {
        breaker.failed(Permit::Call, (failure, asker), Moment(0), u32::MAX)
    }

    fn loses(breaker: &mut Breaker, asker: Asker, now: Moment, random: u32) {
        assert!(!breaker.failed(Permit::Try, (Failure::Away, asker), now, random));
    }

    /// Opened at zero, by logins that were accepted before.
    fn opened() -> Breaker {
        let mut breaker = breaker();
        let opens = [1, 2, 3].map(|name| fails(&mut breaker, Failure::Away, proven(name)));
        assert_eq!(opens, [false, false, true]);
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let mut breaker = breaker();
        for _ in 0..10 {
            fails(&mut breaker, Failure::Away, proven(1));
            fails(&mut breaker, Failure::Error, proven(2));
            breaker.answered();
        }
        assert!(!breaker.is_open());
        assert_eq!(breaker.permit(proven(1), Moment(0)), Ok(Permit::Call));
        assert!(opened().is_open());
    }

    #[test]
    fn errors_count_once_for_each_user_name() {
        let mut breaker = breaker();
        for _ in 0..10 {
            assert!(!fails(&mut breaker, Failure::Error, stranger(1)));
        }
        assert_eq!(breaker.failures(), 1);
        assert!(!fails(&mut breaker, Failure::Error, stranger(2)));
        assert!(fails(&mut breaker, Failure::Error, stranger(3)));
    }

    #[test]
    fn an_answer_that_nobody_can_read_counts_as_nothing() {
        let mut breaker = breaker();
        fails(&mut breaker, Failure::Away, stranger(1));
        for _ in 0..10 {
            breaker.unclear(Permit::Call, stranger(2), Moment(0), 0);
        }
        assert_eq!((breaker.is_open(), breaker.failures()), (false, 1));
    }

    /// Otherwise strangers with odd logins could have a withdrawn one accepted from memory.
    #[test]
    fn strangers_alone_do_not_keep_a_proven_login_from_the_api() {
        let mut breaker = breaker();
        for name in 1..=3 {
            fails(&mut breaker, Failure::Error, stranger(name));
        }
        assert!(breaker.blocked(stranger(9), Moment(0)).is_some());
        assert_eq!(breaker.permit(proven(9), Moment(0)), Ok(Permit::Call));
        fails(&mut breaker, Failure::Error, proven(9));
        assert!(breaker.permit(proven(8), Moment(0)).is_err(), "now it is sure");
    }

    #[test]
    fn one_tries_at_a_time_and_the_first_answer_closes_it() {
        let mut breaker = opened();
        assert_eq!(breaker.permit(proven(1), Moment(0)), Err(PAUSE_FIRST));
        assert_eq!(breaker.permit(proven(1), Moment(250)), Ok(Permit::Try));
        assert_eq!(breaker.permit(proven(1), Moment(251)), Err(Duration::from_millis(1999)));
        breaker.answered();
        assert_eq!(breaker.permit(proven(1), Moment(252)), Ok(Permit::Call));
    }

    #[test]
    fn who_tried_in_vain_lets_others_try_first_and_strangers_come_last() {
        let mut breaker = opened();
        let at = |millis: u64| Moment(250 + 250 + millis);
        assert_eq!(breaker.permit(stranger(9), at(0)), Ok(Permit::Try));
        breaker.unclear(Permit::Try, stranger(9), at(0), u32::MAX);
        let waits = |asker| breaker.blocked(asker, at(0)).map(|wait| wait.as_millis());
        assert_eq!(waits(proven(1)), Some(250));
        assert_eq!(waits(stranger(1)), Some(500));
        assert_eq!(waits(stranger(9)), Some(750));
        assert_eq!(breaker.permit(proven(1), at(250)), Ok(Permit::Try));
        loses(&mut breaker, proven(1), at(250), u32::MAX);
        assert_eq!(breaker.blocked(proven(1), at(250)), Some(Duration::from_millis(750)));
        assert_eq!(breaker.blocked(proven(2), at(250)), Some(Duration::from_millis(500)));
    }

    #[test]
    fn pauses_grow_to_their_bound_and_late_failures_do_not_move_them() {
        let mut breaker = opened();
        let mut now = Moment(0);
        for (name, pause) in (1..).zip([250, 500, 1000, 2000, 2000]) {
            assert_eq!(breaker.blocked(proven(name), now), Some(Duration::from_millis(pause)));
            breaker.failed(Permit::Call, (Failure::Away, proven(0)), now, 0);
            now = now.after(Duration::from_millis(pause));
            assert_eq!(breaker.permit(proven(name), now), Ok(Permit::Try));
            loses(&mut breaker, proven(name), now, u32::MAX);
        }
    }

    #[test]
    fn a_try_that_tells_nothing_is_given_up() {
        let mut breaker = opened();
        assert_eq!(breaker.permit(proven(1), Moment(250)), Ok(Permit::Try));
        assert_eq!(breaker.permit(proven(1), Moment(2250)), Ok(Permit::Try));
    }

    proptest! {
        /// However calls end while the API is away, tries never come faster than three quarters of
        /// the first pause, and never later than the last pause, though the same stranger tries.
        #[test]
        fn tries_are_few_and_never_far_apart(
            randoms in proptest::collection::vec(any::<u32>(), 50),
        ) {
            let mut breaker = opened();
            let (mut last, mut now) = (0, 0);
            for random in randoms {
                while breaker.permit(stranger(9), Moment(now)).is_err() {
                    now += 1;
                }
                prop_assert!(last == 0 || now - last >= 187, "{}", now - last);
                prop_assert!(now - last <= 2500, "{}", now - last);
                last = now;
                loses(&mut breaker, stranger(9), Moment(now), random);
            }
        }
    }
}
