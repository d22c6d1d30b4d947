//! Random batches, crashes, waits and sweeps: every store answers and keeps what the memory model
//! does. HOMING_TEST_SEED=n runs one seed again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use homing::model::{
    ClientId, Due, DueKey, DueName, Identity, MessageId, QoS, Recipient, Seq, ShareId, Stamp, Step,
};
use homing::store::{
    Append, Change, Claim, Inherited, Log, Quota, Removal, Schedule, Sweep, Write,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::rig::{self, Rig};
use crate::say::*;

const UIDS: [&str; 3] = ["ann", "bob", "Ж"];
const CLIENTS: [&str; 3] = ["laptop", "phone", "tab"];
const FILTERS: [&str; 4] = ["a/#", "a/+", "b", "б/c"];
const TOPICS: [&str; 5] = ["a", "a/b", "a/b/c", "b", "б/c"];

fn pick<T: Copy, const N: usize>(rng: &mut StdRng, of: [T; N]) -> T {
    of[rng.random_range(0..N)]
}

fn any_key(rng: &mut StdRng) -> homing::model::SessionKey {
    key(pick(rng, UIDS), pick(rng, CLIENTS))
}

fn any_recipient(rng: &mut StdRng) -> Recipient {
    match rng.random_range(0..9) {
        0..5 => Recipient::Inbox(uid(pick(rng, UIDS))),
        5..8 => Recipient::Session(any_key(rng)),
        _ => Recipient::Feed("bridge".into()),
    }
}

fn any_step(rng: &mut StdRng) -> Step {
    let (packet_id, seq) = (rng.random_range(1..6), Seq(rng.random_range(1..9)));
    match rng.random_range(0..6) {
        0 | 1 => publish(packet_id, rng.random()),
        2 => Step::Release { packet_id },
        3 => Step::Received { seq },
        4 => Step::Completed { seq },
        _ => pick(rng, [Step::CleanStart, Step::CleanEnd]),
    }
}

fn any_append(rng: &mut StdRng, now: Stamp) -> Write {
    let count = pick(rng, [0, 1, 1, 1, 1, 2, 3]);
    let addressees: BTreeSet<Recipient> = (0..count).map(|_| any_recipient(rng)).collect();
    let mut message = message(rng.random());
    message.ts = now;
    let life = [None, None, None, Some(Duration::from_secs(1)), Some(HOUR)];
    message.expires_at = pick(rng, life).map(|life| now.after(life));
    message.body = vec![b'x'; rng.random_range(0..3000)].into();
    let dedupe = pick(rng, [None, None, None, Some("k1"), Some("k2"), Some("k3")]);
    let step = rng.random_bool(0.3).then(|| (any_key(rng), any_step(rng)));
    let all: Vec<Recipient> = addressees.into_iter().collect();
    let dedupe = dedupe.map(|key| homing::model::DedupeKey(key.into()));
    let quota = Quota { count_max: 2, bytes_max: 4000 };
    let retain = rng.random_bool(0.3).then_some(quota);
    if retain.is_some() {
        message.retain = true;
        message.from.uid = uid(pick(rng, UIDS));
        message.topic = pick(rng, TOPICS).into();
        if rng.random_bool(0.2) {
            message.body = Default::default();
        }
    }
    let mut append = Append { dedupe, step, retain, ..to(&all, message) };
    for (recipient, delivery) in &mut append.addressees {
        if matches!(recipient, Recipient::Session(_)) && rng.random() {
            delivery.qos = pick(rng, [QoS::AtLeastOnce, QoS::ExactlyOnce]);
            delivery.share = ShareId::from_number(pick(rng, [1, 1 << 40]));
        }
    }
    Write::Append(append)
}

/// Some of what was left to others goes to somebody.
async fn settle(rng: &mut StdRng, rig: &Rig, batch: &mut [Write]) {
    let left = rig.store.legacies(rng.random_range(0..4)).await.unwrap();
    let appends = batch.iter_mut().filter_map(|write| match write {
        Write::Append(append) if append.dedupe.is_none() => Some(append),
        _ => None,
    });
    for ((key, entry), append) in left.into_iter().zip(appends) {
        append.inherited = Some(Inherited { key, seq: entry.seq, why: Removal::HandedOn });
    }
}

/// What waits is changed, claimed, and goes out or does not. `left` has the ids of what was left.
fn any_due(rng: &mut StdRng, now: Stamp, left: &mut Vec<MessageId>) -> Write {
    let uid = uid(pick(rng, UIDS));
    let name = match rng.random_range(0..4) {
        0 => DueName::Will(ClientId::parse(pick(rng, CLIENTS)).unwrap()),
        _ => DueName::Key(DueKey::parse(pick(rng, ["k", "l"])).unwrap()),
    };
    let mut message = message(rng.random());
    message.from.uid = uid.clone();
    let (id, dedupe) = (message.id, pick(rng, [None, None, Some("k1"), Some("k2")]));
    let step = rng.random_bool(0.2).then(|| (any_key(rng), any_step(rng)));
    let dedupe = dedupe.map(|key| homing::model::DedupeKey(key.into()));
    let old = (!left.is_empty()).then(|| left[rng.random_range(0..left.len())]);
    match (rng.random_range(0..8), old) {
        (0, _) => {
            let change = Change::Cancel { uid, name, id };
            Write::Schedule(Schedule { change, dedupe, step })
        }
        (1, _) => Write::Claim(Claim { until: now, count_max: 3, bytes_max: 120 }),
        (2, Some(id)) => Write::DropDue { id },
        (3 | 4, Some(id)) => {
            message.id = id;
            let retain = rng.random_bool(0.3).then_some(Quota { count_max: 1, bytes_max: 100 });
            let to = to(&[any_recipient(rng)], message);
            Write::Append(Append { fires: true, retain, ..to })
        }
        _ => {
            left.push(id);
            let at = now.after(Duration::from_secs(rng.random_range(0..100)));
            let who = Arc::new(Identity {
                client_id: message.from.client_id.clone(),
                ..Identity::user(uid)
            });
            let name = rng.random_bool(0.7).then_some(name);
            let due = Due { at, name, message: Arc::new(message), who };
            let quota = Quota { count_max: 4, bytes_max: 250 };
            Write::Schedule(Schedule { change: Change::Put(Box::new(due), quota), dedupe, step })
        }
    }
}

fn any_write(rng: &mut StdRng, now: Stamp, left: &mut Vec<MessageId>) -> Write {
    let key = any_key(rng);
    match rng.random_range(0..26) {
        22.. => any_due(rng, now, left),
        0..9 => any_append(rng, now),
        9 => open(&key, rng.random(), rng.random_bool(0.8)),
        10 => end(&key, pick(rng, [Duration::ZERO, Duration::from_secs(30), HOUR, 30 * DAY])),
        11 => Write::Step { key, step: any_step(rng) },
        12 => subscribe(&key, &[pick(rng, FILTERS), pick(rng, FILTERS)]),
        13 => Write::Unsubscribe { key, filters: vec![pick(rng, FILTERS).into()] },
        14 | 15 => Write::KnowDevice { key, devices_max: 2 },
        16..19 => {
            let cursor = rng.random_range(0..40);
            let log = pick(rng, [Log::Inbox, Log::Inbox, Log::Queue]);
            advance(&key, log, cursor, cursor + rng.random_range(0..3))
        }
        19 => Write::ForgetDevice { key },
        20 if rng.random() => Write::ForgetInbox { uid: key.uid },
        _ if rng.random() => Write::DeleteAccount { uid: key.uid },
        _ => put_account(key.uid, &format!("{}", rng.random::<u8>())),
    }
}

fn any_sweep(rng: &mut StdRng) -> Sweep {
    Sweep {
        recipients_max: pick(rng, [2, 100]),
        retention: pick(rng, [DAY, 20 * DAY]),
        messages_max: pick(rng, [10, 1000]),
        device_ttl: pick(rng, [5 * DAY, 60 * DAY]),
        ..sweep()
    }
}

/// What both must show after every step.
async fn compare(rig: &Rig, model: &Rig, what: &str) {
    for name in UIDS {
        let mut logs = vec![Recipient::Inbox(uid(name))];
        logs.extend(CLIENTS.map(|client_id| Recipient::Session(key(name, client_id))));
        logs.push(Recipient::Feed("bridge".into()));
        for log in logs {
            assert_eq!(rig.read(&log).await, model.read(&log).await, "{what}: {log:?}");
        }
        let devices = async |rig: &Rig| rig.store.devices(&uid(name)).await.unwrap();
        assert_eq!(devices(rig).await, devices(model).await, "{what}: devices of {name}");
        let account = async |rig: &Rig| rig.store.account(&uid(name)).await.unwrap();
        assert_eq!(account(rig).await, account(model).await, "{what}: account of {name}");
    }
    for text in ["#", "a/+", "б/c"] {
        let filter = homing::model::Filter::parse(text).unwrap();
        let kept = async |rig: &Rig| {
            rig.store.retained(&filter, None, 100, usize::MAX).await.unwrap().messages
        };
        assert_eq!(kept(rig).await, kept(model).await, "{what}: retained of {text}");
    }
    let legacies = async |rig: &Rig| {
        let mut all = rig.store.legacies(1000).await.unwrap();
        all.sort_by_key(|(key, entry)| (key.clone(), entry.seq));
        all
    };
    assert_eq!(legacies(rig).await, legacies(model).await, "{what}: legacies");
    let due = async |rig: &Rig| {
        (rig.store.next_due().await.unwrap(), rig.store.due_count().await.unwrap())
    };
    assert_eq!(due(rig).await, due(model).await, "{what}: due");
    let subscriptions = async |rig: &Rig| rig.store.subscriptions(None, 1000).await.unwrap();
    assert_eq!(subscriptions(rig).await, subscriptions(model).await, "{what}: subscriptions");
}

async fn step(
    rng: &mut StdRng,
    rig: &mut Rig,
    model: &mut Rig,
    left: &mut Vec<MessageId>,
    what: &str,
) {
    match rng.random_range(0..20) {
        0 => {
            rig.crash().await;
            model.crash().await;
        }
        1 | 2 => {
            let limits = any_sweep(rng);
            assert_eq!(rig.sweep(limits.clone()).await, model.sweep(limits).await, "{what}");
        }
        3 | 4 => {
            let time = pick(rng, [Duration::from_secs(40), HOUR, 9 * HOUR, 3 * DAY]);
            rig.wait(time);
            model.wait(time);
        }
        _ => {
            let count = pick(rng, [1, 2, 5, 12, 70]);
            let mut batch: Vec<Write> = (0..count).map(|_| any_write(rng, rig.now, left)).collect();
            settle(rng, rig, &mut batch).await;
            let (got, expected) = (rig.commit(&batch).await, model.commit(&batch).await);
            for (index, write) in batch.iter().enumerate() {
                let answers = (&got.answers[index], &expected.answers[index]);
                assert_eq!(answers.0, answers.1, "{what}: write {index} {write:?}");
            }
            assert_eq!(got.removed, expected.removed, "{what}");
        }
    }
}

async fn run(mut rig: Rig, seed: u64, steps: usize) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut model = rig::memory().await.unwrap();
    let mut left = Vec::new();
    for number in 0..steps {
        let what = format!("HOMING_TEST_SEED={seed}, step {number}");
        step(&mut rng, &mut rig, &mut model, &mut left, &what).await;
        compare(&rig, &model, &what).await;
    }
}

fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("HOMING_TEST_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..count).collect(),
    }
}

#[tokio::test]
async fn sqlite_does_what_the_model_does() {
    for seed in seeds(12) {
        run(rig::sqlite().await.unwrap(), seed, 60).await;
    }
}

#[tokio::test]
async fn postgres_does_what_the_model_does() {
    for seed in seeds(4) {
        let Some(rig) = rig::postgres().await else { return };
        run(rig, seed, 60).await;
    }
}
