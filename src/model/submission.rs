//! What MQTT, HTTP, the bridge and the delay engine all hand in: one message for one target.

use std::sync::Arc;

use super::{Message, Target};

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
