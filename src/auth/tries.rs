//! Which logins were wrong of late and which are under way, by user and address and by address
//! alone. Pure: time is an argument.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use ipnet::IpNet;

use super::{AuthError, GuardLimits};
use crate::model::Moment;
use crate::throttle::Windows;

/// Pairs of user and address, and addresses, that are remembered; about 100 bytes each.
const LOGINS_COUNT_MAX: usize = 64 * 1024;
const ADDRESSES_COUNT_MAX: usize = 16 * 1024;
/// The first pause; each further wrong password doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// A user, by a tag of its name, at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub tag: u128,
    pub source: IpNet,
}

/// What becomes of a login that would begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    Now,
    /// As many are under way as may still be wrong: when one is decided, ask again.
    NotYet,
}

/// See the module's documentation.
pub struct Tries {
    logins: Counts<Key>,
    addresses: Counts<IpNet>,
}

/// Wrong ones in windows of time, and those under way, which are as bounded as logins are.
struct Counts<K> {
    wrong: Windows<K>,
    under_way: HashMap<K, u32>,
}

impl Default for Tries {
    fn default() -> Tries {
        Tries { logins: Counts::new(LOGINS_COUNT_MAX), addresses: Counts::new(ADDRESSES_COUNT_MAX) }
    }
}

impl Tries {
    /// # Errors
    /// [`AuthError::TooMany`]
    pub fn not_paused(&self, key: &Key, now: Moment) -> Result<(), AuthError> {
        let seen = [self.logins.wrong.get(key), self.addresses.wrong.get(&key.source)];
        let paused = seen.into_iter().flatten().map(|seen| seen.paused_until).max();
        match paused.filter(|until| *until > now) {
            Some(until) => Err(AuthError::TooMany { retry_after: until.since(now) }),
            None => Ok(()),
        }
    }

    /// Behind [`Begun::Now`] it is under way until [`Tries::end`].
    ///
    /// # Errors
    /// [`AuthError::TooMany`]
    pub fn begin(
        &mut self,
        key: Key,
        now: Moment,
        limits: GuardLimits,
    ) -> Result<Begun, AuthError> {
        self.not_paused(&key, now)?;
        let room = self.logins.has_room(&key, limits.per_login, now, limits.window)
            && self.addresses.has_room(&key.source, limits.per_address, now, limits.window);
        if !room {
            return Ok(Begun::NotYet);
        }
        self.logins.begin(key);
        self.addresses.begin(key.source);
        Ok(Begun::Now)
    }

    pub fn end(&mut self, key: &Key) {
        self.logins.end(key);
        self.addresses.end(&key.source);
    }

    /// The password was right: the user's wrong ones from there count no more.
    pub fn right(&mut self, key: &Key) {
        self.logins.wrong.forget(key);
    }

    pub fn wrong(&mut self, key: Key, now: Moment, limits: GuardLimits) {
        self.addresses.wrong(key.source, limits.per_address, now, limits.window);
        self.logins.wrong(key, limits.per_login, now, limits.window);
    }
}

impl<K: Hash + Eq + Clone> Counts<K> {
    fn new(count_max: usize) -> Counts<K> {
        Counts { wrong: Windows::new(count_max), under_way: HashMap::new() }
    }

    /// Not more under way than may be wrong before the next pause; one in any case.
    fn has_room(&self, key: &K, free: u32, now: Moment, window: Duration) -> bool {
        if free == 0 {
            return true;
        }
        let left = free.saturating_sub(self.wrong.counted(key, now, window)).max(1);
        self.under_way.get(key).is_none_or(|count| *count < left)
    }

    fn begin(&mut self, key: K) {
        *self.under_way.entry(key).or_default() += 1;
    }

    fn end(&mut self, key: &K) {
        if let Some(count) = self.under_way.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                self.under_way.remove(key);
            }
        }
    }

    fn wrong(&mut self, key: K, free: u32, now: Moment, window: Duration) {
        let seen = self.wrong.count(key, now, window);
        seen.paused_until = pause(seen.count, free, now, window);
    }
}

/// Until when, after so many wrong passwords.
fn pause(count: u32, free: u32, now: Moment, longest: Duration) -> Moment {
    if free == 0 || count < free {
        return Moment::default();
    }
    let doubled = 1u32.checked_shl(count - free).unwrap_or(u32::MAX);
    now.after(FIRST_PAUSE.saturating_mul(doubled).min(longest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::source_of;

    const WINDOW: Duration = Duration::from_secs(300);

    /// Threat I13.
    #[test]
    fn only_so_many_are_under_way_as_may_be_wrong() {
        let limits = GuardLimits { per_login: 3, per_address: 4, window: WINDOW };
        let (mut tries, now) = (Tries::default(), Moment(1));
        let key = |tag| Key { tag, source: source_of([10, 0, 0, 1].into()) };
        let begin = |tries: &mut Tries, tag| tries.begin(key(tag), now, limits).unwrap();
        let begun = [1, 1, 1, 1, 2, 2].map(|tag| begin(&mut tries, tag));
        let [yes, no] = [Begun::Now, Begun::NotYet];
        assert_eq!(begun, [yes, yes, yes, no, yes, no]);
        for tag in [1, 2] {
            tries.end(&key(tag));
        }
        tries.wrong(key(1), now, limits);
        assert_eq!([1, 2, 2].map(|tag| begin(&mut tries, tag)), [no, yes, no]);
        [1, 1, 2].into_iter().for_each(|tag| tries.end(&key(tag)));
        assert!(tries.logins.under_way.is_empty() && tries.addresses.under_way.is_empty());
    }

    #[test]
    fn a_pause_has_an_end_whatever_the_count() {
        for count in [3, 4, 40, u32::MAX] {
            assert!(pause(count, 3, Moment(0), WINDOW) <= Moment(WINDOW.as_millis() as u64));
        }
        assert_eq!(pause(1000, 0, Moment(5), WINDOW), Moment::default());
    }
}
