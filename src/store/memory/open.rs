//! Sessions and devices in the memory store: connect, end, become known.

use std::time::Duration;

use super::state::{Device, Session, State};
use crate::model::{Delivery, Entry, QoS, Recipient, Seq, SessionKey, Stamp, Step, Uid};
use crate::store::{Cursor, Durable, Opened, Removal, Written};

impl State {
    pub(super) fn open_session(
        &mut self,
        key: &SessionKey,
        clean_start: bool,
        keep: bool,
        now: Stamp,
    ) -> Written {
        let alive = self.sessions.get(key).is_some_and(|session| !session.has_expired(now));
        let session_present = alive && !clean_start;
        let mut will_is_due = false;
        if session_present {
            self.take_will_back(key);
        } else {
            self.delete_session(key, Removal::SessionEnded, now);
            will_is_due = self.release_will(key, now);
        }
        let queue = Recipient::Session(key.clone());
        if keep && !session_present {
            let cursor = self.logs.entry(queue.clone()).or_default().head;
            let session = Session { cursor, sent: cursor, ..Default::default() };
            self.sessions.insert(key.clone(), session);
        }
        self.see(key, now);
        let head = self.head(&queue);
        let durable = self.sessions.get_mut(key).map(|session| {
            session.ended_at = None;
            let subscriptions = session.subscriptions.values().cloned().collect();
            let queue = Cursor { cursor: session.cursor, sent: session.sent, head };
            Durable { subscriptions, queue }
        });
        let inbox = self.devices.get(key).map(|device| self.inbox_cursor(&key.uid, device));
        let state = self.states.get(key).map(|(state, _)| state.clone()).unwrap_or_default();
        let opened = Opened { state, inbox, session_present, durable, will_is_due };
        Written::Opened(Box::new(opened))
    }

    pub(super) fn end_session(&mut self, key: &SessionKey, expiry: Duration, now: Stamp) {
        self.see(key, now);
        if expiry.is_zero() {
            self.delete_session(key, Removal::SessionEnded, now);
            self.release_will(key, now);
        } else if let Some(session) = self.sessions.get_mut(key) {
            (session.ended_at, session.expiry) = (Some(now), expiry);
        }
    }

    /// Deletes a session with its queue, for this reason; the QoS 2 steps of a session that is no
    /// more are forgotten even if it was never stored.
    pub(super) fn delete_session(&mut self, key: &SessionKey, why: Removal, now: Stamp) {
        if self.states.contains_key(key) {
            self.step(key, Step::CleanStart, now);
        }
        let Some(session) = self.sessions.remove(key) else { return };
        let Some(log) = self.logs.get_mut(&Recipient::Session(key.clone())) else { return };
        let mut rest = log.records.split_off(&session.cursor.next());
        let others = |_: &Seq, entry: &mut Entry| {
            let Delivery { qos, share, .. } = entry.delivery;
            share.is_some() && (qos != QoS::ExactlyOnce || entry.seq > session.sent)
        };
        let left: Vec<Entry> = rest.extract_if(.., others).map(|(_, entry)| entry).collect();
        let ended = rest.len() as u64;
        let acknowledged = std::mem::take(&mut log.records).len() as u64;
        self.leave(key, left);
        self.count(Removal::Acknowledged, acknowledged);
        self.count(why, ended);
    }

    pub(super) fn forget_device(&mut self, key: &SessionKey, now: Stamp) {
        self.delete_session(key, Removal::Forgotten, now);
        self.states.remove(key);
        self.take_will_back(key);
        let known = self.devices.remove(key).is_some();
        self.count(Removal::Forgotten, known.into());
    }

    pub(super) fn forget_inbox(&mut self, uid: &Uid) {
        self.forget_due(uid);
        let devices = self.devices.extract_if(.., |key, _| key.uid == *uid).count();
        let log = self.logs.get_mut(&Recipient::Inbox(uid.clone()));
        let records = log.map_or(0, |log| std::mem::take(&mut log.records).len());
        self.count(Removal::Forgotten, (devices + records) as u64);
    }

    pub(super) fn know_device(&mut self, key: &SessionKey, devices_max: u32, now: Stamp) -> Cursor {
        if self.devices.contains_key(key) {
            self.see(key, now);
        } else {
            let others = self.devices.iter().filter(|(other, _)| other.uid == key.uid);
            let start = others.map(|(_, device)| device.cursor).max();
            let inbox = self.logs.entry(Recipient::Inbox(key.uid.clone())).or_default();
            let cursor = start.unwrap_or_else(|| inbox.start());
            self.devices.insert(key.clone(), Device { cursor, sent: cursor, seen_at: now });
            self.evict_devices(key, devices_max);
        }
        self.inbox_cursor(&key.uid, &self.devices[key])
    }

    fn evict_devices(&mut self, newest: &SessionKey, devices_max: u32) {
        let own = self.devices.iter().filter(|(key, _)| key.uid == newest.uid && *key != newest);
        let mut others: Vec<_> = own.map(|(key, device)| (device.seen_at, key.clone())).collect();
        others.sort();
        let excess = (others.len() + 1).saturating_sub(devices_max.max(1) as usize);
        for (_, key) in others.into_iter().take(excess) {
            self.devices.remove(&key);
            self.count(Removal::DeviceCount, 1);
        }
    }
}
