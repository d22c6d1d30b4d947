//! The tree against matching each filter on its own, and shared subscriptions against a model that
//! knows no tree.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::model::{ClientId, Filter, Uid};

fn who(uid: &str) -> Who {
    let uid = Uid::parse(uid).unwrap();
    (None, SessionKey { uid, client_id: ClientId::parse("c").unwrap() })
}

/// Of a session that ends with its connection.
fn live(uid: &str) -> Who {
    (Some(Connection { worker: 0, token: 1 }), who(uid).1)
}

fn grant(qos: QoS) -> Grant {
    Grant { qos, no_local: false, retain_as_published: false }
}

fn plain(filter: &str) -> Selector {
    Selector::plain(Filter::parse(filter).unwrap())
}

fn shared(name: &str, filter: &str) -> Selector {
    Selector::shared(name, Filter::parse(filter).unwrap()).unwrap()
}

fn topic(text: &str) -> TopicName {
    TopicName::parse(text).unwrap()
}

fn matching(tree: &Subscriptions, text: &str) -> Vec<(String, QoS)> {
    let mut out = Vec::new();
    tree.matches(&topic(text), &mut out);
    let mut names: Vec<_> = out.iter().map(|s| (s.key.uid.to_string(), s.grant.qos)).collect();
    names.sort();
    names
}

/// Who is picked of which share.
fn picked(tree: &Subscriptions, text: &str) -> Vec<(ShareId, String)> {
    let mut out = Vec::new();
    tree.pick(&topic(text), &mut out);
    out.iter().filter_map(|s| Some((s.share?, s.key.uid.to_string()))).collect()
}

#[test]
fn overlapping_filters_of_one_session_count_once_with_the_highest_qos() {
    let mut tree = Subscriptions::default();
    for (filter, qos) in
        [("a/#", QoS::AtMostOnce), ("a/+", QoS::ExactlyOnce), ("#", QoS::AtLeastOnce)]
    {
        tree.add(&plain(filter), who("x"), grant(qos));
    }
    assert_eq!(matching(&tree, "a/b"), [("x".to_string(), QoS::ExactlyOnce)]);
}

#[test]
fn what_is_removed_leaves_no_node_behind() {
    let mut tree = Subscriptions::default();
    let filters = ["a/b/c", "a/+/c", "#", "a/#", "+"];
    let all = filters.iter().flat_map(|f| [plain(f), shared("g", f), shared("h", f)]);
    let all: Vec<Selector> = all.collect();
    for selector in &all {
        assert!(tree.add(selector, who("x"), grant(QoS::AtMostOnce)));
        assert!(!tree.add(selector, who("x"), grant(QoS::AtLeastOnce)), "it is replaced");
    }
    assert_eq!(tree.len(), all.len());
    for selector in &all {
        assert!(!tree.remove(selector, &who("y")));
        assert!(tree.remove(selector, &who("x")), "{selector:?}");
    }
    assert!(tree.root.is_empty() && tree.is_empty());
}

#[test]
fn members_take_turns_and_an_ordinary_subscription_is_beside_them() {
    let mut tree = Subscriptions::default();
    for uid in ["x", "y", "z"] {
        tree.add(&shared("g", "a/+"), live(uid), grant(QoS::AtLeastOnce));
    }
    tree.add(&plain("a/b"), live("x"), grant(QoS::AtLeastOnce));
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..30 {
        let all = picked(&tree, "a/b");
        assert_eq!(all.len(), 1);
        *counts.entry(all[0].1.clone()).or_default() += 1;
        assert_eq!(matching(&tree, "a/b"), [("x".to_string(), QoS::AtLeastOnce)]);
    }
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [10, 10, 10]);
}

#[test]
fn one_that_is_away_gets_it_only_if_all_are() {
    let mut tree = Subscriptions::default();
    let share = shared("g", "a/b");
    tree.add(&share, who("x"), grant(QoS::AtLeastOnce));
    tree.add(&share, who("y"), grant(QoS::AtLeastOnce));
    let names = |tree: &Subscriptions| -> BTreeSet<String> {
        (0..4).flat_map(|_| picked(tree, "a/b")).map(|(_, name)| name).collect()
    };
    assert_eq!(names(&tree), BTreeSet::from(["x".into(), "y".into()]));
    tree.set_present(&share, &who("y"), true);
    assert_eq!(names(&tree), BTreeSet::from(["y".into()]));
    tree.add(&share, who("y"), grant(QoS::ExactlyOnce));
    assert_eq!(names(&tree), BTreeSet::from(["y".into()]), "a new grant does not send it away");
    tree.set_present(&share, &who("y"), false);
    tree.add(&share, live("z"), grant(QoS::AtLeastOnce));
    assert_eq!(names(&tree), BTreeSet::from(["z".into()]));
}

#[test]
fn an_heir_is_durable_if_there_is_one() {
    let mut tree = Subscriptions::default();
    let share = shared("g", "a/b");
    let heir = |tree: &Subscriptions| {
        let found = tree.pick_heir(&topic("a/b"), share.share_id().unwrap());
        found.map(|subscriber| subscriber.key.uid.to_string())
    };
    assert_eq!(heir(&tree), None);
    tree.add(&share, live("z"), grant(QoS::AtLeastOnce));
    tree.add(&shared("h", "a/b"), who("w"), grant(QoS::AtLeastOnce));
    assert_eq!(heir(&tree).as_deref(), Some("z"), "another group inherits nothing");
    tree.add(&share, who("x"), grant(QoS::AtLeastOnce));
    assert_eq!(heir(&tree).as_deref(), Some("x"));
    tree.add(&share, who("y"), grant(QoS::AtLeastOnce));
    tree.set_present(&share, &who("y"), true);
    assert!((0..5).all(|_| heir(&tree).as_deref() == Some("y")));
}

/// Nothing waits for it with QoS 0, but another one has a queue.
#[test]
fn who_is_away_with_qos_0_gets_nothing() {
    let (mut tree, share) = (Subscriptions::default(), shared("g", "a/b"));
    tree.add(&share, who("deaf"), grant(QoS::AtMostOnce));
    assert_eq!(picked(&tree, "a/b"), []);
    let heir = |tree: &Subscriptions| {
        let found = tree.pick_heir(&topic("a/b"), share.share_id().unwrap());
        found.map(|subscriber| subscriber.key.uid.to_string())
    };
    assert_eq!(heir(&tree), None);
    tree.add(&share, who("keeper"), grant(QoS::AtLeastOnce));
    for _ in 0..4 {
        assert_eq!(picked(&tree, "a/b"), [(share.share_id().unwrap(), "keeper".to_string())]);
    }
    tree.set_present(&share, &who("deaf"), true);
    assert_eq!(picked(&tree, "a/b")[0].1, "deaf");
    assert_eq!(heir(&tree).as_deref(), Some("keeper"), "though it is away");
}

/// What happens to one member of one group: it comes, is here, is away, goes.
#[derive(Clone, Debug)]
enum Happening {
    Join(bool),
    Present(bool),
    Leave,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        any::<bool>().prop_map(Happening::Join),
        any::<bool>().prop_map(Happening::Present),
        Just(Happening::Leave),
    ]
}

type Members = BTreeMap<(usize, usize), BTreeMap<String, (Who, bool)>>;

const FILTERS: [&str; 5] = ["a/b", "a/+", "#", "+/b", "a/#"];

/// Keeps the model and the tree alike.
fn happen(
    tree: &mut Subscriptions,
    model: &mut Members,
    at: (usize, usize, usize),
    what: &Happening,
) {
    let (name, filter, member) = at;
    let selector = shared(&format!("g{name}"), FILTERS[filter]);
    let (uid, members) = (format!("u{member}"), model.entry((name, filter)).or_default());
    match what {
        // A session is either durable or not, for as long as it is there.
        Happening::Join(is_live) => {
            let new = (if *is_live { live(&uid) } else { who(&uid) }, *is_live);
            let is_new = !members.contains_key(&uid);
            let (who, _) = members.entry(uid).or_insert(new);
            assert_eq!(tree.add(&selector, who.clone(), grant(QoS::AtLeastOnce)), is_new);
        }
        Happening::Present(is_present) => {
            if let Some((who @ (None, _), here)) = members.get_mut(&uid) {
                *here = *is_present;
                tree.set_present(&selector, who, *is_present);
            }
        }
        Happening::Leave => {
            let gone = members.remove(&uid);
            let who = gone.as_ref().map_or_else(|| who(&uid), |(who, _)| who.clone());
            assert_eq!(tree.remove(&selector, &who), gone.is_some());
        }
    }
}

proptest! {
    /// The tree answers as matching each filter on its own does.
    #[test]
    fn the_tree_agrees_with_the_filters(
        filters in prop::collection::vec("(\\+|a|b|\\$s|)(/(\\+|a|b|)){0,3}(/#)?", 1..12),
        text in "(a|b|\\$s|)(/(a|b|)){0,3}",
    ) {
        let Some(name) = TopicName::parse(&text) else { return Ok(()) };
        let mut tree = Subscriptions::default();
        let mut expected = Vec::new();
        for (n, text) in filters.iter().enumerate() {
            let Some(filter) = Filter::parse(text) else { continue };
            let uid = format!("u{n}");
            tree.add(&Selector::plain(filter.clone()), who(&uid), grant(QoS::AtMostOnce));
            if filter.matches(name.as_str()) {
                expected.push((uid, QoS::AtMostOnce));
            }
        }
        expected.sort();
        prop_assert_eq!(matching(&tree, &text), expected);
    }

    /// Each group that matches picks exactly one of its members, one that is here if any is, and
    /// in as many rounds as it has of these each gets as many.
    #[test]
    fn groups_agree_with_a_model(
        steps in prop::collection::vec(((0..2usize, 0..5usize, 0..5usize), happening()), 1..60),
        text in "(a|b)(/(a|b)){0,2}",
    ) {
        let (mut tree, mut model) = (Subscriptions::default(), Members::new());
        for (at, what) in &steps {
            happen(&mut tree, &mut model, *at, what);
        }
        let members = model.values().map(BTreeMap::len).sum::<usize>();
        prop_assert_eq!(tree.len(), members);
        const ROUNDS: usize = 60;
        let mut counts: BTreeMap<(ShareId, String), usize> = BTreeMap::new();
        for pick in (0..ROUNDS).flat_map(|_| picked(&tree, &text)) {
            *counts.entry(pick).or_default() += 1;
        }
        for ((name, filter), members) in &model {
            let selector = shared(&format!("g{name}"), FILTERS[*filter]);
            let here: Vec<_> = members.iter().filter(|(_, (_, here))| *here).collect();
            let among = if here.is_empty() { members.iter().collect() } else { here };
            if !selector.filter().matches(&text) {
                continue;
            }
            for (uid, _) in &among {
                let count = counts.remove(&(selector.share_id().unwrap(), (*uid).clone()));
                prop_assert_eq!(count, Some(ROUNDS / among.len()));
            }
        }
        prop_assert!(counts.is_empty(), "nobody else was picked: {:?}", counts);
    }
}
