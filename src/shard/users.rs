//! Which connections and sessions a user has here, and which worker a user belongs to.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use slab::Slab;

use crate::model::{ClientId, SessionKey, Uid};
use crate::store::Write;

use super::{Asked, Conn, Shard, Token};

/// No connection.
pub(super) const NO_PLACE: u32 = u32::MAX;

/// Where connections are found: by their places, since who each one is stands in the connection
/// alone.
#[derive(Default)]
pub(super) struct Owners {
    /// Of each user the connection that came last, which names the one before it.
    newest: HashTable<u32>,
    /// Of each session that is connected and has a name.
    sessions: HashTable<u32>,
    hasher: RandomState,
}

/// Whose connection is at this place.
fn key_at(conns: &Slab<Conn>, place: u32) -> Option<&SessionKey> {
    conns.get(place as usize).map(|conn| conn.session.key())
}

fn uid_at(conns: &Slab<Conn>, place: u32) -> Option<&Uid> {
    key_at(conns, place).map(|key| &key.uid)
}

impl Owners {
    fn newest(&self, conns: &Slab<Conn>, uid: &Uid) -> u32 {
        let is = |place: &u32| uid_at(conns, *place) == Some(uid);
        self.newest.find(self.hasher.hash_one(uid), is).copied().unwrap_or(NO_PLACE)
    }

    /// Which one was the newest before.
    fn put_newest(&mut self, conns: &Slab<Conn>, uid: &Uid, place: u32) -> u32 {
        let Owners { newest, hasher, .. } = self;
        let is = |other: &u32| uid_at(conns, *other) == Some(uid);
        let hash = |other: &u32| uid_at(conns, *other).map_or(0, |uid| hasher.hash_one(uid));
        match newest.entry(hasher.hash_one(uid), is, hash) {
            Entry::Occupied(mut entry) => std::mem::replace(entry.get_mut(), place),
            Entry::Vacant(entry) => {
                entry.insert(place);
                NO_PLACE
            }
        }
    }

    /// The newest one goes, and `next` takes its place.
    fn replace_newest(&mut self, conns: &Slab<Conn>, uid: &Uid, next: u32) {
        let is = |place: &u32| uid_at(conns, *place) == Some(uid);
        let Ok(mut entry) = self.newest.find_entry(self.hasher.hash_one(uid), is) else { return };
        match next {
            NO_PLACE => _ = entry.remove(),
            _ => *entry.get_mut() = next,
        }
    }

    fn session(&self, conns: &Slab<Conn>, key: &SessionKey) -> Option<Token> {
        let is = |place: &u32| key_at(conns, *place) == Some(key);
        let place = self.sessions.find(self.hasher.hash_one(key), is)?;
        conns.get(*place as usize).map(|conn| conn.token)
    }

    fn put_session(&mut self, conns: &Slab<Conn>, key: &SessionKey, place: u32) {
        let Owners { sessions, hasher, .. } = self;
        let is = |other: &u32| key_at(conns, *other) == Some(key);
        let hash = |other: &u32| key_at(conns, *other).map_or(0, |key| hasher.hash_one(key));
        sessions.entry(hasher.hash_one(key), is, hash).insert(place);
    }

    fn take_session(&mut self, key: &SessionKey, place: u32) {
        let is = |other: &u32| *other == place;
        if let Ok(entry) = self.sessions.find_entry(self.hasher.hash_one(key), is) {
            entry.remove();
        }
    }
}

/// The worker that owns a user and all of its connections.
pub fn worker_of(uid: &Uid, workers: u16) -> u16 {
    (uid_hash(uid) % u64::from(workers)) as u16
}

/// The worker that owns a session: that of its user. Anonymous clients are not one user, so each
/// has its own place.
pub fn worker_of_session(key: &SessionKey, workers: u16) -> u16 {
    match key.uid.is_anonymous() {
        true => {
            let hash = xxhash_rust::xxh3::xxh3_64(key.client_id.as_str().as_bytes());
            (hash % u64::from(workers)) as u16
        }
        false => worker_of(&key.uid, workers),
    }
}

pub(super) fn uid_hash(uid: &Uid) -> u64 {
    xxhash_rust::xxh3::xxh3_64(uid.as_str().as_bytes())
}

impl Shard {
    /// A connection is there from now on. Clients without a login are no user: they have no inbox,
    /// and nothing is counted for all of them.
    pub(super) fn join_user(&mut self, token: Token) {
        let Shard { conns, owners, .. } = self;
        let uid = uid_at(conns, token.place()).filter(|uid| !uid.is_anonymous());
        let Some(uid) = uid else { return };
        let next = owners.put_newest(conns, uid, token.place());
        if let Some(conn) = self.conn(token) {
            conn.next = next;
        }
    }

    /// It was let in: from now on it has its session, if it has a name.
    pub(super) fn take_session(&mut self, token: Token) {
        let Shard { conns, owners, .. } = self;
        let key = key_at(conns, token.place()).filter(|key| !key.client_id.is_empty());
        if let Some(key) = key {
            owners.put_session(conns, key, token.place());
        }
    }

    /// It is not there any more, though its place is still taken.
    pub(super) fn leave_user(&mut self, token: Token) {
        let Shard { conns, owners, .. } = self;
        let Some(conn) = conns.get(token.index()) else { return };
        let (key, next) = (conn.session.key(), conn.next);
        owners.take_session(key, token.place());
        let mut at = owners.newest(conns, &key.uid);
        if at == token.place() {
            return owners.replace_newest(conns, &key.uid, next);
        }
        while let Some(conn) = conns.get_mut(at as usize) {
            if conn.next == token.place() {
                conn.next = next;
                return;
            }
            at = conn.next;
        }
    }

    /// The connections of a user, from the newest on.
    pub(super) fn connections_of(&self, uid: &Uid) -> impl Iterator<Item = &Conn> {
        let at = |place: u32| self.conns.get(place as usize);
        std::iter::successors(at(self.owners.newest(&self.conns, uid)), move |conn| at(conn.next))
    }

    /// The sessions that are connected and have a name.
    pub(super) fn sessions_here(&self) -> impl Iterator<Item = &SessionKey> {
        let all = self.conns.iter().map(|(_, conn)| conn);
        all.filter(|conn| conn.has_session()).map(|conn| conn.session.key())
    }

    /// A user's durable sessions, the one away for longest first: those beyond the maximum end,
    /// as far as they are not connected.
    pub fn sessions_counted(&mut self, uid: &Uid, sessions: Vec<ClientId>) {
        let max = self.live.sessions_per_user_max;
        let excess = sessions.len().saturating_sub(max);
        let keys = sessions.into_iter().map(|client_id| SessionKey { uid: uid.clone(), client_id });
        let away: Vec<_> = keys.filter(|key| self.connected(key).is_none()).take(excess).collect();
        for key in away {
            let client = &key.client_id;
            tracing::info!(%uid, %client, "session ended: a user has at most {max} of them");
            self.forget_subscriptions(&key);
            self.ask_store(Write::EndSession { key, expiry: Duration::ZERO }, None);
        }
    }

    /// The connection that has this session now.
    pub fn connected(&self, key: &SessionKey) -> Option<Token> {
        self.owners.session(&self.conns, key)
    }
}

impl Conn {
    /// It was let in, under a name, and has not ended.
    fn has_session(&self) -> bool {
        let named = !self.session.key().client_id.is_empty();
        named && self.asked != Asked::Not && !self.is_closing
    }
}
