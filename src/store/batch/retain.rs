//! A message becomes its topic's retained one, if its sender may keep one more.

use super::Work;
use crate::model::Uid;
use crate::store::Append;
use crate::store::retained::{Owner, bytes};

impl Work {
    /// They were looked for; what was found is in already.
    pub(in crate::store) fn looked_for_retained(
        &mut self,
        topics: impl IntoIterator<Item = Box<str>>,
        uids: impl IntoIterator<Item = Uid>,
    ) {
        for topic in topics {
            self.retained.entry(topic).or_default();
        }
        for uid in uids {
            self.kept.entry(uid).or_default();
        }
    }

    /// The sender keeps too much with this one. A removal needs no room, nor what the same sender
    /// replaces by something that is no larger.
    pub(super) fn is_over_quota(&self, append: &Append) -> bool {
        let message = &append.message;
        let Some(retain) = append.retain.filter(|_| !message.body.is_empty()) else { return false };
        let mut kept = self.kept.get(&message.from.uid).copied().unwrap_or_default();
        if let Some(Some(owner)) = self.retained.get(&*message.topic)
            && owner.uid == message.from.uid
        {
            if bytes(message) <= owner.bytes {
                return false;
            }
            kept.remove(owner.bytes);
        }
        kept.add(bytes(message));
        !kept.has_room(retain)
    }

    pub(super) fn retain(&mut self, append: &Append) {
        let message = &append.message;
        let topic: Box<str> = Box::from(&*message.topic);
        if let Some(Some(owner)) = self.retained.get(&topic)
            && let Some(kept) = self.kept.get_mut(&owner.uid)
        {
            kept.remove(owner.bytes);
        }
        if message.body.is_empty() {
            self.retained.insert(topic.clone(), None);
            self.changes.retained.insert(topic, None);
            return;
        }
        let owner = Owner::of(message);
        self.kept.entry(owner.uid.clone()).or_default().add(owner.bytes);
        self.retained.insert(topic.clone(), Some(owner));
        self.changes.retained.insert(topic, Some(message.clone()));
    }
}
