//! What sessions leave to the other members of shared subscriptions.

use homing::model::{QoS, Seq};
use homing::store::{Append, Inherited, Log, Removal, Write, Written};

use crate::rig::{Rig, appended};
use crate::say::*;

/// Session and place of each legacy.
async fn legacies(rig: &Rig) -> Vec<(String, u64)> {
    let all = rig.store.legacies(100).await.unwrap();
    all.iter().map(|(key, entry)| (key.client_id.to_string(), entry.seq.0)).collect()
}

/// bob's phone with a plain record, two shared ones of QoS 1 and one of QoS 2, in this order.
async fn session(rig: &Rig) {
    let (bob, log) = (key("bob", "phone"), [queue("bob", "phone")]);
    rig.open(&bob, true, true).await;
    rig.write(append(log[0].clone(), 1)).await;
    for (number, qos) in [(2, QoS::AtLeastOnce), (3, QoS::AtLeastOnce), (4, QoS::ExactlyOnce)] {
        rig.write(Write::Append(shared(&log, number, qos))).await;
    }
}

pub async fn what_is_shared_outlives_its_session(mut rig: Rig) {
    session(&rig).await;
    let bob = key("bob", "phone");
    // The first shared one is acknowledged.
    let acknowledged = rig.commit(&[advance(&bob, Log::Queue, 2, 3)]).await;
    assert!(!acknowledged.legacies);
    assert_eq!(acknowledged.removed, [(Removal::Acknowledged, 2)]);
    assert_eq!(legacies(&rig).await, []);
    let ended = rig.commit(&[open(&bob, true, true)]).await;
    assert!(ended.legacies, "it is told");
    assert_eq!(ended.removed, []);
    rig.crash().await;
    assert_eq!(legacies(&rig).await, [("phone".into(), 3), ("phone".into(), 4)]);
    let all = rig.store.legacies(100).await.unwrap();
    assert_eq!(*all[0].1.message, message(3));
    assert_eq!(
        all[1].1.delivery,
        shared(&[queue("bob", "phone")], 4, QoS::ExactlyOnce).addressees[0].1
    );
    // The new session has nothing of it, and no seq is given twice.
    assert_eq!(rig.seqs(&queue("bob", "phone")).await, [0u64; 0]);
    assert_eq!(appended(&rig.write(append(queue("bob", "phone"), 9)).await), [5]);
    rig.sweep(sweep()).await;
    assert_eq!(legacies(&rig).await.len(), 2, "no sweep takes it");
}

/// [MQTT-4.8.2-5].
pub async fn what_was_sent_with_qos_2_ends_with_its_session(rig: Rig) {
    session(&rig).await;
    let bob = key("bob", "phone");
    rig.write(advance(&bob, Log::Queue, 0, 4)).await;
    let ended = rig.commit(&[end(&bob, std::time::Duration::ZERO)]).await;
    assert_eq!(ended.removed, [(Removal::SessionEnded, 2)]);
    assert_eq!(legacies(&rig).await, [("phone".into(), 2), ("phone".into(), 3)]);
}

/// It was planned while the session was there. In one batch, too.
pub async fn what_comes_after_the_end_is_left_too(mut rig: Rig) {
    let (bob, log) = (key("bob", "phone"), [queue("bob", "phone")]);
    let one = |number| Write::Append(shared(&log, number, QoS::AtLeastOnce));
    let over = std::time::Duration::ZERO;
    rig.commit(&[open(&bob, true, true), one(1), end(&bob, over), one(2)]).await;
    assert!(rig.commit(&[one(3)]).await.legacies);
    rig.crash().await;
    let names = [1, 2, 3].map(|seq| ("phone".to_string(), seq));
    assert_eq!(legacies(&rig).await, names);
    assert_eq!(appended(&rig.write(append(log[0].clone(), 4)).await), [4]);
}

pub async fn a_legacy_goes_with_the_append_of_its_heir(mut rig: Rig) {
    session(&rig).await;
    let (bob, heir) = (key("bob", "phone"), queue("bob", "desk"));
    rig.open(&key("bob", "desk"), true, true).await;
    rig.write(Write::ForgetDevice { key: bob.clone() }).await;
    let settle = |seq, why| Some(Inherited { key: bob.clone(), seq: Seq(seq), why });
    let handed = Append {
        inherited: settle(2, Removal::HandedOn),
        ..shared(std::slice::from_ref(&heir), 2, QoS::AtLeastOnce)
    };
    let lost = Append { inherited: settle(3, Removal::SessionEnded), ..to(&[], message(3)) };
    let commit = rig.commit(&[Write::Append(handed), Write::Append(lost)]).await;
    assert_eq!(commit.answers[0], Written::Appended { seqs: vec![Seq(1)] });
    let removed = [(Removal::SessionEnded, 1), (Removal::HandedOn, 1)];
    assert_eq!(commit.removed, removed);
    rig.crash().await;
    assert_eq!(legacies(&rig).await, [("phone".into(), 4)]);
    assert_eq!(*rig.read(&heir).await[0].message, message(2));
}
