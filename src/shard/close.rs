//! A connection ends: its maps, its session in the store, its will, its line in the log.

use std::sync::Arc;
use std::time::Duration;

use crate::auth::Known;
use crate::metrics::Closed;
use crate::model::{Due, DueName, Identity, Reason, SessionKey, Submission, Target, Timing, Uid};
use crate::session::{Answer, Closing, Ticket, Will};
use crate::store::{Change, Schedule, Write};

use super::decide::{Origin, of_user};
use super::effects::{Asker, DirectoryAsk};
use super::wills::LeftWill;
use super::{Asked, Conn, Shard, Token};

impl Shard {
    pub(super) fn close(&mut self, token: Token, closing: Closing) {
        let Some(conn) = self.conn(token) else { return };
        if conn.is_closing {
            return;
        }
        log_end(conn, &closing);
        conn.is_closing = true;
        let throttled = conn.end_throttling();
        let key = conn.session.key().clone();
        self.timers.clear(token.place());
        if throttled {
            self.shared.metrics.readers_throttled.dec();
        }
        self.flush_advances_of(token);
        self.leave_user(token);
        self.leave_session(token, &key);
        let closed = match closing {
            Closing::Client => Closed::Client,
            Closing::Network => Closed::Network,
            Closing::Server(reason, _) => Closed::Server(reason),
        };
        self.shared.metrics.disconnects(closed).inc();
        self.effects.closed.push(token);
    }

    /// What the session leaves behind: a durable one its filters, any other one nothing.
    fn leave_session(&mut self, token: Token, key: &SessionKey) {
        let Some(conn) = self.conn(token).filter(|conn| conn.asked != Asked::Not) else { return };
        // Without the store's answer there may be an older session, which this one took up.
        let kept = conn.kept || conn.asked == Asked::Waiting;
        let expiry = conn.session.expiry();
        let filters = std::mem::take(&mut conn.filters);
        if kept {
            self.ask_store(Write::EndSession { key: key.clone(), expiry }, None);
        }
        if kept && !expiry.is_zero() {
            self.set_present(key, &filters, false);
            if !filters.is_empty() {
                self.away.insert(key.clone(), filters);
            }
            return;
        }
        self.forget_subscriptions(key);
        let at = crate::broker::subscriptions::Connection { worker: self.index, token: token.0 };
        let who = ((!kept).then_some(at), key.clone());
        for filter in filters {
            self.with_tree(|tree| tree.remove(&filter, &who));
        }
    }

    /// The socket is closed: the place is free again.
    pub fn remove(&mut self, token: Token) {
        if self.conn(token).is_some() {
            self.conns.remove(token.index());
        }
    }

    /// One with a delay waits in the store, also over a restart (MQTT 5, section 3.1.3.2.2): until
    /// its session goes on, or ends, or the delay is over, whichever comes first.
    pub(super) fn will(&mut self, token: Token, will: Will) {
        let Some(conn) = self.conn(token) else { return };
        let delay = will.delay.min(conn.session.expiry());
        let (key, who) = (conn.session.key().clone(), conn.session.identity().clone());
        let login_expires = conn.session.login_expires();
        let left = LeftWill { key, who, login_expires, will };
        match delay.is_zero() {
            true => self.send_will(left),
            false => self.keep_will(left, delay),
        }
    }

    fn keep_will(&mut self, left: LeftWill, delay: Duration) {
        let LeftWill { key, who, login_expires, will } = left;
        let (now, stamp) = (self.now, self.stamp);
        let expires_at = login_expires.map(|at| stamp.after(at.since(now)));
        let (_, message) = will.into_message(&mut self.ids, stamp);
        let due = Due {
            at: stamp.after(delay),
            name: Some(DueName::Will(key.client_id)),
            message: Arc::new(message),
            who: Arc::new(Identity { expires_at, ..(*who).clone() }),
        };
        let quota = of_user(self.live.delayed, &who);
        let put = Change::Put(Box::new(due), quota);
        self.ask_store(Write::Schedule(Schedule::only(put)), None);
    }

    /// With the rights that its owner has now, not with those it had when it left the will (threat
    /// I8).
    fn send_will(&mut self, will: LeftWill) {
        if let Some((reason, words)) = self.will_denied(&will) {
            return self.drop_will(&will.key, reason, &words);
        }
        match &will.will.target {
            Target::User(uid) if self.shared.directory.knows(uid) == Known::Ask => {
                let uid = uid.clone();
                self.ask_for_will(will, uid);
            }
            _ => self.submit_will(will),
        }
    }

    fn ask_for_will(&mut self, will: LeftWill, uid: Uid) {
        match self.asking.push(will) {
            Ok(number) => {
                let asker = Asker::Will(number);
                self.effects.directory.push(DirectoryAsk { asker, uid });
            }
            Err(will) => {
                let words = "too many wills wait for the directory of users";
                self.drop_will(&will.key, Reason::Busy, words);
            }
        }
    }

    /// The directory has answered about the user that a will goes to.
    pub(super) fn will_answered(&mut self, number: u64, exists: Option<bool>) {
        let Some(will) = self.asking.take(number) else { return };
        match self.denied_by_directory(&will.will.target, exists) {
            Some((reason, words)) => self.drop_will(&will.key, reason, &words),
            None => self.submit_will(will),
        }
    }

    fn submit_will(&mut self, will: LeftWill) {
        let LeftWill { who, key, will, .. } = will;
        let (target, message) = will.into_message(&mut self.ids, self.stamp);
        let submission =
            Submission { target, message: Arc::new(message), dedupe: None, timing: Timing::Now };
        // Nobody waits for the answer.
        let from = Origin { who: &who, key: &key, behind: false };
        let nobody = (Token(u64::MAX), Ticket::Publish(0));
        if let Some(Answer::Refused(reason, words)) = self.submit_as(from, submission, nobody) {
            self.drop_will(&key, reason, &words);
        }
    }
}

/// One line that names uid, client and cause. A fault of the peer is a warning.
fn log_end(conn: &Conn, closing: &Closing) {
    let key = conn.session.key();
    let (uid, client, peer) = (&key.uid, &key.client_id, &conn.peer);
    match closing {
        Closing::Client => tracing::debug!(%uid, %client, %peer, "disconnected by the client"),
        Closing::Network => tracing::debug!(%uid, %client, %peer, "connection lost"),
        Closing::Server(reason, words) => {
            let reason = reason.name();
            tracing::warn!(%uid, %client, %peer, reason, "connection closed: {words}");
        }
    }
}
