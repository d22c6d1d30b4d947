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

/// Of each user the connection that came last, by its place; it names the one before it. Who each
/// one is stands in the connection alone.
#[derive(Default)]
pub(super) struct Owners {
    newest: HashTable<u32>,
    hasher: RandomState,
}

/// Whom a connection counts for: its user, or, without a login, itself.
type Owner<'a> = (&'a Uid, Option<&'a ClientId>);

fn owner(key: &SessionKey) -> Owner<'_> {
    (&key.uid, key.uid.is_anonymous().then_some(&key.client_id))
}

/// Whom the connection at this place counts for.
fn owner_at(conns: &Slab<Conn>, place: u32) -> Option<Owner<'_>> {
    conns.get(place as usize).map(|conn| owner(conn.session.key()))
}

impl Owners {
    fn hash(&self, owner: Owner<'_>) -> u64 {
        self.hasher.hash_one(owner)
    }

    fn newest(&self, conns: &Slab<Conn>, owner: Owner<'_>) -> u32 {
        let is = |place: &u32| owner_at(conns, *place) == Some(owner);
        self.newest.find(self.hash(owner), is).copied().unwrap_or(NO_PLACE)
    }

    /// Which one was the newest before.
    fn put_newest(&mut self, conns: &Slab<Conn>, owner: Owner<'_>, place: u32) -> u32 {
        let Owners { newest, hasher } = self;
        let is = |other: &u32| owner_at(conns, *other) == Some(owner);
        let hash = |other: &u32| owner_at(conns, *other).map_or(0, |owner| hasher.hash_one(owner));
        match newest.entry(hasher.hash_one(owner), is, hash) {
            Entry::Occupied(mut entry) => std::mem::replace(entry.get_mut(), place),
            Entry::Vacant(entry) => {
                entry.insert(place);
                NO_PLACE
            }
        }
    }

    /// The newest one goes, and `next` takes its place.
    fn replace_newest(&mut self, conns: &Slab<Conn>, owner: Owner<'_>, next: u32) {
        let is = |place: &u32| owner_at(conns, *place) == Some(owner);
        let Ok(mut entry) = self.newest.find_entry(self.hash(owner), is) else { return };
        match next {
            NO_PLACE => _ = entry.remove(),
            _ => *entry.get_mut() = next,
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
    /// A connection is there from now on.
    pub(super) fn join_user(&mut self, token: Token) {
        let Shard { conns, owners, .. } = self;
        let Some(owner) = owner_at(conns, token.place()) else { return };
        let next = owners.put_newest(conns, owner, token.place());
        if let Some(conn) = self.conn(token) {
            conn.next = next;
        }
    }

    /// It is not there any more, though its place is still taken.
    pub(super) fn leave_user(&mut self, token: Token) {
        let Shard { conns, owners, .. } = self;
        let Some(conn) = conns.get(token.index()) else { return };
        let (owner, next) = (owner(conn.session.key()), conn.next);
        let mut at = owners.newest(conns, owner);
        if at == token.place() {
            return owners.replace_newest(conns, owner, next);
        }
        while let Some(conn) = conns.get_mut(at as usize) {
            if conn.next == token.place() {
                conn.next = next;
                return;
            }
            at = conn.next;
        }
    }

    /// The connections of whoever this is, from the newest on.
    fn connections(&self, owner: Owner<'_>) -> impl Iterator<Item = &Conn> {
        let at = |place: u32| self.conns.get(place as usize);
        let newest = self.owners.newest(&self.conns, owner);
        std::iter::successors(at(newest), move |conn| at(conn.next))
    }

    /// The connections of a user, from the newest on. Clients without a login are no user: they
    /// have no inbox, and nothing is counted for all of them.
    pub(super) fn connections_of(&self, uid: &Uid) -> impl Iterator<Item = &Conn> {
        let user = (!uid.is_anonymous()).then_some((uid, None));
        user.into_iter().flat_map(|user| self.connections(user))
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
        let mut own = self.connections(owner(key));
        let is = |conn: &&Conn| conn.has_session() && conn.session.key() == key;
        own.find(is).map(|conn| conn.token)
    }
}

impl Conn {
    /// It was let in, under a name, and has not ended.
    fn has_session(&self) -> bool {
        let named = !self.session.key().client_id.is_empty();
        named && self.asked != Asked::Not && !self.is_closing
    }
}
