//! Fills a data directory with users that are away, quickly, for measuring a start and its memory:
//! each user has a device, and some have mail that it has not taken.
//!
//! `cargo run --release --example store_fill -- DIR USERS USERS_WITH_MAIL [MESSAGES_EACH]`; the
//! users are bench-0, bench-1 and so on, their device is called `phone`. No broker may run there.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use homing::model::{
    Attributes, ClientId, Delivery, Kind, Message, MessageId, QoS, Recipient, Sender, SessionKey,
    Stamp, Uid,
};
use homing::store::{Append, SqliteStore, Store, StoreLimits, Write};

/// One transaction.
const BATCH_WRITES: usize = 4096;
const BODY_BYTES: usize = 64;
const LIMITS: StoreLimits =
    StoreLimits { messages_max: 1_000_000, session_expiry_max: Duration::from_secs(86_400) };

fn phone(user: u64) -> SessionKey {
    let uid = Uid::parse(&format!("bench-{user}")).unwrap();
    SessionKey { uid, client_id: ClientId::parse("phone").unwrap() }
}

fn know(user: u64) -> Write {
    Write::KnowDevice { key: phone(user), devices_max: 32 }
}

fn mail(user: u64, number: u64, now: Stamp) -> Write {
    let SessionKey { uid, .. } = phone(user);
    let message = Message {
        id: MessageId::new(now, u128::from(user) << 32 | u128::from(number)),
        from: Sender {
            uid: Uid::parse("sender").unwrap(),
            client_id: ClientId::parse("desk").unwrap(),
        },
        kind: Kind::Chat,
        ts: now,
        expires_at: None,
        topic: uid.as_str().into(),
        retain: false,
        qos: QoS::AtLeastOnce,
        body: vec![b'x'; BODY_BYTES].into(),
        attributes: Attributes::default(),
    };
    let delivery = Delivery::plain(QoS::AtLeastOnce, false);
    let addressees = vec![(Recipient::Inbox(uid), delivery)];
    Write::Append(Append { addressees, ..Append::new(Arc::new(message)) })
}

async fn commit(store: &SqliteStore, now: Stamp, writes: impl Iterator<Item = Write>) {
    let mut writes = writes.peekable();
    while writes.peek().is_some() {
        let batch: Vec<Write> = writes.by_ref().take(BATCH_WRITES).collect();
        store.commit(&batch, now).await.unwrap();
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize| args.get(place).and_then(|text| text.parse::<u64>().ok());
    let (Some(dir), Some(users), Some(with_mail)) = (args.first(), number(1), number(2)) else {
        panic!("say DIR USERS USERS_WITH_MAIL [MESSAGES_EACH]");
    };
    let each = number(3).unwrap_or(10);
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let now = Stamp(since.as_millis() as i64);
    std::fs::create_dir_all(dir).unwrap();
    let store = SqliteStore::open(Path::new(dir), LIMITS, now).await.unwrap();
    commit(&store, now, (0..users).map(know)).await;
    let mails = (0..each).flat_map(|n| (0..with_mail).map(move |user| mail(user, n, now)));
    commit(&store, now, mails).await;
    store.close().await.unwrap();
    println!("{users} users, {with_mail} of them with {each} messages: {dir}");
}
