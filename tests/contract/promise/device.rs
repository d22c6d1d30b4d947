//! Devices and their cursors.

use std::time::Duration;

use homing::model::Seq;
use homing::store::{Cursor, Log, Removal, Write, Written};

use crate::rig::Rig;
use crate::say::*;

fn at(cursor: u64, sent: u64, head: u64) -> Cursor {
    Cursor { cursor: Seq(cursor), sent: Seq(sent), head: Seq(head) }
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
    assert_eq!(rig.store.devices(&uid("bob")).await.unwrap(), [(bob.client_id, at(1, 1, 1))]);
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
    let names: Vec<_> = devices.iter().map(|(client_id, _)| client_id.as_str()).collect();
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
    assert_eq!(rig.store.devices(&uid("bob")).await.unwrap(), [(bob.client_id, at(4, 9, 9))]);
}

pub async fn two_users_with_the_same_client_id_never_meet(rig: Rig) {
    rig.commit(&[append(inbox("a"), 1), append(inbox("b"), 2)]).await;
    rig.commit(&[know(&key("a", "phone")), know(&key("b", "phone"))]).await;
    rig.write(advance(&key("a", "phone"), Log::Inbox, 1, 1)).await;
    rig.commit(&[open(&key("a", "phone"), true, true)]).await;
    let b = rig.open(&key("b", "phone"), false, false).await;
    assert_eq!((b.inbox, b.session_present), (Some(at(0, 0, 1)), false));
}
