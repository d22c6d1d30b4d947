//! What one record costs the embedded store over its whole life: append with dedupe key and
//! sender state, cursor, sweep; beside it the append alone, fan-out, and the restart.
//!
//! `cargo run --release --example store_life [RECORDS]`; figures: docs/decisions/store.md.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use homing::model::{
    Attributes, ClientId, DedupeKey, Delivery, Kind, Message, MessageId, Published, QoS, Recipient,
    Sender, Seq, SessionKey, Stamp, Step, Uid,
};
use homing::store::{Append, Log, SqliteStore, Store, StoreLimits, Sweep, Write, Written};

const USERS: u64 = 1000;
const SENDERS: u64 = 100;
const BODY_BYTES: usize = 200;
const T0: Stamp = Stamp(1_700_000_000_000);
const LIMITS: StoreLimits =
    StoreLimits { messages_max: 1_000_000, session_expiry_max: Duration::from_secs(86_400) };

fn key(name: &str, number: u64) -> SessionKey {
    let uid = Uid::parse(&format!("{name}{number}")).unwrap();
    SessionKey { uid, client_id: ClientId::parse("phone").unwrap() }
}

fn inbox(number: u64) -> Recipient {
    Recipient::Inbox(key("user", number).uid)
}

fn append(number: u64, addressees: impl Iterator<Item = u64>, with: With) -> Write {
    let sender = key("sender", number % SENDERS);
    let from = Sender { uid: sender.uid.clone(), client_id: sender.client_id.clone() };
    let id = MessageId(u128::from(number) << 64 | 0x5DEE_CE66);
    let message = Message {
        id,
        from,
        kind: Kind::Chat,
        ts: T0,
        expires_at: None,
        topic: format!("user{}", number % USERS).into(),
        retain: false,
        qos: QoS::AtLeastOnce,
        body: vec![b'x'; BODY_BYTES].into(),
        attributes: Attributes::default(),
    };
    let delivery = Delivery::plain(QoS::AtLeastOnce, false);
    let publish = Published { packet_id: (number / SENDERS % 64) as u16 + 1, hash: number, id };
    Write::Append(Append {
        addressees: addressees.map(|user| (inbox(user), delivery)).collect(),
        dedupe: with.dedupe.then(|| DedupeKey(format!("{number:032x}").into())),
        step: with.state.then_some((sender, Step::Publish { publish, hold: false })),
        ..Append::new(Arc::new(message))
    })
}

/// What an append carries.
#[derive(Clone, Copy)]
struct With {
    dedupe: bool,
    state: bool,
}

const NOTHING: With = With { dedupe: false, state: false };
const ALL: With = With { dedupe: true, state: true };

/// Processor time of the process so far; in ticks of 10 ms.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

fn memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

struct Watch {
    start: Instant,
    cpu: Duration,
}

impl Watch {
    fn start() -> Watch {
        Watch { start: Instant::now(), cpu: cpu() }
    }

    fn report(&self, what: &str, records: u64) {
        let (time, cpu) = (self.start.elapsed(), cpu() - self.cpu);
        let each = cpu.as_secs_f64() * 1e6 / records as f64;
        let rate = records as f64 / time.as_secs_f64();
        println!("{what:<52} {each:6.1} us CPU each {rate:9.0}/s");
    }
}

/// Returns how many records went on the way.
async fn commit_all(store: &SqliteStore, batch: usize, writes: impl Iterator<Item = Write>) -> u64 {
    let (mut writes, mut gone) = (writes.peekable(), 0);
    while writes.peek().is_some() {
        let part: Vec<Write> = writes.by_ref().take(batch).collect();
        let removed = store.commit(&part, T0).await.unwrap().removed;
        gone += removed.iter().map(|(_, count)| count).sum::<u64>();
    }
    gone
}

async fn sweep_all(store: &SqliteStore) -> u64 {
    let (mut after, mut gone) = (Some(0), 0);
    while let Some(place) = after {
        let day = Duration::from_secs(86_400);
        let sweep = Sweep {
            after: place,
            recipients_max: 100,
            retention: 30 * day,
            messages_max: LIMITS.messages_max,
            device_ttl: 90 * day,
        };
        let commit = store.commit(&[Write::Sweep(sweep)], T0).await.unwrap();
        let Written::Swept(swept) = &commit.answers[0] else { return gone };
        gone += swept.removed.iter().map(|(_, count)| count).sum::<u64>();
        after = swept.next;
    }
    gone
}

async fn know_devices(store: &SqliteStore) {
    let know = |user| Write::KnowDevice { key: key("user", user), devices_max: 32 };
    commit_all(store, 512, (0..USERS).map(know)).await;
}

async fn parts(dir: &Path, records: u64, batch: usize) {
    let store = SqliteStore::open(dir, LIMITS, T0).await.unwrap();
    let all = [
        ("append alone", NOTHING),
        ("append with state", With { dedupe: false, state: true }),
        ("append with dedupe key", With { dedupe: true, state: false }),
    ];
    for (what, with) in all {
        let watch = Watch::start();
        let writes = (0..records).map(|n| append(n, std::iter::once(n % USERS), with));
        commit_all(&store, batch, writes).await;
        watch.report(&format!("{what}, batch {batch}"), records);
    }
    store.close().await.unwrap();
}

async fn life(dir: &Path, records: u64, batch: usize) {
    let store = SqliteStore::open(dir, LIMITS, T0).await.unwrap();
    know_devices(&store).await;
    let whole = Watch::start();
    let watch = Watch::start();
    let full = (0..records).map(|n| append(n, std::iter::once(n % USERS), ALL));
    commit_all(&store, batch, full).await;
    watch.report(&format!("append with both, batch {batch}"), records);

    let watch = Watch::start();
    let advance = |n: u64| {
        let seq = Seq(n / USERS + 1);
        Write::Advance { key: key("user", n % USERS), log: Log::Inbox, cursor: seq, sent: seq }
    };
    let gone = commit_all(&store, batch, (0..records).map(advance)).await;
    watch.report(&format!("a cursor for each record, and it goes, batch {batch}"), records);

    // Of each inbox the newest.
    assert_eq!(gone + sweep_all(&store).await, records);
    whole.report(&format!("the whole life, batch {batch}"), records);
    store.close().await.unwrap();
}

async fn fan_out(dir: &Path, records: u64) {
    let store = SqliteStore::open(dir, LIMITS, T0).await.unwrap();
    let watch = Watch::start();
    commit_all(&store, 1, (0..records / USERS).map(|n| append(n, 0..USERS, ALL))).await;
    watch.report(&format!("one message to {USERS} inboxes, per inbox"), records);
    store.close().await.unwrap();
}

async fn restart(dir: &Path, inboxes: u64) {
    let store = SqliteStore::open(dir, LIMITS, T0).await.unwrap();
    let watch = Watch::start();
    commit_all(&store, 512, (0..inboxes).map(|n| append(n, std::iter::once(n), ALL))).await;
    watch.report("first message of a new inbox, batch 512", inboxes);
    store.close().await.unwrap();
    let (start, before) = (Instant::now(), memory_kib());
    let store = SqliteStore::open(dir, LIMITS, T0).await.unwrap();
    store.subscriptions(None, 1000).await.unwrap();
    let opened = start.elapsed();
    let entries = store.read(&inbox(inboxes / 2), Seq(0), 100, 1 << 20).await.unwrap();
    let (read, grown) = (start.elapsed(), memory_kib().saturating_sub(before));
    assert_eq!(entries.len(), 1);
    println!("{inboxes} inboxes: open in {opened:?}, first mail read after {read:?}, +{grown} KiB");
    let watch = Watch::start();
    let open = |n| Write::OpenSession { key: key("user", n), clean_start: false, keep: false };
    commit_all(&store, 512, (0..inboxes).map(open)).await;
    watch.report("connects after it, batch 512", inboxes);
    let watch = Watch::start();
    sweep_all(&store).await;
    watch.report("a sweep that removes nothing, per inbox", inboxes);
    store.close().await.unwrap();
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let records = std::env::args().nth(1).map_or(200_000, |text| text.parse().unwrap());
    let parent = std::env::temp_dir().join(format!("homing-store-life-{}", std::process::id()));
    for batch in [64, 512] {
        parts(fresh(&parent), records, batch).await;
        life(fresh(&parent), records, batch).await;
    }
    fan_out(fresh(&parent), records).await;
    restart(fresh(&parent), 100_000).await;
    std::fs::remove_dir_all(&parent).unwrap();
}

/// The directory, empty.
fn fresh(dir: &Path) -> &Path {
    if dir.exists() {
        std::fs::remove_dir_all(dir).unwrap();
    }
    std::fs::create_dir_all(dir).unwrap();
    dir
}
