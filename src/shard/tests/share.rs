//! Shared subscriptions from inside a worker: one pick for each message, also across the commit it
//! waits for, and identifiers.

use proptest::prelude::*;

use crate::model::InboxPattern;
use crate::model::target::Interest;
use crate::mqtt::topic::{check_filter, shared};
use crate::mqtt::{QoS, Version};
use crate::shard::Token;

use super::subscription_id::subscribe_with_id;
use super::world::{World, durable, v5, v311};

const SHARE: &str = "$share/g/a/b";

fn member(world: &mut World, uid: &str) -> Token {
    let token = world.connect(uid, v311("phone"));
    world.subscribe(token, SHARE, QoS::AtLeastOnce);
    world.take(token);
    token
}

fn texts(world: &mut World, token: Token) -> Vec<String> {
    let all = world.take(token);
    all.iter().filter_map(|line| line.rsplit_once("a/b ").map(|(_, text)| text.into())).collect()
}

/// An ordinary subscriber with a queue, so that every message waits for a commit.
fn keeper(world: &mut World) -> Token {
    let keeper = world.connect("carol", durable("keeper"));
    world.subscribe(keeper, "a/b", QoS::AtLeastOnce);
    keeper
}

#[test]
fn the_pick_outlasts_the_commit() {
    let mut world = World::new();
    keeper(&mut world);
    let members = ["dan", "eve", "fay"].map(|uid| member(&mut world, uid));
    let post = world.device("bob", "post");
    world.held = true;
    for number in 1..=6 {
        world.publish1(post, "a/b", &number.to_string(), number);
    }
    world.release();
    let mut taken: Vec<Vec<String>> = members.map(|token| texts(&mut world, token)).into();
    taken.sort();
    assert_eq!(taken, [["1", "4"], ["2", "5"], ["3", "6"]]);
    assert_eq!(world.shard.picked.len(), 0, "nothing is kept of what is done");
}

#[test]
fn who_was_picked_and_is_gone_at_the_commit_is_replaced() {
    let mut world = World::new();
    keeper(&mut world);
    let members = ["dan", "eve"].map(|uid| member(&mut world, uid));
    let post = world.device("bob", "post");
    world.held = true;
    for number in 1..=4 {
        world.publish1(post, "a/b", &number.to_string(), number);
    }
    world.lose(members[0]);
    world.release();
    let mut taken = texts(&mut world, members[1]);
    taken.sort();
    assert_eq!(taken, ["1", "2", "3", "4"]);
}

#[test]
fn what_a_member_without_queue_leaves_goes_into_the_queue_of_another() {
    let mut world = World::new();
    let gone = world.connect("dan", durable("phone"));
    world.subscribe(gone, SHARE, QoS::AtLeastOnce);
    world.lose(gone);
    let eve = member(&mut world, "eve");
    let post = world.device("bob", "post");
    world.publish1(post, "a/b", "one", 1);
    assert_eq!(world.take(post), ["PUBACK #1 00"]);
    assert_eq!(texts(&mut world, eve), ["one"], "who is there goes before who is away");
    world.lose(eve);
    world.crash();
    let dan = world.connect("dan", durable("phone"));
    assert_eq!(texts(&mut world, dan), ["one"]);
}

#[test]
fn a_shared_copy_names_its_own_identifier_and_no_other() {
    let mut world = World::new();
    let (ear, bob) = (world.connect("eve", v5("ear")), world.connect("bob", v5("phone")));
    subscribe_with_id(&mut world, ear, SHARE, 1);
    subscribe_with_id(&mut world, ear, "$share/h/a/c", 2);
    world.publish(bob, "a/b", "hi");
    assert_eq!(world.subscription_ids(ear), [1]);
    world.unsubscribe(ear, SHARE);
    subscribe_with_id(&mut world, ear, "a/+", 3);
    world.publish(bob, "a/b", "hi");
    assert_eq!(world.subscription_ids(ear), [3]);
    // The last one is the shared copy.
    world.publish(bob, "a/c", "hi");
    assert_eq!(world.subscription_ids(ear), [2]);
}

proptest! {
    /// Threat W7. Codec and model read the same name and filter, or neither reads any.
    #[test]
    fn a_share_is_read_in_one_way(text in "\\$(share|Share)(/(g|\\+|#|g#|a|)){0,4}") {
        let topics = InboxPattern::parse("u/{uid}").unwrap();
        let read = match topics.interest(&text) {
            Ok(Interest::Plain(selector)) => selector.share().map(|share| {
                (share.name().to_owned(), selector.filter().to_string())
            }),
            _ => None,
        };
        let valid = check_filter(&text, Version::V5).is_ok();
        let framed = shared(&text).filter(|_| valid);
        prop_assert_eq!(read, framed.map(|(name, filter)| (name.to_owned(), filter.to_owned())));
    }
}
