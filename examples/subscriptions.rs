//! What a tree of very many subscriptions takes: `subscriptions COUNT MATCHES` subscribes COUNT
//! sessions, ten to each filter and half of the filters with wildcards, and matches a topic that
//! ten of them want, and one that nobody does, MATCHES times each. `scripts/subscriptions` runs it.

use std::alloc::System;
use std::hint::black_box;
use std::time::Instant;

use homing::broker::Subscriptions;
use homing::broker::subscriptions::{Connection, Grant, Who};
use homing::model::{ClientId, Filter, QoS, Selector, SessionKey, TopicName, Uid};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const PER_FILTER: usize = 10;
/// One topic in its filter's family; it matches `site/4/a/state` alone.
const WANTED: &str = "site/4/a/state";
const UNWANTED: &str = "site/none/a/state";
const GRANT: Grant = Grant { qos: QoS::AtLeastOnce, no_local: false, retain_as_published: false };

fn selector(number: usize) -> Option<Selector> {
    let place = number / 4;
    let filter = Filter::parse(&match number % 4 {
        0 => format!("site/{number}/+/state"),
        1 => format!("site/{number}/#"),
        2 => format!("site/{place}/b/state"),
        _ => format!("site/{place}/c"),
    });
    filter.map(Selector::plain)
}

fn subscriber(number: usize) -> Option<Who> {
    let key = SessionKey {
        uid: Uid::parse(&format!("user{number}")).ok()?,
        client_id: ClientId::parse("phone").ok()?,
    };
    Some((Some(Connection { worker: 0, token: number as u64 }), key))
}

/// The tree, and the bytes it keeps for each subscription beside the names of its sessions.
fn tree(count: usize) -> Option<(Subscriptions, usize)> {
    let mut tree = Subscriptions::default();
    let names: Vec<Who> = (0..count).map(subscriber).collect::<Option<_>>()?;
    let region = Region::new(ALLOCATOR);
    for (number, who) in names.iter().enumerate() {
        tree.add(&selector(number / PER_FILTER)?, who.clone(), GRANT);
    }
    let change = region.change();
    let kept = change.bytes_allocated as isize + change.bytes_reallocated;
    let kept = kept - change.bytes_deallocated as isize;
    Some((tree, kept as usize / count))
}

/// Nanoseconds of one match, and how many it finds.
#[allow(clippy::disallowed_methods)]
fn matches(tree: &Subscriptions, topic: &str, times: usize) -> Option<(u128, usize)> {
    let topic = TopicName::parse(topic)?;
    let mut found = Vec::new();
    let start = Instant::now();
    for _ in 0..times {
        found.clear();
        tree.pick(black_box(&topic), &mut found);
    }
    let nanos = start.elapsed().as_nanos();
    Some((nanos / times.max(1) as u128, found.len()))
}

fn main() {
    let mut words = std::env::args().skip(1).map_while(|word| word.parse::<usize>().ok());
    let (Some(count), Some(times)) = (words.next(), words.next()) else {
        return eprintln!("subscriptions COUNT MATCHES");
    };
    let report = || {
        let (tree, bytes) = tree(count)?;
        let (wanted, found) = matches(&tree, WANTED, times)?;
        let (unwanted, none) = matches(&tree, UNWANTED, times)?;
        let count = tree.len();
        println!("{count} {bytes} {wanted} {found} {unwanted} {none}");
        Some(())
    };
    if report().is_none() {
        eprintln!("subscriptions: a name is not valid");
    }
}
