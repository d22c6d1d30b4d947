//! A subscription to very many retained messages: they go out page by page, and whoever is on the
//! same worker is heard meanwhile.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::support::client::message;
use super::support::{Broker, Client, Publish};

const TOPICS: usize = 4000;
/// As many are read, and sent, at a time.
const PAGE: usize = 64;
/// In flight; below what the broker allows.
const WINDOW: usize = 32;
const BODY_BYTES: usize = 200;

fn topics() -> usize {
    std::env::var("HOMING_RETAINED_TOPICS").map_or(TOPICS, |text| text.parse().expect("a number"))
}

fn retain_all(client: &mut Client, count: usize) {
    let (body, mut waiting) = (vec![b'x'; BODY_BYTES], VecDeque::new());
    for number in 0..count {
        let id = client.next_id();
        let topic = format!("wide/{number}");
        client.send_publish(&Publish { retain: true, ..message(&topic, &body, 1, id) }, &[]);
        waiting.push_back(id);
        if waiting.len() == WINDOW {
            let id = waiting.pop_front().expect("one waits");
            assert_eq!(client.expect_puback(id), 0);
        }
    }
    waiting.into_iter().for_each(|id| assert_eq!(client.expect_puback(id), 0));
}

/// Both devices are of one user, so one worker serves them.
#[test]
fn while_it_is_served_another_client_of_the_same_worker_is_heard() {
    let broker = Broker::with(&[
        ("HOMING__ACL__DEFAULT", "allow"),
        ("HOMING__LIMITS__RETAINED_PER_USER", "1000000"),
        ("HOMING__LIMITS__RETAINED_BYTES_PER_USER", "1GiB"),
    ]);
    let (count, came) = (topics(), AtomicUsize::new(0));
    retain_all(&mut broker.device("bob", "post"), count);
    let (mut wide, mut other) = (broker.device("alice", "wide"), broker.device("alice", "other"));
    let (rounds, longest) = std::thread::scope(|scope| {
        scope.spawn(|| {
            assert_eq!(wide.subscribe("wide/#", 0), 0);
            for _ in 0..count {
                assert!(wide.expect_publish().retain);
                came.fetch_add(1, Ordering::Relaxed);
            }
        });
        let (mut rounds, mut longest) = (0, 0);
        while came.load(Ordering::Relaxed) < count {
            let before = came.load(Ordering::Relaxed);
            other.ping();
            rounds += 1;
            longest = longest.max(came.load(Ordering::Relaxed) - before);
        }
        (rounds, longest)
    });
    let pages = count / PAGE;
    println!(
        "{count} messages in {pages} pages: {rounds} round trips of another client meanwhile, \
         {longest} messages during the longest"
    );
    assert!(rounds >= pages / 8, "{rounds} round trips beside {pages} pages");
}
