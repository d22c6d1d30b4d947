//! Appending: dense `seq`, whole records, several addressees, the count limit.

use std::sync::Arc;

use homing::model::{Delivery, Kind, QoS, Recipient, Stamp};
use homing::store::{Append, Removal, Write};

use crate::rig::{Rig, appended};
use crate::say::*;

pub async fn seq_is_dense_and_survives_a_crash(mut rig: Rig) {
    let batch: Vec<Write> = (0..300).map(|n| append(inbox(["a", "b"][n % 2]), n as u128)).collect();
    let commit = rig.commit(&batch[..40]).await;
    let seqs: Vec<u64> = commit.answers.iter().flat_map(appended).collect();
    assert_eq!(seqs[..6], [1, 1, 2, 2, 3, 3]);
    rig.crash().await;
    assert_eq!(appended(&rig.write(append(inbox("a"), 99)).await), [21]);
    assert_eq!(rig.seqs(&inbox("a")).await, (1..=21).collect::<Vec<_>>());
}

pub async fn seq_is_never_given_twice_whatever_was_deleted(mut rig: Rig) {
    let phone = key("bob", "phone");
    rig.commit(&[append(inbox("bob"), 1), append(inbox("bob"), 2), know(&phone)]).await;
    rig.write(advance(&phone, homing::store::Log::Inbox, 2, 2)).await;
    rig.sweep(sweep()).await;
    assert_eq!(rig.seqs(&inbox("bob")).await, [0u64; 0]);
    rig.crash().await;
    assert_eq!(rig.open(&phone, true, false).await.inbox.unwrap().head.0, 2);
    assert_eq!(appended(&rig.write(append(inbox("bob"), 3)).await), [3]);
}

pub async fn a_record_comes_back_whole(mut rig: Rig) {
    let mut sent = message(u128::MAX - 1);
    sent.expires_at = Some(Stamp(T0.0 + 5000));
    sent.topic = "plain/т".into();
    (sent.retain, sent.qos, sent.kind) = (true, QoS::ExactlyOnce, Kind::Chat);
    sent.body = vec![0, 255, 10, 0].into();
    let delivery = Delivery::plain(QoS::AtMostOnce, true);
    let mut write = to(&[queue("bob", "phone")], sent.clone());
    write.addressees[0].1 = delivery;
    rig.write(Write::Append(write)).await;
    rig.crash().await;
    let entries = rig.read(&queue("bob", "phone")).await;
    assert_eq!(*entries[0].message, sent);
    assert_eq!((entries[0].seq.0, entries[0].delivery), (1, delivery));
}

pub async fn one_message_for_many_has_one_seq_each(mut rig: Rig) {
    let feed = Recipient::Feed(Arc::from("bridge"));
    let all = [inbox("a"), queue("a", "phone"), inbox("b"), feed];
    rig.write(append(inbox("b"), 1)).await;
    let mut sent = message(2);
    sent.body = vec![7; 100_000].into();
    let commit = rig.commit(&[Write::Append(to(&all, sent.clone())), append(inbox("b"), 3)]).await;
    assert_eq!(appended(&commit.answers[0]), [1, 1, 2, 1]);
    rig.crash().await;
    for recipient in &all {
        let entries = rig.read(recipient).await;
        assert!(entries.iter().any(|entry| *entry.message == sent), "{recipient:?}");
    }
}

pub async fn no_addressee_writes_only_the_step(rig: Rig) {
    let ann = key("ann", "laptop");
    let step = Some((ann.clone(), publish(1, true)));
    let write = Append { step, ..to(&[], message(1)) };
    assert_eq!(appended(&rig.write(Write::Append(write)).await), [0u64; 0]);
    assert_eq!(rig.open(&ann, false, true).await.state.ring.len(), 1);
}

pub async fn the_oldest_records_go_beyond_the_count_limit(mut rig: Rig) {
    let batch: Vec<Write> = (1..=50).map(|n| append(inbox("bob"), n)).collect();
    assert_eq!(rig.commit(&batch).await.removed, []);
    let commit = rig.commit(&batch[..3]).await;
    assert_eq!(commit.removed, [(Removal::RetentionCount, 3)]);
    rig.crash().await;
    assert_eq!(rig.seqs(&inbox("bob")).await, (4..=53).collect::<Vec<_>>());
    let flood: Vec<Write> = (0..120).map(|n| append(inbox("bob"), n)).collect();
    assert_eq!(rig.commit(&flood).await.removed, [(Removal::RetentionCount, 120)]);
    assert_eq!(rig.seqs(&inbox("bob")).await, (124..=173).collect::<Vec<_>>());
}
