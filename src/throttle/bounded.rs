//! A map of bounded size that forgets what was not used for longest, in two generations: no list
//! to keep in order, and a look is a look into a map.

use std::collections::HashMap;
use std::hash::Hash;

/// See the module's documentation.
#[derive(Debug)]
pub struct Bounded<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    /// Of each generation.
    half_max: usize,
}

impl<K: Hash + Eq, V> Bounded<K, V> {
    /// Holds up to `count_max` entries; the `count_max / 2` used last stay in any case.
    pub fn new(count_max: usize) -> Bounded<K, V> {
        let half_max = (count_max / 2).max(1);
        Bounded { young: HashMap::new(), old: HashMap::new(), half_max }
    }

    pub fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// The value of `key`, used now; `make` makes it where there is none.
    pub fn entry(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        // To ask a map that is empty costs a hash, too.
        let known = if self.old.is_empty() { None } else { self.old.remove(&key) };
        if self.young.len() >= self.half_max && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.entry(key).or_insert_with(|| known.unwrap_or_else(make))
    }

    pub fn remove(&mut self, key: &K) -> Option<V> {
        let old = self.old.remove(key);
        self.young.remove(key).or(old)
    }

    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_stays_while_it_is_used() {
        let mut all = Bounded::new(10);
        *all.entry(0, || 0) += 1;
        for number in 1..1000 {
            all.entry(number, || 0);
            if number % 4 == 0 {
                *all.entry(0, || 0) += 1;
            }
        }
        assert_eq!(all.get(&0), Some(&250));
        assert_eq!(all.get(&1), None);
        assert_eq!(all.remove(&0), Some(250));
        assert_eq!(all.get(&0), None);
    }

    proptest! {
        /// Threat I13. Whatever is put in: the bound holds, and the last half is still there.
        #[test]
        fn it_stays_within_its_bound(keys in prop::collection::vec(0u16..300, 0..500)) {
            const MAX: usize = 64;
            let mut all = Bounded::new(MAX);
            for (at, key) in keys.iter().enumerate() {
                *all.entry(*key, || 0) = at;
                prop_assert!(all.len() <= MAX);
            }
            let mut last: Vec<(usize, u16)> = Vec::new();
            for (at, key) in keys.iter().enumerate().rev() {
                if last.iter().all(|(_, seen)| seen != key) {
                    last.push((at, *key));
                }
            }
            for (at, key) in last.into_iter().take(MAX / 2) {
                prop_assert_eq!(all.get(&key), Some(&at));
            }
        }
    }
}
