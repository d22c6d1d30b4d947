//! What waits for its time in the memory store.

use super::state::{DEDUPE_KEPT, State};
use crate::model::{DedupeKey, Due, DueName, MessageId, SessionKey, Stamp, Uid};
use crate::store::due::{Change, Claim, Schedule, bytes};
use crate::store::quota::{Kept, Quota};
use crate::store::{Removal, Written};

/// A message that waits.
pub(super) struct Waiting {
    due: Due,
    claimed: bool,
}

impl State {
    /// The message that was stored under the publisher's own id.
    pub(super) fn known(
        &self,
        uid: &Uid,
        dedupe: Option<&DedupeKey>,
        now: Stamp,
    ) -> Option<MessageId> {
        let DedupeKey(text) = dedupe?;
        let known = self.dedupe.get(&(uid.clone(), text.clone()));
        known.filter(|(_, at)| at.after(DEDUPE_KEPT) > now).map(|(id, _)| *id)
    }

    pub(super) fn schedule(&mut self, schedule: &Schedule, now: Stamp) -> Written {
        let Schedule { change, dedupe, step } = schedule;
        let known = self.known(change.uid(), dedupe.as_ref(), now);
        let refused = match (known, change) {
            (Some(_), _) => None,
            (None, Change::Put(due, quota)) => self.put_due(due, *quota, now),
            (None, Change::Cancel { uid, name, .. }) => self.cancel_due(uid, name),
        };
        if let Some(refused) = refused {
            return refused;
        }
        if let Some((key, step)) = step {
            self.step(key, *step, now);
        }
        if let Some(id) = known {
            return Written::Duplicate { id };
        }
        if let Some(DedupeKey(text)) = dedupe {
            self.dedupe.insert((change.uid().clone(), text.clone()), (change.id(), now));
        }
        Written::Done
    }

    fn waiting(&self, uid: &Uid, name: &DueName) -> Option<&Waiting> {
        self.due
            .values()
            .find(|one| one.due.message.from.uid == *uid && one.due.name.as_ref() == Some(name))
    }

    fn put_due(&mut self, due: &Due, quota: Quota, now: Stamp) -> Option<Written> {
        let uid = &due.message.from.uid;
        let old = due.name.as_ref().and_then(|name| self.waiting(uid, name));
        if old.is_some_and(|old| old.claimed) {
            return Some(Written::OnItsWay);
        }
        let old = old.map(|old| old.due.message.id);
        let mut left = Kept::default();
        let own = self.due.values().filter(|one| one.due.message.from.uid == *uid);
        own.filter(|one| Some(one.due.message.id) != old).for_each(|one| left.add(bytes(&one.due)));
        left.add(bytes(due));
        let mut due = due.clone();
        if !left.has_room(quota) {
            match due.name {
                Some(DueName::Will(_)) => due.at = now.min(due.at),
                _ => return Some(Written::OverQuota),
            }
        }
        old.and_then(|old| self.due.remove(&old));
        self.due.insert(due.message.id, Waiting { due, claimed: false });
        None
    }

    fn cancel_due(&mut self, uid: &Uid, name: &DueName) -> Option<Written> {
        match self.waiting(uid, name) {
            None => Some(Written::NothingWaits),
            Some(waiting) if waiting.claimed => Some(Written::OnItsWay),
            Some(waiting) => {
                let id = waiting.due.message.id;
                self.due.remove(&id);
                None
            }
        }
    }

    pub(super) fn claim(&mut self, claim: Claim) -> Vec<Due> {
        let waiting = self.due.values_mut().filter(|one| !one.claimed && one.due.at <= claim.until);
        let mut waiting: Vec<&mut Waiting> = waiting.collect();
        waiting.sort_by_key(|one| (one.due.at, one.due.message.id));
        let count = claim.count(waiting.iter().map(|one| bytes(&one.due)));
        let taken = waiting.into_iter().take(count).map(|one| {
            one.claimed = true;
            let due = one.due.clone();
            one.due.name.take_if(|name| name.is_will());
            due
        });
        taken.collect()
    }

    /// What was on its way waits again.
    pub(super) fn unclaim(&mut self) {
        self.due.values_mut().for_each(|one| one.claimed = false);
    }

    pub(super) fn take_will_back(&mut self, key: &SessionKey) {
        self.cancel_due(&key.uid, &DueName::Will(key.client_id.clone()));
    }

    pub(super) fn release_will(&mut self, key: &SessionKey, now: Stamp) -> bool {
        let name = DueName::Will(key.client_id.clone());
        let id = self.waiting(&key.uid, &name).map(|will| will.due.message.id);
        let Some(will) = id.and_then(|id| self.due.get_mut(&id)) else { return false };
        (will.due.at, will.due.name) = (will.due.at.min(now), None);
        true
    }

    pub(super) fn forget_due(&mut self, uid: &Uid) {
        let gone = self.due.extract_if(.., |_, one| one.due.message.from.uid == *uid).count();
        self.count(Removal::Forgotten, gone as u64);
    }

    pub(super) fn next_due(&self) -> Option<Stamp> {
        self.due.values().filter(|one| !one.claimed).map(|one| one.due.at).min()
    }
}
