//! A message that waits for its time: left by a publish to `$delayed/…`, or as a will.

use std::sync::Arc;
use std::time::Duration;

use super::limit::{DELAY_SECS_MAX, DUE_KEY_BYTES_MAX};
use super::{ClientId, Identity, Message, Stamp};

/// A message and when it is to go out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    pub at: Stamp,
    pub name: Option<DueName>,
    /// As it was left: it gets its time, and its end, when it goes out.
    pub message: Arc<Message>,
    /// Who left it, with the rights of that login.
    pub who: Arc<Identity>,
}

impl Due {
    /// The message as it goes out now: it is new from now on, and what it may live begins.
    pub fn message_at(&self, now: Stamp) -> Message {
        let left = &self.message;
        let expires_at = left.expires_at.map(|at| now.after(left.ts.until(at)));
        Message { ts: now, expires_at, ..(**left).clone() }
    }
}

/// By what its owner finds it again, as long as it waits. There is one of each name per user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DueName {
    /// The publisher's own.
    Key(DueKey),
    /// The same of a client without a login, which shares its uid with all the others.
    AnonymousKey(ClientId, DueKey),
    /// The will of this device.
    Will(ClientId),
}

const KEY: &str = "k";
const ANONYMOUS_KEY: &str = "a";
/// Neither a client id nor a key has one.
const BETWEEN: char = '\n';
const WILL: &str = "w";

impl DueName {
    /// What `who` has left under this key.
    pub fn of_key(key: DueKey, who: &Identity) -> DueName {
        match who.uid.is_anonymous() {
            true => DueName::AnonymousKey(who.client_id.clone(), key),
            false => DueName::Key(key),
        }
    }

    pub fn is_will(&self) -> bool {
        matches!(self, DueName::Will(_))
    }

    /// As one column: a letter for the kind, then the name.
    pub fn to_column(&self) -> String {
        match self {
            DueName::Key(DueKey(key)) => format!("{KEY}{key}"),
            DueName::AnonymousKey(client_id, DueKey(key)) => {
                format!("{ANONYMOUS_KEY}{client_id}{BETWEEN}{key}")
            }
            DueName::Will(client_id) => format!("{WILL}{client_id}"),
        }
    }

    pub fn from_column(text: &str) -> Option<DueName> {
        let (kind, name) = text.split_at_checked(1)?;
        match kind {
            KEY => DueKey::parse(name).map(DueName::Key),
            ANONYMOUS_KEY => {
                let (client_id, key) = name.split_once(BETWEEN)?;
                Some(DueName::AnonymousKey(ClientId::parse(client_id).ok()?, DueKey::parse(key)?))
            }
            WILL => ClientId::parse(name).ok().map(DueName::Will),
            _ => None,
        }
    }
}

/// A publisher's name for a message that waits (user property `delayed-key`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DueKey(Box<str>);

impl DueKey {
    /// `None` if it is empty, longer than [`DUE_KEY_BYTES_MAX`] or has a control character.
    pub fn parse(text: &str) -> Option<DueKey> {
        let ok = (1..=DUE_KEY_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control);
        ok.then(|| DueKey(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `$delayed/{seconds}/{topic}`: what a publish to such a topic means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DelayedTopic<'a> {
    pub delay: Duration,
    /// Where it goes.
    pub topic: &'a str,
}

/// The first level of such a topic.
pub const DELAYED: &str = "$delayed";

impl<'a> DelayedTopic<'a> {
    /// `None` for any other topic.
    ///
    /// # Errors
    /// In words: it begins like one and is none.
    pub fn parse(topic: &'a str) -> Option<Result<DelayedTopic<'a>, String>> {
        let rest = topic.strip_prefix(DELAYED)?;
        if !rest.is_empty() && !rest.starts_with('/') {
            return None;
        }
        Some(DelayedTopic::parse_rest(rest).ok_or_else(|| {
            format!(
                "'{topic}' is not {DELAYED}/{{seconds}}/{{topic}} with whole seconds from 0 to \
                 {DELAY_SECS_MAX}"
            )
        }))
    }

    fn parse_rest(rest: &str) -> Option<DelayedTopic<'_>> {
        let (secs, topic) = rest.strip_prefix('/')?.split_once('/')?;
        let digits = !secs.is_empty() && secs.bytes().all(|b| b.is_ascii_digit());
        let secs = digits.then(|| secs.parse::<u64>().ok())??;
        let delay = Duration::from_secs(secs);
        (secs <= DELAY_SECS_MAX && !topic.is_empty()).then_some(DelayedTopic { delay, topic })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Kind, MessageId, QoS, Sender, Uid};

    fn parsed(topic: &str) -> Option<(u64, &str)> {
        let delayed = DelayedTopic::parse(topic)?.ok()?;
        Some((delayed.delay.as_secs(), delayed.topic))
    }

    #[test]
    fn seconds_and_topic_are_read() {
        assert_eq!(parsed("$delayed/0/bob"), Some((0, "bob")));
        assert_eq!(parsed("$delayed/0060/a/b/c"), Some((60, "a/b/c")));
        assert_eq!(parsed("$delayed/4294967/x"), Some((DELAY_SECS_MAX, "x")));
        assert_eq!(parsed("$delayed/1//x"), Some((1, "/x")));
    }

    #[test]
    fn what_begins_like_one_and_is_none_is_refused_in_words() {
        for bad in [
            "$delayed",
            "$delayed/",
            "$delayed/1",
            "$delayed/1/",
            "$delayed//x",
            "$delayed/x/y",
            "$delayed/-1/x",
            "$delayed/+1/x",
            "$delayed/1.5/x",
            "$delayed/4294968/x",
            "$delayed/99999999999999999999999/x",
            "$delayed/ 1/x",
            "$delayed/١/x",
        ] {
            let words = DelayedTopic::parse(bad).expect(bad).expect_err(bad);
            assert!(words.contains("0 to 4294967"), "{words}");
        }
        for other in ["bob", "$delayedly/1/x", "a/$delayed/1/x", "$SYS/x"] {
            assert_eq!(DelayedTopic::parse(other), None, "{other}");
        }
    }

    #[test]
    fn names_survive_their_column_and_kinds_never_meet() {
        let key = DueName::Key(DueKey::parse("wake-up").unwrap());
        let will = DueName::Will(ClientId::parse("ake-up").unwrap());
        let nobody = Identity::user(Uid::anonymous());
        let own = DueName::of_key(DueKey::parse("wake-up").unwrap(), &nobody);
        for name in [&key, &will, &own] {
            assert_eq!(DueName::from_column(&name.to_column()).as_ref(), Some(name));
        }
        assert_ne!(key.to_column(), will.to_column());
        for foreign in ["", "k", "xa", "ж", "k\0", "a", "ab", "ab\n"] {
            assert_eq!(DueName::from_column(foreign), None, "{foreign:?}");
        }
    }

    #[test]
    fn what_a_message_may_live_begins_when_it_goes_out() {
        let uid = Uid::parse("ann").unwrap();
        let message = Message {
            id: MessageId(1),
            from: Sender { uid: uid.clone(), client_id: ClientId::default() },
            kind: Kind::Chat,
            ts: Stamp(1000),
            expires_at: Some(Stamp(4000)),
            topic: "bob".into(),
            retain: false,
            qos: QoS::AtLeastOnce,
            body: Default::default(),
            attributes: Default::default(),
        };
        let who = Arc::new(Identity::user(uid));
        let due = Due { at: Stamp(60_000), name: None, message: Arc::new(message), who };
        let out = due.message_at(Stamp(70_000));
        assert_eq!((out.ts, out.expires_at), (Stamp(70_000), Some(Stamp(73_000))));
    }
}
