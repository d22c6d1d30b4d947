//! A client's end of one connection: it keeps the books of what it may be sent, and complains.

use std::collections::{BTreeMap, HashMap, VecDeque};

use homing::mqtt::{
    Ack, ConnAck, Connect, Packet, Publish, QoS, SubAck, Version, decode, encode, reason,
};
use homing::shard::Token;

use super::owed::{Debt, Kind, Owed};
use super::{MAGIC, Weather};

/// What a connection may hold for a client that takes nothing: its outbox and the packet that
/// went beyond it.
const HEARD_BYTES_MAX: usize = 256 * 1024;

/// How much of what this client hears can be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// It keeps the rules.
    Strict,
    /// It has answered messages wrongly.
    Sloppy,
    /// It has sent bytes of which this file does not know what they say.
    Noise,
}

/// Where a message to the client stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flight {
    Sent(QoS),
    /// PUBREC has gone out.
    Received,
}

pub struct Peer {
    pub token: Token,
    pub version: Version,
    uid: &'static str,
    clean_start: bool,
    /// It goes on where an earlier connection stood.
    resumed: bool,
    receive_max: usize,
    packet_max: usize,
    alias_max: u16,
    /// Said, and not taken yet.
    pub unsent: Vec<u8>,
    pub trust: Trust,
    pub owed: Owed,
    /// Messages that are not answered to the end, oldest first.
    pub flights: VecDeque<(u16, Flight)>,
    /// QoS 2 publishes that the server has and that are not released.
    pub held: VecDeque<u16>,
    /// Topics that the client has numbered.
    pub own_aliases: HashMap<u16, String>,
    aliases: BTreeMap<u16, String>,
    /// SUBSCRIBEs and UNSUBSCRIBEs so far: each has a packet id of its own.
    pub asks: u16,
    greeted: bool,
    /// Nothing may come behind DISCONNECT, nor behind a refusal.
    over: bool,
}

impl Peer {
    pub fn new(token: Token, uid: &'static str, connect: &Connect<'_>) -> Peer {
        let properties = connect.properties;
        Peer {
            token,
            version: connect.version,
            uid,
            clean_start: connect.clean_start,
            resumed: false,
            receive_max: properties.receive_maximum().unwrap_or(u16::MAX).into(),
            packet_max: properties.maximum_packet_size().unwrap_or(u32::MAX) as usize,
            alias_max: properties.topic_alias_maximum().unwrap_or(0),
            unsent: Vec::new(),
            trust: Trust::Strict,
            owed: Owed::default(),
            flights: VecDeque::new(),
            held: VecDeque::new(),
            own_aliases: HashMap::new(),
            aliases: BTreeMap::new(),
            asks: 0,
            greeted: false,
            over: false,
        }
    }

    pub fn queue(&mut self, packet: &Packet<'_>) {
        encode(packet, self.version, &mut self.unsent);
    }

    /// Judges what came.
    pub fn hear(&mut self, bytes: &[u8], weather: Weather) {
        assert!(bytes.len() < HEARD_BYTES_MAX, "{} bytes at once", bytes.len());
        let mut at = 0;
        while at < bytes.len() {
            let (packet, length) = decode(&bytes[at..], self.version, u32::MAX)
                .unwrap_or_else(|error| panic!("{error}: {:02x?}", &bytes[at..]))
                .expect("whole packets");
            assert!(!self.over, "{} behind the end", packet.name());
            assert!(length <= self.packet_max, "{} of {length} bytes", packet.name());
            assert_eq!(self.greeted, !matches!(packet, Packet::ConnAck(_)), "{}", packet.name());
            self.packet(&packet, weather);
            at += length;
        }
    }

    fn packet(&mut self, packet: &Packet<'_>, weather: Weather) {
        match packet {
            Packet::ConnAck(connack) => self.connack(connack),
            Packet::Publish(publish) => self.publish(publish),
            Packet::PubAck(ack) => self.acked(Kind::PubAck, ack, weather),
            Packet::PubRec(ack) => self.acked(Kind::PubRec, ack, weather),
            Packet::PubComp(ack) => self.acked(Kind::PubComp, ack, weather),
            Packet::PubRel(ack) => self.pubrel(ack),
            Packet::SubAck(ack) => self.granted(Kind::SubAck, ack),
            Packet::UnsubAck(ack) => self.granted(Kind::UnsubAck, ack),
            Packet::PingResp => self.paid(Kind::Ping, 0).map(drop).unwrap_or_default(),
            Packet::Disconnect(_) => {
                assert_eq!(self.version, Version::V5, "3.1.1 has no DISCONNECT of a server");
                self.over = true;
            }
            other => panic!("a server sends no {}", other.name()),
        }
    }

    fn connack(&mut self, connack: &ConnAck<'_>) {
        self.greeted = true;
        self.over = connack.code != 0;
        self.resumed = connack.session_present;
        assert!(!(connack.session_present && self.clean_start), "[MQTT-3.2.2-2]");
    }

    fn publish(&mut self, publish: &Publish<'_>) {
        let topic = self.topic(publish);
        let inbox = topic.strip_suffix("/envelope").unwrap_or(&topic);
        assert!(inbox.contains('/') || inbox == self.uid, "{} hears of {topic}", self.uid);
        if let Some(body) = publish.payload.strip_prefix(MAGIC.as_bytes()) {
            let meant = body.split(|byte| *byte == 0).next();
            assert_eq!(meant, Some(topic.as_bytes()), "it was sent to another topic");
        }
        let Some(id) = publish.packet_id.map(|id| id.get()) else { return };
        if self.trust == Trust::Strict {
            let used = self.flights.iter().any(|(flight, _)| *flight == id);
            assert!(!used, "packet id {id} is in use");
            assert!(self.flights.len() < self.receive_max, "more than the receive maximum");
        }
        self.flights.push_back((id, Flight::Sent(publish.qos)));
    }

    /// The topic, by its number where that is all that stands there.
    fn topic(&mut self, publish: &Publish<'_>) -> String {
        let alias = publish.properties.topic_alias();
        assert!(alias.is_none_or(|alias| alias <= self.alias_max), "[MQTT-3.3.2-9]: {alias:?}");
        match (alias, publish.topic) {
            (Some(alias), "") => self.aliases.get(&alias).expect("an alias with a topic").clone(),
            (Some(alias), topic) => {
                self.aliases.insert(alias, topic.into());
                topic.into()
            }
            (None, topic) => topic.into(),
        }
    }

    /// The debt that an answer pays; nothing where nobody can know.
    fn paid(&mut self, kind: Kind, id: u16) -> Option<Debt> {
        if self.trust == Trust::Noise {
            return None;
        }
        Some(self.owed.pay(kind, id))
    }

    fn acked(&mut self, kind: Kind, ack: &Ack<'_>, weather: Weather) {
        let id = ack.packet_id.get();
        let Some(debt) = self.paid(kind, id) else { return };
        if reason::is_failure(ack.reason) {
            return;
        }
        if kind == Kind::PubRec {
            self.held.push_back(id);
        }
        let lies = |sent: Weather| !sent.stores && sent.stretch == weather.stretch;
        assert!(!debt.stored_in.is_some_and(lies), "{kind:?} {id} of what is not stored");
    }

    fn granted(&mut self, kind: Kind, ack: &SubAck<'_>) {
        let Some(debt) = self.paid(kind, ack.packet_id.get()) else { return };
        let codes = self.version == Version::V5 || kind == Kind::SubAck;
        assert_eq!(ack.codes.len(), if codes { debt.filters } else { 0 }, "one code per filter");
    }

    fn pubrel(&mut self, ack: &Ack<'_>) {
        let id = ack.packet_id.get();
        let place = self.flights.iter().position(|flight| *flight == (id, Flight::Received));
        let resumed = self.resumed || self.trust > Trust::Strict || reason::is_failure(ack.reason);
        assert!(place.is_some() || resumed, "PUBREL {id} for nothing");
        if let Some(place) = place {
            self.flights.remove(place);
        }
        self.queue(&Packet::PubComp(Ack::ok(ack.packet_id)));
    }

    /// Goes on with everything that is under way. True if there was anything.
    pub fn answer_all(&mut self) -> bool {
        if self.over {
            return false;
        }
        let mut moved = false;
        let sent = |flight: &&(u16, Flight)| matches!(flight.1, Flight::Sent(_));
        while let Some((id, _)) = self.flights.iter().find(sent).copied() {
            self.answer(id);
            moved = true;
        }
        while self.release() {
            moved = true;
        }
        moved
    }

    pub fn assert_paid(&self) {
        if self.trust == Trust::Strict && !self.over {
            assert!(self.greeted, "no CONNACK");
            let rest = self.owed.rest();
            assert!(rest.is_empty(), "not answered: {rest:?}, and not read: {:?}", self.unsent);
            assert!(self.flights.is_empty(), "QoS 2 without an end: {:?}", self.flights);
        }
    }
}
