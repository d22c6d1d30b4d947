//! The body of the fuzz target `session`: clients do anything in any order while time passes, the
//! store waits or fails, sockets take nothing and the process dies. The worker never panics, says
//! only what the standard lets it say, and is empty when all have left (threats W3 and W9).

mod owed;
mod peer;
mod say;

use std::time::Duration;

use homing::model::{Identity, Uid};
use homing::mqtt::{Connect, Properties, Property, PropertyBuffer, QoS, Version, Will};

use super::source::Source;
use crate::world::World;
use peer::{Peer, Trust};

/// Longer inputs say nothing that shorter ones can't.
const INPUT_BYTES_MAX: usize = 8 * 1024;
/// Connections that are looked at; the oldest is cut for the next one.
const PEERS_COUNT_MAX: usize = 6;
/// Rounds in which everything that waits has to come to its end.
const ROUNDS_MAX: usize = 2000;
/// Begins a body that this file has written; the topic stands behind it.
pub const MAGIC: &str = "\u{1}fuzz\u{2}body:";

const UIDS: [&str; 3] = ["alice", "bob", "carol"];
const CLIENT_IDS: [&str; 4] = ["phone", "tablet", "web", ""];
const WILL_TOPICS: [&str; 4] = ["bob", "t/a", "t/b/c", "alice"];
const SECONDS: [u32; 6] = [0, 1, 30, 3600, 86_400, u32::MAX];
const MILLIS: [u64; 8] = [1, 100, 300, 1000, 2500, 60_000, 3_600_000, 100_000_000];
const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

pub fn fuzz_session(data: &[u8]) {
    let mut source = Source::new(&data[..data.len().min(INPUT_BYTES_MAX)]);
    let mut run = Run::new();
    while !source.is_empty() {
        run.step(&mut source);
        run.settle();
    }
    run.finish();
}

/// What goes wrong around the worker, and in which stretch of it: an acknowledgement of something
/// sent in this stretch would be a lie.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Weather {
    pub stretch: u32,
    pub stores: bool,
}

struct Run {
    world: World,
    peers: Vec<Peer>,
    weather: Weather,
    bodies: u32,
}

impl Run {
    fn new() -> Run {
        let weather = Weather { stretch: 0, stores: true };
        Run { world: World::new(), peers: Vec::new(), weather, bodies: 0 }
    }

    fn step(&mut self, source: &mut Source<'_>) {
        match source.byte() % 32 {
            0..4 => self.connect(source),
            4..24 => self.speak(source),
            24..26 => self.world.pass(Duration::from_millis(source.pick(&MILLIS))),
            26 => self.toggle(|world| world.held = !world.held),
            27 => self.toggle(|world| world.failing = !world.failing),
            28 => self.world.blocked = !self.world.blocked,
            29 => self.world.reads_wait = !self.world.reads_wait,
            30 if source.seldom(4) => self.crash(),
            30 => self.lose(source),
            _ => self.world.jump(i64::from(source.byte()) * 1_000_000 - 128_000_000),
        }
    }

    fn toggle(&mut self, change: impl FnOnce(&mut World)) {
        change(&mut self.world);
        let stores = !self.world.held && !self.world.failing;
        self.weather = Weather { stretch: self.weather.stretch + 1, stores };
    }

    fn connect(&mut self, source: &mut Source<'_>) {
        if self.peers.len() == PEERS_COUNT_MAX {
            let oldest = self.peers.remove(0);
            self.world.lose(oldest.token);
        }
        let (uid, client_id) = (source.pick(&UIDS), source.pick(&CLIENT_IDS));
        let version = source.pick(&[Version::V311, Version::V5]);
        let mut properties = PropertyBuffer::new();
        if version == Version::V5 {
            connect_properties(source, &mut properties);
        }
        let topic = source.pick(&WILL_TOPICS);
        let payload = format!("{MAGIC}{topic}\0the will");
        let will = Will {
            topic,
            payload: payload.as_bytes(),
            qos: source.pick(&QOS),
            retain: source.seldom(4),
            properties: Properties::default(),
        };
        let connect = Connect {
            version,
            clean_start: client_id.is_empty() || source.seldom(2),
            keep_alive_secs: source.pick(&[0, 1, 60, u16::MAX]),
            client_id,
            username: None,
            password: None,
            will: source.seldom(3).then_some(will),
            properties: properties.as_properties(),
        };
        let identity = Identity::user(Uid::parse(uid).unwrap());
        let token = self.world.connect_as(identity, connect);
        self.peers.push(Peer::new(token, uid, &connect));
    }

    /// One of the clients says something.
    fn speak(&mut self, source: &mut Source<'_>) {
        if self.peers.is_empty() {
            return;
        }
        let who = usize::from(source.byte()) % self.peers.len();
        self.bodies += 1;
        let (peer, weather) = (&mut self.peers[who], self.weather);
        let is_nonsense = peer.say(source, weather, self.bodies);
        self.feed(who);
        let peer = &self.peers[who];
        let has_read = peer.unsent.is_empty() && peer.trust < Trust::Noise;
        if is_nonsense && has_read {
            assert!(self.world.is_closed(peer.token), "it takes what only servers say");
        }
    }

    fn lose(&mut self, source: &mut Source<'_>) {
        if !self.peers.is_empty() {
            let peer = self.peers.remove(usize::from(source.byte()) % self.peers.len());
            self.world.lose(peer.token);
        }
    }

    fn crash(&mut self) {
        self.peers.clear();
        self.toggle(|world| world.crash());
    }

    /// As much of what a client said as the worker takes. True if it took some.
    fn feed(&mut self, who: usize) -> bool {
        let (peer, mut moved) = (&mut self.peers[who], false);
        while !peer.unsent.is_empty() {
            let taken = self.world.input(peer.token, &peer.unsent);
            peer.unsent.drain(..taken);
            moved |= taken > 0;
            if taken == 0 {
                break;
            }
        }
        moved
    }

    /// What has come is looked at, and what waits is fed. True if anything moved.
    fn settle(&mut self) -> bool {
        let mut moved = false;
        if !self.world.blocked {
            self.peers.iter().for_each(|peer| self.world.flush(peer.token));
        }
        self.world.run();
        for who in 0..self.peers.len() {
            moved |= self.feed(who);
            let peer = &mut self.peers[who];
            let heard = self.world.heard(peer.token);
            moved |= !heard.is_empty();
            peer.hear(&heard, self.weather);
        }
        assert_eq!(self.world.metrics.panics.get(), 0, "a session has panicked");
        let world = &self.world;
        self.peers.retain(|peer| !world.is_closed(peer.token));
        assert!(self.world.shard.len() >= self.peers.len(), "a connection is forgotten");
        moved
    }

    /// The weather clears up: all that is owed is paid. Then all leave, and nothing is left.
    fn finish(mut self) {
        self.world.reads_wait = false;
        self.world.blocked = false;
        self.toggle(|world| (world.held, world.failing) = (false, false));
        let mut rounds = 0;
        while self.settle() | self.peers.iter_mut().any(|peer| peer.answer_all()) {
            rounds += 1;
            assert!(rounds < ROUNDS_MAX, "it never comes to rest");
        }
        for peer in &self.peers {
            peer.assert_paid();
        }
        for peer in std::mem::take(&mut self.peers) {
            self.world.lose(peer.token);
        }
        assert_eq!(self.world.shard.len(), 0, "everyone has left");
        self.world.pass(self.world.settings.session_expiry_max * 2);
        assert!(self.world.shard.is_empty());
        assert!(!self.world.shard.has_advances(), "a cursor is not stored");
    }
}

fn connect_properties(source: &mut Source<'_>, into: &mut PropertyBuffer) {
    if source.seldom(2) {
        into.push(Property::SessionExpiryInterval(source.pick(&SECONDS)));
    }
    if source.seldom(2) {
        into.push(Property::ReceiveMaximum(source.pick(&[1, 2, 3, 64, u16::MAX])));
    }
    if source.seldom(3) {
        into.push(Property::MaximumPacketSize(source.pick(&[20, 64, 4096, 1 << 20])));
    }
    if source.seldom(2) {
        into.push(Property::TopicAliasMaximum(source.pick(&[1, 2, 16, u16::MAX])));
    }
    if source.seldom(3) {
        into.push(Property::RequestProblemInformation(source.seldom(2)));
    }
}
