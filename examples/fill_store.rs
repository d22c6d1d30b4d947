//! Fills the embedded store of a data directory: users whose device is known and, for the last of
//! them, mail that waits.
//!
//! `cargo run --release --example fill_store DIRECTORY USERS WITH_MAIL MESSAGES_EACH`; the users are
//! `known-0`, `known-1` …, the device of each is `phone`. `scripts/bench` measures brokers with it.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use homing::model::{
    Attributes, ClientId, Delivery, Kind, Message, MessageId, QoS, Recipient, Sender, SessionKey,
    Stamp, Uid,
};
use homing::store::lock::{Mode, lock};
use homing::store::{Append, SqliteStore, Store, StoreLimits, Write};

const BATCH: usize = 2048;
const BODY_BYTES: usize = 64;
const LIMITS: StoreLimits =
    StoreLimits { messages_max: 10_000, session_expiry_max: Duration::from_secs(86_400) };

fn key(number: u64) -> SessionKey {
    let uid = Uid::parse(&format!("known-{number}")).unwrap();
    SessionKey { uid, client_id: ClientId::parse("phone").unwrap() }
}

fn know(number: u64) -> Write {
    Write::KnowDevice { key: key(number), devices_max: 32 }
}

/// A message for the user; `count` makes its id.
fn mail(count: u64, user: u64, now: Stamp) -> Write {
    let uid = Uid::parse("filler").unwrap();
    let message = Message {
        id: MessageId(u128::from(count) << 32 | 0x5DEE_CE66),
        from: Sender { uid, client_id: ClientId::parse("fill").unwrap() },
        kind: Kind::Chat,
        ts: now,
        expires_at: None,
        topic: format!("known-{user}").into(),
        retain: false,
        qos: QoS::AtLeastOnce,
        body: vec![b'x'; BODY_BYTES].into(),
        attributes: Attributes::default(),
    };
    let inbox = Recipient::Inbox(key(user).uid);
    let delivery = Delivery::plain(QoS::AtLeastOnce, false);
    Write::Append(Append {
        addressees: [(inbox, delivery)].into_iter().collect(),
        ..Append::new(Arc::new(message))
    })
}

async fn commit_all(store: &SqliteStore, now: Stamp, writes: impl Iterator<Item = Write>) {
    let mut writes = writes.peekable();
    while writes.peek().is_some() {
        let part: Vec<Write> = writes.by_ref().take(BATCH).collect();
        store.commit(&part, now).await.unwrap();
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [directory, users, with_mail, each] = words.as_slice() else {
        return eprintln!("fill_store DIRECTORY USERS WITH_MAIL MESSAGES_EACH");
    };
    let number = |text: &String| text.parse::<u64>().unwrap();
    let (users, with_mail, each) = (number(users), number(with_mail), number(each));
    let since = UNIX_EPOCH.elapsed().unwrap();
    let now = Stamp(since.as_millis().try_into().unwrap());
    let directory = Path::new(directory);
    let _lock = lock(directory, Mode::Serve).unwrap();
    let store = SqliteStore::open(directory, LIMITS, now).await.unwrap();
    commit_all(&store, now, (0..users).map(know)).await;
    let first = users - with_mail;
    let mails = (0..with_mail * each).map(|count| mail(count, first + count % with_mail, now));
    commit_all(&store, now, mails).await;
    store.close().await.unwrap();
}
