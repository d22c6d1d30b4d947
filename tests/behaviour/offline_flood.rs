//! Mail for many who are away takes disk, not memory, threads or files.

use super::support::process::{open_files, resident_kib, status};
use super::support::{Broker, Client, Connect, wait_until};

/// Those who are away; 10,000 with `HOMING_FLOOD_USERS=10000`.
const USERS: usize = 1000;
const THREADS: usize = 4;
/// Messages to all of them.
const NEWS: usize = 10;
/// So much is stored first: then the store's caches hold all that they will.
const CACHED_KIB: usize = 96 * 1024;
/// What is stored then is many times what the process may grow by.
const STORED_KIB: usize = 128 * 1024;
const BODY_BYTES: usize = 16 * 1024;
/// For buffers and the allocator.
const GROWTH_KIB_MAX: usize = 16 * 1024;
/// Readers of the store open threads and files of their own.
const FEW: usize = 16;
/// In flight; below what the broker allows.
const WINDOW: usize = 32;

fn users() -> usize {
    std::env::var("HOMING_FLOOD_USERS").map_or(USERS, |text| text.parse().expect("a number"))
}

fn name(number: usize) -> String {
    format!("user{number}")
}

/// A device with a durable session, known and gone.
fn leave(broker: &Broker, number: usize) {
    let mut client = Connect::v5(&name(number), "phone").durable().device(broker.mqtt);
    assert_eq!(client.subscribe("news/all", 1), 1);
    client.disconnect();
}

fn everyone_leaves(broker: &Broker) {
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                (thread..users()).step_by(THREADS).for_each(|number| leave(broker, number));
            });
        }
    });
}

/// To whom so much mail goes: to everyone in turn, and once at least.
fn numbers(kib: usize) -> impl Iterator<Item = usize> {
    let count = (kib * 1024 / BODY_BYTES).max(users());
    (0..count).map(|n| n % users())
}

/// Publishes with some in flight, each acknowledged in the end.
fn publish_all(sender: &mut Client, topics: impl Iterator<Item = String>, body: &[u8]) {
    let mut waiting = std::collections::VecDeque::new();
    for topic in topics {
        waiting.push_back(sender.publish(&topic, body, 1));
        if waiting.len() == WINDOW {
            let id = waiting.pop_front().expect("one waits");
            assert_eq!(sender.expect_puback(id), 0);
        }
    }
    waiting.into_iter().for_each(|id| assert_eq!(sender.expect_puback(id), 0));
}

/// What the process takes of the system.
#[derive(Clone, Copy, Debug)]
struct Taken {
    resident_kib: usize,
    threads: usize,
    files: usize,
}

impl Taken {
    fn by(broker: &Broker) -> Taken {
        let pid = broker.pid();
        let (resident_kib, threads) =
            (resident_kib(pid) as usize, status(pid, "Threads:") as usize);
        Taken { resident_kib, threads, files: open_files(pid).len() }
    }
}

/// Threat M4.
#[test]
fn mail_for_many_who_are_away_takes_neither_memory_nor_threads_nor_files() {
    let broker = Broker::with(&[
        ("HOMING__AUTH__PROVIDER", "open"),
        ("HOMING__ACL__DEFAULT", "allow"),
        ("HOMING__STORE__RESERVE", "1MiB"),
    ]);
    everyone_leaves(&broker);
    let connected = || broker.metrics("homing_connections", &[]);
    wait_until("all to be gone", || (connected() == 0.0).then_some(()));
    let mut sender = broker.device("bob", "post");
    let body = vec![b'x'; BODY_BYTES];
    let send = |sender: &mut Client, kib: usize| {
        publish_all(sender, numbers(kib).map(name), &body);
        // Each of these stands in every queue.
        publish_all(sender, (0..NEWS).map(|_| "news/all".to_owned()), &body);
    };
    send(&mut sender, CACHED_KIB);
    let before = Taken::by(&broker);
    send(&mut sender, STORED_KIB);
    let after = Taken::by(&broker);
    let grown = after.resident_kib.saturating_sub(before.resident_kib);
    assert!(grown < GROWTH_KIB_MAX, "{grown} KiB more: {before:?}, {after:?}");
    assert!(after.threads <= before.threads + FEW, "{before:?}, {after:?}");
    assert!(after.files <= before.files + FEW, "{before:?}, {after:?}");
    assert_it_is_there(&broker);
}

/// One of them gets all of it.
fn assert_it_is_there(broker: &Broker) {
    let number = users() / 2;
    let sent = numbers(CACHED_KIB).chain(numbers(STORED_KIB));
    let own = sent.filter(|to| *to == number).count();
    let mut phone = Connect::v5(&name(number), "phone").durable().device(broker.mqtt);
    let mut topics: Vec<String> = (0..own + 2 * NEWS).map(|_| phone.take().topic).collect();
    topics.sort();
    assert_eq!(topics, [vec!["news/all".to_owned(); 2 * NEWS], vec![name(number); own]].concat());
    phone.expect_silence();
}
