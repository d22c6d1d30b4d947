//! A shard with a store in memory and virtual time: what the network and the committer do, done by
//! hand and at once.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::auth::Directory;
use crate::broker::policy::{InboxAccess, RuleText};
use crate::broker::{Access, Policy, RetainedLevels, SharedSubscriptions};
use crate::metrics::{Dropped, Metrics};
use crate::model::{Entry, Identity, Moment, Reason, Stamp, Uid};
use crate::mqtt::{Connect, Packet, PacketId, Properties, Version, decode, encode};
use crate::session::{Hello, LoginTime, Settings};
use crate::shard::{DirectoryAsk, Fire, Live, Rates, Shard, Shared, StoreAsk, Token};
use crate::store::{Claim, MemoryStore, Quota, Store, StoreError, StoreLimits, Write, Written};

const OUTBOX_BYTES_MAX: usize = 64 * 1024;

pub struct World {
    pub store: Arc<MemoryStore>,
    pub shard: Shard,
    pub settings: Settings,
    pub metrics: Arc<Metrics>,
    directory: Arc<Directory>,
    /// Nothing is committed: writes wait in `waiting`.
    pub held: bool,
    /// Nothing is stored: every commit fails.
    pub failing: bool,
    /// Users that the directory is asked about, where it is not everyone's.
    pub asked: Vec<DirectoryAsk>,
    unacknowledged: Vec<PacketId>,
    /// Retained messages are not read.
    pub reads_wait: bool,
    /// The client takes no bytes: nothing is flushed.
    pub blocked: bool,
    waiting: Vec<StoreAsk>,
    millis: u64,
    /// By which somebody has set the wall clock forward.
    /// Milliseconds by which the wall clock was set.
    jumped: i64,
    ends: HashMap<Token, End>,
}

/// The client's end of one connection.
struct End {
    version: Version,
    bytes: Vec<u8>,
    closed: bool,
}

pub fn now<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the memory store answers at once"),
    }
}

impl World {
    pub fn new() -> World {
        World::with(Settings::default())
    }

    pub fn with(settings: Settings) -> World {
        World::made_of(settings, Arc::new(Directory::everyone()))
    }

    /// Not everyone is a user.
    pub fn with_users(directory: Arc<Directory>) -> World {
        World::made_of(Settings::default(), directory)
    }

    fn made_of(settings: Settings, directory: Arc<Directory>) -> World {
        let limits =
            StoreLimits { messages_max: 1000, session_expiry_max: settings.session_expiry_max };
        let metrics = Arc::new(Metrics::default());
        let shard = shard(&settings, &metrics, &directory);
        let mut world = World {
            store: Arc::new(MemoryStore::new(limits)),
            shard,
            settings,
            metrics,
            directory,
            held: false,
            failing: false,
            asked: Vec::new(),
            reads_wait: false,
            unacknowledged: Vec::new(),
            blocked: false,
            waiting: Vec::new(),
            millis: 0,
            jumped: 0,
            ends: HashMap::new(),
        };
        world.pass(Duration::from_secs(1));
        world
    }

    /// The process dies: what was committed stays, and the subscriptions come back from the store.
    pub fn crash(&mut self) {
        self.store.crash(self.stamp());
        self.shard = shard(&self.settings, &self.metrics, &self.directory);
        (self.held, self.waiting) = (false, Vec::new());
        self.ends.values_mut().for_each(|end| end.closed = true);
        self.pass(Duration::ZERO);
        for (key, subscription) in now(self.store.subscriptions(None, 1000)).unwrap() {
            self.shard.restore(&key, &subscription);
        }
    }

    pub fn pass(&mut self, time: Duration) {
        self.millis += time.as_millis() as u64;
        self.shard.at(Moment(self.millis), self.stamp());
        self.shard.tick(true);
        self.shard.flush_advances();
        self.run();
    }

    /// Plain topics are open but for these rules, as in `acl.rules`.
    pub fn rules(&mut self, rules: &str) {
        #[derive(serde::Deserialize)]
        struct Rules {
            rules: Vec<RuleText>,
        }
        let Rules { rules } = toml::from_str(&format!("rules = [{rules}]")).unwrap();
        let policy = Policy::new(Access::Allow, InboxAccess::Open, &rules).unwrap();
        self.limit(|live| live.policy = policy);
        self.run();
    }

    pub fn dropped(&mut self, reason: Reason) -> u64 {
        self.shard.report();
        self.metrics.messages_dropped(Dropped::Reason(reason)).get()
    }

    /// Other limits from now on.
    pub fn limit(&mut self, change: impl FnOnce(&mut Live)) {
        let mut live = live(&self.settings);
        change(&mut live);
        self.shard.reload(Arc::new(live));
    }

    /// The directory answers what it was asked.
    pub fn answer_directory(&mut self) {
        for ask in std::mem::take(&mut self.asked) {
            let exists = now(self.directory.ask(&ask.uid)).ok();
            self.shard.directory_answer(ask.asker, exists);
        }
        self.run();
    }

    /// Long enough for every settle time.
    pub fn settle(&mut self) {
        self.pass(self.settings.settle_max);
    }

    pub fn stamp(&self) -> Stamp {
        Stamp(1_700_000_000_000 + self.millis as i64 + self.jumped)
    }

    /// Somebody sets the wall clock by so many milliseconds.
    pub fn jump(&mut self, by: i64) {
        self.jumped += by;
    }

    pub fn connect(&mut self, uid: &str, connect: Connect<'_>) -> Token {
        self.connect_as(Identity::user(Uid::parse(uid).unwrap()), connect)
    }

    pub fn connect_as(&mut self, identity: Identity, connect: Connect<'_>) -> Token {
        let asked_at = Moment(self.millis);
        self.connect_late(identity, asked_at, connect)
    }

    /// A login that was asked about then.
    pub fn connect_late(
        &mut self,
        identity: Identity,
        asked_at: Moment,
        connect: Connect<'_>,
    ) -> Token {
        let login = LoginTime { asked_at, wall: self.stamp() };
        let hello = Hello::new(&connect, identity, login, &self.settings, || "assigned".into());
        let token = self.shard.connect(hello.unwrap(), "127.0.0.1:1".parse().unwrap());
        let end = End { version: connect.version, bytes: Vec::new(), closed: false };
        self.ends.insert(token, end);
        self.run();
        token
    }

    /// A device that is settled, with its CONNACK taken.
    pub fn device(&mut self, uid: &str, client_id: &str) -> Token {
        let token = self.connect(uid, v311(client_id));
        self.settle();
        self.take(token);
        token
    }

    pub fn send(&mut self, token: Token, packet: Packet<'_>) {
        let mut bytes = Vec::new();
        encode(&packet, self.ends[&token].version, &mut bytes);
        let taken = self.shard.bytes(token, &bytes);
        assert_eq!(taken.bytes, bytes.len(), "the session takes no input");
        self.run();
    }

    /// Acknowledges the QoS 1 messages that [`World::take`] has shown.
    pub fn puback_all(&mut self, token: Token) {
        for id in std::mem::take(&mut self.unacknowledged) {
            self.send(token, Packet::PubAck(crate::mqtt::Ack::ok(id)));
        }
    }

    pub fn lose(&mut self, token: Token) {
        self.shard.lost(token);
        self.run();
    }

    pub fn is_closed(&self, token: Token) -> bool {
        self.ends[&token].closed
    }

    /// Bytes of the client, as they come; how many were taken.
    pub fn input(&mut self, token: Token, bytes: &[u8]) -> usize {
        let taken = self.shard.bytes(token, bytes);
        self.run();
        taken.bytes
    }

    /// The bytes that came since the last call.
    pub fn heard(&mut self, token: Token) -> Vec<u8> {
        std::mem::take(&mut self.ends.get_mut(&token).unwrap().bytes)
    }

    /// The packets that came since the last call, in words.
    pub fn take(&mut self, token: Token) -> Vec<String> {
        let (bytes, version) = (self.heard(token), self.ends[&token].version);
        let (mut at, mut out) = (0, Vec::new());
        while at < bytes.len() {
            let (packet, length) =
                decode(&bytes[at..], version, u32::MAX).unwrap().expect("whole packets");
            if let Packet::Publish(publish) = &packet {
                self.unacknowledged.extend(publish.packet_id);
            }
            out.push(in_words(&packet));
            at += length;
        }
        out
    }

    /// The subscription identifiers of the one PUBLISH that came last, in order.
    pub fn subscription_ids(&mut self, token: Token) -> Vec<u32> {
        let end = self.ends.get_mut(&token).unwrap();
        let (bytes, mut at, mut out) = (std::mem::take(&mut end.bytes), 0, None);
        while at < bytes.len() {
            let (packet, length) = decode(&bytes[at..], end.version, u32::MAX).unwrap().unwrap();
            if let Packet::Publish(publish) = packet {
                out = Some(publish.properties.subscription_ids().collect::<Vec<_>>());
            }
            at += length;
        }
        let mut out = out.expect("a PUBLISH");
        out.sort_unstable();
        out
    }

    /// The user properties of the one PUBLISH that came last.
    pub fn user_properties(&mut self, token: Token) -> Vec<(String, String)> {
        let end = self.ends.get_mut(&token).unwrap();
        let (bytes, mut at, mut out) = (std::mem::take(&mut end.bytes), 0, Vec::new());
        while at < bytes.len() {
            let (packet, length) = decode(&bytes[at..], end.version, u32::MAX).unwrap().unwrap();
            if let Packet::Publish(publish) = packet {
                let all = publish.properties.user_properties();
                out = all.map(|(name, value)| (name.into(), value.into())).collect();
            }
            at += length;
        }
        out
    }

    /// What the committer and the sockets do, until nothing is left.
    pub fn run(&mut self) {
        loop {
            let effects = self.shard.effects();
            let (reads, flush) =
                (std::mem::take(&mut effects.reads), std::mem::take(&mut effects.flush));
            let closed = std::mem::take(&mut effects.closed);
            let sessions = std::mem::take(&mut effects.sessions);
            self.asked.append(&mut effects.directory);
            self.waiting.append(&mut effects.store);
            let asks = if self.held { Vec::new() } else { std::mem::take(&mut self.waiting) };
            let retained = match self.reads_wait {
                true => Vec::new(),
                false => std::mem::take(&mut self.shard.effects().retained),
            };
            let asked =
                asks.is_empty() && reads.is_empty() && sessions.is_empty() && retained.is_empty();
            if asked && flush.is_empty() && closed.is_empty() {
                if self.held || !self.fire_due() {
                    return;
                }
                continue;
            }
            self.commit(asks);
            for uid in sessions {
                let all = now(self.store.sessions(&uid)).unwrap();
                self.shard.sessions_counted(&uid, all);
            }
            for ask in retained {
                let page = now(self.store.retained(&ask.filter, ask.after.as_deref(), 2, 1 << 20));
                self.shard.retained_read(ask.token, page);
            }
            for read in reads {
                let entries = now(self.store.read(&read.recipient, read.after, 256, 1 << 20));
                self.shard.read_done(read.token, read.log, entries);
            }
            flush.into_iter().for_each(|token| self.flush(token));
            for token in closed {
                self.flush(token);
                self.shard.remove(token);
                self.ends.get_mut(&token).unwrap().closed = true;
            }
        }
    }

    /// What the engine of delayed messages does. False if nothing is due.
    fn fire_due(&mut self) -> bool {
        let claim = Claim { until: self.stamp(), count_max: 2, bytes_max: 1000 };
        let commit = now(self.store.commit(&[Write::Claim(claim)], self.stamp()));
        let Ok(Written::Claimed(all)) = commit.map(|mut commit| commit.answers.remove(0)) else {
            return false;
        };
        let some = !all.is_empty();
        for due in all {
            let expired = due.who.expires_at.is_some_and(|at| at <= self.stamp());
            let told = |reason: Reason| Err((reason, reason.words().into()));
            let who = match now(self.directory.today(&due.who)).unwrap() {
                _ if expired => told(Reason::LoginExpired),
                Some(who) => Ok(who),
                None => told(Reason::Removed),
            };
            self.shard.fire(Fire { due, who });
        }
        some
    }

    pub fn release(&mut self) {
        self.held = false;
        self.run();
    }

    pub fn flush(&mut self, token: Token) {
        if self.blocked {
            return;
        }
        let out = self.shard.take_out(token);
        self.ends.get_mut(&token).unwrap().bytes.extend_from_slice(&out);
        self.shard.drained(token, out);
    }

    fn commit(&mut self, asks: Vec<StoreAsk>) {
        let batch: Vec<Write> = asks.iter().map(|ask| ask.write.clone()).collect();
        if batch.is_empty() {
            return;
        }
        let commit = match self.failing {
            true => Err(StoreError::Unavailable("a test".into())),
            false => now(self.store.commit(&batch, self.stamp())),
        };
        let answers: Vec<Result<Written, StoreError>> = match commit {
            Ok(commit) => commit.answers.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error); batch.len()],
        };
        for (ask, result) in asks.into_iter().zip(answers) {
            let message = self.wake(&ask.write, &result);
            if let Some((token, ticket)) = ask.answer_to {
                self.shard.store_answer(token, ticket, result, message.as_ref());
            }
        }
    }

    fn wake(
        &mut self,
        write: &Write,
        result: &Result<Written, StoreError>,
    ) -> Option<Arc<crate::model::Message>> {
        let Write::Append(append) = write else { return None };
        if let Ok(Written::Appended { seqs }) = result {
            for ((recipient, delivery), seq) in append.addressees.iter().zip(seqs) {
                let message = append.message.clone();
                let entry = Entry { seq: *seq, delivery: *delivery, message };
                self.shard.committed(recipient, entry);
            }
        }
        Some(append.message.clone())
    }
}

fn shard(settings: &Settings, metrics: &Arc<Metrics>, directory: &Arc<Directory>) -> Shard {
    let shared = Shared {
        subscriptions: SharedSubscriptions::default(),
        retained: RetainedLevels::default(),
        metrics: metrics.clone(),
        directory: directory.clone(),
        workers: 1,
    };
    shared.retained.found_all();
    Shard::new(0, Arc::new(shared), Arc::new(live(settings)), 7)
}

pub fn live(settings: &Settings) -> Live {
    Live {
        anonymous: true,
        settings: settings.clone(),
        policy: Policy::plain(Access::Allow),
        devices_max: 8,
        connections_per_user_max: 8,
        sessions_per_user_max: 8,
        subscriptions_per_user_max: 8,
        rates: Rates::default(),
        retain: Quota { count_max: 3, bytes_max: 1000 },
        delayed: Quota { count_max: 3, bytes_max: 1000 },
        outbox_bytes_max: OUTBOX_BYTES_MAX,
        outbox_wait: Duration::from_secs(30),
        store_queue_bytes_max: u64::MAX,
    }
}

/// A clean 3.1.1 session.
pub fn v311(client_id: &str) -> Connect<'_> {
    Connect {
        version: Version::V311,
        clean_start: true,
        keep_alive_secs: 0,
        client_id,
        username: None,
        password: None,
        will: None,
        properties: Properties::default(),
    }
}

pub fn durable(client_id: &str) -> Connect<'_> {
    Connect { clean_start: false, ..v311(client_id) }
}

pub fn v5(client_id: &str) -> Connect<'_> {
    Connect { version: Version::V5, ..v311(client_id) }
}

/// Where else to go.
fn reference(properties: Properties<'_>) -> String {
    properties.server_reference().map_or(String::new(), |other| format!(" {other}"))
}

fn in_words(packet: &Packet<'_>) -> String {
    match packet {
        Packet::ConnAck(connack) => {
            let present = if connack.session_present { " present" } else { "" };
            let reference = reference(connack.properties);
            format!("CONNACK {:02x}{present}{reference}", connack.code)
        }
        Packet::Publish(publish) => {
            let id = publish.packet_id.map_or(String::new(), |id| format!(" #{id}"));
            let dup = if publish.dup { " dup" } else { "" };
            let body = String::from_utf8_lossy(publish.payload);
            let retain = if publish.retain { " retain" } else { "" };
            format!("PUBLISH q{}{retain}{id}{dup} {} {body}", publish.qos as u8, publish.topic)
        }
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            format!("{} #{} {:02x}", packet.name(), ack.packet_id, ack.reason)
        }
        Packet::SubAck(ack) | Packet::UnsubAck(ack) => {
            format!("{} #{} {:02x?}", packet.name(), ack.packet_id, ack.codes)
        }
        Packet::Disconnect(disconnect) => {
            let reference = reference(disconnect.properties);
            format!("DISCONNECT {:02x}{reference}", disconnect.reason)
        }
        other => other.name().into(),
    }
}
