//! Which connections a user has here, and which worker a user belongs to.

use crate::model::{SessionKey, Uid};

use super::{Shard, Token};

/// The worker that owns a user and all of its connections.
pub fn worker_of(uid: &Uid, workers: u16) -> u16 {
    (xxhash_rust::xxh3::xxh3_64(uid.as_str().as_bytes()) % u64::from(workers)) as u16
}

impl Shard {
    pub(super) fn add_user(&mut self, uid: &Uid, token: Token) {
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

    /// The connection that has this session now.
    pub(super) fn connected(&self, key: &SessionKey) -> Option<Token> {
        self.by_key.get(key).copied()
    }
}
