//! Group commit against the memory store: order, answers, failures, the end.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::*;
use crate::clock::ManualClock;
use crate::model::{
    Attributes, ClientId, Delivery, Kind, Message, MessageId, QoS, Recipient, Sender, Stamp, Uid,
};
use crate::store::{Account, Append, MemoryStore, StoreLimits};

fn put(name: &str) -> Write {
    let account = Account { password_hash: "hash".into(), ..Account::default() };
    Write::PutAccount { uid: Uid::parse(name).unwrap(), account }
}

fn append() -> Write {
    let from =
        Sender { uid: Uid::parse("ann").unwrap(), client_id: ClientId::parse("laptop").unwrap() };
    let message = Message {
        id: MessageId(1),
        from,
        kind: Kind::Chat,
        ts: Stamp(0),
        expires_at: None,
        topic: "bob".into(),
        retain: false,
        qos: QoS::AtLeastOnce,
        body: "hello".into(),
        attributes: Attributes::default(),
    };
    let addressees = vec![(Recipient::Inbox(Uid::parse("bob").unwrap()), Delivery::default())];
    Write::Append(Append {
        fires: false,
        message: Arc::new(message),
        addressees,
        dedupe: None,
        step: None,
        retain: None,
    })
}

fn tagged(name: &str, ticket: u64) -> Request {
    let tag = Tag { worker: 0, session: 1, ticket };
    Request { write: put(name), reply: Reply::Tagged(tag) }
}

struct Rig {
    store: Arc<MemoryStore>,
    committer: Committer,
    thread: JoinHandle<Result<(), StoreError>>,
    done: Receiver<Vec<Done>>,
}

fn rig() -> Rig {
    guarded(None)
}

fn guarded(guard: Option<DiskGuard>) -> Rig {
    let limits = StoreLimits { messages_max: 100, session_expiry_max: Duration::from_secs(60) };
    let store = Arc::new(MemoryStore::new(limits));
    let (sender, done) = channel();
    let (committer, thread) =
        spawn(store.clone(), Arc::new(ManualClock::default()), guard, move |results, _| {
            sender.send(results).unwrap();
        });
    Rig { store, committer, thread, done }
}

fn tickets(done: &[Done]) -> Vec<u64> {
    done.iter().filter_map(|done| done.tag.map(|tag| tag.ticket)).collect()
}

#[test]
fn what_waits_during_a_commit_is_one_transaction_in_order() {
    let rig = rig();
    rig.store.hold();
    rig.committer.post(vec![tagged("a", 0)]);
    rig.committer.post(vec![tagged("b", 1), tagged("c", 2)]);
    rig.committer.post(vec![tagged("d", 3)]);
    assert!(rig.committer.queued_bytes() > 0);
    rig.store.release();
    let mut all = Vec::new();
    while all.len() < 4 {
        all.extend(tickets(&rig.done.recv().unwrap()));
    }
    assert_eq!(all, [0, 1, 2, 3]);
}

#[test]
fn nothing_is_answered_before_the_commit() {
    let rig = rig();
    rig.store.hold();
    rig.committer.post(vec![tagged("a", 0)]);
    assert!(rig.done.recv_timeout(Duration::from_millis(50)).is_err());
    rig.store.release();
    assert_eq!(tickets(&rig.done.recv().unwrap()), [0]);
}

#[tokio::test]
async fn a_write_waits_for_its_commit_and_finish_flushes() {
    let rig = rig();
    assert_eq!(rig.committer.write(put("a")).await.unwrap(), Written::Done);
    rig.committer.post(vec![tagged("b", 7)]);
    rig.committer.finish().await;
    assert!(rig.thread.join().unwrap().is_ok());
    let all: Vec<Done> = rig.done.iter().flatten().collect();
    assert_eq!(tickets(&all), [7]);
    assert_eq!(rig.committer.queued_bytes(), 0);
    assert!(matches!(rig.committer.write(put("c")).await, Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn an_unknown_outcome_is_never_answered_as_done_and_the_store_is_reopened() {
    let rig = rig();
    rig.store.fail_next_but_keep(StoreError::OutcomeUnknown("fsync failed".into()));
    let answer = rig.committer.write(put("a")).await;
    assert!(matches!(answer, Err(StoreError::OutcomeUnknown(_))));
    assert_eq!(rig.committer.write(put("b")).await.unwrap(), Written::Done);
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_again_ends_the_writer_with_its_error() {
    let rig = rig();
    rig.store.fail_next(StoreError::OutcomeUnknown("fsync failed".into()));
    rig.store.fail_reopen(StoreError::Open("the disk is gone".into()));
    let answer = rig.committer.write(put("a")).await;
    assert!(matches!(answer, Err(StoreError::OutcomeUnknown(_))));
    rig.committer.ended().await;
    assert!(matches!(rig.thread.join().unwrap(), Err(StoreError::Open(_))));
    assert!(matches!(rig.committer.write(put("b")).await, Err(StoreError::Unavailable(_))));
}

/// Threat N12.
#[tokio::test]
async fn a_panic_of_the_writer_is_its_end_and_nobody_waits_on() {
    let store = Arc::new(MemoryStore::new(StoreLimits {
        messages_max: 100,
        session_expiry_max: Duration::from_secs(60),
    }));
    let clock = Arc::new(ManualClock::default());
    store.hold();
    let (committer, thread) = spawn(store.clone(), clock, None, |_, _| panic!("injected"));
    let (first, second) = (committer.clone(), committer.clone());
    let first = tokio::spawn(async move { first.write(put("a")).await });
    let second = tokio::spawn(async move { second.write(put("b")).await });
    store.release();
    let ended = tokio::time::timeout(Duration::from_secs(30), committer.ended()).await;
    ended.expect("the writer's end is told");
    assert!(thread.join().is_err());
    for answer in [first, second] {
        assert!(matches!(answer.await.unwrap(), Err(StoreError::Unavailable(_))));
    }
    assert!(matches!(committer.write(put("c")).await, Err(StoreError::Unavailable(_))));
}

#[test]
fn on_a_full_disk_appends_are_refused_and_the_rest_goes_on() {
    let rig = rig();
    rig.store.fail_next(StoreError::Full("no space".into()));
    let requests = [put("a"), append(), put("b")];
    let reply = |write| Request { write, reply: Reply::None };
    rig.committer.post(requests.into_iter().map(reply).collect());
    let done = rig.done.recv().unwrap();
    assert_eq!(done[0].result, Ok(Written::Done));
    assert!(matches!(done[1].result, Err(StoreError::Full(_))));
    assert_eq!(done[2].result, Ok(Written::Done));
    rig.committer.post(vec![reply(append())]);
    assert!(rig.done.recv().unwrap()[0].result.is_ok(), "it recovers by itself");
}

#[tokio::test]
async fn a_damaged_place_refuses_one_write_and_not_its_neighbours() {
    let rig = rig();
    let corrupt = || StoreError::Corrupt("a row".into());
    // The whole batch fails, then its first half; the second half meets no failure.
    rig.store.fail_next(corrupt());
    rig.store.fail_next(corrupt());
    rig.committer.post(vec![tagged("a", 0), tagged("b", 1)]);
    let done = rig.done.recv().unwrap();
    assert_eq!(done.iter().map(|done| done.result.is_ok()).collect::<Vec<_>>(), [false, true]);
}

#[tokio::test]
async fn a_store_that_is_away_for_a_moment_is_waited_for() {
    let rig = rig();
    rig.store.fail_next(StoreError::Unavailable("connection refused".into()));
    assert_eq!(rig.committer.write(put("a")).await.unwrap(), Written::Done);
}

/// The guard sees a low disk, and then the store has no room even for what is no append: the
/// ballast goes, and the same write is tried again.
#[tokio::test]
async fn a_disk_that_is_low_and_then_full_still_takes_what_is_no_append() {
    let dir = tempfile::tempdir().unwrap();
    let rig = guarded(Some(DiskGuard::new(dir.path(), u64::MAX / 2)));
    rig.store.fail_next(StoreError::Full("no room".into()));
    assert_eq!(rig.committer.write(put("a")).await.unwrap(), Written::Done);
}
