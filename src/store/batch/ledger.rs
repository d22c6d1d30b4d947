//! One recipient as a transaction holds it: where its log begins and ends, and who reads it.

use std::time::Duration;

use crate::model::{ClientId, Seq, Stamp};
use crate::store::Cursor;

/// The recipient's row with its log's ends and its readers.
#[derive(Clone, Debug)]
pub(in crate::store) struct Ledger {
    pub(in crate::store) id: i64,
    pub(in crate::store) head: Seq,
    /// The oldest record kept; after the head if there is none.
    pub(in crate::store) low: Seq,
    pub(in crate::store) readers: Readers,
    /// No record between `low` and `head` is missing; else some have expired, or nobody looked.
    pub(in crate::store) dense: bool,
    /// Its log or a cursor has moved, so it is soon needed again and worth its place in a cache.
    /// Who only connects moves nothing.
    pub(in crate::store) busy: bool,
    /// `low` is only a bound since records were removed: load again before the next use.
    pub(super) stale: bool,
}

/// Who reads a log.
#[derive(Clone, Debug)]
pub(in crate::store) enum Readers {
    Inbox(Devices),
    Session(Option<Session>),
    Feed,
}

/// The devices of a user. Most have one or two: a list is smaller than a map, and as fast.
#[derive(Clone, Debug, Default)]
pub(in crate::store) struct Devices(Vec<(ClientId, Device)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Device {
    pub(in crate::store) cursor: Seq,
    pub(in crate::store) sent: Seq,
    pub(in crate::store) seen_at: Stamp,
    pub(in crate::store) known_at: Stamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Session {
    pub(in crate::store) expiry: Duration,
    /// `None` while it is connected.
    pub(in crate::store) ended_at: Option<Stamp>,
    pub(in crate::store) cursor: Seq,
    pub(in crate::store) sent: Seq,
}

impl Devices {
    pub(super) fn get(&self, client_id: &ClientId) -> Option<&Device> {
        self.iter().find(|(own, _)| own == client_id).map(|(_, device)| device)
    }

    pub(super) fn get_mut(&mut self, client_id: &ClientId) -> Option<&mut Device> {
        self.iter_mut().find(|(own, _)| own == client_id).map(|(_, device)| device)
    }

    /// In place of one of the same name.
    pub(in crate::store) fn insert(&mut self, client_id: ClientId, device: Device) {
        self.remove(&client_id);
        self.0.reserve_exact(1);
        self.0.push((client_id, device));
    }

    /// False if there was none.
    pub(super) fn remove(&mut self, client_id: &ClientId) -> bool {
        let before = self.len();
        self.retain(|own, _| own != client_id);
        self.len() < before
    }

    pub(super) fn retain(&mut self, mut keep: impl FnMut(&ClientId, &Device) -> bool) {
        self.0.retain(|(client_id, device)| keep(client_id, device));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(ClientId, Device)> {
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut (ClientId, Device)> {
        self.0.iter_mut()
    }

    /// Their names; none is left.
    pub(super) fn take(&mut self) -> Vec<ClientId> {
        self.0.drain(..).map(|(client_id, _)| client_id).collect()
    }

    fn cursors(&self) -> impl Iterator<Item = Seq> {
        self.iter().map(|(_, device)| device.cursor)
    }

    /// How far the first of them has come.
    pub(super) fn first_cursor(&self) -> Option<Seq> {
        self.cursors().max()
    }
}

impl Session {
    pub(super) fn has_expired(&self, now: Stamp) -> bool {
        self.ended_at.is_some_and(|ended_at| ended_at.after(self.expiry) <= now)
    }
}

impl Ledger {
    /// `low` as the store found it; `None` if the log is empty.
    pub(in crate::store) fn new(id: i64, head: Seq, low: Option<Seq>, readers: Readers) -> Ledger {
        let (dense, low) = (low.is_none(), low.unwrap_or(head.next()));
        Ledger { id, head, low, readers, dense, busy: false, stale: false }
    }

    /// The position before the oldest record kept.
    pub(super) fn start(&self) -> Seq {
        Seq(self.low.0 - 1)
    }

    pub(super) fn session(&self) -> Option<&Session> {
        match &self.readers {
            Readers::Session(session) => session.as_ref(),
            _ => None,
        }
    }

    pub(super) fn devices(&self) -> Option<&Devices> {
        match &self.readers {
            Readers::Inbox(devices) => Some(devices),
            _ => None,
        }
    }

    /// Up to where every reader has come.
    pub(super) fn acknowledged(&self) -> Seq {
        let cursor = match &self.readers {
            Readers::Inbox(devices) => devices.cursors().min(),
            Readers::Session(session) => session.map(|session| session.cursor),
            Readers::Feed => None,
        };
        cursor.unwrap_or_default()
    }

    pub(super) fn cursor_of(&self, client_id: &ClientId) -> Option<Cursor> {
        let device = self.devices()?.get(client_id)?;
        Some(Cursor { cursor: device.cursor, sent: device.sent, head: self.head })
    }

    /// Bytes it takes in a cache, about.
    pub(in crate::store) fn bytes(&self) -> usize {
        let readers = match &self.readers {
            Readers::Inbox(devices) => devices.len() * 96,
            _ => 0,
        };
        256 + readers
    }
}
