//! What a batch must find loaded before it is applied.

use std::collections::{HashMap, HashSet};

use super::{DedupeId, DueId, Work};
use crate::model::{DedupeKey, DueName, MessageId, Recipient, SessionKey, Step, Uid};
use crate::store::due::{Change, Schedule};
use crate::store::{Append, Log, Quota, Write};

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
    /// What waits, by name and by id.
    pub(in crate::store) due_names: HashSet<DueId>,
    pub(in crate::store) due: HashSet<MessageId>,
    /// Users of whom it must be known how much waits.
    pub(in crate::store) owners: HashSet<Uid>,
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
        self.due_names.retain(|name| !work.due_names.contains_key(name));
        self.due.retain(|id| !work.due.contains_key(id));
        self.owners.retain(|uid| !work.left.contains_key(uid));
    }

    pub(super) fn recipients(recipients: Vec<Recipient>) -> Needs {
        let recipients = recipients.into_iter().map(|recipient| (recipient, false)).collect();
        Needs { recipients, ..Needs::default() }
    }

    fn add(&mut self, write: &Write) {
        match write {
            Write::Append(append) => self.append(append),
            Write::Schedule(schedule) => self.schedule(schedule),
            Write::DropDue { id } => {
                self.due.insert(*id);
            }
            Write::OpenSession { key, clean_start, keep } => {
                self.session(key, *keep);
                self.left_behind(key);
                if !clean_start {
                    self.subscriptions.insert(key.clone());
                }
            }
            Write::EndSession { key, .. } | Write::ForgetDevice { key } => {
                self.session(key, false);
                self.left_behind(key);
            }
            Write::Step { key, .. } => {
                self.states.insert(key.clone());
            }
            Write::Subscribe { key, .. } | Write::Unsubscribe { key, .. } => {
                self.session(key, false)
            }
            Write::KnowDevice { key, .. } => self.inbox(key, true),
            Write::ForgetInbox { uid } => {
                self.recipients.entry(Recipient::Inbox(uid.clone())).or_default();
            }
            Write::Advance { key, log: Log::Inbox, .. } => self.inbox(key, false),
            Write::Advance { key, log: Log::Queue, .. } => self.session(key, false),
            Write::PutAccount { .. } | Write::DeleteAccount { .. } => {}
            Write::PutBan(_) | Write::DeleteBan(_) | Write::Sweep(_) | Write::Claim(_) => {}
        }
    }

    fn append(&mut self, append: &Append) {
        for (recipient, _) in &append.addressees {
            match self.recipients.get_mut(recipient) {
                Some(create) => *create = true,
                None => _ = self.recipients.insert(recipient.clone(), true),
            }
        }
        self.publish(&append.message.from.uid, append.dedupe.as_ref(), append.step.as_ref());
        if append.fires {
            self.due.insert(append.message.id);
        }
        if let Some(inherited) = &append.inherited {
            self.session(&inherited.key, false);
        }
        if let Some(retain) = append.retain {
            self.retained.insert(Box::from(&*append.message.topic));
            // To count what somebody keeps takes time, and here it does not matter.
            if retain != Quota::UNLIMITED {
                self.keepers.insert(append.message.from.uid.clone());
            }
        }
    }

    fn schedule(&mut self, Schedule { change, dedupe, step }: &Schedule) {
        let uid = change.uid();
        self.publish(uid, dedupe.as_ref(), step.as_ref());
        self.due_names.extend(change.name().map(|name| (uid.clone(), name.clone())));
        if let Change::Put(_, quota) = change
            && *quota != Quota::UNLIMITED
        {
            self.owners.insert(uid.clone());
        }
    }

    fn publish(
        &mut self,
        uid: &Uid,
        dedupe: Option<&DedupeKey>,
        step: Option<&(SessionKey, Step)>,
    ) {
        self.dedupe.extend(dedupe.map(|DedupeKey(text)| (uid.clone(), text.clone())));
        if let Some((key, _)) = step
            && !self.states.contains(key)
        {
            self.states.insert(key.clone());
        }
    }

    /// What a connection leaves when it ends: its place, its steps, its will.
    fn left_behind(&mut self, key: &SessionKey) {
        self.inbox(key, false);
        self.states.insert(key.clone());
        self.due_names.insert((key.uid.clone(), DueName::Will(key.client_id.clone())));
    }

    fn session(&mut self, key: &SessionKey, create: bool) {
        *self.recipients.entry(Recipient::Session(key.clone())).or_default() |= create;
    }

    fn inbox(&mut self, key: &SessionKey, create: bool) {
        *self.recipients.entry(Recipient::Inbox(key.uid.clone())).or_default() |= create;
    }
}
