//! Where retained messages may be: the first levels of their topics. A new subscription elsewhere
//! needs no look into the store. What is not known counts as "there may be one".

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

use crate::model::Filter;
use crate::model::topic::split_level;

/// With more of them, nothing is known any more.
const FIRST_LEVELS_COUNT_MAX: usize = 256;

/// Shared by all workers. Right only where nobody else writes to the store.
#[derive(Default)]
pub struct RetainedLevels(RwLock<Levels>);

#[derive(Default)]
struct Levels {
    first: HashSet<Box<str>>,
    /// Of everything that the store holds. A level stays when its last message goes.
    are_all: bool,
    are_too_many: bool,
}

impl RetainedLevels {
    /// A message is to be retained, or is already. It has to be known before it is committed, so
    /// that whoever subscribes behind the commit finds it.
    pub fn note(&self, topic: &str) {
        let (level, _) = split_level(topic);
        let is_known = |levels: &Levels| levels.are_too_many || levels.first.contains(level);
        if !self.read(is_known) {
            self.change(|levels| levels.add(level));
        }
    }

    /// All that the store held was noted.
    pub fn found_all(&self) {
        self.change(|levels| levels.are_all = true);
    }

    pub fn are_too_many(&self) -> bool {
        self.read(|levels| levels.are_too_many)
    }

    /// False if no retained message has a topic that matches.
    pub fn may_match(&self, filter: &Filter) -> bool {
        let (level, _) = split_level(filter.as_str());
        self.read(|levels| match level {
            _ if levels.are_too_many || !levels.are_all => true,
            // What the broker says of itself is not in the store.
            _ if level.starts_with('$') => true,
            "+" | "#" => !levels.first.is_empty(),
            _ => levels.first.contains(level),
        })
    }

    fn read<T>(&self, look: impl FnOnce(&Levels) -> T) -> T {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, act: impl FnOnce(&mut Levels)) {
        act(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Levels {
    fn add(&mut self, level: &str) {
        if self.first.len() < FIRST_LEVELS_COUNT_MAX {
            self.first.insert(level.into());
        } else {
            self.are_too_many = true;
            self.first = HashSet::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILTERS: [&str; 5] = ["a/b", "b/#", "+/b", "#", "$SYS/x"];

    fn may(levels: &RetainedLevels) -> [bool; 5] {
        FILTERS.map(|filter| levels.may_match(&Filter::parse(filter).unwrap()))
    }

    #[test]
    fn until_all_are_known_there_may_be_some_anywhere() {
        let levels = RetainedLevels::default();
        assert_eq!(may(&levels), [true; 5]);
        levels.note("a/x");
        assert_eq!(may(&levels), [true; 5]);
        levels.found_all();
        assert_eq!(may(&levels), [true, false, true, true, true]);
        levels.note("b");
        assert_eq!(may(&levels), [true; 5]);
    }

    #[test]
    fn where_none_are_none_is_looked_for() {
        let levels = RetainedLevels::default();
        levels.found_all();
        assert_eq!(may(&levels), [false, false, false, false, true]);
    }

    #[test]
    fn of_too_many_nothing_is_known() {
        let levels = RetainedLevels::default();
        levels.found_all();
        (0..=FIRST_LEVELS_COUNT_MAX).for_each(|number| levels.note(&format!("{number}/x")));
        assert!(levels.are_too_many());
        assert_eq!(may(&levels), [true; 5]);
    }
}
