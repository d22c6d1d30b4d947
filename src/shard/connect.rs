//! A session comes in: takeover of an older connection of the same (uid, client id), then the
//! store is asked what it keeps.

use core::net::SocketAddr;

use crate::auth::Known;
use crate::model::{Reason, SessionKey, Uid};
use crate::session::{Hello, Input, OpenedSession, Session, Ticket};
use crate::store::Write;

use super::answer::position;
use super::filters::subscription_ids;
use super::users::NO_PLACE;
use super::{Asked, Conn, Peer, Shard, Token};

impl Shard {
    /// Takes in a connection whose CONNECT was accepted.
    pub fn connect(&mut self, hello: Hello, peer: SocketAddr) -> Token {
        let late = self.is_late(&hello);
        if late.is_none() {
            self.take_over(&hello.key, peer);
            self.make_room(&hello.key.uid);
        }
        let (key, clean_start) = (hello.key.clone(), hello.clean_start);
        let token = self.insert(hello, peer);
        self.join_user(token);
        self.arm(token);
        if let Some(reason) = late {
            self.give_up(token, reason);
            return token;
        }
        let Some(conn) = self.conn(token) else { return token };
        if key.client_id.is_empty() {
            conn.asked = Asked::Answered;
            self.handle(token, Input::Opened(Box::default()));
            self.arm(token);
            return token;
        }
        let keep = conn.session.is_durable();
        conn.kept = keep;
        conn.asked = Asked::Waiting;
        self.take_session(token);
        if clean_start {
            self.forget_subscriptions(&key);
        }
        let open = Write::OpenSession { key, clean_start, keep };
        self.ask_store(open, Some((token, Ticket::Open)));
        token
    }

    /// While it was greeted, the others were sent away, its user was kicked, logins became
    /// necessary, or its device came again: the one that asked last is the one that is there
    /// (threat I7).
    fn is_late(&self, hello: &Hello) -> Option<Reason> {
        match self.draining {
            true => Some(self.stopping()),
            false if self.kicked.since(&hello.key.uid, hello.asked_at) => {
                Some(Reason::RightsChanged)
            }
            false if hello.key.uid.is_anonymous() && !self.live.anonymous => {
                Some(Reason::RightsChanged)
            }
            false if self.came_again(hello) => Some(Reason::TakenOver),
            false => None,
        }
    }

    fn came_again(&self, hello: &Hello) -> bool {
        let present = self.connected(&hello.key).and_then(|token| self.conns.get(token.index()));
        present.is_some_and(|present| present.asked_at > hello.asked_at)
    }

    fn insert(&mut self, hello: Hello, peer: SocketAddr) -> Token {
        self.generation = self.generation.wrapping_add(1);
        let asked_at = hello.asked_at;
        let session = Session::new(hello, &self.live.settings, self.now);
        let entry = self.conns.vacant_entry();
        let token = Token::new(entry.key(), self.generation);
        entry.insert(Conn {
            session,
            token,
            asked_at,
            peer: Peer { ip: peer.ip(), port: peer.port() },
            out: Vec::new(),
            filters: Vec::new(),
            flush_asked: false,
            kept: false,
            asked: Asked::Not,
            asking: None,
            is_closing: false,
            committing: 0,
            orders: false,
            noise: Default::default(),
            pacing: None,
            next: NO_PLACE,
        });
        token
    }

    fn take_over(&mut self, key: &SessionKey, peer: SocketAddr) {
        let Some(old) = self.connected(key) else { return };
        self.shared.metrics.takeovers.inc();
        let words = format!(
            "taken over by a new connection from {peer}: same client id '{}' of uid '{}'",
            key.client_id, key.uid
        );
        self.handle(old, Input::End(Reason::TakenOver, words.into()));
    }

    /// One more connection of a user at its maximum: the one silent for longest is ended, which is
    /// mostly one that is dead already. To refuse the new one would lock its owner out.
    fn make_room(&mut self, uid: &Uid) {
        let max = self.live.connections_per_user_max;
        let count = self.connections_of(uid).count();
        if count < max {
            return;
        }
        let own = self.connections_of(uid);
        let mut all: Vec<_> = own.map(|conn| (conn.session.heard_at(), conn.token)).collect();
        all.sort_unstable();
        for (_, token) in all.into_iter().take(count + 1 - max) {
            let words = format!(
                "more than {max} connections of one user; this one was silent for longest \
                 (limits.connections_per_user)"
            );
            self.handle(token, Input::End(Reason::QuotaExceeded, words.into()));
        }
    }

    /// The store's answer to [`Write::OpenSession`].
    pub(super) fn opened(&mut self, token: Token, opened: crate::store::Opened) {
        let Some(conn) = self.conn(token) else { return };
        // An MQTT 5 client may take up a durable session and let it end with this connection.
        conn.kept = opened.durable.is_some();
        conn.asked = Asked::Answered;
        let key = conn.session.key().clone();
        if opened.durable.is_some() && !opened.session_present && !key.uid.is_anonymous() {
            // There may be one too many now.
            self.effects.sessions.push(key.uid.clone());
        }
        let (envelope, filters) = self.resume_filters(&opened);
        self.reconcile(&key, &filters);
        self.set_present(&key, &filters, true);
        let subscription_ids = subscription_ids(&opened, &self.live.settings.topics);
        let opened = OpenedSession {
            state: opened.state,
            inbox: opened.inbox.map(position),
            queue: opened.durable.map(|durable| position(durable.queue)),
            session_present: opened.session_present,
            envelope,
            subscription_ids,
        };
        if let Some(conn) = self.conn(token) {
            conn.filters = filters;
        }
        if self.was_removed(token) {
            return self.give_up(token, Reason::Removed);
        }
        self.review(token);
        self.handle(token, Input::Opened(Box::new(opened)));
        self.effects.resumed.push(token);
        self.arm(token);
    }

    /// The user was removed after its password had been checked.
    fn was_removed(&mut self, token: Token) -> bool {
        let directory = self.shared.directory.clone();
        self.conn(token).is_some_and(|conn| directory.knows(&conn.session.key().uid) == Known::No)
    }

    pub(super) fn know_device(&mut self, token: Token) {
        let devices_max = self.live.devices_max;
        let Some(conn) = self.conn(token) else { return };
        let key = conn.session.key().clone();
        self.ask_store(Write::KnowDevice { key, devices_max }, Some((token, Ticket::Know)));
    }
}
