//! What waits for its time: left, replaced, taken back, claimed, gone.

use super::Work;
use crate::model::{DedupeKey, Due, DueName, MessageId, SessionKey, Uid};
use crate::store::due::{Change, Schedule, Waiting, bytes};
use crate::store::quota::Quota;
use crate::store::{Append, Removal, Written};

/// A name and whose it is.
pub(in crate::store) type DueId = (Uid, DueName);

impl Work {
    /// They were looked for; what was found is in already.
    pub(in crate::store) fn looked_for_due(
        &mut self,
        names: impl IntoIterator<Item = DueId>,
        ids: impl IntoIterator<Item = MessageId>,
        owners: impl IntoIterator<Item = Uid>,
    ) {
        for name in names {
            self.due_names.entry(name).or_default();
        }
        for id in ids {
            self.due.entry(id).or_default();
        }
        for uid in owners {
            self.left.entry(uid).or_default();
        }
    }

    /// A message was found under its name or its id.
    pub(in crate::store) fn found_due(&mut self, id: MessageId, waiting: Waiting) {
        if let Some(name) = &waiting.name {
            self.due_names.insert((waiting.uid.clone(), name.clone()), Some(id));
        }
        self.due.insert(id, Some(waiting));
    }

    /// What was loaded of it is no longer true.
    pub(super) fn forget_loaded_due(&mut self) {
        self.due.clear();
        self.due_names.clear();
    }

    pub(super) fn schedule(&mut self, schedule: &Schedule) -> Written {
        let Schedule { change, dedupe, step } = schedule;
        let known = self.known(change.uid(), dedupe.as_ref());
        let done = match (known, change) {
            (Some(_), _) => None,
            (None, Change::Put(due, quota)) => self.put_due(due, *quota),
            (None, Change::Cancel { uid, name, .. }) => self.cancel_due(uid, name),
        };
        if let Some(refused) = done {
            return refused;
        }
        if let Some((key, step)) = step {
            self.step(key, *step);
        }
        if let Some(id) = known {
            return Written::Duplicate { id };
        }
        if let Some(DedupeKey(text)) = dedupe {
            self.take_dedupe((change.uid().clone(), text.clone()), change.id());
        }
        Written::Done
    }

    /// Why not, if not.
    fn put_due(&mut self, due: &Due, quota: Quota) -> Option<Written> {
        let uid = &due.message.from.uid;
        let old = due.name.as_ref().and_then(|name| self.waiting(uid, name));
        let mut left = self.left.get(uid).copied().unwrap_or_default();
        if let Some((_, old)) = &old {
            if old.claimed {
                return Some(Written::OnItsWay);
            }
            left.remove(old.bytes);
        }
        left.add(bytes(due));
        let mut due = due.clone();
        if !left.has_room(quota) {
            match due.name {
                Some(DueName::Will(_)) => due.at = self.now.min(due.at),
                _ => return Some(Written::OverQuota),
            }
        }
        if let Some((id, _)) = old {
            self.remove_due(id);
        }
        // Without a quota it was not counted what the owner has left.
        if let Some(left) = self.left.get_mut(uid) {
            left.add(bytes(&due));
        }
        self.found_due(due.message.id, Waiting::of(&due));
        self.changes.due.insert(due.message.id, Some(due));
        None
    }

    fn cancel_due(&mut self, uid: &Uid, name: &DueName) -> Option<Written> {
        match self.waiting(uid, name) {
            None => Some(Written::NothingWaits),
            Some((_, waiting)) if waiting.claimed => Some(Written::OnItsWay),
            Some((id, _)) => {
                self.remove_due(id);
                None
            }
        }
    }

    fn waiting(&self, uid: &Uid, name: &DueName) -> Option<(MessageId, Waiting)> {
        let id = (*self.due_names.get(&(uid.clone(), name.clone()))?)?;
        let waiting = self.due.get(&id)?.clone()?;
        Some((id, waiting))
    }

    /// False if it is not there.
    pub(super) fn remove_due(&mut self, id: MessageId) -> bool {
        let Some(Some(waiting)) = self.due.insert(id, None) else { return false };
        if let Some(left) = self.left.get_mut(&waiting.uid) {
            left.remove(waiting.bytes);
        }
        if let Some(name) = waiting.name {
            self.due_names.insert((waiting.uid, name), None);
        }
        self.changes.due.insert(id, None);
        true
    }

    /// It goes out, or is not to be kept where it goes to: it waits no longer. False if it did not.
    pub(super) fn fires(&mut self, append: &Append) -> bool {
        !append.fires || self.remove_due(append.message.id)
    }

    /// The session goes on.
    pub(super) fn take_will_back(&mut self, key: &SessionKey) {
        if let Some((id, _)) = self.waiting(&key.uid, &DueName::Will(key.client_id.clone())) {
            self.remove_due(id);
        }
    }

    /// The session is over: its will is due, and nobody's any more, so that neither the next
    /// session takes it back nor the next will takes its place. True if there is one.
    pub(super) fn release_will(&mut self, key: &SessionKey) -> bool {
        let name = DueName::Will(key.client_id.clone());
        let Some((id, will)) = self.waiting(&key.uid, &name) else { return false };
        self.due_names.insert((key.uid.clone(), name), None);
        self.due.insert(id, Some(Waiting { name: None, ..will }));
        match self.changes.due.get_mut(&id) {
            Some(Some(due)) => (due.at, due.name) = (due.at.min(self.now), None),
            _ => {
                self.changes.due_released.insert(id);
            }
        }
        true
    }

    pub(super) fn forget_due(&mut self, uid: &Uid) {
        let is_own =
            |due: &Option<Due>| due.as_ref().is_some_and(|due| due.message.from.uid == *uid);
        let unwritten = self.changes.due.extract_if(|_, due| is_own(due)).count();
        self.count(Removal::Forgotten, unwritten as u64);
        self.due
            .values_mut()
            .filter(|one| one.as_ref().is_some_and(|one| one.uid == *uid))
            .for_each(|one| *one = None);
        self.due_names.iter_mut().filter(|((owner, _), _)| owner == uid).for_each(|(_, id)| {
            *id = None;
        });
        self.left.insert(uid.clone(), Default::default());
        self.changes.due_forgotten.insert(uid.clone());
    }
}
