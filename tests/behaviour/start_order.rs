//! Nobody is served, and nothing is sent, before the durable sessions of the last run are
//! subscribed again: an acknowledged message would miss them.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::support::{Broker, Connect, wait_until};

/// So many that to restore them takes a while, whoever begins in that time.
const SESSIONS: usize = 20;
const FILTERS: usize = 1000;
/// The last one that is restored, in the order of the store.
const TOPIC: &str = "z/last";
/// Who publish.
const USERS: [&str; 2] = ["alice", "carol"];

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

/// As soon as the port is there, and long before the broker says that it is ready.
fn publish_first(addr: SocketAddr, uid: &str, text: &str) {
    wait_until("a port to connect to", || TcpStream::connect(addr).ok());
    Connect::v5(uid, "laptop").open(addr).publish_acked(TOPIC, text, 1);
}

#[test]
fn what_is_acknowledged_at_the_start_reaches_all_durable_sessions() {
    let mut broker = broker();
    let last = subscribe(&broker);
    broker.kill9();
    let addr = broker.mqtt;
    std::thread::scope(|scope| {
        for uid in USERS {
            scope.spawn(move || publish_first(addr, uid, uid));
        }
        broker.restart();
    });
    let mut taken = last.open(broker.mqtt).take_texts(USERS.len());
    taken.sort();
    assert_eq!(taken, USERS);
}

#[test]
fn what_is_due_at_the_start_reaches_all_durable_sessions() {
    let mut broker = broker();
    let last = subscribe(&broker);
    for uid in USERS {
        let mut client = Connect::v5(uid, "laptop").open(broker.mqtt);
        client.publish_acked(&format!("$delayed/1/{TOPIC}"), uid, 1);
    }
    broker.kill9();
    // It is off when they are due.
    std::thread::sleep(Duration::from_secs(1));
    broker.restart();
    let mut taken = last.open(broker.mqtt).take_texts(USERS.len());
    taken.sort();
    assert_eq!(taken, USERS);
}
