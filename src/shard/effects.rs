//! What a shard wants done: writes and reads of the store, messages to other workers, bytes to
//! flush. `net` takes them once per turn, so all of it goes out in batches.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::broker::{CopyTo, LiveCopy};
use crate::metrics::{Dropped, Metrics};
use crate::model::{Delivery, Filter, Message, QoS, Recipient, Seq, Uid};
use crate::session::{LogName, Tally, Ticket, Traffic};
use crate::store::{Append, Log, Write};

use super::{Token, worker_of_session};

/// Copies for other workers that one turn makes, give or take one message's.
const POSTS_PER_TURN_COUNT_MAX: usize = 16 * 1024;

/// Cursors that moved and are not stored yet: cursor and sent position per reader.
pub type Advances = BTreeMap<(Token, LogName), (Seq, Seq)>;

/// A write, and whom to answer.
#[derive(Debug)]
pub struct StoreAsk {
    pub write: Write,
    pub answer_to: Option<(Token, Ticket)>,
}

/// A read of one session's log; the answer goes to [`super::Shard::read_done`].
#[derive(Debug)]
pub struct ReadAsk {
    pub token: Token,
    pub log: LogName,
    pub recipient: Recipient,
    pub after: Seq,
}

/// A read of retained messages; the answer goes to [`super::Shard::retained_read`].
#[derive(Debug)]
pub struct RetainedAsk {
    pub token: Token,
    pub filter: Filter,
    pub after: Option<Box<str>>,
}

/// Does this user exist? The answer goes to [`super::Shard::directory_answer`].
#[derive(Debug)]
pub struct DirectoryAsk {
    pub asker: Asker,
    pub uid: Uid,
}

/// What waits for the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// A publish of this connection.
    Connection(Token),
    /// A will, by its number.
    Will(u64),
}

/// A copy of a message for a subscriber without durable queue, on another worker.
#[derive(Debug)]
pub struct Post {
    pub message: Arc<Message>,
    pub copy: LiveCopy,
}

/// The worker of whom a copy is for.
pub fn worker_of_copy(to: &CopyTo, workers: u16) -> u16 {
    match to {
        CopyTo::Connection(at) => at.worker,
        CopyTo::Session(key) => worker_of_session(key, workers),
    }
}

#[derive(Default)]
pub struct Effects {
    pub store: Vec<StoreAsk>,
    pub reads: Vec<ReadAsk>,
    pub retained: Vec<RetainedAsk>,
    /// Users of whom the directory is to be asked.
    pub directory: Vec<DirectoryAsk>,
    /// Users whose durable sessions are to be counted; the answer goes to
    /// [`super::Shard::sessions_counted`].
    pub sessions: Vec<Uid>,
    /// By worker.
    pub posts: Vec<Vec<Post>>,
    /// Connections with bytes that wait.
    pub flush: Vec<Token>,
    /// Connections that may be read on: their publish rate allows it, or their session is open.
    pub resumed: Vec<Token>,
    /// Connections that are over: flush, then close the socket.
    pub closed: Vec<Token>,
}

impl Effects {
    pub fn new(workers: u16) -> Effects {
        let posts = (0..workers).map(|_| Vec::new()).collect();
        Effects { posts, ..Default::default() }
    }

    /// One read can hold thousands of publishes, each for thousands of subscribers elsewhere.
    pub(super) fn is_full(&self) -> bool {
        self.posts.iter().map(Vec::len).sum::<usize>() >= POSTS_PER_TURN_COUNT_MAX
    }
}

pub fn store_log(log: LogName) -> Log {
    match log {
        LogName::Inbox => Log::Inbox,
        LogName::Queue => Log::Queue,
    }
}

impl super::Shard {
    pub(super) fn ask_store(&mut self, write: Write, answer_to: Option<(Token, Ticket)>) {
        self.effects.store.push(StoreAsk { write, answer_to });
    }

    /// Behind this there may be a page of retained messages more, so it is answered.
    pub(super) fn enqueue(&mut self, token: Token, message: Arc<Message>, delivery: Delivery) {
        let Some(conn) = self.conn(token) else { return };
        let addressees = vec![(Recipient::Session(conn.session.key().clone()), delivery)];
        let append = Append { addressees, ..Append::new(message) };
        self.ask_store(Write::Append(append), Some((token, Ticket::Retained)));
    }

    pub(super) fn read_log(&mut self, token: Token, log: LogName, after: Seq) {
        let Some(conn) = self.conn(token) else { return };
        let key = conn.session.key();
        let recipient = match log {
            LogName::Inbox => Recipient::Inbox(key.uid.clone()),
            LogName::Queue => Recipient::Session(key.clone()),
        };
        self.effects.reads.push(ReadAsk { token, log, recipient, after });
    }

    /// Cursors are stored in batches, a little later: redelivery is allowed, loss is not.
    pub(super) fn advance(&mut self, token: Token, log: LogName, cursor: Seq, sent: Seq) {
        let Some(conn) = self.conn(token) else { return };
        if conn.session.is_device() || log == LogName::Queue {
            self.advances.insert((token, log), (cursor, sent));
        }
    }

    /// Hands the moved cursors to the store.
    pub fn flush_advances(&mut self) {
        for ((token, log), position) in std::mem::take(&mut self.advances) {
            self.store_advance(token, log, position);
        }
    }

    fn store_advance(&mut self, token: Token, log: LogName, (cursor, sent): (Seq, Seq)) {
        let Some(conn) = self.conn(token) else { return };
        let (key, log) = (conn.session.key().clone(), store_log(log));
        self.ask_store(Write::Advance { key, log, cursor, sent }, None);
    }

    pub fn has_advances(&self) -> bool {
        !self.advances.is_empty()
    }

    /// Before the connection ends: afterwards nobody knows whose they were.
    pub(super) fn flush_advances_of(&mut self, token: Token) {
        for log in [LogName::Inbox, LogName::Queue] {
            if let Some(position) = self.advances.remove(&(token, log)) {
                self.store_advance(token, log, position);
            }
        }
    }
}

impl Tally {
    /// Adds what was counted to the metrics and starts at zero again.
    pub(super) fn report(&mut self, metrics: &Metrics) {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let (received, delivered) =
                (&mut self.received[qos as usize], &mut self.delivered[qos as usize]);
            metrics.messages_received(qos).inc_by(std::mem::take(received));
            metrics.messages_delivered(qos).inc_by(std::mem::take(delivered));
        }
        self.traffic.report(metrics);
        metrics.messages_dropped(Dropped::Expired).inc_by(std::mem::take(&mut self.expired));
        for reason in self.dropped.drain(..) {
            metrics.messages_dropped(Dropped::Reason(reason)).inc();
        }
        for reason in self.refused.drain(..) {
            metrics.messages_refused(reason).inc();
        }
    }
}

impl Traffic {
    pub(super) fn received(&mut self, bytes: usize) {
        self.packets_received += 1;
        self.bytes_received += bytes as u64;
    }

    pub(super) fn sent(&mut self, packets: u64, bytes: usize) {
        self.packets_sent += packets;
        self.bytes_sent += bytes as u64;
    }

    fn report(&mut self, metrics: &Metrics) {
        let Traffic { packets_received, packets_sent, bytes_received, bytes_sent, .. } = *self;
        let Traffic { payload_received, payload_sent, .. } = std::mem::take(self);
        let traffic = &metrics.traffic;
        traffic.packets_received.inc_by(packets_received);
        traffic.packets_sent.inc_by(packets_sent);
        traffic.bytes_received.inc_by(bytes_received);
        traffic.bytes_sent.inc_by(bytes_sent);
        traffic.payload_received.inc_by(payload_received);
        traffic.payload_sent.inc_by(payload_sent);
    }
}
