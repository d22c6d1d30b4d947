//! A durable log and its records: one log per recipient, `seq` dense within it.

use std::fmt;
use std::sync::Arc;

use super::{Message, QoS, Seq, SessionKey, ShareId, Uid};

/// Whose log: the three kinds of durable addressee.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Recipient {
    /// A user's inbox; every device of the user reads it with a cursor of its own.
    Inbox(Uid),
    /// The queue of one durable MQTT session (plain topics).
    Session(SessionKey),
    /// What another system still has to take: bridge, webhooks, Kafka.
    Feed(Arc<str>),
}

/// How one recipient gets a message; differs from recipient to recipient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// The QoS it is sent with: for a session the lesser of published and granted.
    pub qos: QoS,
    /// The RETAIN flag it is sent with.
    pub retain: bool,
    /// The shared subscription whose copy it is: it was picked among several.
    pub share: Option<ShareId>,
}

impl Delivery {
    /// A copy of its own.
    pub const fn plain(qos: QoS, retain: bool) -> Delivery {
        Delivery { qos, retain, share: None }
    }
}

/// One committed record of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub seq: Seq,
    pub delivery: Delivery,
    pub message: Arc<Message>,
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Recipient::Inbox(uid) => write!(f, "inbox {uid}"),
            Recipient::Session(key) => write!(f, "session {key}"),
            Recipient::Feed(name) => write!(f, "feed {name}"),
        }
    }
}
