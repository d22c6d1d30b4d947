//! Stores as released versions wrote them. One of each schema version stays in `fixtures/`; every
//! later homing must open it and read all of it.

use std::path::{Path, PathBuf};

use homing::model::{
    Attrs, Ban, BanReason, BanTarget, Due, DueKey, DueName, Entry, Filter, Identity, Message, Role,
    Seq, Stamp, Step,
};
use homing::store::{
    Append, Change, Claim, Log, Quota, Schedule, SqliteStore, Store, Write, Written,
};

use crate::rig::LIMITS;
use crate::say::*;

/// Of the newest fixture.
const SCHEMA_VERSION: u32 = 5;

pub fn fixture(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("tests/contract/fixtures/schema-{version}.db"))
}

/// One of everything.
fn contents() -> Vec<Write> {
    let bob = key("bob", "phone");
    let step = Some((bob.clone(), publish(3, true)));
    vec![
        put_account(uid("bob"), "a hash"),
        open(&bob, true, true),
        know(&bob),
        subscribe(&bob, &["news/#"]),
        append_key(inbox("bob"), 1, "order-1"),
        Write::Append(Append { step, ..to(&[inbox("bob"), queue("bob", "phone")], shared()) }),
        Write::Step { key: bob.clone(), step: Step::Received { seq: Seq(1) } },
        advance(&bob, Log::Inbox, 1, 2),
        end(&bob, 30 * DAY),
        Write::PutBan(ban()),
        Write::Append(Append { retain: Some(QUOTA), ..to(&[], retained()) }),
        Write::Schedule(Schedule::only(Change::Put(Box::new(due()), QUOTA))),
    ]
}

/// It has two readers.
fn shared() -> Message {
    Message { expires_at: Some(Stamp(T0.0 + 1000)), ..message(2) }
}

fn ban() -> Ban {
    Ban {
        target: BanTarget::User(uid("eve")),
        until: Stamp(T0.0 + 1000),
        reason: BanReason::parse("floods").unwrap(),
        made_at: T0,
    }
}

const QUOTA: Quota = Quota { count_max: 1, bytes_max: 1000 };

fn retained() -> Message {
    Message { topic: "news/rust".into(), retain: true, ..message(4) }
}

fn due() -> Due {
    let message = message(5);
    let who = Identity {
        client_id: message.from.client_id.clone(),
        roles: [Role::Operator].into(),
        attrs: Attrs::new([("city".to_owned(), "Bonn".to_owned())]).unwrap(),
        expires_at: Some(Stamp(T0.0 + 5000)),
        ..Identity::user(message.from.uid.clone())
    };
    let name = Some(DueName::Key(DueKey::parse("lunch").unwrap()));
    Due { at: Stamp(T0.0 + 1000), name, message: message.into(), who: who.into() }
}

/// What schema 1 had already. Up to schema 4, what was acknowledged stayed until the next sweep.
async fn check(store: &impl Store, inbox_kept: &[Message]) {
    let bob = key("bob", "phone");
    let read = async |log| store.read(&log, Seq(0), 10, usize::MAX).await.unwrap();
    let messages = |entries: Vec<Entry>| -> Vec<Message> {
        entries.iter().map(|entry| (*entry.message).clone()).collect()
    };
    assert_eq!(messages(read(inbox("bob")).await), inbox_kept);
    assert_eq!(messages(read(queue("bob", "phone")).await), [shared()]);
    assert_eq!(store.account(&uid("bob")).await.unwrap().unwrap().password_hash, "a hash");
    let batch = [append_key(inbox("bob"), 9, "order-1"), open(&bob, false, true)];
    let answers = store.commit(&batch, T0).await.unwrap().answers;
    assert_eq!(answers[0], Written::Duplicate { id: message(1).id });
    let Written::Opened(opened) = &answers[1] else { panic!("{answers:?}") };
    assert_eq!((opened.state.unreleased.len(), opened.state.received.len()), (1, 1));
    let inbox = opened.inbox.unwrap();
    assert_eq!((inbox.cursor, inbox.sent, inbox.head), (Seq(1), Seq(2), Seq(2)));
    let durable = opened.durable.as_ref().unwrap();
    assert!(opened.session_present);
    assert_eq!(durable.subscriptions, [subscription("news/#", 1)]);
    assert_eq!((durable.queue.cursor, durable.queue.head), (Seq(0), Seq(1)));
}

/// What schema 2 had already.
async fn check_2(store: &impl Store, inbox_kept: &[Message]) {
    check(store, inbox_kept).await;
    let account = store.account(&uid("bob")).await.unwrap().unwrap();
    assert_eq!(account.roles, [Role::Operator].into());
    assert_eq!(store.bans().await.unwrap(), [ban()]);
}

/// What schema 3 had already.
async fn check_3(store: &impl Store, inbox_kept: &[Message]) {
    check_2(store, inbox_kept).await;
    let filter = Filter::parse("news/+").unwrap();
    let page = store.retained(&filter, None, 10, 1000).await.unwrap();
    assert_eq!(page.messages.iter().map(|message| &**message).collect::<Vec<_>>(), [&retained()]);
}

/// What schema 4 had already.
async fn check_4(store: &impl Store, inbox_kept: &[Message]) {
    check_3(store, inbox_kept).await;
    let claim = Claim { until: due().at, count_max: 10, bytes_max: 1000 };
    let answers = store.commit(&[Write::Claim(claim)], T0).await.unwrap().answers;
    assert_eq!(answers, [Written::Claimed(vec![due()])]);
}

/// All that a store of this version has.
pub async fn check_of(version: u32, store: &impl Store) {
    let both = [message(1), shared()];
    match version {
        1 => check(store, &both).await,
        2 => check_2(store, &both).await,
        3 => {
            check_3(store, &both).await;
            assert_eq!(store.due_count().await.unwrap(), 0);
        }
        4 => check_4(store, &both).await,
        _ => check_4(store, &[shared()]).await,
    }
}

async fn opens(version: u32) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(fixture(version), dir.path().join("homing.db")).unwrap();
    let store = SqliteStore::open(dir.path(), LIMITS, T0).await.unwrap();
    check_of(version, &store).await;
    assert_eq!(store.identity().epoch, 1);
}

#[tokio::test]
async fn a_store_of_schema_version_1_opens_and_has_everything() {
    opens(1).await;
}

#[tokio::test]
async fn a_store_of_schema_version_2_opens_and_has_everything() {
    opens(2).await;
}

#[tokio::test]
async fn a_store_of_schema_version_3_opens_and_has_everything() {
    opens(3).await;
}

#[tokio::test]
async fn a_store_of_schema_version_4_opens_and_has_everything() {
    opens(4).await;
}

#[tokio::test]
async fn a_store_of_schema_version_5_opens_and_has_everything() {
    opens(5).await;
}

/// Writes the fixture of the present version, once, before it is released.
#[tokio::test]
#[ignore = "run by hand when a schema version is made: it writes into tests/contract/fixtures"]
async fn write_the_fixture_of_this_version() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), LIMITS, T0).await.unwrap();
    store.commit(&contents(), T0).await.unwrap();
    store.close().await.unwrap();
    let written = dir.path().join("homing.db");
    std::fs::copy(written, fixture(SCHEMA_VERSION)).unwrap();
}
