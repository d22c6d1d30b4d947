//! What MQTT, HTTP, the bridge and the delay engine all hand in: one message for one target, and
//! the answer to it.

use std::sync::Arc;

use super::{Message, MessageId, Reason, Sender, Target};

/// One message on its way in.
#[derive(Clone, Debug)]
pub struct Submission {
    pub target: Target,
    pub message: Arc<Message>,
    pub dedupe: Option<DedupeKey>,
}

/// The publisher's own id of a message (user property `message-id`, `Idempotency-Key`). The same
/// key from the same uid is the same message; it is kept in the transaction that stores it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DedupeKey(pub Box<str>);

/// What became of a submission, once it is committed or refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Committed for every durable addressee, or there was none.
    Accepted {
        id: MessageId,
    },
    /// It is stored already, under this id.
    Duplicate {
        id: MessageId,
    },
    Refused {
        reason: Reason,
        words: Box<str>,
    },
}

impl Outcome {
    pub fn refused(reason: Reason, words: impl Into<Box<str>>) -> Outcome {
        Outcome::Refused { reason, words: words.into() }
    }
}

impl Message {
    pub fn is_from(&self, sender: &Sender) -> bool {
        self.from == *sender
    }
}
