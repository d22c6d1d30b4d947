//! A bounded map from users to what is remembered of them, shared by threads.
//!
//! Two generations per shard: when the young one is full it becomes the old one, and the former
//! old one is forgotten. So it holds what was used lately, and one call costs one step.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::{Moment, Uid};

/// Threads rarely meet in one of this many shards.
const SHARDS: usize = 16;

pub struct Cache<V> {
    shards: [Mutex<Shard<V>>; SHARDS],
    /// Entries of one generation of one shard.
    generation_count_max: usize,
    hash: RandomState,
}

struct Shard<V> {
    young: HashMap<Uid, (V, Moment)>,
    old: HashMap<Uid, (V, Moment)>,
}

impl<V: Clone> Cache<V> {
    /// Holds at most `count_max` entries (rounded up to a whole number per shard).
    pub fn new(count_max: usize) -> Cache<V> {
        let empty = |_| Mutex::new(Shard { young: HashMap::new(), old: HashMap::new() });
        Cache {
            shards: std::array::from_fn(empty),
            generation_count_max: count_max.div_ceil(2 * SHARDS).max(1),
            hash: RandomState::new(),
        }
    }

    /// What is remembered of `uid`, unless its time has passed.
    pub fn get(&self, uid: &Uid, now: Moment) -> Option<V> {
        let shard = self.shard(uid);
        let (value, until) = shard.young.get(uid).or_else(|| shard.old.get(uid))?;
        (now < *until).then(|| value.clone())
    }

    /// Remembers `value` until then if `still_true` says so, asked while nothing can be removed.
    pub fn put(&self, uid: &Uid, value: V, until: Moment, still_true: impl FnOnce() -> bool) {
        let mut shard = self.shard(uid);
        if !still_true() {
            return;
        }
        shard.old.remove(uid);
        if shard.young.len() >= self.generation_count_max && !shard.young.contains_key(uid) {
            shard.old = std::mem::take(&mut shard.young);
        }
        shard.young.insert(uid.clone(), (value, until));
    }

    pub fn remove(&self, uid: &Uid) {
        let mut shard = self.shard(uid);
        shard.young.remove(uid);
        shard.old.remove(uid);
    }

    fn shard(&self, uid: &Uid) -> MutexGuard<'_, Shard<V>> {
        let index = self.hash.hash_one(uid) as usize % SHARDS;
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        let lock = |shard: &Mutex<Shard<V>>| {
            let shard = shard.lock().unwrap();
            shard.young.len() + shard.old.len()
        };
        self.shards.iter().map(lock).sum()
    }
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
        assert_eq!(cache.len(), 0);
    }
}
