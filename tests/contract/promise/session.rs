//! Durable sessions: kept, resumed, cleaned, expired; their subscriptions and queues.

use std::time::Duration;

use homing::model::{Seq, Stamp, Step};
use homing::store::{Log, Removal, Write};

use crate::rig::{Rig, appended};
use crate::say::*;

pub async fn a_session_is_kept_only_if_asked(mut rig: Rig) {
    let bob = key("bob", "phone");
    let first = rig.open(&bob, false, false).await;
    assert_eq!((first.session_present, first.durable), (false, None));
    rig.write(append(queue("bob", "phone"), 1)).await;
    let kept = rig.open(&bob, false, true).await;
    assert!(!kept.session_present);
    let cursor = kept.durable.unwrap().queue;
    assert_eq!((cursor.cursor, cursor.sent, cursor.head), (Seq(1), Seq(1), Seq(1)));
    rig.crash().await;
    assert!(rig.open(&bob, false, true).await.session_present);
}

pub async fn a_kept_session_comes_back_with_all_it_had(mut rig: Rig) {
    let bob = key("bob", "phone");
    rig.open(&bob, true, true).await;
    rig.write(subscribe(&bob, &["a/#", "b/+"])).await;
    rig.write(append(queue("bob", "phone"), 1)).await;
    rig.write(append(queue("bob", "phone"), 2)).await;
    rig.write(advance(&bob, Log::Queue, 1, 2)).await;
    rig.write(end(&bob, HOUR)).await;
    rig.crash().await;
    rig.wait(HOUR - Duration::from_millis(1));
    let opened = rig.open(&bob, false, true).await;
    assert!(opened.session_present);
    let durable = opened.durable.unwrap();
    assert_eq!(durable.subscriptions, [subscription("a/#", 1), subscription("b/+", 1)]);
    let at = durable.queue;
    assert_eq!((at.cursor, at.sent, at.head), (Seq(1), Seq(2), Seq(2)));
}

pub async fn sessions_are_told_by_who_was_away_for_longest(mut rig: Rig) {
    for client_id in ["here", "b", "a"] {
        rig.open(&key("bob", client_id), false, true).await;
    }
    rig.open(&key("bobby", "other"), false, true).await;
    rig.open(&key("bob", "not-kept"), false, false).await;
    rig.write(end(&key("bob", "b"), HOUR)).await;
    rig.wait(Duration::from_secs(1));
    rig.write(end(&key("bob", "a"), HOUR)).await;
    let told = rig.store.sessions(&uid("bob")).await.unwrap();
    let names: Vec<_> = told.iter().map(|client_id| client_id.as_str()).collect();
    assert_eq!(names, ["b", "a", "here"]);
    assert_eq!(rig.store.sessions(&uid("nobody")).await.unwrap(), []);
}

pub async fn a_clean_start_forgets_subscriptions_queue_and_steps_but_not_the_inbox(rig: Rig) {
    let bob = key("bob", "phone");
    rig.commit(&[open(&bob, true, true), know(&bob), subscribe(&bob, &["a/#"])]).await;
    let steps = [publish(1, true), Step::Received { seq: Seq(1) }];
    rig.commit(&steps.map(|step| Write::Step { key: bob.clone(), step })).await;
    rig.commit(&[append(queue("bob", "phone"), 1), append(queue("bob", "phone"), 2)]).await;
    rig.commit(&[append(inbox("bob"), 3), append(inbox("bob"), 4)]).await;
    let cursors = [advance(&bob, Log::Inbox, 1, 1), advance(&bob, Log::Queue, 1, 1)];
    assert_eq!(rig.commit(&cursors).await.removed, [(Removal::Acknowledged, 2)]);
    let commit = rig.commit(&[open(&bob, true, true)]).await;
    assert_eq!(commit.removed, [(Removal::SessionEnded, 1)]);
    let opened = rig.open(&bob, false, true).await;
    assert_eq!(opened.state.ring.len(), 1, "the ring outlives a clean start");
    assert!(opened.state.unreleased.is_empty() && opened.state.received.is_empty());
    let durable = opened.durable.unwrap();
    assert_eq!((durable.subscriptions, durable.queue.cursor), (vec![], Seq(2)));
    assert_eq!(opened.inbox.unwrap().cursor, Seq(1));
    assert_eq!(rig.seqs(&inbox("bob")).await, [2]);
    assert_eq!(rig.seqs(&queue("bob", "phone")).await, [0u64; 0]);
}

pub async fn a_session_whose_time_is_over_is_absent(mut rig: Rig) {
    let bob = key("bob", "phone");
    rig.commit(&[open(&bob, true, true), subscribe(&bob, &["a/#"]), end(&bob, HOUR)]).await;
    rig.wait(HOUR);
    let opened = rig.open(&bob, false, false).await;
    assert_eq!((opened.session_present, opened.durable), (false, None));
    let again = rig.open(&bob, false, true).await;
    assert_eq!((again.session_present, again.durable.unwrap().subscriptions), (false, vec![]));
}

pub async fn an_ended_session_without_expiry_is_gone_at_once(rig: Rig) {
    let bob = key("bob", "phone");
    rig.commit(&[open(&bob, true, true), subscribe(&bob, &["a/#"])]).await;
    rig.write(append(queue("bob", "phone"), 1)).await;
    let commit = rig.commit(&[end(&bob, Duration::ZERO)]).await;
    assert_eq!(commit.removed, [(Removal::SessionEnded, 1)]);
    assert_eq!(rig.store.subscriptions(None, 10).await.unwrap(), []);
    assert_eq!(rig.open(&bob, false, false).await.durable, None);
    assert_eq!(appended(&rig.write(append(queue("bob", "phone"), 2)).await), [2]);
}

pub async fn a_connected_session_expires_from_the_next_start_on(mut rig: Rig) {
    let bob = key("bob", "phone");
    rig.open(&bob, true, true).await;
    rig.wait(1000 * DAY);
    assert_eq!(rig.sweep(sweep()).await.1, []);
    rig.crash().await;
    rig.wait(89 * DAY);
    assert_eq!(rig.sweep(sweep()).await.1, []);
    rig.wait(2 * DAY);
    assert_eq!(rig.sweep(sweep()).await.1, [bob]);
}

/// The process dies, and its machine comes back with the clock of 1970.
pub async fn a_start_with_a_clock_far_behind_ends_no_session(mut rig: Rig) {
    let bob = key("bob", "phone");
    rig.open(&bob, true, true).await;
    rig.write(append(queue("bob", "phone"), 1)).await;
    rig.now = Stamp(0);
    rig.crash().await;
    rig.now = T0.after(HOUR);
    assert_eq!(rig.sweep(sweep()).await.1, []);
    assert!(rig.open(&bob, false, true).await.session_present);
    assert_eq!(rig.seqs(&queue("bob", "phone")).await, [1]);
}

/// What was ended in order keeps the time that was left of it.
pub async fn a_start_with_a_clock_far_ahead_ends_no_session(mut rig: Rig) {
    let (here, over) = (key("bob", "phone"), key("bob", "old"));
    rig.commit(&[open(&here, true, true), open(&over, true, true)]).await;
    rig.write(end(&over, HOUR)).await;
    rig.wait(2 * HOUR);
    rig.write(end(&here, HOUR)).await;
    rig.wait(3650 * DAY);
    rig.crash().await;
    assert_eq!(rig.sweep(sweep()).await.1, [over]);
    rig.wait(HOUR - Duration::from_millis(1));
    assert_eq!(rig.sweep(sweep()).await.1, []);
    rig.wait(Duration::from_millis(1));
    assert_eq!(rig.sweep(sweep()).await.1, [here]);
}

pub async fn subscriptions_are_replaced_and_removed(mut rig: Rig) {
    let bob = key("bob", "phone");
    let replace = Write::Subscribe { key: bob.clone(), subscriptions: vec![subscription("a", 2)] };
    let filters = vec!["b".into(), "unknown".into()];
    let remove = Write::Unsubscribe { key: bob.clone(), filters };
    rig.commit(&[open(&bob, true, true), subscribe(&bob, &["a", "b", "c"])]).await;
    rig.commit(&[replace, remove]).await;
    rig.write(subscribe(&key("nobody", "x"), &["a"])).await;
    rig.crash().await;
    let all = rig.store.subscriptions(None, 10).await.unwrap();
    let expected = [subscription("a", 2), subscription("c", 1)].map(|one| (bob.clone(), one));
    assert_eq!(all, expected);
}

pub async fn all_subscriptions_come_page_by_page(rig: Rig) {
    let mut expected = Vec::new();
    for (uid, client_id) in [("a", "1"), ("a", "2"), ("Z", "1"), ("ж", "1")] {
        let key = key(uid, client_id);
        rig.commit(&[open(&key, true, true), subscribe(&key, &["z", "+/a", "Б"])]).await;
        expected.extend(["+/a", "z", "Б"].map(|f| (key.clone(), subscription(f, 1))));
    }
    expected.sort_by(|a, b| (&a.0, &a.1.filter).cmp(&(&b.0, &b.1.filter)));
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = rig.store.subscriptions(after, 5).await.unwrap();
        let Some((key, last)) = page.last() else { break };
        after = Some((key.clone(), last.filter.clone()));
        all.extend(page);
    }
    assert_eq!(all, expected);
}

pub async fn an_open_sees_every_earlier_write_of_its_batch(rig: Rig) {
    let bob = key("bob", "phone");
    let batch = [
        open(&bob, true, true),
        know(&bob),
        subscribe(&bob, &["a", "b"]),
        append(queue("bob", "phone"), 1),
        append(inbox("bob"), 2),
        advance(&bob, Log::Inbox, 1, 1),
        Write::Step { key: bob.clone(), step: publish(1, true) },
        Write::Unsubscribe { key: bob.clone(), filters: vec!["a".into()] },
        end(&bob, HOUR),
        open(&bob, false, true),
    ];
    let mut answers = rig.commit(&batch).await.answers;
    let Some(homing::store::Written::Opened(opened)) = answers.pop() else { panic!() };
    assert!(opened.session_present);
    assert_eq!(opened.state.unreleased.len(), 1);
    assert_eq!(opened.inbox.unwrap().cursor, Seq(1));
    let durable = opened.durable.unwrap();
    assert_eq!(durable.subscriptions, [subscription("b", 1)]);
    assert_eq!((durable.queue.cursor, durable.queue.head), (Seq(0), Seq(1)));
}
