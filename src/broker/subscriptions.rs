//! Plain MQTT subscriptions of all sessions: a tree by topic level, matched without recursion
//! (threat W4). One session appears once per message, with its best grant (MQTT 5, section 3.3.4).

use std::collections::HashMap;

use crate::model::topic::split_level;
use crate::model::{QoS, Selector, SessionKey, ShareId, TopicName};

use super::group::Group;

/// Who gets what matches, borrowed from the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscriber<'t> {
    pub key: &'t SessionKey,
    /// The connection, for a session that ends with it; `None` for a durable one, which is found
    /// by its key and owns a queue in the store.
    pub connection: Option<Connection>,
    pub grant: Grant,
    /// The shared subscription that it was picked from.
    pub share: Option<ShareId>,
}

/// A connection of some worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Connection {
    pub worker: u16,
    pub token: u64,
}

/// Whether those who get one message are others than those who get the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Everyone gets each message.
    No,
    /// There are groups that share it.
    Yes,
}

impl Subscriber<'_> {
    fn is_same(&self, other: &Subscriber<'_>) -> bool {
        self.connection == other.connection && self.key == other.key
    }
}

/// Whose subscription: replaced, removed and merged by this.
pub type Who = (Option<Connection>, SessionKey);

/// What was asked for and granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    pub qos: QoS,
    pub no_local: bool,
    pub retain_as_published: bool,
}

impl Grant {
    pub(super) fn subscriber<'t>(
        self,
        (connection, key): &'t Who,
        share: Option<ShareId>,
    ) -> Subscriber<'t> {
        Subscriber { key, connection: *connection, grant: self, share }
    }
}

/// Whose filter ends at one place.
#[derive(Default)]
struct Audience {
    /// By name, since a whole nation may subscribe to one filter.
    each: HashMap<Who, Grant>,
    /// Few filters have any; so a node without pays a pointer.
    groups: Option<Box<Groups>>,
}

/// By share name.
#[derive(Default)]
struct Groups(HashMap<Box<str>, Group>);

impl Audience {
    fn is_empty(&self) -> bool {
        self.each.is_empty() && self.groups.is_none()
    }

    fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().flat_map(|groups| groups.0.values())
    }

    fn group_mut(&mut self, name: &str) -> Option<&mut Group> {
        self.groups.as_mut()?.0.get_mut(name)
    }

    /// True if there was none.
    fn add(&mut self, selector: &Selector, who: Who, grant: Grant) -> bool {
        let Some(share) = selector.share() else {
            return self.each.insert(who, grant).is_none();
        };
        let groups = &mut self.groups.get_or_insert_default().0;
        let group = groups.entry(share.name().into()).or_insert_with(|| Group::new(share.id()));
        group.add(who, grant)
    }

    fn take(&mut self, selector: &Selector, who: &Who) -> bool {
        let Some(share) = selector.share() else { return self.take_each(who) };
        let Some(groups) = &mut self.groups else { return false };
        let Some(group) = groups.0.get_mut(share.name()) else { return false };
        let taken = group.remove(who);
        if group.is_empty() {
            groups.0.remove(share.name());
        }
        self.groups.take_if(|groups| groups.0.is_empty());
        taken
    }

    fn take_each(&mut self, who: &Who) -> bool {
        let taken = self.each.remove(who).is_some();
        if self.each.len() * 4 < self.each.capacity() {
            self.each.shrink_to_fit();
        }
        taken
    }
}

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
    /// The first levels of a topic mostly have one name in all filters: comparing it is quicker
    /// than hashing. Clients choose the names, so the hash is one that they cannot steer.
    fn named(&self, level: &str) -> Option<&Node> {
        match self.levels.len() {
            0 => None,
            1 => self.levels.iter().find(|(name, _)| ***name == *level).map(|(_, node)| node),
            _ => self.levels.get(level),
        }
    }

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
    pub fn add(&mut self, selector: &Selector, who: Who, grant: Grant) -> bool {
        let mut node = &mut self.root;
        let mut is_below = false;
        for level in selector.filter().as_str().split('/') {
            match level {
                "#" => is_below = true,
                "+" => node = node.any.get_or_insert_default(),
                _ => node = node.levels.entry(level.into()).or_default(),
            }
        }
        let audience = if is_below { &mut node.below } else { &mut node.here };
        let is_new = audience.add(selector, who, grant);
        self.count += usize::from(is_new);
        is_new
    }

    /// True if there was one.
    pub fn remove(&mut self, selector: &Selector, who: &Who) -> bool {
        let levels: Vec<&str> = selector.filter().as_str().split('/').collect();
        let removed = at(&mut self.root, &levels, &mut |audience| audience.take(selector, who));
        self.count -= usize::from(removed);
        removed
    }

    /// A durable session came or went: those that share with it, do so while it is there.
    pub fn set_present(&mut self, selector: &Selector, who: &Who, is_present: bool) {
        let Some(share) = selector.share() else { return };
        let levels: Vec<&str> = selector.filter().as_str().split('/').collect();
        at(&mut self.root, &levels, &mut |audience| {
            let group = audience.group_mut(share.name());
            group.map(|group| group.set_present(who, is_present)).is_some()
        });
    }

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Everyone who gets a copy of a publish to `topic` for itself, each once.
    pub fn matches<'t>(&'t self, topic: &TopicName, out: &mut Vec<Subscriber<'t>>) {
        let mut lists = 0;
        self.walk(topic, |audience| lists += collect(audience, out));
        if lists > 1 {
            merge(out);
        }
    }

    /// The same, and one of each group that shares it. The pick is made by this: to be asked once
    /// for each message.
    pub fn pick<'t>(&'t self, topic: &TopicName, out: &mut Vec<Subscriber<'t>>) -> Sharing {
        let (mut lists, mut picked) = (0, Vec::new());
        let mut sharing = Sharing::No;
        self.walk(topic, |audience| {
            lists += collect(audience, out);
            if audience.groups.is_some() {
                sharing = Sharing::Yes;
                picked.extend(audience.groups().filter_map(Group::pick));
            }
        });
        if lists > 1 {
            merge(out);
        }
        out.append(&mut picked);
        sharing
    }

    /// Who gets a message that was picked for a member who left, if anybody is there.
    pub fn pick_heir(&self, topic: &TopicName, share: ShareId) -> Option<Subscriber<'_>> {
        let mut heir = None;
        self.walk(topic, |audience| {
            let group = audience.groups().find(|group| group.id() == share);
            heir = heir.take().or_else(|| group?.pick_heir());
        });
        heir
    }

    /// All audiences whose filter matches.
    fn walk<'t>(&'t self, topic: &TopicName, mut visit: impl FnMut(&'t Audience)) {
        let text = topic.as_str();
        let reserved = text.starts_with('$');
        // Where the way forks, the other way is taken later.
        let mut forks: Vec<(&Node, Option<&str>)> = Vec::new();
        let mut next = Some((&self.root, Some(text)));
        let mut first = true;
        while let Some((node, rest)) = next.take().or_else(|| forks.pop()) {
            let wild = !(std::mem::take(&mut first) && reserved);
            if wild {
                visit(&node.below);
            }
            let Some(rest) = rest else {
                visit(&node.here);
                continue;
            };
            let (level, tail) = split_level(rest);
            next = node.named(level).map(|named| (named, tail));
            let any = node.any.as_deref().filter(|_| wild).map(|any| (any, tail));
            match next {
                Some(_) => forks.extend(any),
                None => next = any,
            }
        }
    }
}

fn collect<'t>(audience: &'t Audience, out: &mut Vec<Subscriber<'t>>) -> usize {
    if audience.each.is_empty() {
        return 0;
    }
    out.reserve(audience.each.len());
    out.extend(audience.each.iter().map(|(who, grant)| grant.subscriber(who, None)));
    1
}

/// Overlapping filters of one session count once, with the highest QoS [MQTT-3.3.4-2].
fn merge(out: &mut Vec<Subscriber<'_>>) {
    let place = |s: &Subscriber<'_>| s.connection.map(|c| (c.worker, c.token));
    out.sort_by(|a, b| {
        let order = place(a).cmp(&place(b)).then_with(|| a.key.cmp(b.key));
        order.then(b.grant.qos.cmp(&a.grant.qos))
    });
    out.dedup_by(|later, first| {
        let same = later.is_same(first);
        if same {
            first.grant.retain_as_published |= later.grant.retain_as_published;
            first.grant.no_local &= later.grant.no_local;
        }
        same
    });
}

/// What `act` does at the place where a filter ends; nodes that are empty afterwards go. False if
/// there is no such place.
fn at(node: &mut Node, levels: &[&str], act: &mut dyn FnMut(&mut Audience) -> bool) -> bool {
    let Some((level, rest)) = levels.split_first() else { return act(&mut node.here) };
    match *level {
        "#" => act(&mut node.below),
        "+" => {
            let Some(next) = &mut node.any else { return false };
            let done = at(next, rest, act);
            node.any.take_if(|next| next.is_empty());
            done
        }
        _ => {
            let Some(next) = node.levels.get_mut(*level) else { return false };
            let done = at(next, rest, act);
            if next.is_empty() {
                node.levels.remove(*level);
                // Gives the room back that many needed; `Node::named` looks through all of it.
                if node.levels.len() * 4 < node.levels.capacity() {
                    node.levels.shrink_to_fit();
                }
            }
            done
        }
    }
}

#[cfg(test)]
#[path = "subscriptions/tests.rs"]
mod tests;
