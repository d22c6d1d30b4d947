//! A record was committed for somebody who may be here: each of the user's connections, or the
//! one connection of a durable session, is told. A hint: whoever misses it reads it later.

use crate::model::{Entry, Reason, Recipient, Uid};
use crate::session::{Input, LogName};

use super::{Shard, Token};

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

    /// Their names are taken first: one that ends on the way may take others along.
    fn each_connection(&mut self, uid: &Uid, mut act: impl FnMut(&mut Shard, Token)) {
        let mut tokens = std::mem::take(&mut self.woken);
        tokens.extend(self.connections_of(uid).map(|conn| conn.token));
        tokens.drain(..).for_each(|token| act(self, token));
        self.woken = tokens;
    }

    /// Why nobody can stay or come in.
    pub(super) fn stopping(&self) -> Reason {
        match self.live.settings.server_reference {
            Some(_) => Reason::UseAnotherServer,
            None => Reason::ShuttingDown,
        }
    }

    /// The server stops: every client is told.
    pub fn drain(&mut self) {
        self.draining = true;
        let tokens: Vec<Token> = self.conns.iter().map(|(_, conn)| conn.token).collect();
        let reason = self.stopping();
        for token in tokens {
            self.handle(token, Input::End(reason, reason.words().into()));
        }
        self.flush_advances();
    }
}
