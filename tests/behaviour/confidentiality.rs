//! Nobody ever receives what is meant for somebody else. Each user has a secret that is in every
//! message meant for it alone; whoever sees a foreign one is found.

use std::collections::HashMap;

use super::support::client::message;
use super::support::connect::Will;
use super::support::random::Random;
use super::support::wire::{self, Packet, Publish};
use super::support::{Broker, Client, Connect, V5, V311, Version};

const USERS: [&str; 6] = ["alice", "bob", "carol", "dora", "emil", "fritz"];
const STEPS: usize = 1500;
/// Rules under which each user has a private branch; `wall` is everyone's.
const RULES: &str = r#"[
    { allow = "all", topic = "private/{uid}/#" },
    { deny = "all", topic = "private/#" },
    { deny = "subscribe", topic = "secret/+" },
]"#;

/// What somebody received: who, the topic, the payload.
type Seen = (&'static str, String, String);

fn secret(uid: &str) -> String {
    format!("<{uid}'s secret>")
}

fn version(device: usize) -> Version {
    if device == 1 { V5 } else { V311 }
}

/// Every foreign secret among what was seen.
fn leaks(seen: &[Seen]) -> Vec<String> {
    let foreign = |(who, topic, payload): &Seen| {
        let theirs = USERS.iter().find(|uid| *uid != who && payload.contains(&secret(uid)))?;
        Some(format!("{who} received {theirs}'s on {topic}: {payload}"))
    };
    seen.iter().filter_map(foreign).collect()
}

#[test]
fn the_checker_finds_a_planted_leak() {
    let own = ("bob", "bob".to_owned(), format!("x {}", secret("bob")));
    let foreign = ("bob", "private/carol/a".to_owned(), format!("y {}", secret("carol")));
    assert!(leaks(&[own.clone(), ("bob", "wall/1".into(), "to all".into())]).is_empty());
    assert_eq!(leaks(&[own, foreign]).len(), 1);
}

struct World {
    broker: Broker,
    random: Random,
    connected: HashMap<(usize, usize), Client>,
    seen: Vec<Seen>,
    /// Retained messages that were received as such.
    retained: usize,
    sent: usize,
}

impl World {
    fn new(seed: u64) -> World {
        let broker = Broker::with(&[
            ("HOMING__ACL__DEFAULT", "allow"),
            ("HOMING__ACL__RULES", &RULES.replace('\n', " ")),
            ("HOMING__LIMITS__FLAPPING__PER_CLIENT", "0"),
        ]);
        for uid in &USERS[3..] {
            broker.add_user(uid, "dev");
        }
        let random = Random(seed);
        World { broker, random, connected: HashMap::new(), seen: Vec::new(), retained: 0, sent: 0 }
    }

    fn pick(&mut self, below: usize) -> usize {
        self.random.below(below)
    }

    /// A topic and a payload with the secret of the only one who may see it there.
    fn message(&mut self) -> (String, String) {
        self.sent += 1;
        let (to, number) = (USERS[self.pick(USERS.len())], self.sent);
        match self.pick(4) {
            0 | 1 => (to.to_owned(), format!("{number} {}", secret(to))),
            2 => (format!("private/{to}/{number}"), format!("{number} {}", secret(to))),
            _ => (format!("wall/{number}"), format!("{number} for everyone")),
        }
    }

    fn connect(&mut self, place: (usize, usize)) {
        let (uid, device) = (USERS[place.0], format!("d{}", place.1));
        let connect = match place.1 {
            0 => Connect::v311(uid, &device),
            1 => Connect::v5(uid, &device).durable(),
            _ => Connect::v311(uid, &device).durable(),
        };
        let connect = match self.pick(3) {
            0 => {
                let to = USERS[self.pick(USERS.len())];
                connect.will(Will::new(to, &format!("will {}", secret(to)), 1))
            }
            _ => connect,
        };
        let client = connect.device(self.broker.mqtt);
        self.connected.insert(place, client);
    }

    fn step(&mut self) {
        let place = (self.pick(USERS.len()), self.pick(3));
        if !self.connected.contains_key(&place) {
            return self.connect(place);
        }
        let (action, filter) = (self.pick(10), self.pick(6));
        let (topic, payload) = self.message();
        let retain = self.pick(3) == 0;
        let Some(client) = self.connected.get_mut(&place) else { return };
        match action {
            0 => {
                let client = self.connected.remove(&place).unwrap();
                client.cut();
            }
            1 | 2 => {
                let other = USERS[filter];
                let filters = ["#", "+/+/#", "private/#", "wall/+", "private/+/+"];
                let own = format!("private/{other}/#");
                let filter = filters.get(filter).map_or(own, |filter| (*filter).to_owned());
                let (version, id) = (version(place.1), client.next_id());
                // 3.1.1 may have been closed for what it published: then nobody answers.
                _ = client.try_send(&wire::subscribe(version, id, &filter, 1));
            }
            _ => {
                let publish = message(&topic, payload, 1, client.next_id());
                let publish = Publish { retain, ..publish };
                _ = client.try_send(&wire::publish(version(place.1), &publish, &[]));
            }
        }
        self.take(place);
    }

    /// Everything that this client has been sent by now.
    fn take(&mut self, place: (usize, usize)) {
        let Some(client) = self.connected.get_mut(&place) else { return };
        // A client that was sent away meanwhile is found out by reading.
        _ = client.try_send(&[0xC0, 0]);
        loop {
            match client.try_recv(super::support::HANG) {
                Ok(Packet::PingResp) => return,
                Ok(Packet::Publish(publish)) => {
                    if publish.id != 0 {
                        // Closed meanwhile? Then the next read says so.
                        _ = client.try_send(&wire::acknowledgement(0x40, publish.id));
                    }
                    self.retained += usize::from(publish.retain);
                    let payload = String::from_utf8_lossy(&publish.payload).into_owned();
                    self.seen.push((USERS[place.0], publish.topic, payload));
                }
                Ok(_) => {}
                // 3.1.1 closes where a publish is refused.
                Err(_) => {
                    self.connected.remove(&place);
                    return;
                }
            }
        }
    }
}

/// Threat I2. Users, devices, durable and clean sessions, wildcards, retained messages, wills and
/// cuts at random.
#[test]
fn nobody_sees_what_is_meant_for_another() {
    let seed = super::support::random::seed("HOMING_CONFIDENTIALITY_SEED");
    println!("HOMING_CONFIDENTIALITY_SEED={seed}");
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.step();
    }
    for user in 0..USERS.len() {
        for device in 0..3 {
            if !world.connected.contains_key(&(user, device)) {
                world.connect((user, device));
            }
            world.take((user, device));
        }
    }
    let found = leaks(&world.seen);
    assert!(found.is_empty(), "{found:#?}");
    let own = |(who, _, payload): &&Seen| payload.contains(&secret(who));
    let (own, wall) = (
        world.seen.iter().filter(own).count(),
        world.seen.iter().filter(|(_, topic, _)| topic.starts_with("wall/")).count(),
    );
    let retained = world.retained;
    assert!(
        own > 100 && wall > 20 && retained > 20,
        "hardly anything was delivered: {own} own, {wall} on the wall, {retained} retained"
    );
}
