//! Wrong passwords: after some of them for one user from one address, that address has to wait,
//! longer each time, before another password for this user is looked at. Other addresses do not,
//! so nobody locks a user out from afar (threat I13).

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use ipnet::IpNet;

use super::{Admission, locked};
use crate::broker::Bounded;
use crate::model::Moment;

/// Pairs of user and address whose failures are remembered.
const PAIRS_COUNT_MAX: usize = 64 * 1024;
/// Failures are forgotten after so long without another.
const REMEMBERED_FOR: Duration = Duration::from_secs(15 * 60);
/// The first wait; each further failure doubles it.
const WAIT_MIN: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(5 * 60);

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: Moment,
    wait_until: Moment,
}

/// By a keyed hash of user and address: two that fall together merely wait together.
pub struct Penalties {
    hasher: RandomState,
    pairs: Bounded<u64, Failures>,
}

impl Penalties {
    pub fn new() -> Penalties {
        Penalties { hasher: RandomState::new(), pairs: Bounded::new(PAIRS_COUNT_MAX) }
    }

    fn key(&self, uid: &str, source: IpNet) -> u64 {
        self.hasher.hash_one((uid, source))
    }

    fn wait(&self, uid: &str, source: IpNet, now: Moment) -> Option<Duration> {
        let failures = self.pairs.get(&self.key(uid, source))?;
        (failures.wait_until > now).then(|| failures.wait_until.since(now))
    }

    fn failed(&mut self, uid: &str, source: IpNet, max: u32, now: Moment) {
        let key = self.key(uid, source);
        let none = Failures { count: 0, last: now, wait_until: now };
        let failures = self.pairs.entry(key, || none);
        if failures.last.after(REMEMBERED_FOR) <= now {
            *failures = none;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
        if let Some(beyond) = failures.count.checked_sub(max) {
            let doubled = WAIT_MIN.saturating_mul(1 << beyond.min(16));
            failures.wait_until = now.after(doubled.min(WAIT_MAX));
        }
    }

    fn succeeded(&mut self, uid: &str, source: IpNet) {
        let key = self.key(uid, source);
        self.pairs.remove(&key);
    }
}

impl Admission {
    /// How long no password for `uid` is looked at from this address.
    pub fn penalty(&self, uid: &str, source: IpNet) -> Option<Duration> {
        self.limits.load().wrong_passwords_max?;
        locked(&self.penalties).wait(uid, source, self.clock.moment())
    }

    /// A password was looked at.
    pub fn password_was(&self, right: bool, uid: &str, source: IpNet) {
        let Some(max) = self.limits.load().wrong_passwords_max else { return };
        let mut penalties = locked(&self.penalties);
        match right {
            true => penalties.succeeded(uid, source),
            false => penalties.failed(uid, source, max, self.clock.moment()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::super::source_of;
    use super::*;

    fn source(last: u8) -> IpNet {
        source_of(IpAddr::from([10, 0, 0, last]))
    }

    /// Threat I13.
    #[test]
    fn the_wait_begins_after_some_failures_and_doubles() {
        let mut penalties = Penalties::new();
        let mut now = Moment(1000);
        let mut waits = Vec::new();
        for _ in 0..14 {
            penalties.failed("alice", source(1), 3, now);
            let wait = penalties.wait("alice", source(1), now).unwrap_or_default();
            waits.push(wait.as_secs());
            now = now.after(wait);
            assert_eq!(penalties.wait("alice", source(1), now), None);
        }
        assert_eq!(waits, [0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
    }

    /// Threat I13.
    #[test]
    fn another_address_and_another_user_do_not_wait() {
        let mut penalties = Penalties::new();
        (0..9).for_each(|_| penalties.failed("alice", source(1), 3, Moment(0)));
        assert!(penalties.wait("alice", source(1), Moment(0)).is_some());
        assert_eq!(penalties.wait("alice", source(2), Moment(0)), None);
        assert_eq!(penalties.wait("bob", source(1), Moment(0)), None);
    }

    #[test]
    fn a_right_password_and_a_long_rest_forget_the_wrong_ones() {
        let mut penalties = Penalties::new();
        let fail = |penalties: &mut Penalties, times: u32, now: Moment| {
            (0..times).for_each(|_| penalties.failed("alice", source(1), 3, now));
            penalties.wait("alice", source(1), now).is_some()
        };
        assert!(!fail(&mut penalties, 2, Moment(0)));
        penalties.succeeded("alice", source(1));
        assert!(!fail(&mut penalties, 2, Moment(0)));
        let later = Moment(0).after(REMEMBERED_FOR);
        assert!(!fail(&mut penalties, 2, later));
        assert!(fail(&mut penalties, 1, later));
    }

    /// Threat I13.
    #[test]
    fn any_number_of_users_and_addresses_takes_bounded_memory() {
        let mut penalties = Penalties::new();
        for number in 0..3 * PAIRS_COUNT_MAX {
            penalties.failed(&number.to_string(), source(1), 3, Moment(0));
        }
        assert!(penalties.pairs.len() <= PAIRS_COUNT_MAX);
    }
}
