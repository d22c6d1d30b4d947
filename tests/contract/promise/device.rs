//! Devices and their cursors.

use std::time::Duration;

use homing::model::{Recipient, Seq};
use homing::store::{Cursor, Log, Removal, Write, Written};

use crate::rig::Rig;
use crate::say::*;

fn at(cursor: u64, sent: u64, head: u64) -> Cursor {
    Cursor { cursor: Seq(cursor), sent: Seq(sent), head: Seq(head) }
}

/// A user's devices with their cursors.
async fn places(rig: &Rig, name: &str) -> Vec<(String, Cursor)> {
    let devices = rig.store.devices(&uid(name)).await.unwrap();
    devices.into_iter().map(|device| (device.client_id.to_string(), device.cursor)).collect()
}

pub async fn a_first_device_starts_before_the_oldest_message(rig: Rig) {
    assert_eq!(rig.know(&key("new", "phone")).await, at(0, 0, 0));
    let batch: Vec<Write> = (0..60).map(|n| append(inbox("bob"), n)).collect();
    rig.commit(&batch).await;
    assert_eq!(rig.know(&key("bob", "phone")).await, at(10, 10, 60));
}

pub async fn a_further_device_starts_at_the_most_advanced_one(rig: Rig) {
    let batch: Vec<Write> = (0..9).map(|n| append(inbox("bob"), n)).collect();
    rig.commit(&batch).await;
    for (client_id, cursor) in [("a", 3), ("b", 5)] {
        rig.commit(&[know(&key("bob", client_id))]).await;
        rig.write(advance(&key("bob", client_id), Log::Inbox, cursor, 7)).await;
    }
    assert_eq!(rig.know(&key("bob", "c")).await, at(5, 5, 9));
}

pub async fn knowing_a_device_again_changes_nothing(mut rig: Rig) {
    let bob = key("bob", "phone");
    rig.commit(&[append(inbox("bob"), 1), know(&bob), advance(&bob, Log::Inbox, 1, 1)]).await;
    rig.wait(DAY);
    assert_eq!(rig.know(&bob).await, at(1, 1, 1));
    assert_eq!(places(&rig, "bob").await, [("phone".to_owned(), at(1, 1, 1))]);
}

pub async fn the_device_not_seen_for_longest_goes_beyond_the_limit(mut rig: Rig) {
    let know = |client_id: &str| Write::KnowDevice { key: key("bob", client_id), devices_max: 3 };
    for client_id in ["a", "b", "c"] {
        rig.write(know(client_id)).await;
        rig.wait(Duration::from_secs(61));
    }
    rig.open(&key("bob", "a"), true, false).await;
    let commit = rig.commit(&[know("d")]).await;
    assert_eq!(commit.removed, [(Removal::DeviceCount, 1)]);
    let devices = rig.store.devices(&uid("bob")).await.unwrap();
    let names: Vec<_> = devices.iter().map(|device| device.client_id.as_str()).collect();
    assert_eq!(names, ["a", "c", "d"]);
}

pub async fn a_device_and_its_message_in_one_batch_see_each_other(rig: Rig) {
    let bob = key("bob", "phone");
    let batch = [append(inbox("bob"), 1), know(&bob), append(inbox("bob"), 2), know(&bob)];
    let commit = rig.commit(&batch).await;
    assert_eq!(commit.answers[1], Written::Known(at(0, 0, 1)));
    assert_eq!(commit.answers[3], Written::Known(at(0, 0, 2)));
}

pub async fn a_cursor_never_goes_back_and_survives_a_crash(mut rig: Rig) {
    let bob = key("bob", "phone");
    let batch: Vec<Write> = (0..9).map(|n| append(inbox("bob"), n)).collect();
    rig.commit(&batch).await;
    rig.commit(&[know(&bob), advance(&bob, Log::Inbox, 4, 8)]).await;
    rig.commit(&[advance(&bob, Log::Inbox, 2, 3), advance(&bob, Log::Inbox, 1, 9)]).await;
    rig.write(advance(&key("bob", "unknown"), Log::Inbox, 4, 4)).await;
    rig.crash().await;
    assert_eq!(places(&rig, "bob").await, [("phone".to_owned(), at(4, 9, 9))]);
}

pub async fn two_users_with_the_same_client_id_never_meet(rig: Rig) {
    rig.commit(&[append(inbox("a"), 1), append(inbox("b"), 2)]).await;
    rig.commit(&[know(&key("a", "phone")), know(&key("b", "phone"))]).await;
    rig.write(advance(&key("a", "phone"), Log::Inbox, 1, 1)).await;
    rig.commit(&[open(&key("a", "phone"), true, true)]).await;
    let b = rig.open(&key("b", "phone"), false, false).await;
    assert_eq!((b.inbox, b.session_present), (Some(at(0, 0, 1)), false));
}

pub async fn a_device_tells_when_it_was_last_seen(mut rig: Rig) {
    let bob = key("bob", "phone");
    let seen = async |rig: &Rig| rig.store.devices(&uid("bob")).await.unwrap()[0].seen_at;
    rig.know(&bob).await;
    assert_eq!(seen(&rig).await, T0);
    rig.wait(DAY);
    rig.open(&bob, true, false).await;
    assert_eq!(seen(&rig).await, T0.after(DAY));
}

pub async fn a_forgotten_device_leaves_nothing_and_the_others_stay(mut rig: Rig) {
    let (phone, tablet) = (key("bob", "phone"), key("bob", "tablet"));
    for device in [&phone, &tablet] {
        rig.commit(&[open(device, false, true), know(device), subscribe(device, &["a/#"])]).await;
        rig.write(Write::Step { key: device.clone(), step: publish(1, true) }).await;
        rig.write(append(Recipient::Session(device.clone()), 1)).await;
    }
    rig.write(append(inbox("bob"), 2)).await;
    let commit = rig.commit(&[Write::ForgetDevice { key: phone.clone() }]).await;
    assert_eq!(commit.removed, [(Removal::Forgotten, 2)], "the device and its queue");
    rig.crash().await;
    assert_eq!(places(&rig, "bob").await, [("tablet".to_owned(), at(0, 0, 1))]);
    assert_eq!(rig.seqs(&queue("bob", "phone")).await, [0; 0]);
    let opened = rig.open(&phone, false, false).await;
    assert!(!opened.session_present && opened.state.is_empty() && opened.inbox.is_none());
    let opened = rig.open(&tablet, false, false).await;
    assert!(opened.session_present && !opened.state.is_empty() && opened.inbox.is_some());
    assert_eq!(rig.seqs(&inbox("bob")).await, [1], "the mail is the user's");
}

pub async fn forgetting_what_is_not_there_is_nothing(rig: Rig) {
    let forget = [
        Write::ForgetDevice { key: key("nobody", "phone") },
        Write::ForgetInbox { uid: uid("nobody") },
    ];
    assert_eq!(rig.commit(&forget).await.removed, []);
}

/// Whoever gets the uid next starts behind all that was there, in the same batch too.
pub async fn a_forgotten_inbox_is_empty_and_goes_on_counting(mut rig: Rig) {
    let bob = key("bob", "phone");
    rig.commit(&[append(inbox("bob"), 1), know(&bob), append(inbox("bob"), 2)]).await;
    let batch = [append(inbox("bob"), 3), Write::ForgetInbox { uid: uid("bob") }];
    assert_eq!(rig.commit(&batch).await.removed, [(Removal::Forgotten, 4)]);
    rig.crash().await;
    assert_eq!(rig.seqs(&inbox("bob")).await, [0; 0]);
    assert_eq!(places(&rig, "bob").await, []);
    rig.write(append(inbox("bob"), 4)).await;
    assert_eq!(rig.know(&bob).await, at(3, 3, 4));
}
