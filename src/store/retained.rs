//! Retained messages (MQTT 5, section 3.3.1.3): one for each topic, the last that was published
//! with RETAIN. What the stores share: who may keep one, and where to look for a filter.

use std::sync::Arc;

use crate::model::{Filter, Message, Uid};

/// Keep the message as its topic's retained one, or remove that one if the body is empty. What its
/// sender may have of them, with this one; what is kept already stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retain {
    pub count_max: u64,
    /// Bodies and topics together.
    pub bytes_max: u64,
}

impl Retain {
    /// For senders that are not one user, and so have no common quota.
    pub const UNLIMITED: Retain = Retain { count_max: u64::MAX, bytes_max: u64::MAX };
}

/// Some of the retained messages of a filter, in the order of their topics.
#[derive(Clone, Debug, Default)]
pub struct RetainedPage {
    /// Also those whose expiry has passed: the reader passes them over.
    pub messages: Vec<Arc<Message>>,
    /// The topic to go on after; `None` at the end.
    pub next: Option<Box<str>>,
}

/// Topics that are looked at for one page: what a filter does not match costs time, too.
pub(super) const SCAN_COUNT_MAX: usize = 1000;

/// Who keeps the retained message of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) uid: Uid,
    pub(super) bytes: u64,
}

impl Owner {
    pub(super) fn of(message: &Message) -> Owner {
        Owner { uid: message.from.uid.clone(), bytes: bytes(message) }
    }
}

/// What counts against [`Retain::bytes_max`].
pub(super) fn bytes(message: &Message) -> u64 {
    (message.topic.len() + message.body.len() + message.attributes.as_bytes().len()) as u64
}

/// What a user keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) count: u64,
    pub(super) bytes: u64,
}

impl Kept {
    pub(super) fn from_columns(count: i64, bytes: i64) -> Kept {
        Kept { count: count.max(0) as u64, bytes: bytes.max(0) as u64 }
    }

    pub(super) fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }

    pub(super) fn remove(&mut self, bytes: u64) {
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    pub(super) fn has_room(self, retain: Retain) -> bool {
        self.count <= retain.count_max && self.bytes <= retain.bytes_max
    }
}

/// Where the topics of a filter lie in the order of their bytes: from the first on, before the
/// second. Others lie there, too.
pub(super) fn range(filter: &Filter) -> (&str, Option<String>) {
    let text = filter.as_str();
    let Some(wildcard) = text.find(['+', '#']) else {
        return (text, Some(format!("{text}\0")));
    };
    // Up to the slash before the wildcard. "a/#" has "a" itself, too.
    let literal = &text[..wildcard];
    match literal.strip_suffix('/') {
        None => ("", None),
        // '0' is the byte behind '/'.
        Some(parent) => {
            (if text.ends_with('#') { parent } else { literal }, Some(format!("{parent}0")))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> (String, Option<String>) {
        let filter = Filter::parse(text).unwrap();
        let (from, before) = range(&filter);
        (from.into(), before)
    }

    #[test]
    fn only_the_part_before_the_first_wildcard_is_looked_through() {
        assert_eq!(of("a/b"), ("a/b".into(), Some("a/b\0".into())));
        assert_eq!(of("a/#"), ("a".into(), Some("a0".into())));
        assert_eq!(of("a/+/c"), ("a/".into(), Some("a0".into())));
        assert_eq!(of("a/+/#"), ("a".into(), Some("a0".into())));
        assert_eq!(of("/+"), ("/".into(), Some("0".into())));
        assert_eq!(of("#"), (String::new(), None));
        assert_eq!(of("+/b"), (String::new(), None));
    }

    proptest! {
        #[test]
        fn whatever_a_filter_matches_lies_in_its_range(
            filter in "(\\+|a|b|\\$s|)(/(\\+|a|b|)){0,3}(/#)?",
            topic in "(a|b|\\$s|)(/(a|b|)){0,3}",
        ) {
            let Some(filter) = Filter::parse(&filter) else { return Ok(()) };
            if filter.matches(&topic) {
                let (from, before) = range(&filter);
                prop_assert!(from <= topic.as_str());
                prop_assert!(before.is_none_or(|before| topic.as_str() < before.as_str()));
            }
        }
    }
}
