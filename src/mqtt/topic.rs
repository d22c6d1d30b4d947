//! What a topic name and a topic filter may be (4.7), and the syntax of `$share` (4.8.2).

use super::Version;
use super::scan::has_wildcard_or_nul;

/// The longest topic name, filter or other text of the protocol, in bytes.
pub const TEXT_BYTES_MAX: usize = 65_535;

/// Whether a message may be published to this topic: 1 to 65,535 bytes, no `+`, `#` or U+0000.
pub fn topic_name_ok(name: &str) -> bool {
    !name.is_empty() && name.len() <= TEXT_BYTES_MAX && !has_wildcard_or_nul(name.as_bytes())
}

/// Whether one may subscribe to this filter by the rules of MQTT 5, `$share` included.
pub fn topic_filter_ok(filter: &str) -> bool {
    check_filter(filter, Version::V5).is_ok()
}

/// Why a filter is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.words())]
pub enum FilterFault {
    Empty,
    TooLong,
    Nul,
    Plus,
    Hash,
    Share,
    NoLocalOnShare,
}

impl FilterFault {
    /// The fault in words.
    pub const fn words(self) -> &'static str {
        match self {
            FilterFault::Empty => "the topic filter is empty",
            FilterFault::TooLong => "the topic filter is longer than 65,535 bytes",
            FilterFault::Nul => "the topic filter contains U+0000",
            FilterFault::Plus => "`+` in a topic filter must fill a whole level, as in a/+/b",
            FilterFault::Hash => "`#` in a topic filter must be the last level alone, as in a/#",
            FilterFault::Share => "a shared subscription is $share/{name}/{filter}",
            FilterFault::NoLocalOnShare => "no local on a shared subscription",
        }
    }
}

/// Checks a filter in one pass. In 3.1.1 `$share/` has no meaning of its own.
pub fn check_filter(filter: &str, version: Version) -> Result<(), FilterFault> {
    if filter.is_empty() {
        return Err(FilterFault::Empty);
    }
    if filter.len() > TEXT_BYTES_MAX {
        return Err(FilterFault::TooLong);
    }
    check_levels(filter.as_bytes())?;
    match version {
        Version::V5 => check_share(filter),
        Version::V311 => Ok(()),
    }
}

/// The share name and the filter behind it, if this is a well-formed shared subscription.
pub fn shared(filter: &str) -> Option<(&str, &str)> {
    let (name, rest) = filter.strip_prefix("$share/")?.split_once('/')?;
    let named = !name.is_empty() && !name.contains(['+', '#']);
    (named && !rest.is_empty()).then_some((name, rest))
}

fn check_share(filter: &str) -> Result<(), FilterFault> {
    if filter.starts_with("$share/") && shared(filter).is_none() {
        return Err(FilterFault::Share);
    }
    Ok(())
}

fn check_levels(filter: &[u8]) -> Result<(), FilterFault> {
    let mut before = b'/';
    for (at, &byte) in filter.iter().enumerate() {
        let after = filter.get(at + 1).copied();
        match byte {
            0 => return Err(FilterFault::Nul),
            b'+' if before != b'/' || !matches!(after, None | Some(b'/')) => {
                return Err(FilterFault::Plus);
            }
            b'#' if before != b'/' || after.is_some() => return Err(FilterFault::Hash),
            _ => before = byte,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_names() {
        for name in ["a", "/", "a//b", "$SYS/x", " ", "ж", &"x".repeat(65_535)] {
            assert!(topic_name_ok(name), "{name}");
        }
        for name in ["", "+", "a/#", "a+b", "a\0", &"x".repeat(65_536)] {
            assert!(!topic_name_ok(name), "{name}");
        }
    }

    #[test]
    fn topic_filters() {
        for filter in ["#", "+", "/", "+/+", "a/+/b", "a/#", "/#", "$SYS/#", "+/a/#", "$share"] {
            assert_eq!(check_filter(filter, Version::V5), Ok(()), "{filter}");
        }
        let faults = [
            ("", FilterFault::Empty),
            ("a\0b", FilterFault::Nul),
            ("a#", FilterFault::Hash),
            ("#/a", FilterFault::Hash),
            ("a/#/", FilterFault::Hash),
            ("a+", FilterFault::Plus),
            ("+a", FilterFault::Plus),
            ("a/++", FilterFault::Plus),
            ("$share/g", FilterFault::Share),
            ("$share//a", FilterFault::Share),
        ];
        for (filter, fault) in faults {
            assert_eq!(check_filter(filter, Version::V5), Err(fault), "{filter}");
        }
        let long = "x".repeat(65_536);
        assert_eq!(check_filter(&long, Version::V311), Err(FilterFault::TooLong));
    }

    /// Threat W7.
    #[test]
    fn shared_subscriptions_are_taken_apart() {
        assert_eq!(shared("$share/g/a/#"), Some(("g", "a/#")));
        assert_eq!(shared("$share/g//"), Some(("g", "/")));
        for filter in ["$share/g", "$share/g/", "$share//a", "$share/+/a", "$SHARE/g/a", "a"] {
            assert_eq!(shared(filter), None, "{filter}");
        }
    }

    /// Threat W4. The 200 levels that overflowed another broker's stack are nothing here.
    #[test]
    fn deep_filters_are_walked_without_recursion() {
        let deep = "+/".repeat(32_767);
        assert_eq!(check_filter(&deep, Version::V5), Ok(()));
    }
}
