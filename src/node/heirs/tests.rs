//! The heirs on a store in memory: what a failure leaves, and when they ask.

use super::*;
use crate::auth::Directory;
use crate::broker::subscriptions::{Connection, Grant};
use crate::broker::{RetainedLevels, Subscriptions};
use crate::clock::ManualClock;
use crate::metrics::Metrics;
use crate::model::{
    Attributes, ClientId, Delivery, Filter, Kind, MessageId, QoS, Recipient, Selector, Sender,
    Stamp, Uid,
};
use crate::store::commit::spawn;
use crate::store::{MemoryStore, StoreLimits};

fn key(client_id: &str) -> SessionKey {
    SessionKey { uid: Uid::parse("ann").unwrap(), client_id: ClientId::parse(client_id).unwrap() }
}

fn share() -> Selector {
    Selector::shared("g", Filter::parse("a/b").unwrap()).unwrap()
}

/// With one member, which has no queue.
fn heirs(store: &Arc<MemoryStore>) -> Heirs {
    let mut tree = Subscriptions::default();
    let grant = Grant { qos: QoS::AtLeastOnce, no_local: false, retain_as_published: false };
    let here = Connection { worker: 0, token: 1 };
    tree.add(&share(), (Some(here), key("here")), grant);
    let shared = Shared {
        subscriptions: tree.into(),
        retained: RetainedLevels::default(),
        metrics: Arc::new(Metrics::default()),
        directory: Arc::new(Directory::everyone()),
        workers: 1,
    };
    let (committer, _) = spawn(store.clone(), Arc::new(ManualClock::default()), None, |_, _| {});
    Heirs {
        store: store.clone(),
        committer,
        mailboxes: [Mailbox::default()].into(),
        shared: Arc::new(shared),
        legacies: Arc::new(Notify::new()),
    }
}

fn store() -> Arc<MemoryStore> {
    let limits = StoreLimits { messages_max: 100, session_expiry_max: Duration::from_secs(60) };
    Arc::new(MemoryStore::new(limits))
}

/// Past the writer, so that nobody is told.
async fn leave(store: &MemoryStore, bodies: &[&'static str]) {
    let key = key("gone");
    let open = Write::OpenSession { key: key.clone(), clean_start: true, keep: true };
    let mut writes = vec![open];
    for (number, body) in bodies.iter().enumerate() {
        let message = Message {
            id: MessageId(number as u128),
            from: Sender { uid: key.uid.clone(), client_id: key.client_id.clone() },
            kind: Kind::Chat,
            ts: Stamp(0),
            expires_at: None,
            topic: "a/b".into(),
            retain: false,
            qos: QoS::AtLeastOnce,
            body: (*body).into(),
            attributes: Attributes::default(),
        };
        let share = share().share_id();
        let delivery = Delivery { share, ..Delivery::plain(QoS::AtLeastOnce, false) };
        let addressees = vec![(Recipient::Session(key.clone()), delivery)];
        writes.push(Write::Append(Append { addressees, ..Append::new(Arc::new(message)) }));
    }
    writes.push(Write::EndSession { key, expiry: Duration::ZERO });
    let commit = store.commit(&writes, Stamp(0)).await.unwrap();
    assert!(commit.legacies);
}

async fn taken(mailbox: &Mailbox<Mail>) -> Vec<String> {
    let mut letters = Vec::new();
    while letters.is_empty() {
        tokio::task::yield_now().await;
        mailbox.take(&mut letters);
    }
    let text = |mail: &Mail| match mail {
        Mail::Post(post) => String::from_utf8(post.message.body.to_vec()).unwrap(),
        _ => panic!("another letter"),
    };
    letters.iter().map(text).collect()
}

#[tokio::test]
async fn what_stands_beside_a_write_that_fails_is_given_and_the_rest_once_more_tried() {
    let store = store();
    let heirs = heirs(&store);
    leave(&store, &["one", "two"]).await;
    // Both together, then the first one alone.
    store.fail_next(StoreError::Refused("for the test".into()));
    store.fail_next(StoreError::Refused("for the test".into()));
    assert!(heirs.round().await.is_err());
    assert_eq!(taken(&heirs.mailboxes[0]).await, ["two"]);
    assert_eq!(heirs.round().await, Ok(true));
    assert_eq!(taken(&heirs.mailboxes[0]).await, ["one"]);
    assert_eq!(store.legacies(10).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_for_until_there_may_be_more() {
    let store = store();
    let heirs = heirs(&store);
    let (mailboxes, bell) = (heirs.mailboxes.clone(), heirs.legacies.clone());
    leave(&store, &["of the last run"]).await;
    tokio::spawn(heirs.run());
    assert_eq!(taken(&mailboxes[0]).await, ["of the last run"]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    leave(&store, &["later"]).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(store.legacies(10).await.unwrap().len(), 1);
    bell.notify_one();
    assert_eq!(taken(&mailboxes[0]).await, ["later"]);
}
