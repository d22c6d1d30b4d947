//! The sweeper: what goes, why, and that nothing else does.

use std::collections::BTreeMap;

use homing::model::Stamp;
use homing::store::{Log, Removal, Sweep, Write};

use crate::rig::{Rig, appended};
use crate::say::*;

fn counts<const N: usize>(counts: [(Removal, u64); N]) -> BTreeMap<Removal, u64> {
    counts.into()
}

async fn fill(rig: &Rig, name: &str, count: u128) {
    let batch: Vec<Write> = (0..count).map(|n| append(inbox(name), n)).collect();
    rig.commit(&batch).await;
}

/// With the cursor that moved last, but for the newest, which tells the log's head.
pub async fn what_every_device_acknowledged_goes(mut rig: Rig) {
    fill(&rig, "bob", 9).await;
    let devices = [("a", 3, 0), ("b", 5, 3), ("a", 9, 2), ("b", 9, 3)];
    for (client_id, ..) in devices {
        rig.know(&key("bob", client_id)).await;
    }
    for (client_id, cursor, gone) in devices {
        let move_on = advance(&key("bob", client_id), Log::Inbox, cursor, cursor);
        let removed: BTreeMap<_, _> = rig.commit(&[move_on]).await.removed.into_iter().collect();
        assert_eq!(removed.get(&Removal::Acknowledged).copied().unwrap_or(0), gone);
    }
    rig.crash().await;
    assert_eq!(rig.seqs(&inbox("bob")).await, [9]);
    assert_eq!(rig.sweep(sweep()).await.0, counts([(Removal::Acknowledged, 1)]));
    assert_eq!(rig.sweep(sweep()).await.0, counts([]));
    rig.crash().await;
    assert_eq!(appended(&rig.write(append(inbox("bob"), 10)).await), [10]);
}

/// A removal in the middle of a log hides nothing that comes later.
pub async fn what_expired_in_between_is_not_counted_twice(mut rig: Rig) {
    rig.know(&key("bob", "phone")).await;
    for n in 1..=6 {
        let mut message = message(n);
        message.expires_at = (3..5).contains(&n).then_some(Stamp(T0.0 + 1000));
        rig.write(Write::Append(to(&[inbox("bob")], message))).await;
    }
    rig.wait(HOUR);
    assert_eq!(rig.sweep(sweep()).await.0, counts([(Removal::Expired, 2)]));
    for (cursor, gone) in [(2, vec![(Removal::Acknowledged, 2)]), (3, vec![])] {
        let commit = rig.commit(&[advance(&key("bob", "phone"), Log::Inbox, cursor, cursor)]).await;
        assert_eq!(commit.removed, gone);
    }
    rig.write(Write::ForgetDevice { key: key("bob", "phone") }).await;
    assert_eq!(rig.know(&key("bob", "pad")).await.cursor.0, 4, "before the oldest message kept");
    assert_eq!(rig.seqs(&inbox("bob")).await, [5, 6]);
}

pub async fn without_a_device_nothing_counts_as_acknowledged(rig: Rig) {
    fill(&rig, "bob", 3).await;
    assert_eq!(rig.sweep(sweep()).await.0, counts([]));
    assert_eq!(rig.seqs(&inbox("bob")).await, [1, 2, 3]);
}

pub async fn expired_messages_go_and_are_counted(mut rig: Rig) {
    for (n, seconds) in [(1, 10), (2, 30), (3, 10)] {
        let mut message = message(n);
        message.expires_at = Some(Stamp(T0.0 + seconds * 1000));
        rig.write(Write::Append(to(&[inbox("bob"), inbox("eve")], message))).await;
    }
    rig.wait(std::time::Duration::from_secs(10));
    assert_eq!(rig.sweep(sweep()).await.0, counts([(Removal::Expired, 4)]));
    rig.crash().await;
    assert_eq!(rig.seqs(&inbox("bob")).await, [2]);
    rig.wait(HOUR);
    assert_eq!(rig.sweep(sweep()).await.0, counts([(Removal::Expired, 2)]));
    assert_eq!(appended(&rig.write(append(inbox("bob"), 4)).await), [4]);
}

/// [MQTT-4.3.3-7]: once PUBLISH was sent, the message does not expire any more. What a session was
/// sent is stored when it ends.
pub async fn an_expired_message_that_was_sent_is_owed(mut rig: Rig) {
    let bob = key("bob", "phone");
    rig.write(open(&bob, true, true)).await;
    for n in 1..=4 {
        let mut message = message(n);
        message.expires_at = Some(Stamp(T0.0 + 1000));
        rig.write(Write::Append(to(&[queue("bob", "phone")], message))).await;
    }
    rig.wait(std::time::Duration::from_secs(1));
    assert_eq!(rig.sweep(sweep()).await.0, counts([]));
    rig.commit(&[advance(&bob, Log::Queue, 1, 3), end(&bob, DAY)]).await;
    assert_eq!(rig.sweep(sweep()).await.0, counts([(Removal::Expired, 1)]));
    assert_eq!(rig.seqs(&queue("bob", "phone")).await, [2, 3]);
}

pub async fn old_messages_go_and_are_counted(mut rig: Rig) {
    let limits = Sweep { retention: 10 * DAY, ..sweep() };
    fill(&rig, "bob", 3).await;
    rig.wait(5 * DAY);
    let mut young = message(4);
    young.ts = rig.now;
    rig.write(Write::Append(to(&[inbox("bob")], young))).await;
    rig.wait(6 * DAY);
    assert_eq!(rig.sweep(limits.clone()).await.0, counts([(Removal::RetentionAge, 3)]));
    assert_eq!(rig.seqs(&inbox("bob")).await, [4]);
    rig.wait(6 * DAY);
    assert_eq!(rig.sweep(limits).await.0, counts([(Removal::RetentionAge, 1)]));
    assert_eq!(appended(&rig.write(append(inbox("bob"), 5)).await), [5]);
}

pub async fn the_count_limit_holds_in_the_sweep(rig: Rig) {
    fill(&rig, "bob", 9).await;
    let limits = Sweep { messages_max: 4, ..sweep() };
    assert_eq!(rig.sweep(limits).await.0, counts([(Removal::RetentionCount, 5)]));
    assert_eq!(rig.seqs(&inbox("bob")).await, [6, 7, 8, 9]);
}

pub async fn a_device_not_seen_for_long_goes_and_holds_nothing_back(mut rig: Rig) {
    let limits = Sweep { device_ttl: 10 * DAY, ..sweep() };
    fill(&rig, "bob", 4).await;
    rig.know(&key("bob", "old")).await;
    rig.wait(9 * DAY);
    rig.commit(&[know(&key("bob", "new")), advance(&key("bob", "new"), Log::Inbox, 2, 2)]).await;
    assert_eq!(rig.sweep(limits.clone()).await.0, counts([]));
    rig.wait(2 * DAY);
    let expected = counts([(Removal::Acknowledged, 2), (Removal::DeviceTtl, 1)]);
    assert_eq!(rig.sweep(limits).await.0, expected);
    assert_eq!(rig.store.devices(&uid("bob")).await.unwrap().len(), 1);
}

pub async fn an_expired_session_goes_with_its_queue(mut rig: Rig) {
    let (bob, eve) = (key("bob", "phone"), key("eve", "phone"));
    rig.commit(&[open(&bob, true, true), open(&eve, true, true)]).await;
    rig.commit(&[subscribe(&bob, &["a"]), subscribe(&eve, &["b"])]).await;
    for n in 0..3 {
        let both = [queue("bob", "phone"), queue("eve", "phone")];
        rig.write(Write::Append(to(&both, message(n)))).await;
    }
    rig.commit(&[advance(&bob, Log::Queue, 1, 1), end(&bob, HOUR), end(&eve, DAY)]).await;
    rig.wait(HOUR);
    let (removed, expired) = rig.sweep(sweep()).await;
    assert_eq!(removed, counts([(Removal::SessionEnded, 2)]));
    assert_eq!(expired, [bob]);
    assert_eq!(rig.store.subscriptions(None, 9).await.unwrap(), [(eve, subscription("b", 1))]);
    assert_eq!(rig.seqs(&queue("eve", "phone")).await, [1, 2, 3]);
    assert_eq!(rig.seqs(&queue("bob", "phone")).await, [0u64; 0]);
}

pub async fn a_queue_without_a_session_goes(rig: Rig) {
    rig.write(append(queue("bob", "phone"), 1)).await;
    assert_eq!(rig.sweep(sweep()).await.0, counts([(Removal::SessionEnded, 1)]));
    assert_eq!(appended(&rig.write(append(queue("bob", "phone"), 2)).await), [2]);
}

pub async fn a_sweep_in_small_steps_does_the_same_as_in_one(mut rig: Rig) {
    for name in ["a", "b", "c", "d", "e"] {
        fill(&rig, name, 6).await;
        let phone = key(name, "phone");
        rig.commit(&[know(&phone), advance(&phone, Log::Inbox, 2, 2)]).await;
        let mut message = message(7);
        message.expires_at = Some(Stamp(T0.0 + 1));
        rig.write(Write::Append(to(&[inbox(name)], message))).await;
        rig.write(append_key(inbox(name), 8, name)).await;
    }
    rig.wait(2 * DAY);
    let step = Sweep { recipients_max: 1, ..sweep() };
    assert_eq!(rig.sweep(step).await.0, counts([(Removal::Expired, 5)]));
    assert_eq!(rig.seqs(&inbox("c")).await, [3, 4, 5, 6, 8]);
}

pub async fn what_waits_and_who_is_away_is_counted_on_the_way(mut rig: Rig) {
    assert_eq!(rig.census().await, [0, 0, 0]);
    fill(&rig, "bob", 9).await;
    fill(&rig, "nobody", 2).await;
    assert_eq!(rig.census().await, [0, 0, 11]);
    for (client_id, cursor) in [("a", 3), ("b", 9)] {
        rig.know(&key("bob", client_id)).await;
        rig.write(advance(&key("bob", client_id), Log::Inbox, cursor, cursor)).await;
    }
    let (phone, pad) = (key("eve", "phone"), key("eve", "pad"));
    for session in [&phone, &pad] {
        rig.write(open(session, true, true)).await;
    }
    rig.commit(&[append(queue("eve", "phone"), 20), append(queue("eve", "phone"), 21)]).await;
    rig.write(advance(&phone, Log::Queue, 1, 1)).await;
    // bob's device a has 6 to acknowledge, nobody 2, eve's phone 1.
    assert_eq!(rig.census().await, [2, 0, 9]);
    rig.write(end(&phone, DAY)).await;
    assert_eq!(rig.census().await, [1, 1, 9]);
    rig.wait(2 * DAY);
    assert_eq!(rig.census().await, [1, 0, 8]);
    rig.write(advance(&key("bob", "a"), Log::Inbox, 9, 9)).await;
    assert_eq!(rig.census().await, [1, 0, 2]);
}

/// Threat N1. What was stamped by a clock that has gone back since is kept no longer than the rest.
pub async fn what_is_stamped_in_the_future_counts_from_now_on(mut rig: Rig) {
    let bob = key("bob", "phone");
    let right = rig.now;
    rig.wait(3650 * DAY);
    rig.commit(&[open(&bob, true, true), know(&bob), end(&bob, HOUR)]).await;
    rig.write(append_key(inbox("eve"), 1, "key")).await;
    rig.now = right;
    let limits = Sweep { device_ttl: 10 * DAY, ..sweep() };
    assert_eq!(rig.sweep(limits.clone()).await, (counts([]), vec![]));
    assert_eq!(rig.store.devices(&bob.uid).await.unwrap()[0].seen_at, right);
    assert_eq!(appended(&rig.write(append_key(inbox("eve"), 2, "key")).await), [2]);
    rig.wait(HOUR);
    assert_eq!(rig.sweep(limits.clone()).await.1, [bob]);
    rig.wait(10 * DAY);
    assert_eq!(rig.sweep(limits).await.0, counts([(Removal::DeviceTtl, 1)]));
}
