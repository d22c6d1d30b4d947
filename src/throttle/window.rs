//! How often something happened lately: counters by key in windows of time, so many and no more.

use std::hash::Hash;
use std::time::Duration;

use super::Bounded;
use crate::model::Moment;

/// What is known of one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// When its window began.
    pub since: Moment,
    pub count: u32,
    /// Nothing is tried before.
    pub paused_until: Moment,
}

impl Seen {
    fn is_over(&self, now: Moment, length: Duration) -> bool {
        now.since(self.since) >= length && now.since(self.paused_until) >= length
    }
}

/// Counters of one kind, of a bounded number of keys: who was not counted for longest is forgotten.
pub struct Windows<K>(Bounded<K, Seen>);

impl<K: Hash + Eq + Clone> Windows<K> {
    pub fn new(count_max: usize) -> Windows<K> {
        Windows(Bounded::new(count_max))
    }

    pub fn get(&self, key: &K) -> Option<Seen> {
        self.0.get(key).copied()
    }

    /// How many it has counted; 0 when the next one begins anew.
    pub fn counted(&self, key: &K, now: Moment, length: Duration) -> u32 {
        self.get(key).filter(|seen| !seen.is_over(now, length)).map_or(0, |seen| seen.count)
    }

    /// Counts once. A window that is over, and whose pause is over, begins anew.
    pub fn count(&mut self, key: K, now: Moment, length: Duration) -> &mut Seen {
        let new = Seen { since: now, ..Seen::default() };
        let seen = self.0.entry(key, || new);
        if seen.is_over(now, length) {
            *seen = new;
        }
        seen.count = seen.count.saturating_add(1);
        seen
    }

    pub fn forget(&mut self, key: &K) {
        self.0.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_window_counts_until_it_is_over() {
        let mut windows = Windows::new(10);
        assert_eq!(windows.count("a", Moment(0), MINUTE).count, 1);
        assert_eq!(windows.count("a", Moment(59_999), MINUTE).count, 2);
        let counted = [59_999, 60_000].map(|now| windows.counted(&"a", Moment(now), MINUTE));
        assert_eq!(counted, [2, 0]);
        assert_eq!(windows.count("a", Moment(60_000), MINUTE).count, 1);
        assert_eq!(windows.count("b", Moment(60_000), MINUTE).count, 1);
        windows.forget(&"a");
        assert_eq!(windows.get(&"a"), None);
    }

    #[test]
    fn a_pause_keeps_the_count() {
        let mut windows = Windows::new(10);
        windows.count("a", Moment(0), MINUTE).paused_until = Moment(50_000);
        assert_eq!(windows.count("a", Moment(100_000), MINUTE).count, 2);
        assert_eq!(windows.count("a", Moment(110_000), MINUTE).count, 1);
    }

    #[test]
    fn it_never_holds_more_than_its_bound() {
        let mut windows = Windows::new(100);
        for number in 0..10_000 {
            windows.count(number, Moment(number), Duration::ZERO);
            windows.count(number % 7, Moment(number), Duration::ZERO);
            assert!(windows.0.len() <= 100);
        }
        assert_eq!(windows.get(&9_999).map(|seen| seen.count), Some(1));
    }
}
