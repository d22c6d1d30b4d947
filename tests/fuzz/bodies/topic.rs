//! The body of the fuzz target `topic`: names, filters and the tree of subscriptions against a
//! model that is written down as the standard says it, level by level, with recursion.

use std::collections::BTreeMap;

use homing::broker::Subscriptions;
use homing::broker::subscriptions::{Connection, Grant, Subscriber, Who};
use homing::model::limit::TOPIC_LEVELS_MAX;
use homing::model::{ClientId, Filter, QoS, Selector, SessionKey, ShareId, TopicName, Uid};
use homing::mqtt::Version;
use homing::mqtt::topic::{TEXT_BYTES_MAX, check_filter, shared, topic_name_ok};

use super::source::Source;

/// Filters of one input; one more than a byte of them would only be slow.
const FILTERS_COUNT_MAX: usize = 24;
/// Levels that an input asks for by one byte.
const LEVELS: [usize; 6] = [1, 2, 3, TOPIC_LEVELS_MAX, TOPIC_LEVELS_MAX + 1, 300];
const WORDS: [&str; 12] = ["a", "b", "", "+", "#", "$SYS", "$share", "g", "a+", "ж", "\0", "😀"];

/// Builds filters and topics of an input, and checks all that is said about them.
pub fn fuzz_topic(data: &[u8]) {
    let mut source = Source::new(data);
    let topics: Vec<String> = (0..3).map(|_| text(&mut source)).collect();
    let mut filters = Vec::new();
    while !source.is_empty() && filters.len() < FILTERS_COUNT_MAX {
        filters.push((text(&mut source), source.byte()));
    }
    topics.iter().for_each(|topic| name_agrees(topic));
    for (filter, _) in &filters {
        filter_agrees(filter);
        topics.iter().for_each(|topic| match_agrees(filter, topic));
    }
    tree_agrees(&filters, &topics);
}

/// Words joined by slashes, now and then very many, or bytes as they come.
fn text(source: &mut Source<'_>) -> String {
    match source.byte() % 4 {
        0 => {
            let length = usize::from(source.byte()) % 32;
            String::from_utf8_lossy(source.take(length)).into_owned()
        }
        1 => {
            let (word, levels) = (source.pick(&WORDS), source.pick(&LEVELS));
            vec![word; levels].join("/")
        }
        _ => {
            let levels = 1 + usize::from(source.byte()) % 6;
            (0..levels).map(|_| source.pick(&WORDS)).collect::<Vec<_>>().join("/")
        }
    }
}

// -- the model --------------------------------------------------------------------------------

fn levels(text: &str) -> Vec<&str> {
    text.split('/').collect()
}

/// [MQTT-4.7.3-1], [MQTT-4.7.3-2], [MQTT-4.7.3-3].
fn is_text(text: &str) -> bool {
    !text.is_empty() && !text.contains('\0') && text.len() <= TEXT_BYTES_MAX
}

/// [MQTT-4.7.1-1] on wildcards.
fn is_name(text: &str) -> bool {
    is_text(text) && !text.contains(['+', '#'])
}

/// A level that holds a wildcard holds nothing else, and behind `#` comes nothing.
fn is_filter(levels: &[&str]) -> bool {
    match levels {
        [] => true,
        ["#", rest @ ..] => rest.is_empty(),
        ["+", rest @ ..] => is_filter(rest),
        [level, rest @ ..] => !level.contains(['+', '#']) && is_filter(rest),
    }
}

fn is_plain_filter(text: &str) -> bool {
    is_text(text) && is_filter(&levels(text))
}

/// [MQTT-4.8.2-1], [MQTT-4.8.2-2]: `$share`, a name without wildcards, a filter.
fn share(text: &str) -> Option<(&str, String)> {
    match levels(text)[..] {
        ["$share", name, ref rest @ ..] if !name.is_empty() && !name.contains(['+', '#']) => {
            let filter = rest.join("/");
            is_plain_filter(&filter).then_some((name, filter))
        }
        _ => None,
    }
}

fn is_filter_of_5(text: &str) -> bool {
    let is_share = levels(text).first() == Some(&"$share") && text.contains('/');
    if is_share { is_text(text) && share(text).is_some() } else { is_plain_filter(text) }
}

fn matches(filter: &[&str], topic: &[&str]) -> bool {
    match (filter, topic) {
        (["#"], _) | ([], []) => true,
        (["+", filter @ ..], [_, topic @ ..]) => matches(filter, topic),
        ([level, filter @ ..], [name, topic @ ..]) => level == name && matches(filter, topic),
        _ => false,
    }
}

/// [MQTT-4.7.2-1]: no wildcard in front stands for a `$`.
fn matches_text(filter: &str, topic: &str) -> bool {
    let hidden = topic.starts_with('$') && filter.starts_with(['+', '#']);
    !hidden && matches(&levels(filter), &levels(topic))
}

// -- the code against it ----------------------------------------------------------------------

fn fits(text: &str) -> bool {
    levels(text).len() <= TOPIC_LEVELS_MAX
}

fn name_agrees(topic: &str) {
    assert_eq!(topic_name_ok(topic), is_name(topic), "{topic:?}");
    assert_eq!(TopicName::parse(topic).is_some(), is_name(topic) && fits(topic), "{topic:?}");
}

fn filter_agrees(text: &str) {
    let plain = is_plain_filter(text);
    assert_eq!(check_filter(text, Version::V311).is_ok(), plain, "{text:?}");
    assert_eq!(check_filter(text, Version::V5).is_ok(), is_filter_of_5(text), "{text:?}");
    assert_eq!(Filter::parse(text).is_some(), plain && fits(text), "{text:?}");
    if is_filter_of_5(text) {
        let theirs = share(text);
        let ours = shared(text).map(|(name, filter)| (name, filter.to_owned()));
        assert_eq!(ours, theirs, "{text:?}");
    }
}

fn match_agrees(filter: &str, topic: &str) {
    if let (Some(parsed), true) = (Filter::parse(filter), is_name(topic)) {
        let expected = matches_text(filter, topic);
        assert_eq!(parsed.matches(topic), expected, "{filter:?} {topic:?}");
    }
}

/// As a SUBSCRIBE is read: alone or shared; `None` for what is no filter of MQTT 5.
fn selector(text: &str) -> Option<Selector> {
    match share(text) {
        Some((name, filter)) => Selector::shared(name, Filter::parse(&filter)?),
        None if is_filter_of_5(text) => Filter::parse(text).map(Selector::plain),
        None => None,
    }
}

/// Who subscribes is the number of the filter; some share a session, so that filters overlap.
fn subscriber(who: u8) -> (Who, Grant) {
    let uid = Uid::parse(&format!("u{}", who % 8)).unwrap();
    let key = SessionKey { uid, client_id: ClientId::parse("c").unwrap() };
    let connection = (who & 8 != 0).then_some(Connection { worker: 0, token: u64::from(who % 8) });
    let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(who) / 16 % 3];
    ((connection, key), Grant { qos, no_local: false, retain_as_published: false })
}

/// What the tree holds, as a list.
type Held = Vec<(Selector, Who, Grant)>;

/// Adds all, then removes some, and asks in between.
fn tree_agrees(filters: &[(String, u8)], topics: &[String]) {
    let (mut tree, mut held): (_, Held) = (Subscriptions::default(), Vec::new());
    for (text, number) in filters {
        let Some(selector) = selector(text) else { continue };
        let (who, grant) = subscriber(*number);
        let is_new = !forget(&mut held, &selector, &who);
        held.push((selector.clone(), who.clone(), grant));
        assert_eq!(tree.add(&selector, who, grant), is_new, "{selector:?}");
        assert_eq!(tree.len(), held.len());
    }
    topics.iter().for_each(|topic| answer_agrees(&tree, &held, topic));
    for (text, number) in filters.iter().filter(|(_, number)| number & 64 == 0) {
        let Some(selector) = selector(text) else { continue };
        let (who, _) = subscriber(*number);
        let was_there = forget(&mut held, &selector, &who);
        assert_eq!(tree.remove(&selector, &who), was_there, "{selector:?}");
    }
    topics.iter().for_each(|topic| answer_agrees(&tree, &held, topic));
}

/// True if it was held.
fn forget(held: &mut Held, selector: &Selector, who: &Who) -> bool {
    let place = held.iter().position(|(of, other, _)| of == selector && other == who);
    place.map(|place| held.remove(place)).is_some()
}

/// Each session once for itself, with the best that it is granted; and one member of each share
/// that has one who would get it. Durable sessions are all away here: with QoS 0 none does.
fn answer_agrees(tree: &Subscriptions, held: &Held, topic: &str) {
    let Some(name) = TopicName::parse(topic) else { return };
    let mut found = Vec::new();
    tree.pick(&name, &mut found);
    let (picked, own): (Vec<Subscriber>, Vec<Subscriber>) =
        found.into_iter().partition(|subscriber| subscriber.share.is_some());
    let mut ours: Vec<_> =
        own.into_iter().map(|s| ((s.connection, s.key.clone()), s.grant.qos)).collect();
    let matching = |(of, ..): &&(Selector, Who, Grant)| matches_text(of.filter().as_str(), topic);
    let (mut best, mut shares) = (BTreeMap::new(), BTreeMap::<ShareId, Vec<_>>::new());
    for (of, who, grant) in held.iter().filter(matching) {
        match of.share_id() {
            Some(_) if who.0.is_none() && grant.qos == QoS::AtMostOnce => {}
            Some(id) => shares.entry(id).or_default().push((who.clone(), *grant)),
            None => {
                let qos = best.entry(place(who)).or_insert((who.clone(), grant.qos));
                qos.1 = grant.qos.max(qos.1);
            }
        }
    }
    ours.sort_by_key(|(who, _)| place(who));
    assert_eq!(ours, best.into_values().collect::<Vec<_>>(), "{topic:?}");
    assert_eq!(picked.len(), shares.len(), "{topic:?}");
    for one in picked {
        let members = one.share.and_then(|id| shares.remove(&id)).expect("each share once");
        let who = (one.connection, one.key.clone());
        assert!(members.contains(&(who, one.grant)), "{topic:?}");
    }
}

fn place((connection, key): &Who) -> (SessionKey, Option<u64>) {
    (key.clone(), connection.map(|connection| connection.token))
}
