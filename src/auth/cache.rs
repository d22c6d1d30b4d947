//! A bounded map from users, or other keys, to what is remembered of them, shared by threads.
//!
//! Two generations per shard: when the young one is full it becomes the old one, and the former
//! old one is forgotten. So it holds what was used lately, and one call costs one step.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::{Moment, Uid};

/// Threads rarely meet in one of this many shards.
const SHARDS: usize = 16;

pub struct Cache<V, K = Uid> {
    shards: [Mutex<Shard<V, K>>; SHARDS],
    /// Entries of one generation of one shard.
    generation_count_max: usize,
    hash: RandomState,
}

struct Shard<V, K> {
    young: HashMap<K, (V, Moment)>,
    old: HashMap<K, (V, Moment)>,
}

impl<V: Clone, K: Clone + Eq + Hash> Cache<V, K> {
    /// Holds at most `count_max` entries (rounded up to a whole number per shard).
    pub fn new(count_max: usize) -> Cache<V, K> {
        let empty = |_| Mutex::new(Shard { young: HashMap::new(), old: HashMap::new() });
        Cache {
            shards: std::array::from_fn(empty),
            generation_count_max: count_max.div_ceil(2 * SHARDS).max(1),
            hash: RandomState::new(),
        }
    }

    /// What is remembered of `key`, unless its time has passed.
    pub fn get(&self, key: &K, now: Moment) -> Option<V> {
        let shard = self.shard(key);
        let (value, until) = shard.young.get(key).or_else(|| shard.old.get(key))?;
        (now < *until).then(|| value.clone())
    }

    /// Remembers `value` until then if `still_true` says so, asked while nothing can be removed.
    pub fn put(&self, key: &K, value: V, until: Moment, still_true: impl FnOnce() -> bool) {
        let mut shard = self.shard(key);
        if !still_true() {
            return;
        }
        shard.old.remove(key);
        if shard.young.len() >= self.generation_count_max && !shard.young.contains_key(key) {
            shard.old = std::mem::take(&mut shard.young);
        }
        shard.young.insert(key.clone(), (value, until));
    }

    pub fn remove(&self, key: &K) {
        let mut shard = self.shard(key);
        shard.young.remove(key);
        shard.old.remove(key);
    }

    /// Forgets what `keep` does not want; looks at every entry.
    pub fn retain(&self, mut keep: impl FnMut(&V) -> bool) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            shard.young.retain(|_, (value, _)| keep(value));
            shard.old.retain(|_, (value, _)| keep(value));
        }
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, Shard<V, K>> {
        lock(&self.shards[self.hash.hash_one(key) as usize % SHARDS])
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        let count = |shard: &Mutex<Shard<V, K>>| {
            let shard = lock(shard);
            shard.young.len() + shard.old.len()
        };
        self.shards.iter().map(count).sum()
    }
}

fn lock<V, K>(shard: &Mutex<Shard<V, K>>) -> MutexGuard<'_, Shard<V, K>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(number: usize) -> Uid {
        Uid::parse(&format!("u{number}")).unwrap()
    }

    #[test]
    fn it_never_holds_more_than_its_bound_and_keeps_the_newest() {
        let cache = Cache::new(320);
        for number in 0..10_000 {
            cache.put(&uid(number), number, Moment(10), || true);
            assert_eq!(cache.get(&uid(number), Moment(0)), Some(number));
            assert!(cache.len() <= 320);
        }
        assert!(cache.len() > 100);
    }

    #[test]
    fn what_is_removed_expired_or_no_longer_true_is_forgotten() {
        let cache = Cache::new(64);
        cache.put(&uid(1), 'a', Moment(10), || true);
        assert_eq!(cache.get(&uid(1), Moment(9)), Some('a'));
        assert_eq!(cache.get(&uid(1), Moment(10)), None);
        cache.put(&uid(2), 'b', Moment(10), || false);
        assert_eq!(cache.get(&uid(2), Moment(0)), None);
        cache.remove(&uid(1));
        assert_eq!(cache.get(&uid(1), Moment(0)), None);
        for (number, value) in [(3, 'c'), (4, 'd')] {
            cache.put(&uid(number), value, Moment(10), || true);
        }
        cache.retain(|value| *value == 'd');
        assert_eq!((cache.len(), cache.get(&uid(4), Moment(0))), (1, Some('d')));
    }
}
