//! What a session may no longer do: subscriptions that the rules in force forbid, and the words
//! about what was refused.

use crate::auth::Known;
use crate::broker::Action;
use crate::model::target::Interest;
use crate::model::{Reason, Selector, SessionKey, Target};
use crate::store::Write;

use super::submit::unknown_user;
use super::wills::LeftWill;
use super::{Conn, Shard, Token};

impl Shard {
    /// The rules have changed: everyone's subscriptions are looked at again (threat I3). Those of
    /// durable sessions that are away are looked at when they come back; until then what is queued
    /// for them is withheld at delivery.
    pub(super) fn review_all(&mut self) {
        let tokens: Vec<Token> = self.conns.iter().map(|(_, conn)| conn.token).collect();
        tokens.into_iter().for_each(|token| self.review(token));
    }

    /// Ends the subscriptions of one session that it may no longer have.
    pub(super) fn review(&mut self, token: Token) {
        let live = self.live.clone();
        let subscribed = self.conn(token).filter(|conn| !conn.filters.is_empty());
        let Some(conn) = subscribed else { return };
        let who = conn.session.identity().clone();
        let may = |filter: &mut Selector| {
            let interest = Interest::Plain(filter.clone());
            live.policy.may(&who, Action::Subscribe(&interest)).is_ok()
        };
        let forbidden: Vec<Selector> = conn.filters.extract_if(.., |filter| !may(filter)).collect();
        if forbidden.is_empty() {
            return;
        }
        let (kept, key, peer) = (conn.kept, conn.session.key().clone(), conn.peer);
        let (uid, client) = (&key.uid, &key.client_id);
        tracing::warn!(%uid, %client, %peer, "subscriptions end, no longer allowed: {forbidden:?}");
        for filter in &forbidden {
            self.leave_tree(token, filter);
        }
        if kept {
            let filters = forbidden.iter().map(|filter| filter.text().as_str().into()).collect();
            self.ask_store(Write::Unsubscribe { key, filters }, None);
        }
    }

    /// Why a will is not sent, beside what the rules say.
    pub(super) fn will_denied(&self, will: &LeftWill) -> Option<(Reason, Box<str>)> {
        let told = |reason: Reason| Some((reason, reason.words().into()));
        let gone = |uid| self.shared.directory.knows(uid) == Known::No;
        match &will.will.target {
            _ if will.login_expires.is_some_and(|at| at <= self.now) => told(Reason::LoginExpired),
            _ if gone(&will.key.uid) => told(Reason::Removed),
            Target::User(uid) if gone(uid) => Some(unknown_user(uid)),
            _ => None,
        }
    }

    pub(super) fn drop_will(&mut self, key: &SessionKey, reason: Reason, words: &str) {
        let (uid, client) = (&key.uid, &key.client_id);
        tracing::info!(%uid, %client, reason = reason.name(), "its will is dropped: {words}");
        self.tally.dropped.push(reason);
    }

    /// A line in the log about what this connection may not do, unless it has had its share.
    pub(super) fn log_refusal(&mut self, token: Token, reason: Reason, words: &str) {
        let now = self.now;
        let Some(conn) = self.conn(token) else { return };
        let Some(left_out) = conn.noise.line(now) else { return };
        let Conn { session, peer, .. } = conn;
        let (uid, client) = (&session.key().uid, &session.key().client_id);
        let reason = reason.name();
        match left_out {
            0 => tracing::info!(%uid, %client, %peer, reason, "refused: {words}"),
            _ => tracing::info!(
                %uid, %client, %peer, reason, left_out,
                "refused: {words} ({left_out} such lines were left out)"
            ),
        }
    }
}
