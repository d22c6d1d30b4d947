//! What a plain subscription selects, alone or shared with others: `$share/{name}/{filter}`
//! (MQTT 5, section 4.8.2).

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;

use super::Filter;

/// How the filter of a shared subscription begins.
pub const SHARE_PREFIX: &str = "$share/";

/// Bits of a [`ShareId`].
const SHARE_ID_BITS: u32 = 48;

/// Names a shared subscription, its name and its filter, wherever a copy goes: in the store and in
/// memory. A hash: two subscriptions that match one topic share an id by chance once in 2^48.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShareId(NonZeroU64);

impl ShareId {
    /// `None` for zero and for what has more than 48 bits.
    pub fn from_number(number: u64) -> Option<ShareId> {
        NonZeroU64::new(number).filter(|id| id.get() >> SHARE_ID_BITS == 0).map(ShareId)
    }

    /// 1 to 2^48 - 1.
    pub fn number(self) -> u64 {
        self.0.get()
    }

    fn of(text: &str) -> ShareId {
        let hash = xxhash_rust::xxh3::xxh3_64(text.as_bytes()) >> (u64::BITS - SHARE_ID_BITS);
        ShareId(NonZeroU64::new(hash).unwrap_or(NonZeroU64::MIN))
    }
}

/// A plain filter, and with whom its messages are shared, if they are.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selector {
    filter: Filter,
    share: Option<Arc<Share>>,
}

/// The name of a shared subscription, and what both make.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share {
    name: Box<str>,
    text: Filter,
    id: ShareId,
}

impl Share {
    /// ShareName of the standard.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn id(&self) -> ShareId {
        self.id
    }
}

impl Selector {
    /// Every subscriber gets its own copy.
    pub fn plain(filter: Filter) -> Selector {
        Selector { filter, share: None }
    }

    /// One of all those who name the same share and filter gets each message. `None` if the name is
    /// none [MQTT-4.8.2-1], or the whole is longer than a filter may be.
    pub fn shared(name: &str, filter: Filter) -> Option<Selector> {
        if name.is_empty() || name.contains(['/', '+', '#', '\0']) {
            return None;
        }
        let text = Filter::parse(&format!("{SHARE_PREFIX}{name}/{filter}"))?;
        let (name, id) = (name.into(), ShareId::of(text.as_str()));
        Some(Selector { filter, share: Some(Arc::new(Share { name, text, id })) })
    }

    /// What topics are matched with.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    pub fn share(&self) -> Option<&Share> {
        self.share.as_deref()
    }

    pub fn share_id(&self) -> Option<ShareId> {
        self.share().map(Share::id)
    }

    /// As the client wrote it.
    pub fn text(&self) -> &Filter {
        self.share().map_or(&self.filter, |share| &share.text)
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::limit::TOPIC_LEVELS_MAX;

    fn shared(name: &str, filter: &str) -> Option<Selector> {
        Selector::shared(name, Filter::parse(filter).unwrap())
    }

    /// Threat W7.
    #[test]
    fn a_share_has_a_name_of_one_level_without_wildcards() {
        for bad in ["", "a/b", "+", "#", "a+", "a\0"] {
            assert_eq!(shared(bad, "x"), None, "{bad:?}");
        }
        let deep = vec!["a"; TOPIC_LEVELS_MAX].join("/");
        assert_eq!(shared("g", &deep), None, "it would not come back from the store");
        let whole = shared("g", "a/#").unwrap();
        assert_eq!(whole.text().as_str(), "$share/g/a/#");
        assert_eq!(whole.filter().as_str(), "a/#");
    }

    #[test]
    fn name_and_filter_make_the_identity() {
        let ids = [("g", "a"), ("h", "a"), ("g", "b"), ("g", "a/b")]
            .map(|(name, filter)| shared(name, filter).unwrap().share_id());
        assert_eq!(std::collections::HashSet::from(ids).len(), ids.len());
        assert_eq!(ids[0], shared("g", "a").unwrap().share_id());
        let number = ids[0].unwrap().number();
        assert_eq!(ShareId::from_number(number), ids[0]);
        assert_eq!(ShareId::from_number(0), None);
        assert_eq!(ShareId::from_number(1 << 48), None);
    }
}
