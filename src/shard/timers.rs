//! One timer per connection, in a few bytes: who is due, and when to look again.
//!
//! What is due in the running second is kept exactly. What is farther away waits with all others
//! of its second and fires when that begins, up to a second early. Whoever is asked then sees that
//! it is not time yet and is set again, exactly now; but mostly its deadline has moved meanwhile,
//! since its client was heard. So silent clients wake their worker once a second, all together.

use std::collections::BTreeSet;

use crate::model::Moment;

const SECOND_MILLIS: u64 = 1000;
/// Seconds ahead that have a place of their own. What is due behind them fires at the last one.
const SECONDS: usize = 256;
/// No connection.
const NONE: u32 = u32::MAX;

/// See the module's documentation. Connections are named by their place, a small number.
pub struct Timers {
    exact: BTreeSet<(Moment, u32)>,
    /// Of each second the first one, by the second's number modulo [`SECONDS`].
    seconds: [u32; SECONDS],
    /// Up to this second, all have fired.
    second: u64,
    /// How many wait for a later one.
    later: usize,
    /// By connection.
    set: Vec<Set>,
}

/// How a connection's timer is set.
#[derive(Clone, Copy, Debug)]
enum Set {
    Not,
    Exactly(Moment),
    /// In the list of one second, between two others.
    Second {
        slot: u8,
        before: u32,
        after: u32,
    },
}

impl Timers {
    pub fn new() -> Timers {
        Timers {
            exact: BTreeSet::new(),
            seconds: [NONE; SECONDS],
            second: 0,
            later: 0,
            set: Vec::new(),
        }
    }

    /// Sets a connection's timer, instead of the one it had.
    pub fn set(&mut self, place: u32, due: Moment, now: Moment) {
        self.clear(place);
        if self.set.len() <= place as usize {
            self.set.resize(place as usize + 1, Set::Not);
        }
        if self.later == 0 {
            self.second = self.second.max(now.0 / SECOND_MILLIS);
        }
        let second = (due.0 / SECOND_MILLIS).min(self.second + SECONDS as u64 - 1);
        if second > self.second {
            self.wait_for(second, place);
        } else {
            self.exact.insert((due, place));
            self.set[place as usize] = Set::Exactly(due);
        }
    }

    fn wait_for(&mut self, second: u64, place: u32) {
        let slot = second as usize % SECONDS;
        let after = std::mem::replace(&mut self.seconds[slot], place);
        if let Some(Set::Second { before, .. }) = self.set.get_mut(after as usize) {
            *before = place;
        }
        self.set[place as usize] = Set::Second { slot: slot as u8, before: NONE, after };
        self.later += 1;
    }

    /// The connection has no timer any more.
    pub fn clear(&mut self, place: u32) {
        let Some(set) = self.set.get_mut(place as usize) else { return };
        match std::mem::replace(set, Set::Not) {
            Set::Not => {}
            Set::Exactly(due) => _ = self.exact.remove(&(due, place)),
            Set::Second { slot, before, after } => self.unlink(slot, before, after),
        }
    }

    fn unlink(&mut self, slot: u8, before: u32, after: u32) {
        match self.set.get_mut(before as usize) {
            Some(Set::Second { after: next, .. }) => *next = after,
            _ => self.seconds[usize::from(slot)] = after,
        }
        if let Some(Set::Second { before: next, .. }) = self.set.get_mut(after as usize) {
            *next = before;
        }
        self.later -= 1;
    }

    /// The next one that is due, or nearly; its timer is not set any more.
    pub fn pop(&mut self, now: Moment) -> Option<u32> {
        let place = self.pop_exact(now).or_else(|| self.pop_second(now))?;
        self.clear(place);
        Some(place)
    }

    fn pop_exact(&self, now: Moment) -> Option<u32> {
        self.exact.first().filter(|(due, _)| *due <= now).map(|(_, place)| *place)
    }

    /// A second that has begun is left behind first: whoever is set again while it fires is set
    /// exactly.
    fn pop_second(&mut self, now: Moment) -> Option<u32> {
        let running = now.0 / SECOND_MILLIS;
        loop {
            let first = self.seconds[self.second as usize % SECONDS];
            if first != NONE {
                return Some(first);
            }
            if self.second >= running || self.later == 0 {
                return None;
            }
            self.second += 1;
        }
    }

    /// When [`Timers::pop`] has something to do, at the earliest.
    pub fn next(&self) -> Option<Moment> {
        let second = Moment((self.second + 1) * SECOND_MILLIS);
        let second = (self.later > 0).then_some(second);
        let exact = self.exact.first().map(|(due, _)| *due);
        [second, exact].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(timers: &mut Timers, now: u64) -> Vec<u32> {
        let mut all: Vec<u32> = std::iter::from_fn(|| timers.pop(Moment(now))).collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn what_is_due_now_is_exact_and_what_is_due_later_comes_with_its_second() {
        let (mut timers, now) = (Timers::new(), Moment(10_000));
        for (place, due) in [(0, 10_250), (1, 90_001), (2, 90_999), (3, 91_000)] {
            timers.set(place, Moment(due), now);
        }
        assert_eq!(timers.next(), Some(Moment(10_250)));
        assert_eq!(all(&mut timers, 10_249), [0; 0]);
        assert_eq!(all(&mut timers, 10_250), [0]);
        assert_eq!(all(&mut timers, 89_999), [0; 0]);
        assert_eq!(all(&mut timers, 90_000), [1, 2]);
        timers.set(2, Moment(90_999), Moment(90_000));
        assert_eq!(timers.next(), Some(Moment(90_999)));
        timers.clear(3);
        assert_eq!(all(&mut timers, 1_000_000), [2]);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn those_of_a_second_wake_once() {
        let mut timers = Timers::new();
        (0..1000).for_each(|place| timers.set(place, Moment(60_000 + u64::from(place)), Moment(0)));
        let (mut wakes, mut now) = (0, Moment(0));
        while let Some(next) = timers.next() {
            (wakes, now) = (wakes + 1, next);
            while timers.pop(now).is_some() {}
        }
        assert_eq!((wakes, now), (60, Moment(60_000)));
    }

    proptest! {
        /// However they are set and cleared: each one fires, not after its time, and before it by
        /// a second at most, if it is near enough.
        #[test]
        fn each_fires_in_its_time(
            steps in prop::collection::vec(
                (0u32..20, 0u64..400_000, 0u64..3_000, any::<bool>()),
                1..200,
            ),
        ) {
            let (mut timers, mut now) = (Timers::new(), 0);
            let mut set = std::collections::BTreeMap::new();
            for (place, wait, pass, clear) in steps {
                if clear {
                    timers.clear(place);
                    set.remove(&place);
                } else {
                    timers.set(place, Moment(now + wait), Moment(now));
                    let far = wait > (SECONDS as u64 - 2) * SECOND_MILLIS;
                    set.insert(place, (now + wait, far));
                }
                now += pass;
                let next = timers.next().map_or(u64::MAX, |next| next.0);
                prop_assert!(set.values().all(|(due, _)| next <= *due));
                for place in all(&mut timers, now) {
                    let (due, far) = set.remove(&place).expect("it was set");
                    prop_assert!(due < now + SECOND_MILLIS || far, "{due} fired at {now}");
                }
                prop_assert!(set.values().all(|(due, _)| *due > now), "{set:?} at {now}");
                prop_assert_eq!(timers.next().is_none(), set.is_empty());
            }
        }
    }
}
