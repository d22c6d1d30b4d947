//! Memory of subscriptions, and what it takes to find those that match.

use homing::broker::Subscriptions;
use homing::broker::subscriptions::{Connection, Grant, Who};
use homing::model::{ClientId, Filter, QoS, Selector, SessionKey, TopicName, Uid};

use crate::{ALONE, cost, cost_once};

const SUBSCRIPTIONS: usize = 20_000;
const FILTERS: usize = 2_000;
/// Beside the texts of filters and names, which their owners hold anyway.
const SUBSCRIPTION_BYTES_MAX: isize = 400;

const GRANT: Grant = Grant { qos: QoS::AtLeastOnce, no_local: false, retain_as_published: false };

/// Half of them have a wildcard.
fn selector(number: usize) -> Selector {
    let text = match number % 4 {
        0 => format!("site/{number}/+/state"),
        1 => format!("site/{number}/#"),
        2 => format!("site/{number}/a/state"),
        _ => format!("site/{number}/b"),
    };
    Selector::plain(Filter::parse(&text).unwrap())
}

fn subscriber(number: usize) -> Who {
    let uid = Uid::parse(&format!("user{number}")).unwrap();
    let key = SessionKey { uid, client_id: ClientId::parse("phone").unwrap() };
    (Some(Connection { worker: 0, token: number as u64 }), key)
}

#[test]
fn a_subscription_takes_a_few_hundred_bytes_and_gives_them_back() {
    let _alone = ALONE.lock();
    let filters: Vec<Selector> = (0..FILTERS).map(selector).collect();
    let subscribers: Vec<Who> = (0..SUBSCRIPTIONS).map(subscriber).collect();
    let mut tree = Subscriptions::default();
    let all = || subscribers.iter().enumerate().map(|(n, who)| (&filters[n % FILTERS], who));
    let added = cost_once(|| all().for_each(|(of, who)| assert!(tree.add(of, who.clone(), GRANT))));
    let each = added.kept_bytes / SUBSCRIPTIONS as isize;
    println!("{each} bytes per subscription, ten of each filter");
    assert!(each < SUBSCRIPTION_BYTES_MAX, "{each} bytes per subscription");
    let removed = cost_once(|| all().for_each(|(of, who)| assert!(tree.remove(of, who))));
    let left = added.kept_bytes + removed.kept_bytes;
    assert!(left < 1024, "{left} bytes are left");
}

/// The others are not looked at: nothing is collected for them. (How many instructions a match
/// takes among a million is counted by `scripts/subscriptions`.)
#[test]
fn a_match_takes_the_same_among_few_and_many() {
    let _alone = ALONE.lock();
    let of = |count: usize| {
        let mut tree = Subscriptions::default();
        (0..count).for_each(|n| assert!(tree.add(&selector(n), subscriber(n), GRANT)));
        let topic = TopicName::parse("site/4/a/state").unwrap();
        let mut found = Vec::new();
        let cost = cost(|| {
            found.clear();
            tree.pick(&topic, &mut found);
        });
        assert_eq!(found.len(), 1);
        cost
    };
    assert_eq!(of(10), of(SUBSCRIPTIONS));
}
