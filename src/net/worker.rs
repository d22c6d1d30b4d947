//! One worker: its shard, its sockets, its letter box, its timer, on a thread of its own. It waits
//! until the system names sockets, a letter comes, or it is time for something. All that there is
//! then is one turn, and is finished together: one batch to the store, one write per connection.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mio::{Events, Poll};
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::model::{Ban, ClientId, Entry, Message, Moment, Reason, Recipient, SessionKey, Uid};
use crate::session::{LogName, Ticket};
use crate::shard::{Asker, Fire, Live, Post, Shard, Token};
use crate::store::{RetainedPage, StoreError, Subscription, Written};

use super::Mailbox;
use super::errands::Stores;
use super::greet::{Arrival, Gate};
use super::kick::Kicking;
use super::sockets::Sockets;

/// How long a moved cursor may wait for its commit.
const ADVANCE_WAIT: Duration = Duration::from_millis(100);
/// How soon a worker looks again that reads no more, since too much waits.
const HELD_BACK_WAIT: Duration = Duration::from_millis(10);
/// Letters that wait in a worker's box, before the workers read no more from their clients.
const LETTERS_WAITING_COUNT_MAX: usize = 64 * 1024;
/// Sockets that the system names at a time.
const EVENTS_COUNT_MAX: usize = 1024;
/// Stands for the letter box among the tokens of connections.
const LETTERS: mio::Token = mio::Token(usize::MAX);

/// What reaches a worker from other threads.
pub enum Mail {
    /// A connection whose CONNECT was accepted.
    Connect(Box<Arrival>),
    Answer {
        token: Token,
        ticket: Ticket,
        result: Result<Written, StoreError>,
        message: Option<Arc<Message>>,
    },
    Committed(Recipient, Entry),
    Post(Post),
    /// What has waited for its time is due.
    Fire(Box<Fire>),
    Read(Token, LogName, Result<Vec<Entry>, StoreError>),
    Retained(Token, Result<RetainedPage, StoreError>),
    /// Whether the user that a publish or a will goes to exists; `None` if nobody could say.
    Directory(Asker, Option<bool>),
    /// The durable sessions of a user, the one away for longest first.
    Sessions(Uid, Vec<ClientId>),
    /// End the sessions of a user, and have them forgotten.
    Kick(Box<Kicking>),
    /// Which devices of this user are connected?
    Connected(Uid, oneshot::Sender<Vec<ClientId>>),
    Restore(SessionKey, Subscription),
    /// A session that nobody was connected to has ended in the store.
    Expired(SessionKey),
    /// All letters before it were read.
    Reached(oneshot::Sender<()>),
    /// New settings and rules.
    Live(Arc<Live>),
    /// Somebody is banned from now on.
    Banned(Arc<Ban>),
    /// What has changed of that which the broker tells about itself.
    Sys(Vec<Arc<Message>>),
    /// Tell every client to go; the worker ends when they are gone.
    Drain,
}

/// All that a worker thread starts with.
pub struct Start {
    pub index: u16,
    pub shard: Shard,
    pub mailboxes: Arc<[Mailbox<Mail>]>,
    pub gate: Arc<Gate>,
    pub clock: Arc<dyn Clock>,
    pub stores: Stores,
}

/// See the module's documentation.
pub struct Worker {
    pub(super) index: u16,
    pub(super) shard: Shard,
    pub(super) sockets: Sockets,
    pub(super) poll: Poll,
    events: Events,
    /// What one read takes.
    pub(super) scratch: Vec<u8>,
    /// What a read says behind TLS.
    pub(super) plain: Vec<u8>,
    letters: Vec<Mail>,
    pub(super) mailboxes: Arc<[Mailbox<Mail>]>,
    pub(super) gate: Arc<Gate>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) stores: Stores,
    store_queue_bytes_max: u64,
    pub(super) outbox_wait: Duration,
    /// As the shard has it.
    pub(super) now: Moment,
    /// When moved cursors are to be handed to the store, if there are any.
    advances_due: Option<Moment>,
    draining: bool,
}

/// Runs one worker until it is drained.
///
/// # Errors
/// If its sockets can't be watched.
///
/// # Panics
/// If anything panics that its connections share: it may be half changed (threat N12).
pub fn run(start: Start) -> io::Result<()> {
    let mut worker = Worker::new(start)?;
    while !worker.is_gone() {
        worker.turn()?;
    }
    worker.gate.drained.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

impl Worker {
    fn new(start: Start) -> io::Result<Worker> {
        let Start { index, shard, mailboxes, gate, clock, stores } = start;
        let live = gate.live.load_full();
        let poll = Poll::new()?;
        mailboxes[usize::from(index)].wakes(mio::Waker::new(poll.registry(), LETTERS)?);
        Ok(Worker {
            index,
            shard,
            sockets: Sockets::default(),
            poll,
            events: Events::with_capacity(EVENTS_COUNT_MAX),
            scratch: vec![0; super::conn::SCRATCH_BYTES],
            plain: Vec::new(),
            letters: Vec::new(),
            mailboxes,
            gate,
            now: clock.moment(),
            clock,
            stores,
            store_queue_bytes_max: live.store_queue_bytes_max,
            outbox_wait: live.outbox_wait,
            advances_due: None,
            draining: false,
        })
    }

    fn turn(&mut self) -> io::Result<()> {
        let wait = self.wait();
        self.look(wait)?;
        self.take_letters();
        // Whoever has room again is heard before it counts as silent.
        self.resume_paused();
        let read_all = self.read_ready();
        self.tick(read_all);
        self.finish_turn();
        Ok(())
    }

    /// How long nothing is to be done, if no socket and no letter wants anything; `None`: ever.
    fn wait(&self) -> Option<Duration> {
        let held_back = self.is_held_back();
        let goes_on = !held_back && (self.sockets.some_ready() || self.some_paused_may_go_on());
        if goes_on || !self.mailboxes[usize::from(self.index)].falls_asleep() {
            return Some(Duration::ZERO);
        }
        let look_again = held_back.then(|| self.now.after(HELD_BACK_WAIT));
        let deadlines =
            [self.shard.deadline(), self.advances_due, self.sockets.deadline(), look_again];
        let deadline = deadlines.into_iter().flatten().min()?;
        Some(deadline.since(self.clock.moment()))
    }

    /// Waits, and takes down what the system says about all of the sockets.
    fn look(&mut self, mut wait: Option<Duration>) -> io::Result<()> {
        // Each call names other sockets, unless more comes to one that was named.
        for _ in 0..=self.sockets.len() / EVENTS_COUNT_MAX {
            while let Err(error) = self.poll.poll(&mut self.events, wait) {
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
                // The process may have stood still: what came meanwhile is seen before anybody
                // counts as silent.
                wait = Some(Duration::ZERO);
            }
            let sockets = self.events.iter().filter(|event| event.token() != LETTERS);
            sockets.for_each(|event| self.sockets.notice(event));
            if self.events.iter().count() < EVENTS_COUNT_MAX {
                break;
            }
            wait = Some(Duration::ZERO);
        }
        Ok(())
    }

    pub(super) fn take_letters(&mut self) {
        let mut letters = std::mem::take(&mut self.letters);
        self.mailboxes[usize::from(self.index)].take(&mut letters);
        // Behind the letters: what they tell of has happened before.
        self.set_time();
        for mail in letters.drain(..) {
            match mail {
                Mail::Connect(arrival) => self.arrived(*arrival),
                Mail::Banned(ban) => self.shard.banned(&ban.target),
                Mail::Kick(kicking) => self.kicked(*kicking),
                Mail::Connected(uid, answer) => self.tell_connected(&uid, answer),
                Mail::Live(live) => self.reload(live),
                Mail::Drain => {
                    self.draining = true;
                    self.shard.drain();
                }
                other => deliver(&mut self.shard, other),
            }
        }
        self.letters = letters;
    }

    fn set_time(&mut self) {
        self.now = self.clock.moment();
        self.shard.at(self.now, self.clock.stamp());
    }

    fn reload(&mut self, live: Arc<Live>) {
        self.store_queue_bytes_max = live.store_queue_bytes_max;
        self.outbox_wait = live.outbox_wait;
        self.shard.reload(live);
    }

    /// What is due now. `read_all`: what came before was read, so whoever seems silent is.
    fn tick(&mut self, read_all: bool) {
        while let Some(token) = self.sockets.next_slow(self.now) {
            self.shard.give_up(token, Reason::SlowReader);
        }
        self.sockets.lingering.end(self.now);
        if self.shard.deadline().is_some_and(|deadline| deadline <= self.now) {
            self.shard.tick(read_all);
        }
    }

    /// Hands over what came of this turn, or of a part of it.
    pub(super) fn finish_turn(&mut self) {
        self.resume_paused();
        self.flush_all();
        self.advance();
        self.hand_out();
        if self.close_all() {
            self.hand_out();
        }
    }

    /// Moved cursors go to the store together, a little later.
    fn advance(&mut self) {
        if self.advances_due.is_some_and(|due| due <= self.now) {
            self.shard.flush_advances();
        }
        let some = self.shard.has_advances();
        let soon = || self.now.after(ADVANCE_WAIT);
        self.advances_due = some.then(|| self.advances_due.unwrap_or_else(soon));
    }

    /// Nobody is read any further while too much waits for the store or for another worker.
    pub(super) fn is_held_back(&self) -> bool {
        self.stores.committer.queued_bytes() > self.store_queue_bytes_max
            || self.mailboxes.iter().any(|mailbox| mailbox.len() > LETTERS_WAITING_COUNT_MAX)
    }

    /// Drained: no connection is left, and the last packets have had their time to arrive.
    fn is_gone(&self) -> bool {
        self.draining && self.shard.is_empty() && self.sockets.lingering.len() == 0
    }
}

fn deliver(shard: &mut Shard, mail: Mail) {
    match mail {
        Mail::Connect(_)
        | Mail::Banned(_)
        | Mail::Live(_)
        | Mail::Kick(_)
        | Mail::Connected(..)
        | Mail::Drain => {}
        Mail::Answer { token, ticket, result, message } => {
            shard.store_answer(token, ticket, result, message.as_ref());
        }
        Mail::Committed(recipient, entry) => shard.committed(&recipient, entry),
        Mail::Post(post) => shard.posted(post),
        Mail::Fire(fire) => shard.fire(*fire),
        Mail::Read(token, log, result) => shard.read_done(token, log, result),
        Mail::Retained(token, result) => shard.retained_read(token, result),
        Mail::Directory(asker, exists) => shard.directory_answer(asker, exists),
        Mail::Sessions(uid, sessions) => shard.sessions_counted(&uid, sessions),
        Mail::Reached(answer) => {
            // Who asked may have gone away meanwhile.
            _ = answer.send(());
        }
        Mail::Restore(key, subscription) => shard.restore(&key, &subscription),
        Mail::Expired(key) => shard.expired(&[key]),
        Mail::Sys(messages) => shard.tell(&messages),
    }
}
