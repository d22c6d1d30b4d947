//! Retained messages in the memory store.

use std::sync::Arc;

use super::state::State;
use crate::model::{Filter, Message, Stamp};
use crate::store::quota::Kept;
use crate::store::retained::{RetainedPage, bytes};
use crate::store::{Append, Removal};

impl State {
    pub(super) fn is_over_quota(&self, append: &Append) -> bool {
        let message = &append.message;
        let Some(retain) = append.retain.filter(|_| !message.body.is_empty()) else { return false };
        let mut kept = Kept::default();
        kept.add(bytes(message));
        for (topic, other) in &self.retained {
            if other.from.uid != message.from.uid {
                continue;
            }
            match **topic == *message.topic {
                true if bytes(message) <= bytes(other) => return false,
                true => {}
                false => kept.add(bytes(other)),
            }
        }
        !kept.has_room(retain)
    }

    pub(super) fn retain(&mut self, message: &Arc<Message>) {
        match message.body.is_empty() {
            true => self.retained.remove(&*message.topic),
            false => self.retained.insert(Box::from(&*message.topic), message.clone()),
        };
    }

    pub(super) fn expire_retained(&mut self, now: Stamp) {
        let before = self.retained.len();
        self.retained.retain(|_, message| message.expires_at.is_none_or(|at| at > now));
        self.count(Removal::Expired, (before - self.retained.len()) as u64);
    }

    pub(super) fn retained(
        &self,
        filter: &Filter,
        after: Option<&str>,
        count_max: usize,
        bytes_max: usize,
    ) -> RetainedPage {
        let mut page = RetainedPage::default();
        let mut bytes = 0;
        let later = self.retained.iter().filter(|(topic, _)| after.is_none_or(|a| ***topic > *a));
        for (topic, message) in later.filter(|(topic, _)| filter.matches(topic)) {
            bytes += message.body.len();
            let full = page.messages.len() >= count_max.max(1) || bytes > bytes_max;
            if full && !page.messages.is_empty() {
                page.next = page.messages.last().map(|last| Box::from(&*last.topic));
                return page;
            }
            debug_assert_eq!(**topic, *message.topic);
            page.messages.push(message.clone());
        }
        page
    }
}
