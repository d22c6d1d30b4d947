//! Names: of users, devices, sessions and messages. Each exists only valid: no later code checks.

use std::fmt;
use std::sync::Arc;

use super::limit::{CLIENT_ID_BYTES_MAX, UID_BYTES_MAX};

/// Why a text cannot be a name. The words go to the client and into the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("a uid must not be empty")]
    EmptyUid,
    #[error("a uid has at most {UID_BYTES_MAX} bytes of UTF-8")]
    LongUid,
    #[error("a uid must not contain '+', '#', '/' or control characters: {0:?}")]
    BadUid(String),
    #[error("a uid must not start with '$' and must not be group, room or push: {0:?}")]
    ReservedUid(String),
    #[error("a client id has at most {CLIENT_ID_BYTES_MAX} bytes of UTF-8")]
    LongClientId,
    #[error("a client id must not contain control characters")]
    BadClientId,
}

/// The name that all connections without a login share. It is no uid that [`Uid::parse`] takes, so
/// that nobody can log in under it and no topic can mean its inbox.
const ANONYMOUS: &str = "$anonymous";

/// A user. 1 to 128 bytes of UTF-8 without `+ # /` and controls; equality is exact bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(Arc<str>);

impl Uid {
    pub fn parse(text: &str) -> Result<Uid, IdError> {
        match text {
            "" => Err(IdError::EmptyUid),
            _ if text.len() > UID_BYTES_MAX => Err(IdError::LongUid),
            _ if text.bytes().any(|b| matches!(b, b'+' | b'#' | b'/')) || has_control(text) => {
                Err(IdError::BadUid(text.into()))
            }
            "group" | "room" | "push" => Err(IdError::ReservedUid(text.into())),
            _ if text.starts_with('$') => Err(IdError::ReservedUid(text.into())),
            _ => Ok(Uid(text.into())),
        }
    }

    /// Whoever came without a login (`auth.anonymous`).
    pub fn anonymous() -> Uid {
        Uid(ANONYMOUS.into())
    }

    /// The broker itself, as the sender of what is under `$SYS`.
    pub fn broker() -> Uid {
        Uid("$SYS".into())
    }

    /// What the broker has stored, and what a ban is of: they know the reserved name, too.
    ///
    /// # Errors
    /// [`IdError`]
    pub fn from_store(text: &str) -> Result<Uid, IdError> {
        if text == ANONYMOUS { Ok(Uid::anonymous()) } else { Uid::parse(text) }
    }

    pub fn is_anonymous(&self) -> bool {
        &*self.0 == ANONYMOUS
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A device of a user: the MQTT client identifier, the XMPP resource. Up to 256 bytes of UTF-8
/// without controls. Empty means: no device, live mail only.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(Arc<str>);

impl ClientId {
    pub fn parse(text: &str) -> Result<ClientId, IdError> {
        if text.len() > CLIENT_ID_BYTES_MAX {
            return Err(IdError::LongClientId);
        }
        if has_control(text) {
            return Err(IdError::BadClientId);
        }
        Ok(ClientId(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a session is known by. Two users with the same client id never meet.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey {
    pub uid: Uid,
    pub client_id: ClientId,
}

/// A message's name for ever: a ULID, so it sorts by time. Its random part is injected.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u128);

impl MessageId {
    pub fn new(stamp: super::Stamp, random: u128) -> MessageId {
        MessageId(ulid::Ulid::from_parts(stamp.0.max(0) as u64, random).0)
    }

    /// Reads the 26 letters that [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<MessageId> {
        ulid::Ulid::from_string(text).ok().map(|id| MessageId(id.0))
    }
}

/// Position in one recipient's log: dense, starting at 1. Zero means "before the first".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

impl Seq {
    pub fn next(self) -> Seq {
        Seq(self.0 + 1)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ulid::Ulid(self.0).fmt(f)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.uid, self.client_id)
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Names are mostly ASCII, which needs no decoding.
fn has_control(text: &str) -> bool {
    match text.is_ascii() {
        true => text.bytes().any(|byte| byte.is_ascii_control()),
        false => text.chars().any(char::is_control),
    }
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

text_like!(Uid);
text_like!(ClientId);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Stamp;

    #[test]
    fn a_uid_refuses_what_would_defeat_a_topic_pattern() {
        for bad in ["", "a+b", "#", "a/b", "$SYS", "a\u{0}b", "a\nb", "group", "room", "push"] {
            assert!(Uid::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Uid::parse(&"u".repeat(129)).is_err());
        for good in ["ut001", "groups", "пользователь", "张三", "a@b", &"u".repeat(128)]
        {
            assert!(Uid::parse(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn the_name_of_those_without_a_login_is_only_read_from_the_store() {
        assert!(Uid::parse(ANONYMOUS).is_err());
        assert!(Uid::from_store(ANONYMOUS).unwrap().is_anonymous());
        assert!(!Uid::from_store("anonymous").unwrap().is_anonymous());
        assert!(Uid::from_store("$SYS").is_err());
    }

    #[test]
    fn a_client_id_may_hold_anything_but_controls() {
        assert!(ClientId::parse("").is_ok_and(|id| id.is_empty()));
        assert!(ClientId::parse("phone/1 #+").is_ok());
        assert!(ClientId::parse("a\u{7f}").is_err());
        assert!(ClientId::parse(&"c".repeat(257)).is_err());
    }

    #[test]
    fn message_ids_sort_by_time_and_survive_text() {
        let early = MessageId::new(Stamp(1_000), u128::MAX);
        let late = MessageId::new(Stamp(1_001), 0);
        assert!(early < late);
        assert_eq!(MessageId::parse(&late.to_string()), Some(late));
        assert_eq!(MessageId::parse("not an id"), None);
    }
}
