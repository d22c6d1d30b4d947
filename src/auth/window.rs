//! How often something happened lately: counters by key in windows of time, so many and no more.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::Duration;

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

/// Counters of one kind. Beyond `count_max` keys the one whose window began first is forgotten.
pub struct Windows<K> {
    count_max: usize,
    seen: HashMap<K, Seen>,
    /// Keys in the order in which their windows began; one that began anew is in it again.
    order: VecDeque<(Moment, K)>,
}

impl<K: Hash + Eq + Clone> Windows<K> {
    pub fn new(count_max: usize) -> Windows<K> {
        Windows { count_max, seen: HashMap::new(), order: VecDeque::new() }
    }

    pub fn get(&self, key: &K) -> Option<Seen> {
        self.seen.get(key).copied()
    }

    /// Counts once. A window that is over, and whose pause is over, begins anew.
    pub fn count(&mut self, key: K, now: Moment, length: Duration) -> &mut Seen {
        let is_over =
            |seen: &Seen| now.since(seen.since) >= length && now.since(seen.paused_until) >= length;
        if self.seen.get(&key).is_none_or(is_over) {
            self.make_room();
            self.order.push_back((now, key.clone()));
            self.seen.insert(key.clone(), Seen { since: now, ..Seen::default() });
        }
        let seen = self.seen.entry(key).or_default();
        seen.count = seen.count.saturating_add(1);
        seen
    }

    pub fn forget(&mut self, key: &K) {
        self.seen.remove(key);
    }

    fn make_room(&mut self) {
        while self.order.len() >= self.count_max {
            let Some((began, key)) = self.order.pop_front() else { return };
            if self.seen.get(&key).is_some_and(|seen| seen.since == began) {
                self.seen.remove(&key);
            }
        }
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
            assert!(windows.seen.len() <= 100 && windows.order.len() <= 100);
        }
        assert_eq!(windows.get(&9_999).map(|seen| seen.count), Some(1));
    }
}
