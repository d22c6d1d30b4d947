//! Clients that take nothing of what is sent to them: bounded memory, and closed after a while.

use super::support::process::resident_kib;
use super::support::{Broker, Client, Connect, wait_until};

const READERS: usize = 200;
const OUTBOX_KIB: u64 = 32;
/// For what has nothing to do with the readers: the bodies once, the store, the allocator.
const ELSE_KIB: u64 = 32 * 1024;
const BODY_BYTES: usize = 50 * 1000;
const MESSAGES: usize = 300;

/// Threat M3. What is sent would be 3 GB, if each reader's share waited in memory.
#[test]
fn two_hundred_of_them_take_bounded_memory_and_go() {
    let broker = Broker::with(&[
        ("HOMING__AUTH__PROVIDER", "open"),
        ("HOMING__ACL__DEFAULT", "allow"),
        ("HOMING__LIMITS__OUTBOX", &format!("{OUTBOX_KIB}KiB")),
        ("HOMING__LIMITS__OUTBOX_WAIT", "3s"),
    ]);
    let _deaf: Vec<Client> = (0..READERS).map(|number| deaf(&broker, number)).collect();
    let mut post = broker.device("bob", "post");
    let before = resident_kib(broker.pid());
    let body = vec![b'x'; BODY_BYTES];
    let mut most = before;
    for _ in 0..MESSAGES {
        post.publish_acked("news/today", &body, 1);
        most = most.max(resident_kib(broker.pid()));
    }
    let each = OUTBOX_KIB + BODY_BYTES as u64 / 1024 + 1;
    let grown = most - before;
    assert!(grown < READERS as u64 * each + ELSE_KIB, "{grown} KiB for {READERS} slow readers");
    let slow = || broker.metrics("homing_disconnects_total", &[("reason", "slow_reader")]);
    wait_until("the end of the slow readers", || (slow() == READERS as f64).then_some(()));
    post.ping();
}

/// Subscribed, and never reads again.
fn deaf(broker: &Broker, number: usize) -> Client {
    let mut client = Connect::v311(&format!("user{number}"), "deaf").open(broker.mqtt);
    assert_eq!(client.subscribe("news/today", 0), 0);
    client
}
