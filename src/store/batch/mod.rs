//! One transaction in memory: what was loaded, what the writes make of it, what must be written
//! back. The meaning of every write, without SQL: SQLite and PostgreSQL only load and flush.

mod apply;
mod changes;
mod due;
mod ledger;
mod needs;
mod retain;
mod run;
mod session;
mod sweep;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

pub(super) use changes::{Changes, Deletion, Leaving, Row};
pub(super) use due::DueId;
pub(super) use ledger::{Device, Devices, Ledger, Readers, Session};
pub(super) use needs::Needs;
pub(super) use run::{PageItem, Transaction, run};

use super::due::Waiting;
use super::quota::Kept;
use super::retained::Owner;
use super::{Removal, StoreError, StoreLimits, Subscription};
use crate::model::limit::DEDUPE_KEY_KEPT_SECS;
use crate::model::{Filter, MessageId, Recipient, SenderState, SessionKey, Stamp, Uid};

/// How long a publisher's own message id makes a second publish a duplicate.
pub(super) const DEDUPE_KEPT: Duration = Duration::from_secs(DEDUPE_KEY_KEPT_SECS);

/// A publisher's own message id and whose it is.
pub(super) type DedupeId = (Uid, Box<str>);

/// Records and devices removed, by reason.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts(BTreeMap<Removal, u64>);

impl Counts {
    pub(super) fn add(&mut self, why: Removal, count: u64) {
        if count > 0 {
            *self.0.entry(why).or_default() += count;
        }
    }

    pub(super) fn join(&mut self, other: Counts) {
        other.0.into_iter().for_each(|(why, count)| self.add(why, count));
    }

    pub(super) fn into_vec(self) -> Vec<(Removal, u64)> {
        self.0.into_iter().collect()
    }
}

/// A sender's state as it is loaded.
#[derive(Clone, Debug, Default)]
pub(super) struct StateSlot {
    pub(super) state: SenderState,
    /// There is a row for it.
    pub(super) stored: bool,
    changed: bool,
    /// A step was taken, so it is soon needed again and worth its place in a cache.
    pub(super) busy: bool,
}

impl StateSlot {
    pub(super) fn stored(state: SenderState) -> StateSlot {
        StateSlot { state, stored: true, ..StateSlot::default() }
    }

    /// Bytes it takes in a cache, about.
    pub(super) fn bytes(&self) -> usize {
        let SenderState { ring, unreleased, received } = &self.state;
        256 + ring.len() * 48 + unreleased.len() * 32 + received.len() * 8
    }
}

/// What was loaded for a transaction, as its writes have left it.
pub(super) struct Work {
    limits: StoreLimits,
    pub(super) now: Stamp,
    /// `None`: looked for, and there is none.
    pub(super) ledgers: HashMap<Recipient, Option<Ledger>>,
    pub(super) states: HashMap<SessionKey, StateSlot>,
    /// Keys that are known and still count.
    pub(super) dedupe: HashMap<DedupeId, Option<MessageId>>,
    /// Who keeps the retained message of these topics.
    pub(super) retained: HashMap<Box<str>, Option<Owner>>,
    /// What these users keep of them.
    pub(super) kept: HashMap<Uid, Kept>,
    /// What waits, by name and by id; `None`: nothing does.
    pub(super) due_names: HashMap<DueId, Option<MessageId>>,
    pub(super) due: HashMap<MessageId, Option<Waiting>>,
    /// What waits of these users.
    pub(super) left: HashMap<Uid, Kept>,
    /// Of sessions that this transaction opens.
    pub(super) subscriptions: HashMap<SessionKey, BTreeMap<Filter, Subscription>>,
    changes: Changes,
    counts: Counts,
    /// See [`super::Commit::legacies`].
    legacies: bool,
}

impl Work {
    pub(super) fn new(limits: StoreLimits, now: Stamp) -> Work {
        Work {
            limits,
            now,
            ledgers: HashMap::new(),
            states: HashMap::new(),
            dedupe: HashMap::new(),
            retained: HashMap::new(),
            kept: HashMap::new(),
            due_names: HashMap::new(),
            due: HashMap::new(),
            left: HashMap::new(),
            subscriptions: HashMap::new(),
            changes: Changes::default(),
            counts: Counts::default(),
            legacies: false,
        }
    }

    fn ledger(&mut self, recipient: &Recipient) -> Result<&mut Ledger, StoreError> {
        match self.ledgers.get_mut(recipient) {
            Some(Some(ledger)) => Ok(ledger),
            _ => Err(StoreError::Corrupt(format!(
                "{recipient:?} was needed and not loaded; this is a bug, please report it"
            ))),
        }
    }

    /// Logs that were changed outside are loaded again when they are needed.
    pub(super) fn forget(&mut self, logs: &HashSet<i64>) {
        self.ledgers
            .retain(|_, ledger| ledger.as_ref().is_none_or(|ledger| !logs.contains(&ledger.id)));
    }

    fn count(&mut self, why: Removal, count: u64) {
        self.counts.add(why, count);
    }
}
