//! A record was committed for somebody who may be here: each of the user's connections, or the
//! one connection of a durable session, is told. A hint: whoever misses it reads it later.

use crate::model::{Entry, Reason, Recipient, SessionKey, Uid};
use crate::session::{Input, LogName};

use super::{Conn, Shard, Token};

impl Shard {
    pub fn committed(&mut self, recipient: &Recipient, entry: Entry) {
        match recipient {
            Recipient::Inbox(uid) => {
                self.each_connection(uid, |shard, token| {
                    shard.handle(token, Input::Committed(LogName::Inbox, entry.clone()));
                });
            }
            Recipient::Session(key) => {
                if let Some(token) = self.connected(key) {
                    self.handle(token, Input::Committed(LogName::Queue, entry));
                }
            }
            Recipient::Feed(_) => {}
        }
    }

    /// From the last to the first, so that a connection that ends on the way shifts no other.
    fn each_connection(&mut self, uid: &Uid, mut act: impl FnMut(&mut Shard, Token)) {
        let count = self.users.get(uid).map_or(0, Vec::len);
        for place in (0..count).rev() {
            let token = self.users.get(uid).and_then(|tokens| tokens.get(place)).copied();
            if let Some(token) = token {
                act(self, token);
            }
        }
    }

    /// An administrator removed the user.
    pub fn kick(&mut self, uid: &Uid) {
        self.each_connection(uid, |shard, token| {
            shard.handle(token, Input::End(Reason::Removed, Reason::Removed.words().into()));
        });
        let away: Vec<SessionKey> = self.away_of(uid).map(|(key, _)| key.clone()).collect();
        self.expired(&away);
    }

    /// Ends the connections that `is` is true of, by session and peer, and drops their wills; and
    /// the delayed wills of the sessions that `waiting` is true of.
    pub fn end_where(
        &mut self,
        reason: Reason,
        is: impl Fn(&SessionKey, &str) -> bool,
        waiting: impl Fn(&SessionKey) -> bool,
    ) {
        let hit = |conn: &&Conn| is(conn.session.key(), &conn.peer);
        let all = self.conns.iter().map(|(_, conn)| conn);
        let tokens: Vec<Token> = all.filter(hit).map(|conn| conn.token).collect();
        for token in tokens {
            self.handle(token, Input::End(reason, reason.words().into()));
        }
        for will in self.wills.take_where(waiting) {
            self.drop_will(&will.key, reason, reason.words());
        }
    }

    /// The server stops: every client is told.
    pub fn drain(&mut self) {
        self.draining = true;
        let tokens: Vec<Token> = self.conns.iter().map(|(_, conn)| conn.token).collect();
        for token in tokens {
            let reason = Reason::ShuttingDown;
            self.handle(token, Input::End(reason, reason.words().into()));
        }
        self.send_waiting_wills();
        self.flush_advances();
    }

    /// Sessions that expired in the store while nobody was connected.
    pub fn expired(&mut self, keys: &[SessionKey]) {
        for key in keys {
            if self.connected(key).is_none() {
                self.forget_subscriptions(key);
            }
        }
    }
}
