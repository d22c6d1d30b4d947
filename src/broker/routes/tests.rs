//! What is remembered against what the tree says, whatever changes in between.

use proptest::prelude::*;

use super::*;
use crate::broker::subscriptions::{Connection, Sharing};
use crate::broker::{SharedSubscriptions, Subscriptions};
use crate::model::{ClientId, Filter, QoS, Selector, SessionKey, Uid};

const TOPICS: [&str; 4] = ["a", "a/b", "a/c", "b"];
const FILTERS: [&str; 5] = ["a", "a/b", "a/+", "#", "b"];

fn who(number: u64) -> Who {
    let uid = Uid::parse(&format!("user{number}")).unwrap();
    let key = SessionKey { uid, client_id: ClientId::parse("phone").unwrap() };
    (Some(Connection { worker: 0, token: number }), key)
}

fn selector(filter: &str) -> Selector {
    Selector::plain(Filter::parse(filter).unwrap())
}

fn topic(text: &str) -> TopicName {
    TopicName::parse(text).unwrap()
}

fn add(tree: &mut Subscriptions, filter: &str, number: u64) {
    add_with(tree, filter, number, false);
}

fn add_with(tree: &mut Subscriptions, filter: &str, number: u64, no_local: bool) {
    let grant = Grant { qos: QoS::AtLeastOnce, no_local, retain_as_published: false };
    tree.add(&selector(filter), who(number), grant);
}

fn receivers<'t>(found: impl Iterator<Item = Subscriber<'t>>) -> Vec<(u64, bool)> {
    let token = |one: Subscriber<'_>| Some((one.connection?.token, one.grant.no_local));
    let mut all: Vec<_> = found.filter_map(token).collect();
    all.sort_unstable();
    all
}

/// What is known, if anything is.
fn known(routes: &Routes, all: &SharedSubscriptions, text: &str) -> Option<Vec<(u64, bool)>> {
    routes.get(&topic(text), all.version()).map(receivers)
}

/// Asks the tree, and has it remembered.
fn look(routes: &mut Routes, all: &SharedSubscriptions, text: &str) -> Vec<(u64, bool)> {
    let (tree, mut found) = (all.read(), Vec::new());
    assert_eq!(tree.pick(&topic(text), &mut found), Sharing::No);
    routes.put(&topic(text), all.version(), &found);
    receivers(found.into_iter())
}

#[test]
fn what_is_asked_a_second_time_is_remembered() {
    let (all, mut routes) = (SharedSubscriptions::default(), Routes::default());
    all.change(|tree| add(tree, "a/b", 7));
    assert_eq!(known(&routes, &all, "a/b"), None);
    look(&mut routes, &all, "a/b");
    assert_eq!(known(&routes, &all, "a/b"), None, "most topics are published to once");
    look(&mut routes, &all, "a/b");
    assert_eq!(known(&routes, &all, "a/b"), Some(vec![(7, false)]));
    assert_eq!(known(&routes, &all, "a/c"), None);
}

#[test]
fn any_change_of_the_subscriptions_forgets() {
    let (all, mut routes) = (SharedSubscriptions::default(), Routes::default());
    for _ in 0..2 {
        look(&mut routes, &all, "a/b");
    }
    assert_eq!(known(&routes, &all, "a/b"), Some(vec![]));
    all.change(|tree| add(tree, "other", 1));
    assert_eq!(known(&routes, &all, "a/b"), None);
}

#[test]
fn what_changes_between_any_two_messages_is_not_remembered() {
    let (all, mut routes) = (SharedSubscriptions::default(), Routes::default());
    for number in 0..3 {
        all.change(|tree| add(tree, "other", number));
        look(&mut routes, &all, "a");
        assert_eq!(known(&routes, &all, "a"), None);
    }
}

#[test]
fn what_is_large_is_not_remembered() {
    let (all, mut routes) = (SharedSubscriptions::default(), Routes::default());
    let long = "x".repeat(TOPIC_BYTES_MAX + 1);
    (0..=RECEIVERS_COUNT_MAX as u64).for_each(|number| all.change(|tree| add(tree, "a", number)));
    for text in [&*long, "a"] {
        for _ in 0..2 {
            look(&mut routes, &all, text);
        }
        assert_eq!(known(&routes, &all, text), None);
    }
}

proptest! {
    #[test]
    fn what_is_known_is_what_the_tree_says(
        steps in prop::collection::vec((0..4usize, 0..5usize, 0..4u64), 0..60),
    ) {
        let (all, mut routes) = (SharedSubscriptions::default(), Routes::default());
        for (act, place, number) in steps {
            match act {
                0 => all.change(|tree| add(tree, FILTERS[place], number)),
                1 => all.change(|tree| add_with(tree, FILTERS[place], number, true)),
                2 => _ = all.change(|tree| tree.remove(&selector(FILTERS[place]), &who(number))),
                _ => {
                    let text = TOPICS[place % TOPICS.len()];
                    let known = known(&routes, &all, text);
                    let found = look(&mut routes, &all, text);
                    prop_assert_eq!(known.unwrap_or(found.clone()), found);
                }
            }
        }
    }
}
