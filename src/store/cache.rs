//! A bounded cache in two generations: what is used again moves to the young one; when the young
//! one has its half of the bytes, it becomes the old one and the former old one is forgotten.

use std::collections::HashMap;
use std::hash::Hash;

pub(super) struct Cache<K, V> {
    young: HashMap<K, (V, usize)>,
    old: HashMap<K, (V, usize)>,
    young_bytes: usize,
    bytes_max: usize,
}

impl<K: Hash + Eq, V> Cache<K, V> {
    pub(super) fn new(bytes_max: usize) -> Cache<K, V> {
        Cache { young: HashMap::new(), old: HashMap::new(), young_bytes: 0, bytes_max }
    }

    /// Moves a value out; whoever takes it puts it back once its change is committed.
    pub(super) fn take(&mut self, key: &K) -> Option<V> {
        if let Some((value, bytes)) = self.young.remove(key) {
            self.young_bytes -= bytes;
            return Some(value);
        }
        self.old.remove(key).map(|(value, _)| value)
    }

    pub(super) fn put(&mut self, key: K, value: V, bytes: usize) {
        if self.young_bytes + bytes > self.bytes_max / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        if let Some((_, replaced)) = self.young.insert(key, (value, bytes)) {
            self.young_bytes -= replaced;
        }
        self.young_bytes += bytes;
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&V) -> bool) {
        self.old.retain(|_, (value, _)| keep(value));
        self.young.retain(|_, (value, bytes)| {
            let kept = keep(value);
            self.young_bytes -= if kept { 0 } else { *bytes };
            kept
        });
    }

    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
        self.young_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_stays_within_its_bytes_and_never_invents(
            uses in prop::collection::vec((0..50u32, 1..40usize, any::<bool>()), 0..400)
        ) {
            let mut cache = Cache::new(400);
            let mut last = HashMap::new();
            for (key, bytes, put) in uses {
                if let Some(value) = cache.take(&key) {
                    prop_assert_eq!(last.get(&key), Some(&value));
                }
                last.remove(&key);
                if put {
                    cache.put(key, bytes, bytes);
                    last.insert(key, bytes);
                }
                let total = |map: &HashMap<u32, (usize, usize)>| -> usize {
                    map.values().map(|v| v.1).sum()
                };
                prop_assert_eq!(total(&cache.young), cache.young_bytes);
                prop_assert!(total(&cache.young) + total(&cache.old) <= 400);
            }
        }
    }

    #[test]
    fn what_is_used_survives_what_is_not() {
        let mut cache = Cache::new(100);
        cache.put(0, "hot", 10);
        for key in 1..50 {
            cache.put(key, "cold", 10);
            let hot = cache.take(&0).expect("used all the time");
            cache.put(0, hot, 10);
        }
        assert_eq!(cache.take(&1), None);
    }
}
