//! One worker: its shard, its sockets, its letter box, its timer. Everything that happens in one
//! turn of the runtime is finished together: one batch to the store, one write per connection.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::LocalSet;

use crate::clock::Clock;
use crate::model::target::is_sys;
use crate::model::{Ban, ClientId, Entry, Message, Moment, Recipient, SessionKey, Uid};
use crate::session::{LogName, Ticket};
use crate::shard::{Asker, DirectoryAsk, Fire, Live, Post, ReadAsk, RetainedAsk, Shard, Token};
use crate::store::commit::{Committer, Reply, Request, Tag};
use crate::store::{RetainedPage, Store, StoreError, Subscription, Written};

use super::conn::Sockets;
use super::door::Door;
use super::greet::{Arrival, Gate};
use super::kick::Kicking;
use super::watched::Watch;
use super::{Mailbox, listen};

/// How long a moved cursor may wait for its commit.
const ADVANCE_WAIT: Duration = Duration::from_millis(100);

/// Letters that wait in a worker's box, before the workers read no more from their clients.
const LETTERS_WAITING_COUNT_MAX: usize = 64 * 1024;

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

/// Where reads and writes go.
#[derive(Clone)]
pub struct Stores {
    pub store: Arc<dyn Store>,
    pub committer: Committer,
    /// The runtime that reads run on, and how many of them at once.
    pub runtime: tokio::runtime::Handle,
    pub reads_at_once: Arc<tokio::sync::Semaphore>,
}

/// All that a worker thread starts with.
pub struct Start {
    pub index: u16,
    pub shard: Shard,
    pub listeners: Vec<(std::net::TcpListener, Arc<Door>)>,
    pub mailboxes: Arc<[Mailbox<Mail>]>,
    pub gate: Arc<Gate>,
    pub clock: Arc<dyn Clock>,
    pub stores: Stores,
}

/// The state that this thread's tasks share.
pub struct Worker {
    pub(super) index: u16,
    pub(super) shard: RefCell<Shard>,
    pub(super) sockets: RefCell<Sockets>,
    pub(super) scratch: RefCell<Vec<u8>>,
    /// What a read says behind TLS.
    pub(super) plain: RefCell<Vec<u8>>,
    pub(super) mailboxes: Arc<[Mailbox<Mail>]>,
    pub(super) gate: Arc<Gate>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) stores: Stores,
    store_queue_bytes_max: Cell<u64>,
    pub(super) outbox_wait: Cell<Duration>,
    /// Closed sockets whose last packet may still be under way.
    pub(super) lingering: Cell<usize>,
    turn: Notify,
    gone: Notify,
    /// When the timers look next, and what makes them look again for when that is.
    wakes_at: Cell<Moment>,
    timer: Notify,
    pub(super) tasks: Watch,
}

/// Runs one worker until it is drained.
///
/// # Errors
/// If the runtime or a listener can't be set up.
///
/// # Panics
/// With the panic of any of its tasks that works on what they share.
pub fn run(start: Start) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, work(start))
}

async fn work(start: Start) -> std::io::Result<()> {
    let live = start.gate.live.load_full();
    let worker = Rc::new(Worker {
        index: start.index,
        shard: RefCell::new(start.shard),
        sockets: RefCell::default(),
        scratch: RefCell::new(vec![0; super::conn::SCRATCH_BYTES]),
        plain: RefCell::default(),
        mailboxes: start.mailboxes,
        gate: start.gate,
        clock: start.clock,
        stores: start.stores,
        store_queue_bytes_max: Cell::new(live.store_queue_bytes_max),
        outbox_wait: Cell::new(live.outbox_wait),
        lingering: Cell::new(0),
        turn: Notify::new(),
        gone: Notify::new(),
        wakes_at: Cell::new(Moment::NEVER),
        timer: Notify::new(),
        tasks: Watch::default(),
    });
    let listeners = start.listeners.into_iter().map(|(listener, door)| {
        tokio::net::TcpListener::from_std(listener).map(|listener| (listener, door))
    });
    let listeners: Vec<_> = listeners.collect::<std::io::Result<_>>()?;
    tokio::select! {
        () = worker.serve(listeners) => Ok(()),
        panic = worker.tasks.panicked() => std::panic::resume_unwind(panic),
    }
}

impl Worker {
    async fn serve(self: &Rc<Self>, listeners: Vec<(TcpListener, Arc<Door>)>) {
        let (drained, draining) = watch::channel(());
        for (listener, door) in listeners {
            let (accept, mut draining) =
                (listen::accept(self.clone(), listener, door), draining.clone());
            self.tasks.spawn(async move {
                tokio::select! {
                    biased;
                    _ = draining.changed() => {}
                    () = accept => {}
                }
            });
        }
        self.tasks.spawn(self.clone().turns());
        self.tasks.spawn(self.clone().timers());
        self.read_mail().await;
        drop(drained);
        self.wait_until_gone().await;
    }

    /// Takes letters until [`Mail::Drain`] comes; then goes on beside what follows.
    async fn read_mail(self: &Rc<Self>) {
        let mut letters = Vec::new();
        let mut draining = false;
        while !draining {
            self.mailboxes[usize::from(self.index)].take(&mut letters).await;
            draining = letters.iter().any(|mail| matches!(mail, Mail::Drain));
            self.take_letters(&mut letters);
        }
        let worker = self.clone();
        self.tasks.spawn(async move {
            let mut letters = Vec::new();
            loop {
                worker.mailboxes[usize::from(worker.index)].take(&mut letters).await;
                worker.take_letters(&mut letters);
            }
        });
    }

    fn take_letters(self: &Rc<Self>, letters: &mut Vec<Mail>) {
        for mail in letters.drain(..) {
            match mail {
                Mail::Connect(arrival) => self.arrived(*arrival),
                Mail::Banned(ban) => self.with_shard(|shard| shard.banned(&ban.target)),
                Mail::Kick(kicking) => self.kicked(*kicking),
                Mail::Connected(uid, answer) => self.tell_connected(&uid, answer),
                Mail::Live(live) => self.reload(live),
                other => self.with_shard(|shard| deliver(shard, other)),
            }
        }
        self.end_turn();
    }

    fn reload(&self, live: Arc<Live>) {
        self.store_queue_bytes_max.set(live.store_queue_bytes_max);
        self.outbox_wait.set(live.outbox_wait);
        self.with_shard(|shard| shard.reload(live));
    }

    /// Sets the time and gives the shard to `act`. Never called from within itself.
    pub(super) fn with_shard<T>(&self, act: impl FnOnce(&mut Shard) -> T) -> T {
        let mut shard = self.shard.borrow_mut();
        shard.at(self.clock.moment(), self.clock.stamp());
        act(&mut shard)
    }

    /// The rest of this turn runs when the tasks that are ready now have run.
    pub(super) fn end_turn(&self) {
        self.turn.notify_one();
    }

    async fn turns(self: Rc<Self>) {
        loop {
            self.turn.notified().await;
            self.finish_turn();
        }
    }

    fn finish_turn(self: &Rc<Self>) {
        self.resume_paused();
        self.flush_all();
        self.hand_out();
        self.close_all();
        self.hand_out();
        if self.some_paused_may_go_on() {
            self.end_turn();
        }
        if self.next_wake() < self.wakes_at.get() {
            self.timer.notify_one();
        }
        if self.is_gone() {
            self.gone.notify_one();
        }
    }

    /// No connection is left, and the last packets have had their time to arrive.
    fn is_gone(&self) -> bool {
        self.shard.borrow().is_empty() && self.lingering.get() == 0
    }

    /// What the shard wants from others. Closing asks for more, so it is done before and after.
    pub(super) fn hand_out(&self) {
        let mut shard = self.shard.borrow_mut();
        shard.report();
        let effects = shard.effects();
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
        drop(shard);
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

    fn write_store(&self, asks: Vec<crate::shard::StoreAsk>) {
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

    /// Nobody is read any further while too much waits for the store or for another worker. The
    /// timer looks again.
    pub(super) fn is_held_back(&self) -> bool {
        self.stores.committer.queued_bytes() > self.store_queue_bytes_max.get()
            || self.mailboxes.iter().any(|mailbox| mailbox.len() > LETTERS_WAITING_COUNT_MAX)
    }

    async fn timers(self: Rc<Self>) {
        let mut was_reading = true;
        loop {
            let wake = self.next_wake();
            self.wakes_at.set(wake);
            let wait = wake.since(self.clock.moment());
            if tokio::time::timeout(wait, self.timer.notified()).await.is_ok() {
                continue;
            }
            // What came while nothing was read is read before anyone counts as silent.
            let reading = !self.is_held_back();
            let reads = std::mem::replace(&mut was_reading, reading) && reading;
            self.with_shard(|shard| {
                shard.tick(reads);
                shard.flush_advances();
            });
            self.end_turn();
        }
    }

    /// When there is something to do, whatever comes in: a timer is due, cursors have moved, or
    /// connections that are held back are to be looked at again.
    fn next_wake(&self) -> Moment {
        let (deadline, advances) = {
            let shard = self.shard.borrow();
            (shard.deadline().unwrap_or(Moment::NEVER), shard.has_advances())
        };
        match advances || self.is_held_back() {
            true => deadline.min(self.clock.moment().after(ADVANCE_WAIT)),
            false => deadline,
        }
    }

    async fn wait_until_gone(&self) {
        while !self.is_gone() {
            self.gone.notified().await;
        }
        // The last cursors and session ends are still to be handed over.
        tokio::task::yield_now().await;
        self.end_turn();
        tokio::task::yield_now().await;
        self.gate.drained.fetch_add(1, Ordering::Relaxed);
    }
}

fn deliver(shard: &mut Shard, mail: Mail) {
    match mail {
        Mail::Connect(_)
        | Mail::Banned(_)
        | Mail::Live(_)
        | Mail::Kick(_)
        | Mail::Connected(..) => {}
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
        Mail::Drain => shard.drain(),
    }
}
