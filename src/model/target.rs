//! From a topic to whom it means: the one place that reads the topic table of the design.

use super::due::DELAYED;
use super::share::SHARE_PREFIX;
use super::topic::split_level;
use super::{Filter, IdError, Reason, Selector, TopicName, Uid};

/// Where a publish goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The inbox of a user: every device gets it.
    User(Uid),
    /// Plain MQTT: whoever subscribed.
    Plain(TopicName),
}

/// What a filter of a SUBSCRIBE asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interest {
    /// A user's inbox as raw messages.
    Inbox(Uid),
    /// A user's inbox as JSON envelopes.
    Envelope(Uid),
    /// Plain MQTT, shared or not.
    Plain(Selector),
}

/// Why a topic or filter means nothing here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error("'{0}' is no user: {1}")]
    NotAUid(String, IdError),
    #[error("'{0}' cannot be published to: the server writes it")]
    ServerOnly(String),
    #[error("{0}")]
    Delay(String),
    #[error("'{0}' cannot be subscribed to: what is delayed comes on its own topic")]
    PublishOnly(String),
    #[error("'{0}' belongs to a feature that is not served here")]
    NotServed(String),
    #[error("'{0}' shares an inbox: every device of its user gets all of it; leave out $share")]
    NeverShared(String),
    #[error("'{0}' is not a valid topic or filter")]
    Malformed(String),
}

impl TargetError {
    pub fn reason(&self) -> Reason {
        match self {
            TargetError::NotAUid(..) | TargetError::Malformed(_) | TargetError::Delay(_) => {
                Reason::TopicInvalid
            }
            TargetError::ServerOnly(_)
            | TargetError::PublishOnly(_)
            | TargetError::NeverShared(_) => Reason::NotAuthorized,
            TargetError::NotServed(_) => Reason::NotServed,
        }
    }
}

/// Which topics are inboxes: `{uid}` by default, `u/{uid}` to leave single-level topics plain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxPattern {
    prefix: Box<str>,
}

impl Default for InboxPattern {
    fn default() -> Self {
        InboxPattern { prefix: "".into() }
    }
}

impl InboxPattern {
    /// Reads `topics.inbox`: literal levels, then `{uid}` as the last level.
    pub fn parse(text: &str) -> Option<InboxPattern> {
        let prefix = text.strip_suffix("{uid}")?;
        let literal = prefix.is_empty() || (prefix.ends_with('/') && prefix.len() > 1);
        let plain = !prefix.contains(['+', '#', '{', '}', '\0']) && !prefix.starts_with('$');
        (literal && plain).then(|| InboxPattern { prefix: prefix.into() })
    }

    /// The topic a receiver sees for mail in this inbox.
    pub fn topic(&self, uid: &Uid) -> String {
        format!("{}{uid}", self.prefix)
    }

    pub fn envelope_topic(&self, uid: &Uid) -> String {
        format!("{}{uid}/envelope", self.prefix)
    }

    /// This topic is a user's inbox, if it is any at all.
    pub fn is_inbox(&self, topic: &str) -> bool {
        let rest = topic.strip_prefix(&*self.prefix);
        rest.is_some_and(|rest| split_level(rest).1.is_none())
    }

    /// Reads the topic of a PUBLISH.
    pub fn target(&self, topic: &str) -> Result<Target, TargetError> {
        if let Some(rest) = topic.strip_prefix(&*self.prefix) {
            match split_level(rest).1 {
                None => return self.user(topic, rest).map(Target::User),
                Some("envelope") => return Err(TargetError::ServerOnly(topic.into())),
                Some("events") => return Err(TargetError::NotServed(topic.into())),
                Some(_) => {}
            }
        }
        not_served(topic)?;
        if is_sys(topic) {
            return Err(TargetError::ServerOnly(topic.into()));
        }
        let malformed = || TargetError::Malformed(topic.into());
        TopicName::parse(topic).map(Target::Plain).ok_or_else(malformed)
    }

    /// Reads a filter of a SUBSCRIBE. A wildcard never means an inbox.
    pub fn interest(&self, filter: &str) -> Result<Interest, TargetError> {
        match filter.strip_prefix(SHARE_PREFIX) {
            Some(rest) => self.shared(filter, rest),
            None => self.unshared(filter),
        }
    }

    /// Who shares sees no more than who does not (threat W7).
    fn shared(&self, whole: &str, rest: &str) -> Result<Interest, TargetError> {
        let malformed = || TargetError::Malformed(whole.into());
        let (name, filter) = rest.split_once('/').ok_or_else(malformed)?;
        match self.unshared(filter)? {
            Interest::Plain(selector) => Selector::shared(name, selector.filter().clone())
                .map(Interest::Plain)
                .ok_or_else(malformed),
            Interest::Inbox(_) | Interest::Envelope(_) => {
                Err(TargetError::NeverShared(whole.into()))
            }
        }
    }

    fn unshared(&self, filter: &str) -> Result<Interest, TargetError> {
        if let Some(rest) = filter.strip_prefix(&*self.prefix)
            && !rest.contains(['+', '#'])
        {
            match rest.split_once('/') {
                None => return self.user(filter, rest).map(Interest::Inbox),
                Some((uid, "envelope")) => return self.user(filter, uid).map(Interest::Envelope),
                Some((_, "events")) => return Err(TargetError::NotServed(filter.into())),
                Some(_) => {}
            }
        }
        if filter.split('/').next() == Some(DELAYED) {
            return Err(TargetError::PublishOnly(filter.into()));
        }
        not_served(filter)?;
        let malformed = || TargetError::Malformed(filter.into());
        let selector = Filter::parse(filter).map(Selector::plain);
        selector.map(Interest::Plain).ok_or_else(malformed)
    }

    fn user(&self, topic: &str, uid: &str) -> Result<Uid, TargetError> {
        Uid::parse(uid).map_err(|error| TargetError::NotAUid(topic.into(), error))
    }
}

/// Where the server tells about itself.
const SYS: &str = "$SYS";

/// A topic or filter under `$SYS`, which the server alone writes.
pub fn is_sys(topic: &str) -> bool {
    topic.strip_prefix(SYS).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Topics of the design that this version refuses in words instead of treating them as plain.
fn not_served(topic: &str) -> Result<(), TargetError> {
    match split_level(topic) {
        ("group" | "room" | "push", Some(_)) | ("$share" | "$delayed", _) => {
            Err(TargetError::NotServed(topic.into()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(text: &str) -> Uid {
        Uid::parse(text).unwrap()
    }

    #[test]
    fn one_level_is_a_user_and_more_levels_are_plain() {
        let topics = InboxPattern::default();
        assert_eq!(topics.target("ut001"), Ok(Target::User(uid("ut001"))));
        assert!(matches!(topics.target("a/b"), Ok(Target::Plain(_))));
        assert!(matches!(topics.target("ut001/envelope"), Err(TargetError::ServerOnly(_))));
        assert!(matches!(topics.target("group/1"), Err(TargetError::NotServed(_))));
        assert!(matches!(topics.target("$SYS/x"), Err(TargetError::ServerOnly(_))));
        assert!(matches!(topics.interest("$SYS/#"), Ok(Interest::Plain(_))));
        assert!(matches!(topics.target("$delayed/1/a"), Err(TargetError::NotServed(_))));
        // Other dollars mean nothing here.
        assert!(matches!(topics.target("$dollar/x"), Ok(Target::Plain(_))));
        assert!(matches!(topics.target("$SYSTEM/x"), Ok(Target::Plain(_))));
    }

    #[test]
    fn a_wildcard_never_means_an_inbox() {
        let topics = InboxPattern::default();
        assert!(matches!(topics.interest("#"), Ok(Interest::Plain(_))));
        assert!(matches!(topics.interest("+"), Ok(Interest::Plain(_))));
        assert_eq!(topics.interest("bob"), Ok(Interest::Inbox(uid("bob"))));
        assert_eq!(topics.interest("bob/envelope"), Ok(Interest::Envelope(uid("bob"))));
    }

    /// Threat W7.
    #[test]
    fn sharing_opens_nothing_that_is_closed_without_it() {
        let topics = InboxPattern::default();
        let Ok(Interest::Plain(selector)) = topics.interest("$share/g/a/+") else { panic!() };
        assert_eq!((selector.text().as_str(), selector.filter().as_str()), ("$share/g/a/+", "a/+"));
        for own in ["$share/g/bob", "$share/g/bob/envelope"] {
            assert!(matches!(topics.interest(own), Err(TargetError::NeverShared(_))), "{own}");
        }
        for closed in ["$share/g/$SYS/#", "$share/g/group/1", "$share/g/$share/h/a/b"] {
            let inner = &closed["$share/g/".len()..];
            assert_eq!(topics.interest(closed).is_ok(), topics.unshared(inner).is_ok(), "{closed}");
        }
        for bad in ["$share/g", "$share//a/b", "$share/+/a/b", "$share/g/", "$share/g/a#"] {
            let reason = topics.interest(bad).unwrap_err().reason();
            assert_eq!(reason, Reason::TopicInvalid, "{bad}");
        }
    }

    #[test]
    fn under_a_prefix_single_levels_are_plain_and_the_suffixes_move_along() {
        let topics = InboxPattern::parse("u/{uid}").unwrap();
        assert!(matches!(topics.target("ut001"), Ok(Target::Plain(_))));
        assert_eq!(topics.target("u/ut001"), Ok(Target::User(uid("ut001"))));
        assert!(matches!(topics.target("u/ut001/envelope"), Err(TargetError::ServerOnly(_))));
        assert_eq!(topics.topic(&uid("a")), "u/a");
        for bad in ["{uid}/x", "u{uid}", "+/{uid}", "$u/{uid}", "{uid}{uid}", "/{uid}"] {
            assert_eq!(InboxPattern::parse(bad), None, "{bad}");
        }
    }
}
