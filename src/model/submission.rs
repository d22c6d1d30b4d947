//! What MQTT, HTTP, the bridge and the delay engine all hand in: one message for one target.

use std::sync::Arc;

use super::{DueKey, Message, Stamp, Target};

/// One message on its way in.
#[derive(Clone, Debug)]
pub struct Submission {
    pub target: Target,
    pub message: Arc<Message>,
    pub dedupe: Option<DedupeKey>,
    pub timing: Timing,
}

/// When a message is to go out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Timing {
    #[default]
    Now,
    Later(Later),
    /// It has waited, and goes out.
    Due,
}

/// What a message for later does to what waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Later {
    /// It waits until then. With a key it takes the place of what waits under that.
    At { at: Stamp, key: Option<DueKey> },
    /// What waits under this key is not to go out; the message says no more.
    Cancel { key: DueKey },
}

/// The publisher's own id of a message (user property `message-id`, `Idempotency-Key`). The same
/// key from the same uid is the same message; it is kept in the transaction that stores it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DedupeKey(pub Box<str>);
