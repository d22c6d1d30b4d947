//! Plain MQTT subscriptions of all sessions: a tree by topic level, matched without recursion
//! (threat W4). One session appears once per message, with its best grant (MQTT 5, section 3.3.4).

use std::collections::HashMap;

use crate::model::{Filter, QoS, SessionKey, TopicName};

/// Who gets what matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriber {
    pub key: SessionKey,
    /// The connection, for a session that ends with it; `None` for a durable one, which is found
    /// by its key and owns a queue in the store.
    pub connection: Option<Connection>,
    pub qos: QoS,
    pub no_local: bool,
    pub retain_as_published: bool,
}

/// A connection of some worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Connection {
    pub worker: u16,
    pub token: u64,
}

impl Subscriber {
    fn is_same(&self, other: &Subscriber) -> bool {
        self.connection == other.connection && self.key == other.key
    }
}

/// Whose subscription: replaced, removed and merged by this.
type Who = (Option<Connection>, SessionKey);

#[derive(Clone, Copy)]
struct Grant {
    qos: QoS,
    no_local: bool,
    retain_as_published: bool,
}

/// By name, since a whole nation may subscribe to one filter.
type Audience = HashMap<Who, Grant>;

#[derive(Default)]
struct Node {
    levels: HashMap<Box<str>, Node>,
    any: Option<Box<Node>>,
    /// Filters that end here.
    here: Audience,
    /// Filters that end here with `#`.
    below: Audience,
}

impl Node {
    fn is_empty(&self) -> bool {
        self.levels.is_empty()
            && self.any.is_none()
            && self.here.is_empty()
            && self.below.is_empty()
    }
}

#[derive(Default)]
pub struct Subscriptions {
    root: Node,
    count: usize,
}

impl Subscriptions {
    /// Adds or replaces; true if there was none.
    pub fn add(&mut self, filter: &Filter, subscriber: Subscriber) -> bool {
        let mut node = &mut self.root;
        let mut is_below = false;
        for level in filter.as_str().split('/') {
            match level {
                "#" => is_below = true,
                "+" => node = node.any.get_or_insert_default(),
                _ => node = node.levels.entry(level.into()).or_default(),
            }
        }
        let list = if is_below { &mut node.below } else { &mut node.here };
        let Subscriber { key, connection, qos, no_local, retain_as_published } = subscriber;
        let grant = Grant { qos, no_local, retain_as_published };
        let is_new = list.insert((connection, key), grant).is_none();
        self.count += usize::from(is_new);
        is_new
    }

    /// True if there was one.
    pub fn remove(
        &mut self,
        filter: &Filter,
        key: &SessionKey,
        connection: Option<Connection>,
    ) -> bool {
        let levels: Vec<&str> = filter.as_str().split('/').collect();
        let removed = remove(&mut self.root, &levels, key, connection);
        self.count -= usize::from(removed);
        removed
    }

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Everyone who gets a publish to `topic`, each once.
    pub fn matches(&self, topic: &TopicName, out: &mut Vec<Subscriber>) {
        let text = topic.as_str();
        let reserved = text.starts_with('$');
        let mut lists = 0;
        let mut open: Vec<(&Node, Option<&str>, bool)> = vec![(&self.root, Some(text), true)];
        while let Some((node, rest, first)) = open.pop() {
            let wild = !(first && reserved);
            if wild {
                lists += collect(&node.below, out);
            }
            let Some(rest) = rest else {
                lists += collect(&node.here, out);
                continue;
            };
            let (level, tail) = match rest.split_once('/') {
                Some((level, tail)) => (level, Some(tail)),
                None => (rest, None),
            };
            if let Some(next) = node.levels.get(level) {
                open.push((next, tail, false));
            }
            if wild && let Some(next) = &node.any {
                open.push((next, tail, false));
            }
        }
        if lists > 1 {
            merge(out);
        }
    }
}

fn collect(audience: &Audience, out: &mut Vec<Subscriber>) -> usize {
    out.extend(audience.iter().map(|((connection, key), grant)| {
        let Grant { qos, no_local, retain_as_published } = *grant;
        let (key, connection) = (key.clone(), *connection);
        Subscriber { key, connection, qos, no_local, retain_as_published }
    }));
    usize::from(!audience.is_empty())
}

/// Overlapping filters of one session count once, with the highest QoS [MQTT-3.3.4-2].
fn merge(out: &mut Vec<Subscriber>) {
    let place = |s: &Subscriber| s.connection.map(|c| (c.worker, c.token));
    out.sort_by(|a, b| {
        let order = place(a).cmp(&place(b)).then_with(|| a.key.cmp(&b.key));
        order.then(b.qos.cmp(&a.qos))
    });
    out.dedup_by(|later, first| {
        let same = later.is_same(first);
        if same {
            first.retain_as_published |= later.retain_as_published;
            first.no_local &= later.no_local;
        }
        same
    });
}

fn remove(
    node: &mut Node,
    levels: &[&str],
    key: &SessionKey,
    connection: Option<Connection>,
) -> bool {
    let Some((level, rest)) = levels.split_first() else {
        return take(&mut node.here, key, connection);
    };
    match *level {
        "#" => take(&mut node.below, key, connection),
        "+" => {
            let Some(next) = &mut node.any else { return false };
            let removed = remove(next, rest, key, connection);
            node.any.take_if(|next| next.is_empty());
            removed
        }
        _ => {
            let Some(next) = node.levels.get_mut(*level) else { return false };
            let removed = remove(next, rest, key, connection);
            if next.is_empty() {
                node.levels.remove(*level);
            }
            removed
        }
    }
}

fn take(audience: &mut Audience, key: &SessionKey, connection: Option<Connection>) -> bool {
    let taken = audience.remove(&(connection, key.clone())).is_some();
    if audience.len() * 4 < audience.capacity() {
        audience.shrink_to_fit();
    }
    taken
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{ClientId, Uid};

    fn subscriber(uid: &str, qos: QoS) -> Subscriber {
        let uid = Uid::parse(uid).unwrap();
        let key = SessionKey { uid, client_id: ClientId::parse("c").unwrap() };
        let (no_local, retain_as_published) = (false, false);
        Subscriber { key, connection: None, qos, no_local, retain_as_published }
    }

    fn matching(tree: &Subscriptions, topic: &str) -> Vec<(String, QoS)> {
        let mut out = Vec::new();
        tree.matches(&TopicName::parse(topic).unwrap(), &mut out);
        let mut names: Vec<_> = out.iter().map(|s| (s.key.uid.to_string(), s.qos)).collect();
        names.sort();
        names
    }

    #[test]
    fn overlapping_filters_of_one_session_count_once_with_the_highest_qos() {
        let mut tree = Subscriptions::default();
        for (filter, qos) in
            [("a/#", QoS::AtMostOnce), ("a/+", QoS::ExactlyOnce), ("#", QoS::AtLeastOnce)]
        {
            tree.add(&Filter::parse(filter).unwrap(), subscriber("x", qos));
        }
        assert_eq!(matching(&tree, "a/b"), [("x".to_string(), QoS::ExactlyOnce)]);
    }

    #[test]
    fn what_is_removed_leaves_no_node_behind() {
        let mut tree = Subscriptions::default();
        let filters = ["a/b/c", "a/+/c", "#", "a/#", "+"];
        for filter in filters {
            assert!(tree.add(&Filter::parse(filter).unwrap(), subscriber("x", QoS::AtMostOnce)));
        }
        let key = subscriber("x", QoS::AtMostOnce).key;
        for filter in filters {
            assert!(tree.remove(&Filter::parse(filter).unwrap(), &key, None), "{filter}");
        }
        assert!(tree.root.is_empty() && tree.is_empty());
    }

    proptest! {
        /// The tree answers as matching each filter on its own does.
        #[test]
        fn the_tree_agrees_with_the_filters(
            filters in prop::collection::vec("(\\+|a|b|\\$s|)(/(\\+|a|b|)){0,3}(/#)?", 1..12),
            topic in "(a|b|\\$s|)(/(a|b|)){0,3}",
        ) {
            let Some(name) = TopicName::parse(&topic) else { return Ok(()) };
            let mut tree = Subscriptions::default();
            let mut expected = Vec::new();
            for (n, text) in filters.iter().enumerate() {
                let Some(filter) = Filter::parse(text) else { continue };
                let uid = format!("u{n}");
                tree.add(&filter, subscriber(&uid, QoS::AtMostOnce));
                if filter.matches(name.as_str()) {
                    expected.push((uid, QoS::AtMostOnce));
                }
            }
            expected.sort();
            prop_assert_eq!(matching(&tree, &topic), expected);
        }
    }
}
