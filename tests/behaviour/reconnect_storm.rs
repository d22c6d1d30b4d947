//! The broker is killed with many clients connected; all come back at once, everyone is served and
//! nothing is lost. `scripts/storm` is the same with 15,000.

use std::time::{Duration, Instant};

use super::support::broker::Start;
use super::support::connect::stream_from;
use super::support::{Broker, Client, Connect, Gone, HANG, Packet, V311, wait_until};

/// Connections from one address: the system has only so many ports for each.
const PER_ADDRESS: usize = 5000;
/// Devices of one user.
const DEVICES: usize = 3;

/// Clients by number, and what it took to bring all of them in.
struct Storm {
    clients: Vec<Option<Client>>,
    tries: usize,
    refused: usize,
    cut: usize,
}

impl Storm {
    fn new(count: usize) -> Storm {
        let clients = (0..count).map(|_| None).collect();
        Storm { clients, tries: 0, refused: 0, cut: 0 }
    }

    /// All come at once, and those that are refused come again; how long it took.
    fn come(&mut self, broker: &Broker) -> Duration {
        let begun = Instant::now();
        (self.tries, self.refused, self.cut) = (0, 0, 0);
        self.clients.iter_mut().for_each(|client| *client = None);
        while self.clients.iter().any(Option::is_none) {
            assert!(begun.elapsed() < 10 * HANG, "not all come in: {} refused", self.refused);
            let missing = (0..self.clients.len()).filter(|n| self.clients[*n].is_none());
            let sent: Vec<_> = missing.map(|number| (number, connect(broker, number))).collect();
            self.tries += sent.len();
            for (number, client) in sent {
                self.clients[number] = client.and_then(|client| self.welcomed(client));
            }
        }
        begun.elapsed()
    }

    fn welcomed(&mut self, mut client: Client) -> Option<Client> {
        match client.try_recv(HANG) {
            Ok(Packet::ConnAck { code: 0, .. }) => return Some(client),
            Ok(Packet::ConnAck { code: 3, .. }) => self.refused += 1,
            Err(Gone::Closed) => self.cut += 1,
            other => panic!("{other:?}"),
        }
        None
    }

    fn told(&self) -> String {
        let Storm { clients, tries, refused, cut } = self;
        format!("{} clients, {tries} tries, {refused} refused, {cut} cut", clients.len())
    }
}

/// CONNECT is sent and not answered yet.
fn connect(broker: &Broker, number: usize) -> Option<Client> {
    let source = [127, 0, 0, 2 + (number / PER_ADDRESS) as u8];
    let mut client = Client::new(stream_from(source.into(), broker.mqtt).ok()?, V311, "storm");
    let connect = Connect::v311(&user(number), &format!("d{number}")).durable();
    client.try_send(&connect.encode()).ok()?;
    Some(client)
}

fn user(number: usize) -> String {
    format!("user{}", number / DEVICES)
}

/// Comes, is killed with mail under way, comes back: the first and the second time that it took.
fn storm(broker: &mut Broker, storm: &mut Storm) -> [Duration; 2] {
    let first = storm.come(broker);
    println!("at first: {first:?}, {}", storm.told());
    let mut bob = Connect::v311("bob", "post").open(broker.mqtt);
    for number in (0..storm.clients.len()).step_by(100) {
        bob.publish_acked(&user(number), format!("for {number}"), 1);
    }
    broker.crash();
    let second = storm.come(broker);
    println!("after the crash: {second:?}, {}", storm.told());
    for number in (0..storm.clients.len()).step_by(100) {
        let client = storm.clients[number].as_mut().expect("all are back");
        client.ping();
        assert_eq!(client.take_text(), format!("for {number}"));
    }
    wait_until("nobody waits any more", || {
        (broker.metrics("homing_connects_waiting", &[]) == 0.0).then_some(())
    });
    [first, second]
}

/// Threat M6.
#[test]
fn after_a_crash_all_come_back_and_nothing_is_lost() {
    let start = Start::dev().env("HOMING__AUTH__PROVIDER", "open");
    let mut broker = start.env("HOMING__LIMITS__CONNECT_RATE", "1000/s burst 300").start();
    let mut clients = Storm::new(1500);
    storm(&mut broker, &mut clients);
    assert_eq!((clients.tries, clients.refused, clients.cut), (1500, 0, 0));
    assert_eq!(broker.metrics("homing_connections", &[]), 1500.0);
    assert_eq!(broker.metrics("homing_connects_total", &[("result", "busy")]), 0.0);
}

/// Threat M6. `scripts/storm`
#[test]
#[ignore = "15,000 connections; scripts/storm runs it"]
fn storm_full() {
    let count = std::env::var("HOMING_STORM_CLIENTS").map_or(15_000, |text| text.parse().unwrap());
    let mut broker = Start::dev().env("HOMING__AUTH__PROVIDER", "open").start();
    let mut clients = Storm::new(count);
    storm(&mut broker, &mut clients);
    assert_eq!(broker.metrics("homing_connections", &[]), count as f64);
}
