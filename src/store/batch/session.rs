//! Sessions and devices: connect, end, become known.

use std::time::Duration;

use super::{Device, Leaving, Readers, Session, Work};
use crate::model::{ClientId, Recipient, Seq, SessionKey, Step, Uid};
use crate::store::{Cursor, DEVICE_SEEN_GRAIN, Durable, Opened, Removal, StoreError, Written};

impl Work {
    pub(super) fn open_session(
        &mut self,
        key: &SessionKey,
        clean_start: bool,
        keep: bool,
    ) -> Result<Written, StoreError> {
        let alive = self.session(key).is_some_and(|session| !session.has_expired(self.now));
        let session_present = alive && !clean_start;
        let mut will_is_due = false;
        if session_present {
            self.take_will_back(key);
            self.change_session(key, |session| session.ended_at = None);
        } else {
            self.delete_session(key, Removal::SessionEnded);
            will_is_due = self.release_will(key);
            if keep {
                self.create_session(key)?;
            }
        }
        self.see(key);
        let durable = self.session(key).map(|session| self.durable(key, session));
        let inbox = self.inbox_cursor(key);
        let state = self.states.get(key).map(|slot| slot.state.clone()).unwrap_or_default();
        let opened = Opened { state, inbox, session_present, durable, will_is_due };
        Ok(Written::Opened(Box::new(opened)))
    }

    fn session(&self, key: &SessionKey) -> Option<Session> {
        self.ledgers.get(&Recipient::Session(key.clone()))?.as_ref()?.session().copied()
    }

    fn durable(&self, key: &SessionKey, session: Session) -> Durable {
        let all = self.subscriptions.get(key);
        let subscriptions = all.map(|all| all.values().cloned().collect()).unwrap_or_default();
        let ledger = self.ledgers.get(&Recipient::Session(key.clone())).and_then(Option::as_ref);
        let head = ledger.map_or(Seq(0), |ledger| ledger.head);
        let queue = Cursor { cursor: session.cursor, sent: session.sent, head };
        Durable { subscriptions, queue }
    }

    fn inbox_cursor(&self, key: &SessionKey) -> Option<Cursor> {
        let ledger = self.ledgers.get(&Recipient::Inbox(key.uid.clone()))?.as_ref()?;
        ledger.cursor_of(&key.client_id)
    }

    fn create_session(&mut self, key: &SessionKey) -> Result<(), StoreError> {
        let ledger = self.ledger(&Recipient::Session(key.clone()))?;
        let (id, head) = (ledger.id, ledger.head);
        let session = Session { expiry: Duration::ZERO, ended_at: None, cursor: head, sent: head };
        ledger.readers = Readers::Session(Some(session));
        self.changes.sessions.insert(id, Some(session));
        self.subscriptions.entry(key.clone()).or_default();
        Ok(())
    }

    pub(super) fn change_session(&mut self, key: &SessionKey, change: impl FnOnce(&mut Session)) {
        let Some(Some(ledger)) = self.ledgers.get_mut(&Recipient::Session(key.clone())) else {
            return;
        };
        let Readers::Session(Some(session)) = &mut ledger.readers else { return };
        let before = *session;
        change(session);
        if *session != before {
            self.changes.sessions.insert(ledger.id, Some(*session));
        }
    }

    pub(super) fn end_session(&mut self, key: &SessionKey, expiry: Duration) {
        self.see(key);
        let now = self.now;
        if expiry.is_zero() {
            self.delete_session(key, Removal::SessionEnded);
            self.release_will(key);
        } else {
            self.change_session(key, |session| {
                (session.ended_at, session.expiry) = (Some(now), expiry);
            });
        }
    }

    /// Deletes a session with its queue, for this reason; the QoS 2 steps of a session that is no
    /// more are forgotten even if it was never stored.
    pub(super) fn delete_session(&mut self, key: &SessionKey, why: Removal) {
        if self.states.get(key).is_some_and(|slot| !slot.state.is_empty()) {
            self.step(key, Step::CleanStart);
        }
        let recipient = Recipient::Session(key.clone());
        let Some(Some(ledger)) = self.ledgers.get_mut(&recipient) else { return };
        let Readers::Session(session) = &mut ledger.readers else { return };
        let Some(session) = session.take() else { return };
        let (id, head) = (ledger.id, ledger.head);
        self.leave(Leaving {
            recipient: id,
            first: session.cursor.next(),
            last: head,
            sent: session.sent,
        });
        self.changes.sessions.insert(id, None);
        self.changes.cleared.insert(id);
        self.changes.subscriptions.retain(|(owner, _), _| *owner != id);
        if let Some(loaded) = self.subscriptions.get_mut(key) {
            loaded.clear();
        }
        self.delete(&recipient, session.cursor, Removal::Acknowledged);
        self.delete(&recipient, head, why);
    }

    /// A device is here; written at most once per [`DEVICE_SEEN_GRAIN`].
    fn see(&mut self, key: &SessionKey) {
        let Some(Some(ledger)) = self.ledgers.get_mut(&Recipient::Inbox(key.uid.clone())) else {
            return;
        };
        let Readers::Inbox(devices) = &mut ledger.readers else { return };
        let Some(device) = devices.get_mut(&key.client_id) else { return };
        if device.seen_at.after(DEVICE_SEEN_GRAIN) <= self.now {
            device.seen_at = self.now;
            self.changes.devices.insert((ledger.id, key.client_id.clone()), Some(*device));
        }
    }

    pub(super) fn know_device(
        &mut self,
        key: &SessionKey,
        devices_max: u32,
    ) -> Result<Written, StoreError> {
        self.see(key);
        let now = self.now;
        let ledger = self.ledger(&Recipient::Inbox(key.uid.clone()))?;
        if let Some(cursor) = ledger.cursor_of(&key.client_id) {
            return Ok(Written::Known(cursor));
        }
        let (id, head, start) = (ledger.id, ledger.head, ledger.start());
        let Readers::Inbox(devices) = &mut ledger.readers else {
            return Ok(Written::Known(Cursor::default()));
        };
        let cursor = devices.first_cursor().unwrap_or(start);
        let evicted =
            oldest(devices.iter(), (devices.len() + 1).saturating_sub(devices_max.max(1) as usize));
        evicted.iter().for_each(|client_id| {
            devices.remove(client_id);
        });
        let device = Device { cursor, sent: cursor, seen_at: now, known_at: now };
        devices.insert(key.client_id.clone(), device);
        self.changes.devices.insert((id, key.client_id.clone()), Some(device));
        self.forget_devices(id, evicted, Removal::DeviceCount);
        Ok(Written::Known(Cursor { cursor, sent: cursor, head }))
    }

    pub(super) fn forget_device(&mut self, key: &SessionKey) {
        self.delete_session(key, Removal::Forgotten);
        self.take_will_back(key);
        if let Some(slot) = self.states.get_mut(key) {
            (slot.state, slot.changed) = (Default::default(), slot.stored);
        }
        let Some(Some(ledger)) = self.ledgers.get_mut(&Recipient::Inbox(key.uid.clone())) else {
            return;
        };
        let Readers::Inbox(devices) = &mut ledger.readers else { return };
        if devices.remove(&key.client_id) {
            let id = ledger.id;
            self.forget_devices(id, vec![key.client_id.clone()], Removal::Forgotten);
        }
    }

    pub(super) fn forget_inbox(&mut self, uid: &Uid) {
        self.forget_due(uid);
        let recipient = Recipient::Inbox(uid.clone());
        let Some(Some(ledger)) = self.ledgers.get_mut(&recipient) else { return };
        let (id, head) = (ledger.id, ledger.head);
        let Readers::Inbox(devices) = &mut ledger.readers else { return };
        let gone = devices.take();
        self.forget_devices(id, gone, Removal::Forgotten);
        self.delete(&recipient, head, Removal::Forgotten);
    }

    pub(super) fn forget_devices(&mut self, id: i64, gone: Vec<ClientId>, why: Removal) {
        self.count(why, gone.len() as u64);
        for client_id in gone {
            self.changes.devices.insert((id, client_id), None);
        }
    }
}

/// The `count` devices not seen for longest.
fn oldest<'a>(
    devices: impl Iterator<Item = &'a (ClientId, Device)>,
    count: usize,
) -> Vec<ClientId> {
    let mut all: Vec<_> = devices.map(|(id, device)| (device.seen_at, id.clone())).collect();
    all.sort();
    all.into_iter().take(count).map(|(_, id)| id).collect()
}
