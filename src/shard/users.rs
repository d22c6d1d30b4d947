//! Which connections and sessions a user has here, and which worker a user belongs to.

use std::time::Duration;

use crate::model::{ClientId, SessionKey, Uid};
use crate::store::Write;

use super::{Shard, Token};

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
    /// Anonymous clients are no user: they have no inbox, and nothing is counted for all of them.
    pub(super) fn add_user(&mut self, uid: &Uid, token: Token) {
        if uid.is_anonymous() {
            return;
        }
        self.users.entry(uid.clone()).or_default().push(token);
    }

    pub(super) fn remove_user(&mut self, uid: &Uid, token: Token) {
        if let Some(tokens) = self.users.get_mut(uid) {
            tokens.retain(|other| *other != token);
            if tokens.is_empty() {
                self.users.remove(uid);
            }
        }
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
        self.by_key.get(key).copied()
    }
}
