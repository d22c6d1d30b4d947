//! Group commit against the memory store: order, answers, failures, the end.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::*;
use crate::clock::ManualClock;
use crate::model::Uid;
use crate::store::{MemoryStore, StoreLimits};

fn put(name: &str) -> Write {
    Write::PutAccount { uid: Uid::parse(name).unwrap(), password_hash: "hash".into() }
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
    let limits = StoreLimits { messages_max: 100, session_expiry_max: Duration::from_secs(60) };
    let store = Arc::new(MemoryStore::new(limits));
    let (sender, done) = channel();
    let (committer, thread) =
        spawn(store.clone(), Arc::new(ManualClock::default()), None, move |results, _| {
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
