//! What a transaction writes back: sets of rows, so that each set is one statement.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::{DedupeId, Device, Session};
use crate::model::{
    Ban, BanTarget, ClientId, Delivery, Due, Filter, Message, MessageId, Recipient, Seq,
    SessionKey, Uid,
};
use crate::store::{Account, Removal, Subscription};

/// A record to insert.
#[derive(Clone, Debug)]
pub(in crate::store) struct Row {
    pub(in crate::store) recipient: i64,
    pub(in crate::store) seq: Seq,
    pub(in crate::store) delivery: Delivery,
    pub(in crate::store) message: Arc<Message>,
    /// The message's own part of the checksum.
    pub(in crate::store) hash: u64,
    /// The body is stored once for several rows: rows with the same number share it.
    pub(in crate::store) shared: Option<usize>,
}

/// Records `first..=last` of one log go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Deletion {
    pub(in crate::store) recipient: i64,
    pub(in crate::store) first: Seq,
    pub(in crate::store) last: Seq,
    pub(in crate::store) why: Removal,
}

/// Of `first..=last` of one log, whose session ends, what is shared goes to the other members; but
/// not what was sent with QoS 2, up to `sent`. Its log is then `-recipient`: no session reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Leaving {
    pub(in crate::store) recipient: i64,
    pub(in crate::store) first: Seq,
    pub(in crate::store) last: Seq,
    pub(in crate::store) sent: Seq,
}

/// All sets. They are written in the order of the fields; deletions of a key come before what
/// the same transaction adds under it.
#[derive(Debug, Default)]
pub(in crate::store) struct Changes {
    pub(in crate::store) leaving: Vec<Leaving>,
    pub(in crate::store) deletions: Vec<Deletion>,
    /// Heads of logs whose newest record goes.
    pub(in crate::store) heads: BTreeMap<i64, Seq>,
    pub(in crate::store) rows: Vec<Row>,
    /// How often a body was given a number for [`Row::shared`].
    pub(super) bodies: usize,
    /// Logs that rows were appended to: the first of them, and the new head.
    pub(in crate::store) appended: HashMap<i64, (Seq, Seq)>,
    /// Logs of which a reader has moved on.
    pub(super) advanced: HashSet<Recipient>,
    pub(in crate::store) dedupe: HashMap<DedupeId, MessageId>,
    /// `None` deletes.
    pub(in crate::store) states: HashMap<SessionKey, Option<Vec<u8>>>,
    pub(in crate::store) devices: HashMap<(i64, ClientId), Option<Device>>,
    pub(in crate::store) sessions: HashMap<i64, Option<Session>>,
    /// Sessions that lose all subscriptions first.
    pub(in crate::store) cleared: HashSet<i64>,
    pub(in crate::store) subscriptions: HashMap<(i64, Filter), Option<Subscription>>,
    /// `None` deletes.
    pub(in crate::store) retained: HashMap<Box<str>, Option<Arc<Message>>>,
    /// What waits; `None` deletes.
    pub(in crate::store) due: HashMap<MessageId, Option<Due>>,
    /// Users of whom nothing waits any more: after the deletions, before what is new.
    pub(in crate::store) due_forgotten: HashSet<Uid>,
    /// Wills that are due now, or were before, and have no name any more: before what is new.
    pub(in crate::store) due_released: HashSet<MessageId>,
    pub(in crate::store) accounts: HashMap<Uid, Option<Account>>,
    pub(in crate::store) bans: HashMap<BanTarget, Option<Ban>>,
}

impl Changes {
    pub(in crate::store) fn is_empty(&self) -> bool {
        self.leaving.is_empty()
            && self.deletions.is_empty()
            && self.heads.is_empty()
            && self.rows.is_empty()
            && self.dedupe.is_empty()
            && self.states.is_empty()
            && self.devices.is_empty()
            && self.sessions.is_empty()
            && self.cleared.is_empty()
            && self.subscriptions.is_empty()
            && self.retained.is_empty()
            && self.due.is_empty()
            && self.due_forgotten.is_empty()
            && self.due_released.is_empty()
            && self.accounts.is_empty()
            && self.bans.is_empty()
    }
}
