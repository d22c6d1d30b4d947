//! Retained messages: one for each topic, in the transaction of its message, within quotas.

use std::sync::Arc;
use std::time::Duration;

use homing::model::{Filter, Message, Stamp};
use homing::store::{Append, Quota, Removal, Write, Written};

use crate::rig::{Rig, appended};
use crate::say::*;

const MUCH: Quota = Quota { count_max: 100_000, bytes_max: 1 << 20 };

fn of(sender: &str, topic: &str, body: &str, number: u128) -> Message {
    let mut message = Message { topic: topic.into(), retain: true, ..message(number) };
    message.from.uid = uid(sender);
    message.body = body.to_owned().into();
    message
}

fn retain(topic: &str, body: &str, number: u128) -> Write {
    retain_as("ann", topic, body, number, MUCH)
}

fn retain_as(sender: &str, topic: &str, body: &str, number: u128, quota: Quota) -> Write {
    Write::Append(Append { retain: Some(quota), ..to(&[], of(sender, topic, body, number)) })
}

impl Rig {
    /// Topics and bodies, read in pages of this size.
    async fn kept(&self, filter: &str, count_max: usize) -> Vec<String> {
        let filter = Filter::parse(filter).unwrap();
        let (mut all, mut after) = (Vec::new(), None::<Box<str>>);
        loop {
            let page = self.store.retained(&filter, after.as_deref(), count_max, 1 << 20);
            let page = page.await.unwrap();
            assert!(page.messages.len() <= count_max);
            all.extend(page.messages.iter().map(in_words));
            match page.next {
                Some(next) => after = Some(next),
                None => return all,
            }
        }
    }
}

fn in_words(message: &Arc<Message>) -> String {
    format!("{} {}", message.topic, String::from_utf8_lossy(&message.body))
}

pub async fn the_last_one_of_a_topic_is_kept_whole_and_an_empty_one_removes_it(mut rig: Rig) {
    rig.commit(&[retain("a/b", "old", 1), retain("a/b", "new", 2), retain("a/c", "gone", 3)]).await;
    rig.write(retain("a/c", "", 4)).await;
    rig.write(retain("never/there", "", 5)).await;
    rig.crash().await;
    assert_eq!(rig.kept("#", 10).await, ["a/b new"]);
    let filter = Filter::parse("a/b").unwrap();
    let page = rig.store.retained(&filter, None, 10, 1000).await.unwrap();
    assert_eq!(*page.messages[0], of("ann", "a/b", "new", 2));
    assert_eq!(rig.kept("a/c", 10).await, [""; 0]);
}

pub async fn a_filter_gets_its_topics_in_order_page_by_page(rig: Rig) {
    let topics = ["a", "a!b", "a/b", "a/b/c", "a/Ж", "a0", "b/b", "$s/b", "/b", "a/"];
    let batch: Vec<Write> = topics.iter().map(|topic| retain(topic, "x", 1)).collect();
    rig.commit(&batch).await;
    for filter in ["#", "a/#", "a/+", "+/b", "a/b", "a", "+", "$s/#", "/+", "a/+/c", "x/#", "a/b/#"]
    {
        let parsed = Filter::parse(filter).unwrap();
        let mut expected: Vec<String> = topics
            .iter()
            .filter(|topic| parsed.matches(topic))
            .map(|topic| format!("{topic} x"))
            .collect();
        expected.sort();
        for count_max in [1, 2, 100] {
            assert_eq!(rig.kept(filter, count_max).await, expected, "{filter} by {count_max}");
        }
    }
}

/// More topics than one page looks at.
pub async fn a_filter_that_matches_little_of_much_finds_all_of_it(rig: Rig) {
    let batch: Vec<Write> =
        (0..2500).map(|n| retain(&format!("t/{n:04}/{}", n % 500), "x", 1)).collect();
    for part in batch.chunks(500) {
        rig.commit(part).await;
    }
    let found = rig.kept("t/+/7", 3).await;
    assert_eq!(found, ["t/0007/7 x", "t/0507/7 x", "t/1007/7 x", "t/1507/7 x", "t/2007/7 x"]);
    assert_eq!(rig.kept("t/#", 100).await.len(), 2500);
}

pub async fn a_page_is_bounded_in_bytes_but_gives_one(rig: Rig) {
    let long = "x".repeat(1000);
    rig.commit(&[retain("a", &long, 1), retain("b", &long, 2), retain("c", "", 3)]).await;
    let filter = Filter::parse("#").unwrap();
    let page = rig.store.retained(&filter, None, 10, 10).await.unwrap();
    assert_eq!((page.messages.len(), page.next.as_deref()), (1, Some("a")));
    let page = rig.store.retained(&filter, Some("a"), 10, 1500).await.unwrap();
    assert_eq!((page.messages.len(), page.next), (1, None));
}

/// Threat M8.
pub async fn who_keeps_too_much_keeps_no_more_and_may_replace_and_remove(rig: Rig) {
    let two = Quota { count_max: 2, ..MUCH };
    let retain = |topic: &str, body: &str| retain_as("ann", topic, body, 1, two);
    let answers = rig.commit(&[retain("a", "1"), retain("b", "1"), retain("c", "1")]).await.answers;
    assert_eq!(answers[2], Written::OverQuota);
    assert_eq!(rig.write(retain("c", "1")).await, Written::OverQuota);
    assert!(appended(&rig.write(retain("b", "2")).await).is_empty());
    // Somebody else's room.
    rig.write(retain_as("bob", "c", "1", 1, two)).await;
    // ann takes over what bob kept, once she has room.
    assert_eq!(rig.write(retain("c", "2")).await, Written::OverQuota);
    rig.commit(&[retain("a", ""), retain("c", "2")]).await;
    assert_eq!(rig.kept("#", 10).await, ["b 2", "c 2"]);
    rig.commit(&[retain_as("bob", "d", "1", 1, two), retain_as("bob", "e", "1", 1, two)]).await;
    assert_eq!(rig.kept("#", 10).await, ["b 2", "c 2", "d 1", "e 1"]);
    let small = Quota { bytes_max: 40, ..MUCH };
    assert_eq!(
        rig.write(retain_as("eve", "f", &"x".repeat(50), 1, small)).await,
        Written::OverQuota
    );
    assert!(appended(&rig.write(retain_as("eve", "f", "x", 1, small)).await).is_empty());
}

pub async fn what_is_over_quota_does_nothing_else_of_its_append(rig: Rig) {
    let none = Quota { count_max: 0, ..MUCH };
    let (ann, key) = (key("ann", "laptop"), homing::model::DedupeKey("k".into()));
    let message = of("ann", "a", "1", 1);
    let whole = Append {
        retain: Some(none),
        step: Some((ann.clone(), publish(5, true))),
        dedupe: Some(key),
        ..to(&[inbox("bob")], message)
    };
    assert_eq!(rig.write(Write::Append(whole.clone())).await, Written::OverQuota);
    assert!(rig.seqs(&inbox("bob")).await.is_empty());
    assert!(rig.open(&ann, false, false).await.state.is_empty());
    let allowed = Append { retain: Some(MUCH), ..whole };
    assert_eq!(appended(&rig.write(Write::Append(allowed.clone())).await), [1]);
    // The publisher's own id is known now: nothing new is asked of the quota.
    let again = Append { retain: Some(none), ..allowed };
    assert!(matches!(rig.write(Write::Append(again)).await, Written::Duplicate { .. }));
}

pub async fn an_expired_one_goes_with_the_sweep(mut rig: Rig) {
    let mut short = of("ann", "a", "1", 1);
    short.expires_at = Some(Stamp(T0.0 + 1000));
    let short = Append { retain: Some(MUCH), ..to(&[], short) };
    rig.commit(&[Write::Append(short), retain("b", "1", 2)]).await;
    rig.wait(Duration::from_secs(2));
    assert_eq!(rig.kept("#", 10).await, ["a 1", "b 1"]);
    assert_eq!(rig.store.retained_count().await.unwrap(), 2);
    let swept = rig.sweep(sweep()).await;
    assert_eq!(swept.0, [(Removal::Expired, 1)].into());
    assert_eq!(rig.kept("#", 10).await, ["b 1"]);
    assert_eq!(rig.store.retained_count().await.unwrap(), 1);
}

/// Senders without a login have no quota, and come back from the store as what they were.
pub async fn what_nobody_in_particular_keeps_is_not_counted(rig: Rig) {
    let from = |topic: &str, number| {
        let mut message = of("ann", topic, "1", number);
        message.from.uid = homing::model::Uid::anonymous();
        Write::Append(Append { retain: Some(Quota::UNLIMITED), ..to(&[], message) })
    };
    rig.commit(&[from("a", 1), from("b", 2)]).await;
    rig.commit(&[from("c", 3)]).await;
    assert_eq!(rig.kept("#", 10).await, ["a 1", "b 1", "c 1"]);
}
