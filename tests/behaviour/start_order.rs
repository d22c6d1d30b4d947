//! Nobody is served, and nothing is sent, before the durable sessions of the last run are
//! subscribed again: an acknowledged message would miss them.

use super::support::{Broker, Connect};

/// So many that to restore them takes a while, whoever begins in that time.
const SESSIONS: usize = 20;
const FILTERS: usize = 1000;
/// The last one that is restored, in the order of the store.
const TOPIC: &str = "z/last";

fn broker() -> Broker {
    Broker::with(&[
        ("HOMING__ACL__DEFAULT", "allow"),
        ("HOMING__LIMITS__SUBSCRIPTIONS_PER_USER", "1000000"),
        // One has all the sessions; what comes to another is not behind them.
        ("HOMING__LISTEN__WORKERS", "4"),
    ])
}

/// All durable sessions of bob; the last of them hears what is published.
fn subscribe(broker: &Broker) -> Connect {
    let mut last = Connect::v5("bob", "none");
    for number in 0..SESSIONS {
        last = Connect::v5("bob", &format!("phone-{number:03}")).durable();
        let mut phone = last.open(broker.mqtt);
        let filters: Vec<String> = (1..FILTERS).map(|n| format!("a/{number}/{n}")).collect();
        for some in filters.chunks(250) {
            let some: Vec<(&str, u8)> = some.iter().map(|filter| (filter.as_str(), 1)).collect();
            phone.subscribe_to(&some, &[]);
        }
        phone.subscribe(TOPIC, 1);
        phone.disconnect();
    }
    last
}

fn publishers(broker: &Broker, tag: &str) -> Vec<String> {
    let publish = |uid: &str| {
        let mut client = Connect::v5(uid, tag).open(broker.mqtt);
        let text = format!("{tag} of {uid}");
        client.publish_acked(TOPIC, &text, 1);
        text
    };
    ["alice", "carol"].map(publish).into()
}

#[test]
fn what_is_acknowledged_at_the_start_reaches_all_durable_sessions() {
    let mut broker = broker();
    let last = subscribe(&broker);
    let mut texts = Vec::new();
    for tag in ["first", "second", "third"] {
        broker.crash();
        texts.append(&mut publishers(&broker, tag));
    }
    let mut phone = last.open(broker.mqtt);
    assert_eq!(phone.take_texts(texts.len()), texts);
}

#[test]
fn what_is_due_at_the_start_reaches_all_durable_sessions() {
    let mut broker = broker();
    let last = subscribe(&broker);
    for uid in ["alice", "carol"] {
        let mut client = Connect::v5(uid, "laptop").open(broker.mqtt);
        client.publish_acked(&format!("$delayed/1/{TOPIC}"), uid, 1);
    }
    broker.kill9();
    std::thread::sleep(std::time::Duration::from_secs(1));
    broker.restart();
    let mut phone = last.open(broker.mqtt);
    let mut taken = phone.take_texts(2);
    taken.sort();
    assert_eq!(taken, ["alice", "carol"]);
}
