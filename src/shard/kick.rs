//! Connections that an administrator ends: of a user, of a device, of whoever is banned.

use crate::model::{BanTarget, ClientId, Moment, Reason, SessionKey, Uid};
use crate::session::Input;

use super::users::uid_hash;
use super::{Conn, Shard, Token};

/// Users that share the time of a kick, so that it needs no room per user. Who shares it by chance,
/// and logs in at that moment, connects once more.
const KICK_SLOTS: usize = 1024;

/// When users were kicked: a login that was asked about before comes too late.
pub(super) struct Kicked(Box<[Option<Moment>]>);

impl Default for Kicked {
    fn default() -> Kicked {
        Kicked(vec![None; KICK_SLOTS].into())
    }
}

impl Kicked {
    fn note(&mut self, uid: &Uid, now: Moment) {
        self.0[Kicked::slot(uid)] = Some(now);
    }

    pub(super) fn since(&self, uid: &Uid, asked_at: Moment) -> bool {
        self.0[Kicked::slot(uid)].is_some_and(|at| at >= asked_at)
    }

    /// By other bits of the hash than those that choose the worker.
    fn slot(uid: &Uid) -> usize {
        (uid_hash(uid) >> 32) as usize % KICK_SLOTS
    }
}

impl Shard {
    /// Ends the connections of a user, or of one device of it. Its wills are dropped: who left them
    /// has no say any more; of one that waits for its delay this is asked when it is due. Returns
    /// the sessions that were connected or had subscriptions here.
    pub fn kick(&mut self, uid: &Uid, only: Option<&ClientId>, reason: Reason) -> Vec<SessionKey> {
        self.kicked.note(uid, self.now);
        let is = |key: &SessionKey| key.uid == *uid && only.is_none_or(|id| key.client_id == *id);
        let mut keys: Vec<SessionKey> = self.away.keys().filter(|key| is(key)).cloned().collect();
        keys.extend(self.sessions_here().filter(|key| is(key)).cloned());
        self.end_all(reason, |conn| is(conn.session.key()));
        self.drop_wills(reason, is);
        keys
    }

    /// Ends the connections that a new ban is about, and drops their wills.
    pub fn banned(&mut self, target: &BanTarget) {
        let is = |conn: &Conn| {
            target.concerns(conn.session.key()) || target.covers(&conn.peer.address())
        };
        self.end_all(Reason::Banned, is);
        self.drop_wills(Reason::Banned, |key| target.concerns(key));
    }

    pub(super) fn end_all(&mut self, reason: Reason, is: impl Fn(&Conn) -> bool) {
        let all = self.conns.iter().map(|(_, conn)| conn);
        let tokens: Vec<Token> = all.filter(|conn| is(conn)).map(|conn| conn.token).collect();
        for token in tokens {
            self.handle(token, Input::End(reason, reason.words().into()));
        }
    }

    fn drop_wills(&mut self, reason: Reason, waiting: impl Fn(&SessionKey) -> bool) {
        for will in self.asking.take_where(&waiting) {
            self.drop_will(&will.key, reason, reason.words());
        }
    }

    /// Sessions that ended in the store while nobody was connected.
    pub fn expired(&mut self, keys: &[SessionKey]) {
        for key in keys {
            if self.connected(key).is_none() {
                self.forget_subscriptions(key);
            }
        }
    }

    /// The devices of a user that are connected.
    pub fn connected_devices(&self, uid: &Uid) -> Vec<ClientId> {
        let own = self.sessions_here().filter(|key| key.uid == *uid);
        own.map(|key| key.client_id.clone()).collect()
    }
}
