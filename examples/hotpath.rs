//! Drives one worker's shard with the bytes of many clients and no IO, for callgrind to count:
//! `hotpath SCENE READS`. One read brings [`BURST`] publishes; everything that they cause is done
//! before the next one. `scripts/hotpath-instructions` runs it and has the budgets.
//!
//! - `qos0`, `qos1`: 100 clients publish to a plain topic each, of which each has one subscriber.
//! - `fanout`: one publishes with QoS 0 to a topic of 500 subscribers.
//! - `inbox`: 100 clients publish with QoS 1 to a user each; the store is one that says yes.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use homing::auth::Directory;
use homing::broker::{Access, Policy, RetainedLevels, SharedSubscriptions};
use homing::metrics::Metrics;
use homing::model::{Entry, Identity, Moment, Seq, Stamp, Uid};
use homing::mqtt::{
    Ack, Connect, FilterBuffer, Packet, PacketId, Properties, Publish, QoS, Subscribe,
    SubscribeOptions, Version, decode, encode,
};
use homing::session::{Hello, LoginTime, Settings};
use homing::shard::{Live, Rates, Shard, Shared, StoreAsk, Token};
use homing::store::{MemoryStore, Quota, RetainedPage, Store, StoreLimits, Write, Written};

/// Publishes of one read, which is what a busy connection brings.
const BURST: u16 = 16;
const PAIRS: usize = 100;
const SUBSCRIBERS: usize = 500;
const PAYLOAD: [u8; 64] = [b'x'; 64];
const T0: Stamp = Stamp(1_700_000_000_000);

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let [_, scene, reads] = words.as_slice() else {
        return eprintln!("hotpath qos0|qos1|fanout|inbox READS");
    };
    let reads: usize = reads.parse().unwrap();
    let mut world = World::new();
    let receivers = if scene == "fanout" { SUBSCRIBERS } else { 1 };
    let delivered = match scene.as_str() {
        "qos0" => world.pairs(QoS::AtMostOnce, reads),
        "qos1" => world.pairs(QoS::AtLeastOnce, reads),
        "fanout" => world.fan_out(reads),
        "inbox" => world.inboxes(reads),
        other => return eprintln!("hotpath: no scene {other}"),
    };
    // A message that is lost costs little, and must not count as cheap.
    assert_eq!(delivered, reads * usize::from(BURST) * receivers, "messages delivered");
    println!("{delivered} messages delivered");
}

struct World {
    shard: Shard,
    store: MemoryStore,
    heads: HashMap<Uid, Seq>,
    delivered: usize,
}

/// What a client with QoS 1 answers to [`BURST`] messages, and where the packet ids go.
struct Acks(Vec<u8>);

impl World {
    fn new() -> World {
        let settings = Settings::default();
        let (messages_max, session_expiry_max) = (1000, settings.session_expiry_max);
        let store = MemoryStore::new(StoreLimits { messages_max, session_expiry_max });
        let shared = Shared {
            subscriptions: SharedSubscriptions::default(),
            retained: RetainedLevels::default(),
            metrics: Arc::new(Metrics::default()),
            directory: Arc::new(Directory::everyone()),
            workers: 1,
        };
        let mut shard = Shard::new(0, Arc::new(shared), Arc::new(live(settings)), 7);
        shard.at(Moment(1000), T0);
        World { shard, store, heads: HashMap::new(), delivered: 0 }
    }

    /// A connected client whose settle time is over.
    fn client(&mut self, uid: &str) -> Token {
        let connect = Connect {
            version: Version::V311,
            clean_start: true,
            keep_alive_secs: 60,
            client_id: "phone",
            username: None,
            password: None,
            will: None,
            properties: Properties::default(),
        };
        let identity = Identity::user(Uid::parse(uid).unwrap());
        let login = LoginTime { asked_at: Moment(1000), wall: T0 };
        let hello = Hello::new(&connect, identity, login, &Settings::default(), || "".into());
        let token = self.shard.connect(hello.unwrap(), "127.0.0.1:1".parse().unwrap());
        self.settle();
        self.send(token, &Packet::PingReq);
        token
    }

    fn subscriber(&mut self, uid: &str, topic: &str, qos: QoS) -> Token {
        let token = self.client(uid);
        let mut filters = FilterBuffer::new();
        filters.push(topic, SubscribeOptions::plain(qos)).unwrap();
        let packet_id = PacketId::MIN;
        let (properties, filters) = (Properties::default(), filters.as_filters());
        self.send(token, &Packet::Subscribe(Subscribe { packet_id, properties, filters }));
        token
    }

    fn send(&mut self, token: Token, packet: &Packet<'_>) {
        self.shard.bytes(token, &frame(packet));
        self.settle();
    }

    fn pairs(&mut self, qos: QoS, reads: usize) -> usize {
        let pairs: Vec<_> = (0..PAIRS)
            .map(|number| {
                let topic = format!("bench/pair/{number:04}");
                let to = self.subscriber(&format!("receiver{number:04}"), &topic, qos);
                (self.client(&format!("sender{number:04}")), to, burst(&topic, qos))
            })
            .collect();
        let acks = (qos == QoS::AtLeastOnce).then(Acks::new);
        self.exchange(&pairs, acks, reads)
    }

    fn inboxes(&mut self, reads: usize) -> usize {
        let pairs: Vec<_> = (0..PAIRS)
            .map(|number| {
                let uid = format!("receiver{number:04}");
                let to = self.client(&uid);
                let from = self.client(&format!("sender{number:04}"));
                (from, to, burst(&uid, QoS::AtLeastOnce))
            })
            .collect();
        self.exchange(&pairs, Some(Acks::new()), reads)
    }

    fn fan_out(&mut self, reads: usize) -> usize {
        let topic = "bench/fan";
        for number in 0..SUBSCRIBERS {
            self.subscriber(&format!("receiver{number:04}"), topic, QoS::AtMostOnce);
        }
        let pair = [(self.client("sender"), Token(u64::MAX), burst(topic, QoS::AtMostOnce))];
        self.exchange(&pair, None, reads)
    }

    fn exchange(
        &mut self,
        pairs: &[(Token, Token, Vec<u8>)],
        mut acks: Option<Acks>,
        reads: usize,
    ) -> usize {
        self.delivered = 0;
        for (from, to, burst) in pairs.iter().cycle().take(reads) {
            self.shard.bytes(*from, burst);
            let out = self.finish(*to);
            if let Some(acks) = &mut acks {
                self.shard.bytes(*to, acks.to(&out));
                self.finish(*to);
            }
            self.shard.report();
        }
        self.delivered
    }

    /// One turn of the worker; what `to` is sent.
    fn finish(&mut self, to: Token) -> Vec<u8> {
        let mut heard = Vec::new();
        self.commit();
        for token in std::mem::take(&mut self.shard.effects().flush) {
            let out = self.shard.take_out(token);
            self.delivered += publishes(&out);
            if token == to {
                heard.extend_from_slice(&out);
            }
            self.shard.drained(token, out);
        }
        heard
    }

    /// A record of an inbox gets the next place at once; all else is not part of what is counted.
    fn commit(&mut self) {
        for StoreAsk { write, answer_to } in std::mem::take(&mut self.shard.effects().store) {
            let Write::Append(append) = write else {
                let commit = now(self.store.commit(&[write], T0)).unwrap();
                if let (Some((token, ticket)), [answer]) = (answer_to, &commit.answers[..]) {
                    self.shard.store_answer(token, ticket, Ok(answer.clone()), None);
                }
                continue;
            };
            let message = append.message;
            let mut seqs = Vec::with_capacity(1);
            for (recipient, delivery) in append.addressees {
                let homing::model::Recipient::Inbox(uid) = &recipient else { continue };
                let head = self.heads.entry(uid.clone()).or_default();
                *head = head.next();
                seqs.push(*head);
                let entry = Entry { seq: *head, delivery, message: message.clone() };
                self.shard.committed(&recipient, entry);
            }
            if let Some((token, ticket)) = answer_to {
                let written = Ok(Written::Appended { seqs });
                self.shard.store_answer(token, ticket, written, Some(&message));
            }
        }
    }

    fn settle(&mut self) {
        while !(self.shard.effects().store.is_empty() && self.shard.effects().flush.is_empty()) {
            self.finish(Token(u64::MAX));
            for ask in std::mem::take(&mut self.shard.effects().retained) {
                self.shard.retained_read(ask.token, Ok(RetainedPage::default()));
            }
        }
    }
}

/// How many packets of these, of which each is shorter than 128 bytes, are PUBLISH.
fn publishes(mut packets: &[u8]) -> usize {
    let mut count = 0;
    while let [kind, length, rest @ ..] = packets {
        count += usize::from(kind >> 4 == PUBLISH);
        packets = &rest[usize::from(*length)..];
    }
    count
}

const PUBLISH: u8 = 3;

impl Acks {
    fn new() -> Acks {
        let ack = frame(&Packet::PubAck(Ack::ok(PacketId::MIN)));
        Acks(ack.repeat(BURST.into()))
    }

    /// The packet id of a PUBLISH stands behind its topic, that of a PUBACK at its end.
    fn to(&mut self, mut publishes: &[u8]) -> &[u8] {
        let mut count = 0;
        for ack in self.0.chunks_exact_mut(4) {
            let Some(&length) = publishes.get(1) else { break };
            let at = 4 + usize::from(publishes[3]);
            ack[2..].copy_from_slice(&publishes[at..at + 2]);
            publishes = &publishes[2 + usize::from(length)..];
            count += 4;
        }
        &self.0[..count]
    }
}

fn burst(topic: &str, qos: QoS) -> Vec<u8> {
    let publish = |number: u16| {
        let packet_id = PacketId::new(number).filter(|_| qos != QoS::AtMostOnce);
        let (properties, payload) = (Properties::default(), &PAYLOAD[..]);
        let (dup, retain) = (false, false);
        frame(&Packet::Publish(Publish { dup, qos, retain, topic, packet_id, properties, payload }))
    };
    (1..=BURST).flat_map(publish).collect()
}

fn frame(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(packet, Version::V311, &mut bytes);
    debug_assert!(decode(&bytes, Version::V311, u32::MAX).is_ok());
    bytes
}

fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the memory store answers at once"),
    }
}

fn live(settings: Settings) -> Live {
    Live {
        anonymous: true,
        settings,
        policy: Policy::plain(Access::Allow),
        devices_max: 32,
        connections_per_user_max: 64,
        sessions_per_user_max: 64,
        subscriptions_per_user_max: 1024,
        rates: Rates::default(),
        retain: Quota { count_max: 1000, bytes_max: 1 << 20 },
        delayed: Quota { count_max: 1000, bytes_max: 1 << 20 },
        outbox_bytes_max: 1 << 20,
        outbox_wait: Duration::from_secs(30),
        store_queue_bytes_max: u64::MAX,
    }
}
