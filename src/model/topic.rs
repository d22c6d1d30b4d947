//! Topic names and filters of plain MQTT (MQTT 5, section 4.7), split into levels and matched
//! without recursion.

use std::fmt;
use std::sync::Arc;

use super::limit::TOPIC_LEVELS_MAX;

/// A topic that can be published to: no wildcards, no NUL, not empty.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicName(Arc<str>);

impl TopicName {
    pub fn parse(text: &str) -> Option<TopicName> {
        let wild = |byte: u8| matches!(byte, b'+' | b'#' | 0);
        let ok = !text.is_empty() && !text.bytes().any(wild) && levels_ok(text);
        ok.then(|| TopicName(text.into()))
    }

    /// The text, for others to keep.
    pub fn shared(&self) -> Arc<str> {
        self.0.clone()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A filter that can be subscribed to: `+` fills one level, `#` ends it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Filter(Arc<str>);

impl Filter {
    pub fn parse(text: &str) -> Option<Filter> {
        if text.is_empty() || text.contains('\0') || !levels_ok(text) {
            return None;
        }
        let mut levels = text.split('/').peekable();
        while let Some(level) = levels.next() {
            let wild = level.contains(['+', '#']);
            if wild && (level.len() > 1 || (level == "#" && levels.peek().is_some())) {
                return None;
            }
        }
        Some(Filter(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// [MQTT-4.7.1-2], [MQTT-4.7.2-1]: `a/#` also matches `a`; a leading wildcard never `$…`.
    pub fn matches(&self, topic: &str) -> bool {
        if topic.starts_with('$') && self.0.starts_with(['+', '#']) {
            return false;
        }
        let mut names = topic.split('/');
        for level in self.0.split('/') {
            match (level, names.next()) {
                ("#", _) => return true,
                ("+", Some(_)) => {}
                (_, Some(name)) if level == name => {}
                _ => return false,
            }
        }
        names.next().is_none()
    }
}

/// The first level of a topic or filter, and what is behind its `/`, if there is one. Levels are
/// short: going through their bytes is quicker than setting up a search.
pub fn split_level(text: &str) -> (&str, Option<&str>) {
    let slash = text.bytes().position(|byte| byte == b'/');
    match slash.and_then(|at| Some((text.get(..at)?, text.get(at + 1..)?))) {
        Some((level, rest)) => (level, Some(rest)),
        None => (text, None),
    }
}

fn levels_ok(text: &str) -> bool {
    text.len() <= usize::from(u16::MAX)
        && text.bytes().filter(|b| *b == b'/').count() < TOPIC_LEVELS_MAX
}

macro_rules! text_like {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

text_like!(TopicName);
text_like!(Filter);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_as_the_specification_says() {
        let cases = [
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("a/+/c", "a/b/c", true),
            ("a/+", "a", false),
            ("+", "/", false),
            ("+/+", "/x", true),
            ("#", "$SYS/x", false),
            ("+/x", "$SYS/x", false),
            ("$SYS/#", "$SYS/x", true),
            ("a/b", "a/b/", false),
        ];
        for (filter, topic, expected) in cases {
            assert_eq!(Filter::parse(filter).unwrap().matches(topic), expected, "{filter} {topic}");
        }
    }

    #[test]
    fn malformed_filters_and_names_do_not_exist() {
        for bad in ["", "a#", "a/#/b", "+a", "a/b+", "##", "a\0"] {
            assert_eq!(Filter::parse(bad), None, "{bad:?}");
        }
        for bad in ["", "a/+", "#", "a\0", &"/".repeat(TOPIC_LEVELS_MAX)] {
            assert_eq!(TopicName::parse(bad), None, "{bad:?}");
        }
    }
}
