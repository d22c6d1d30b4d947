//! What a shard wants from others, done once per turn: writes and reads of the store, questions to
//! the directory, letters to other workers.

use std::sync::Arc;

use crate::model::Uid;
use crate::model::target::is_sys;
use crate::session::Ticket;
use crate::shard::{DirectoryAsk, ReadAsk, RetainedAsk, StoreAsk, Token};
use crate::store::Store;
use crate::store::commit::{Committer, Reply, Request, Tag};

use super::worker::{Mail, Worker};

/// Where reads and writes go.
#[derive(Clone)]
pub struct Stores {
    pub store: Arc<dyn Store>,
    pub committer: Committer,
    /// The runtime that reads run on, and how many of them at once.
    pub runtime: tokio::runtime::Handle,
    pub reads_at_once: Arc<tokio::sync::Semaphore>,
}

impl Worker {
    /// What the shard wants from others. Closing asks for more, so it is done before and after.
    pub(super) fn hand_out(&mut self) {
        self.shard.report();
        let effects = self.shard.effects();
        let store = std::mem::take(&mut effects.store);
        let reads = std::mem::take(&mut effects.reads);
        let retained = std::mem::take(&mut effects.retained);
        let directory = std::mem::take(&mut effects.directory);
        for (mailbox, posts) in self.mailboxes.iter().zip(&mut effects.posts) {
            if !posts.is_empty() {
                mailbox.post(posts.drain(..).map(Mail::Post));
            }
        }
        let sessions = std::mem::take(&mut effects.sessions);
        self.write_store(store);
        let queued = self.stores.committer.queued_bytes();
        self.gate.metrics.store_queue_bytes.set(queued as i64);
        reads.into_iter().for_each(|read| self.read_store(read));
        retained.into_iter().for_each(|ask| self.read_retained(ask));
        directory.into_iter().for_each(|ask| self.ask_directory(ask));
        sessions.into_iter().for_each(|uid| self.count_sessions(uid));
    }

    /// One question per connection and per will at a time.
    fn ask_directory(&self, ask: DirectoryAsk) {
        let (directory, mailboxes) = (self.gate.directory.clone(), self.mailboxes.clone());
        let index = usize::from(self.index);
        self.stores.runtime.spawn(async move {
            let exists = directory.ask(&ask.uid).await;
            let exists = exists.inspect_err(|error| {
                tracing::warn!(uid = %ask.uid, "the directory could not be asked: {error}");
            });
            mailboxes[index].post([Mail::Directory(ask.asker, exists.ok())]);
        });
    }

    fn write_store(&self, asks: Vec<StoreAsk>) {
        if asks.is_empty() {
            return;
        }
        let worker = self.index;
        let requests = asks.into_iter().map(|ask| {
            let tag = |(token, ticket): (Token, Ticket)| Tag {
                worker,
                session: token.0,
                ticket: ticket.pack(),
            };
            let reply = ask.answer_to.map_or(Reply::None, |to| Reply::Tagged(tag(to)));
            Request { write: ask.write, reply }
        });
        self.stores.committer.post(requests.collect());
    }

    /// Asks the store, of which so much is read at a time, and posts its answer here.
    fn read_beside<F>(&self, read: impl FnOnce(Arc<dyn Store>) -> F)
    where
        F: Future<Output = Option<Mail>> + Send + 'static,
    {
        let Stores { store, reads_at_once, .. } = self.stores.clone();
        let (mailboxes, index) = (self.mailboxes.clone(), usize::from(self.index));
        let reading = read(store);
        self.stores.runtime.spawn(async move {
            let _turn = reads_at_once.acquire().await;
            mailboxes[index].post(reading.await);
        });
    }

    /// One read per log and session at a time, so their number is bounded.
    fn read_store(&self, ask: ReadAsk) {
        use crate::model::limit::{READ_ENTRIES_BYTES_MAX, READ_ENTRIES_COUNT_MAX};
        let (count_max, bytes_max) = (READ_ENTRIES_COUNT_MAX, READ_ENTRIES_BYTES_MAX);
        self.read_beside(|store| async move {
            let result = store.read(&ask.recipient, ask.after, count_max, bytes_max).await;
            Some(Mail::Read(ask.token, ask.log, result))
        });
    }

    /// One page per connection at a time.
    fn read_retained(&self, RetainedAsk { token, filter, after }: RetainedAsk) {
        use crate::model::limit::{RETAINED_PAGE_BYTES_MAX, RETAINED_PAGE_COUNT_MAX};
        if is_sys(filter.as_str()) {
            let page = Mail::Retained(token, Ok(self.gate.board.page(&filter)));
            return self.mailboxes[usize::from(self.index)].post([page]);
        }
        let (count_max, bytes_max) = (RETAINED_PAGE_COUNT_MAX, RETAINED_PAGE_BYTES_MAX);
        self.read_beside(|store| async move {
            let page = store.retained(&filter, after.as_deref(), count_max, bytes_max).await;
            Some(Mail::Retained(token, page))
        });
    }

    /// One question per session that is new.
    fn count_sessions(&self, uid: Uid) {
        self.read_beside(|store| async move {
            let sessions = store.sessions(&uid).await.inspect_err(|error| {
                tracing::warn!(%uid, "sessions could not be counted: {error}");
            });
            Some(Mail::Sessions(uid, sessions.ok()?))
        });
    }
}
