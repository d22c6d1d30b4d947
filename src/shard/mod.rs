//! The whole of one worker, pure: its sessions joined with the broker. Events go in as method
//! calls, [`Effects`] come out; `net` does them. A worker owns the users that hash to it: all of
//! a user's connections and readers are here, so takeover and delivery need no lock.
//!
//! `connect` takes a session in, `wire` its bytes, `submit` its publishes, `decide` what becomes of
//! them, `filters` its subscriptions, `answer` what comes back from the store, `wake` what was
//! committed for it, `users` knows which connections a user has, `timers` when each is to be looked
//! at, `share` passes on what a member of a shared subscription leaves, `rates` slow it down,
//! `close` is its end, `wills` those that wait for the directory, `due` what has waited for its
//! time, `rights` what it may no longer.

mod answer;
mod close;
mod connect;
mod decide;
mod due;
mod effects;
mod filters;
mod kick;
mod rates;
mod rights;
mod share;
mod submit;
#[cfg(test)]
mod tests;
mod timers;
mod users;
mod wake;
mod wills;
mod wire;

use core::net::{IpAddr, SocketAddr};
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use slab::Slab;

use crate::auth::Directory;
use crate::broker::{Action, Policy, RetainedLevels, Routes, SharedSubscriptions};
use crate::metrics::Metrics;
use crate::model::{Identity, Moment, Noise, Reason, Selector, SessionKey, Stamp, Uid};
use crate::mqtt::PropertyBuffer;
use crate::session::{Closing, Ctx, IdSource, Input, Request, Session, Settings, Tally, Wire};
use crate::store::Quota;
use crate::throttle::Bounded;

pub use due::Fire;
pub use effects::{
    Asker, DirectoryAsk, Effects, Post, ReadAsk, RetainedAsk, StoreAsk, worker_of_copy,
};
pub use rates::{Pace, Rates};
pub use submit::unknown_user;
pub use users::{worker_of, worker_of_session};
pub use wire::Taken;

use rates::{METERED_USERS_COUNT_MAX, Meter, Pacing};
use share::Picked;
use submit::Asking;
use timers::Timers;
use users::Owners;
use wills::AskingWills;

/// A connection: its place in the slab and how often that place was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u64);

impl Token {
    fn new(index: usize, generation: u32) -> Token {
        Token(u64::from(generation) << 32 | index as u64)
    }

    fn place(self) -> u32 {
        self.0 as u32
    }

    pub fn index(self) -> usize {
        (self.0 & 0xffff_ffff) as usize
    }
}

/// What may change while the broker runs: all of it at once, by [`Shard::reload`].
#[derive(Clone)]
pub struct Live {
    /// Whether there may be connections without a login.
    pub anonymous: bool,
    pub settings: Settings,
    pub policy: Policy,
    pub devices_max: u32,
    pub connections_per_user_max: usize,
    pub sessions_per_user_max: usize,
    pub subscriptions_per_user_max: usize,
    pub rates: Rates,
    /// Retained messages that a user may keep.
    pub retain: Quota,
    /// What a user may leave for later.
    pub delayed: Quota,
    pub outbox_bytes_max: usize,
    /// A connection that takes nothing for this long is closed.
    pub outbox_wait: Duration,
    /// Bytes of publishes that wait for the store before connections are read no further.
    pub store_queue_bytes_max: u64,
}

/// What all workers share. Only the first two change.
pub struct Shared {
    pub subscriptions: SharedSubscriptions,
    pub retained: RetainedLevels,
    pub metrics: Arc<Metrics>,
    pub directory: Arc<Directory>,
    pub workers: u16,
}

/// One connection with its session.
struct Conn {
    session: Session,
    token: Token,
    /// When its login began to be checked.
    asked_at: Moment,
    peer: Peer,
    /// Bytes that have not left yet.
    out: Vec<u8>,
    /// What of plain topics this session is subscribed to.
    filters: Vec<Selector>,
    flush_asked: bool,
    /// The store keeps this session beyond the connection.
    kept: bool,
    asked: Asked,
    /// A publish to a user of whom the directory is asked; the connection is read no further.
    asking: Option<Box<Asking>>,
    is_closing: bool,
    /// Publishes of it that wait for their commit. Those behind them must not overtake them.
    committing: u32,
    /// Its next packet is about subscriptions: it waits for those publishes, which came before.
    orders: bool,
    noise: Noise,
    /// What it published of late, if that is limited.
    pacing: Option<Box<Pacing>>,
    /// The place of its user's next connection.
    next: u32,
}

/// Where a connection comes from; smaller than a [`SocketAddr`].
#[derive(Clone, Copy)]
struct Peer {
    ip: IpAddr,
    port: u16,
}

impl Peer {
    /// As bans see it.
    fn address(self) -> IpNet {
        IpNet::from(self.ip.to_canonical())
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.ip, self.port).fmt(f)
    }
}

/// Whether the store was asked what it keeps for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// It was not let in.
    Not,
    Waiting,
    /// Or there was nothing to ask, for one without a name.
    Answered,
}

/// See the module's documentation.
pub struct Shard {
    index: u16,
    shared: Arc<Shared>,
    live: Arc<Live>,
    conns: Slab<Conn>,
    generation: u32,
    owners: Owners,
    routes: Routes,
    asking: AskingWills,
    picked: Picked,
    kicked: kick::Kicked,
    /// Plain filters of durable sessions that are not connected.
    away: BTreeMap<SessionKey, Vec<Selector>>,
    meters: Bounded<Uid, Meter>,
    timers: Timers,
    /// Empty; its room is used for each message that is committed.
    woken: Vec<Token>,
    /// Empty buffers for connections that write.
    spare: Vec<Vec<u8>>,
    ids: IdSource,
    tally: Tally,
    properties: PropertyBuffer,
    requests: Vec<Request>,
    advances: effects::Advances,
    effects: Effects,
    now: Moment,
    stamp: Stamp,
    draining: bool,
}

impl Shard {
    pub fn new(index: u16, shared: Arc<Shared>, live: Arc<Live>, seed: u64) -> Shard {
        let effects = Effects::new(shared.workers);
        Shard {
            index,
            shared,
            live,
            conns: Slab::new(),
            generation: 0,
            owners: Owners::default(),
            routes: Routes::default(),
            asking: AskingWills::default(),
            picked: Picked::default(),
            kicked: kick::Kicked::default(),
            away: BTreeMap::new(),
            meters: Bounded::new(METERED_USERS_COUNT_MAX),
            timers: Timers::new(),
            woken: Vec::new(),
            spare: Vec::new(),
            ids: IdSource::new(seed),
            tally: Tally::default(),
            properties: PropertyBuffer::new(),
            requests: Vec::new(),
            advances: BTreeMap::new(),
            effects,
            now: Moment::default(),
            stamp: Stamp::default(),
            draining: false,
        }
    }

    /// Sets the time for all that follows.
    pub fn at(&mut self, now: Moment, stamp: Stamp) {
        self.now = now;
        self.stamp = stamp;
    }

    /// New settings and rules, for everything that happens from now on; subscriptions that the new
    /// rules forbid end, and connections without a login where there may be none any more.
    pub fn reload(&mut self, live: Arc<Live>) {
        let before = std::mem::replace(&mut self.live, live);
        if before.anonymous && !self.live.anonymous {
            self.end_all(Reason::RightsChanged, |conn| conn.session.key().uid.is_anonymous());
        }
        if before.policy != self.live.policy {
            self.review_all();
        }
    }

    /// What has to be done now; empty again afterwards.
    pub fn effects(&mut self) -> &mut Effects {
        &mut self.effects
    }

    pub fn len(&self) -> usize {
        self.conns.len()
    }

    /// Nobody is connected, and no will waits for an answer.
    pub fn is_empty(&self) -> bool {
        self.conns.is_empty() && self.asking.is_empty()
    }

    fn conn(&mut self, token: Token) -> Option<&mut Conn> {
        self.conns.get_mut(token.index()).filter(|conn| conn.token == token)
    }

    /// Gives one input to one session and does what it asks. A panic in there is a bug that costs
    /// this connection, not the others (threat N12).
    fn handle(&mut self, token: Token, input: Input<'_>) {
        let index = token.index();
        let conn = self.conns.get_mut(index).filter(|conn| conn.token == token);
        // After a panic its session may be half changed: it is not touched any more.
        let Some(conn) = conn.filter(|conn| !conn.is_closing) else { return };
        if conn.out.capacity() == 0 {
            conn.out = self.spare.pop().unwrap_or_default();
        }
        let before = conn.out.len();
        let mut requests = std::mem::take(&mut self.requests);
        let policy = &self.live.policy;
        let may_receive =
            |who: &Identity, topic: &str| policy.may(who, Action::Receive(topic)).is_ok();
        let mut ctx = Ctx {
            now: self.now,
            stamp: self.stamp,
            settings: &self.live.settings,
            may_receive: policy.withholds(conn.session.identity()).then_some(&may_receive),
            ids: &mut self.ids,
            properties: &mut self.properties,
            wire: Wire { bytes: &mut conn.out, bytes_max: self.live.outbox_bytes_max, packets: 0 },
            requests: &mut requests,
            tally: &mut self.tally,
        };
        let session = &mut conn.session;
        let outcome = catch_unwind(AssertUnwindSafe(|| session.handle(input, &mut ctx)));
        let packets = ctx.wire.packets;
        self.tally.traffic.sent(packets, conn.out.len() - before);
        if conn.out.is_empty() {
            wire::keep_spare(&mut self.spare, std::mem::take(&mut conn.out));
        } else if !conn.flush_asked {
            conn.flush_asked = true;
            self.effects.flush.push(token);
        }
        if !requests.is_empty() {
            requests.drain(..).for_each(|request| self.request(token, request));
        }
        self.requests = requests;
        if outcome.is_err() {
            self.panicked(token);
        }
    }

    fn panicked(&mut self, token: Token) {
        self.shared.metrics.panics.inc();
        self.close(token, Closing::Server(Reason::Internal, Reason::Internal.words().into()));
    }

    fn request(&mut self, token: Token, request: Request) {
        match request {
            Request::Submit { ticket, submission, step } => {
                self.submit(token, ticket, submission, step);
            }
            Request::Step { ticket, step } => self.step(token, ticket, step),
            Request::KnowDevice => self.know_device(token),
            Request::Subscribe { packet_id, asks, id } => {
                self.subscribe(token, packet_id, asks, id);
            }
            Request::Unsubscribe { packet_id, filters } => {
                self.unsubscribe(token, packet_id, filters);
            }
            Request::Read { log, after } => self.read_log(token, log, after),
            Request::ReadRetained { filter, after } => {
                self.effects.retained.push(RetainedAsk { token, filter, after });
            }
            Request::Enqueue { message, delivery } => self.enqueue(token, message, delivery),
            Request::HandOn { message, delivery } => self.hand_on(&message, delivery),
            Request::Advance { log, cursor, sent } => self.advance(token, log, cursor, sent),
            Request::Will(will) => self.will(token, *will),
            Request::Close(closing) => self.close(token, closing),
        }
    }

    /// Once per turn: what was counted goes to the metrics.
    pub fn report(&mut self) {
        self.tally.report(&self.shared.metrics);
    }
}
