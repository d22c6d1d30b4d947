//! What a batch must find loaded before it is applied.

use std::collections::{HashMap, HashSet};

use super::{DedupeId, Work};
use crate::model::{DedupeKey, Recipient, SessionKey, Uid};
use crate::store::{Append, Log, Retain, Write};

/// What to load. Only what is not loaded yet.
#[derive(Debug, Default)]
pub(in crate::store) struct Needs {
    /// Whether it is created if there is none.
    pub(in crate::store) recipients: HashMap<Recipient, bool>,
    pub(in crate::store) states: HashSet<SessionKey>,
    pub(in crate::store) dedupe: HashSet<DedupeId>,
    pub(in crate::store) subscriptions: HashSet<SessionKey>,
    /// Topics whose retained message is replaced.
    pub(in crate::store) retained: HashSet<Box<str>>,
    /// Users of whom it must be known what they keep.
    pub(in crate::store) keepers: HashSet<Uid>,
}

impl Needs {
    pub(in crate::store) fn of(writes: &[Write], work: &Work) -> Needs {
        let mut needs = Needs::default();
        writes.iter().for_each(|write| needs.add(write));
        needs.drop_loaded(work);
        needs
    }

    /// Leaves only what is not loaded yet.
    pub(super) fn drop_loaded(&mut self, work: &Work) {
        let has = |recipient: &Recipient, create: bool| match work.ledgers.get(recipient) {
            Some(Some(_)) => true,
            Some(None) => !create,
            None => false,
        };
        self.recipients.retain(|recipient, create| !has(recipient, *create));
        self.states.retain(|key| !work.states.contains_key(key));
        self.dedupe.retain(|key| !work.dedupe.contains_key(key));
        self.subscriptions.retain(|key| !work.subscriptions.contains_key(key));
        self.retained.retain(|topic| !work.retained.contains_key(topic));
        self.keepers.retain(|uid| !work.kept.contains_key(uid));
    }

    pub(super) fn recipients(recipients: Vec<Recipient>) -> Needs {
        let recipients = recipients.into_iter().map(|recipient| (recipient, false)).collect();
        Needs { recipients, ..Needs::default() }
    }

    fn add(&mut self, write: &Write) {
        match write {
            Write::Append(append) => self.append(append),
            Write::OpenSession { key, clean_start, keep } => {
                self.session(key, *keep);
                self.inbox(key, false);
                self.states.insert(key.clone());
                if !clean_start {
                    self.subscriptions.insert(key.clone());
                }
            }
            Write::EndSession { key, .. } => {
                self.session(key, false);
                self.inbox(key, false);
                self.states.insert(key.clone());
            }
            Write::Step { key, .. } => {
                self.states.insert(key.clone());
            }
            Write::Subscribe { key, .. } | Write::Unsubscribe { key, .. } => {
                self.session(key, false)
            }
            Write::KnowDevice { key, .. } => self.inbox(key, true),
            Write::ForgetDevice { key } => {
                self.session(key, false);
                self.inbox(key, false);
                self.states.insert(key.clone());
            }
            Write::ForgetInbox { uid } => {
                self.recipients.entry(Recipient::Inbox(uid.clone())).or_default();
            }
            Write::Advance { key, log: Log::Inbox, .. } => self.inbox(key, false),
            Write::Advance { key, log: Log::Queue, .. } => self.session(key, false),
            Write::PutAccount { .. } | Write::DeleteAccount { .. } => {}
            Write::PutBan(_) | Write::DeleteBan(_) | Write::Sweep(_) => {}
        }
    }

    fn append(&mut self, append: &Append) {
        for (recipient, _) in &append.addressees {
            self.recipients.insert(recipient.clone(), true);
        }
        if let Some(DedupeKey(text)) = &append.dedupe {
            self.dedupe.insert((append.message.from.uid.clone(), text.clone()));
        }
        if let Some((key, _)) = &append.step {
            self.states.insert(key.clone());
        }
        if let Some(retain) = append.retain {
            self.retained.insert(append.message.topic.clone());
            // To count what somebody keeps takes time, and here it does not matter.
            if retain != Retain::UNLIMITED {
                self.keepers.insert(append.message.from.uid.clone());
            }
        }
    }

    fn session(&mut self, key: &SessionKey, create: bool) {
        *self.recipients.entry(Recipient::Session(key.clone())).or_default() |= create;
    }

    fn inbox(&mut self, key: &SessionKey, create: bool) {
        *self.recipients.entry(Recipient::Inbox(key.uid.clone())).or_default() |= create;
    }
}
