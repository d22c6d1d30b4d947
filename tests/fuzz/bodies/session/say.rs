//! What a client says: packets that are right, answers that are due or not, and nonsense.

use homing::mqtt::{
    Ack, Auth, ConnAck, Connect, Disconnect, FilterBuffer, FilterNameBuffer, Packet, PacketId,
    Properties, Property, PropertyBuffer, Publish, QoS, RetainHandling, SubAck, Subscribe,
    SubscribeOptions, Unsubscribe, Version,
};

use super::owed::{Debt, Kind};
use super::peer::{Flight, Peer, Trust};
use super::{MAGIC, QOS, Source, Weather};

const TOPICS: [&str; 14] = [
    "alice",
    "bob",
    "carol",
    "bob",
    "t/a",
    "t/b",
    "t/b/c",
    "t/a",
    "/",
    "t//",
    "alice/envelope",
    "alice/events",
    "group/1",
    "$SYS/broker",
];
const FILTERS: [&str; 14] = [
    "t/a",
    "t/#",
    "t/+",
    "#",
    "+/b/c",
    "/",
    "+/+",
    "alice",
    "alice/envelope",
    "bob",
    "$share/g/t/#",
    "$SYS/#",
    "group/1",
    "t/b/c",
];
const BODY_BYTES: [usize; 5] = [0, 10, 200, 3000, 20_000];
const PACKET_IDS: u8 = 6;

impl Peer {
    /// True if a server must close at it.
    pub fn say(&mut self, source: &mut Source<'_>, weather: Weather, number: u32) -> bool {
        match source.byte() % 24 {
            0..8 => self.say_publish(source, weather, number),
            8..11 => self.say_subscribe(source),
            11 => self.say_unsubscribe(source),
            12..16 => drop(self.answer_one()),
            16..18 => drop(self.release()),
            18 => self.answer_wrongly(source),
            19 | 20 => {
                self.owe(Kind::Ping, 0, 0);
                self.queue(&Packet::PingReq);
            }
            21 if source.seldom(4) => self.say_goodbye(source),
            21 => {}
            22 => return self.say_nonsense(source),
            _ => self.say_noise(source),
        }
        false
    }

    fn owe(&mut self, kind: Kind, id: u16, filters: usize) {
        self.owed.add(kind, id, Debt { optional: false, filters, stored_in: None });
    }

    fn say_publish(&mut self, source: &mut Source<'_>, weather: Weather, number: u32) {
        let (topic, qos, id) = (source.pick(&TOPICS), source.pick(&QOS), packet_id(source));
        let dup = qos != QoS::AtMostOnce && source.seldom(6);
        let mut properties = PropertyBuffer::new();
        let (mut written, mut meant) = (topic, topic.to_owned());
        if self.version == Version::V5 && source.seldom(3) {
            let alias = 1 + u16::from(source.byte() % 20);
            properties.push(Property::TopicAlias(alias));
            match self.own_aliases.get(&alias) {
                Some(known) if source.seldom(2) => (written, meant) = ("", known.clone()),
                _ => drop(self.own_aliases.insert(alias, topic.into())),
            }
        }
        if self.version == Version::V5 && source.seldom(3) {
            publish_properties(source, &mut properties);
        }
        let mut body = format!("{MAGIC}{meant}\0{number}").into_bytes();
        body.resize(body.len() + source.pick(&BODY_BYTES), b'.');
        let packet_id = (qos != QoS::AtMostOnce).then_some(id);
        let retain = source.seldom(4);
        let properties = properties.as_properties();
        let payload = &body;
        let publish = Publish { dup, qos, retain, topic: written, packet_id, properties, payload };
        self.owe_answer(&publish, &meant, weather);
        self.queue(&Packet::Publish(publish));
    }

    fn owe_answer(&mut self, publish: &Publish<'_>, topic: &str, weather: Weather) {
        let Some(id) = publish.packet_id else { return };
        let kind = match publish.qos {
            QoS::ExactlyOnce => Kind::PubRec,
            _ => Kind::PubAck,
        };
        // Of a resend it may be known that it is stored.
        let is_new = !publish.dup && kind == Kind::PubAck;
        let stored_in = (is_new && !topic.contains('/')).then_some(weather);
        let optional = publish.dup;
        self.owed.add(kind, id.get(), Debt { optional, filters: 0, stored_in });
    }

    fn say_subscribe(&mut self, source: &mut Source<'_>) {
        let (mut filters, packet_id) = (FilterBuffer::new(), self.ask_id());
        for _ in 0..=source.byte() % 3 {
            let (filter, qos, options) = (source.pick(&FILTERS), source.pick(&QOS), source.byte());
            let plain = SubscribeOptions::plain(qos);
            let options = match self.version {
                Version::V5 => SubscribeOptions {
                    no_local: options & 1 != 0 && !filter.starts_with("$share/"),
                    retain_as_published: options & 2 != 0,
                    retain_handling: handling(options),
                    ..plain
                },
                _ => plain,
            };
            filters.push(filter, options).unwrap();
        }
        let mut properties = PropertyBuffer::new();
        if self.version == Version::V5 && source.seldom(3) {
            properties.push(Property::SubscriptionIdentifier(1 + u32::from(source.byte())));
        }
        let (filters, properties) = (filters.as_filters(), properties.as_properties());
        self.owe(Kind::SubAck, packet_id.get(), filters.len());
        self.queue(&Packet::Subscribe(Subscribe { packet_id, properties, filters }));
    }

    /// Answers to these may overtake each other, so they must be told apart.
    fn ask_id(&mut self) -> PacketId {
        self.asks += 1;
        PacketId::MIN.saturating_add(u16::from(PACKET_IDS) + self.asks)
    }

    fn say_unsubscribe(&mut self, source: &mut Source<'_>) {
        let (mut filters, packet_id) = (FilterNameBuffer::new(), self.ask_id());
        for _ in 0..=source.byte() % 3 {
            filters.push(source.pick(&FILTERS)).unwrap();
        }
        let (filters, properties) = (filters.as_filters(), Properties::default());
        self.owe(Kind::UnsubAck, packet_id.get(), filters.len());
        self.queue(&Packet::Unsubscribe(Unsubscribe { packet_id, properties, filters }));
    }

    /// The answer that is due to the oldest message without one.
    fn answer_one(&mut self) -> bool {
        let sent = |flight: &&(u16, Flight)| matches!(flight.1, Flight::Sent(_));
        let oldest = self.flights.iter().find(sent).copied();
        oldest.is_some_and(|(id, _)| {
            self.answer(id);
            true
        })
    }

    pub fn answer(&mut self, id: u16) {
        let Some(place) = self.flights.iter().position(|(flight, _)| *flight == id) else { return };
        let Some(packet_id) = PacketId::new(id) else { return };
        match self.flights[place].1 {
            Flight::Sent(QoS::ExactlyOnce) => {
                self.flights[place].1 = Flight::Received;
                self.queue(&Packet::PubRec(Ack::ok(packet_id)));
            }
            _ => {
                self.flights.remove(place);
                self.queue(&Packet::PubAck(Ack::ok(packet_id)));
            }
        }
    }

    /// PUBREL for the oldest publish that the server holds.
    pub fn release(&mut self) -> bool {
        let Some(id) = self.held.pop_front() else { return false };
        self.owe(Kind::PubComp, id, 0);
        let packet_id = PacketId::new(id).expect("an id that was used");
        self.queue(&Packet::PubRel(Ack::ok(packet_id)));
        true
    }

    fn answer_wrongly(&mut self, source: &mut Source<'_>) {
        self.trust = self.trust.max(Trust::Sloppy);
        let own = self.flights.front().map_or(PacketId::MIN, |(id, _)| PacketId::new(*id).unwrap());
        let id = if source.seldom(2) { own } else { packet_id(source) };
        let kind = source.byte() % 4;
        let reason = if self.version == Version::V5 && source.seldom(2) { 0x80 } else { 0 };
        let ack = Ack { packet_id: id, reason, properties: Properties::default() };
        match kind {
            0 => self.queue(&Packet::PubAck(ack)),
            1 => self.queue(&Packet::PubRec(ack)),
            2 => self.queue(&Packet::PubComp(Ack::ok(id))),
            _ => {
                self.owe(Kind::PubComp, id.get(), 0);
                self.queue(&Packet::PubRel(Ack::ok(id)));
            }
        }
    }

    fn say_goodbye(&mut self, source: &mut Source<'_>) {
        self.trust = self.trust.max(Trust::Sloppy);
        let reason = match self.version {
            Version::V5 => source.pick(&[0, 4]),
            _ => 0,
        };
        self.queue(&Packet::Disconnect(Disconnect { reason, properties: Properties::default() }));
    }

    /// What only servers say, what is said once, and what was not agreed on (threat W3).
    fn say_nonsense(&mut self, source: &mut Source<'_>) -> bool {
        self.trust = self.trust.max(Trust::Sloppy);
        let properties = Properties::default();
        let suback = SubAck { packet_id: PacketId::MIN, properties, codes: &[0] };
        let unsuback =
            SubAck { codes: if self.version == Version::V5 { &[0] } else { &[] }, ..suback };
        let connect = Connect {
            version: self.version,
            clean_start: true,
            keep_alive_secs: 0,
            client_id: "x",
            username: None,
            password: None,
            will: None,
            properties,
        };
        let nonsense = match source.byte() % 6 {
            0 => Packet::ConnAck(ConnAck { session_present: false, code: 0, properties }),
            1 => Packet::SubAck(suback),
            2 => Packet::UnsubAck(unsuback),
            3 => Packet::PingResp,
            4 if self.version == Version::V5 => Packet::Auth(Auth { reason: 0, properties }),
            _ => Packet::Connect(connect),
        };
        self.queue(&nonsense);
        true
    }

    fn say_noise(&mut self, source: &mut Source<'_>) {
        self.trust = Trust::Noise;
        let length = usize::from(source.byte());
        let noise = source.take(length);
        // Our own bodies mean what they say.
        if !noise.windows(MAGIC.len()).any(|window| window == MAGIC.as_bytes()) {
            self.unsent.extend_from_slice(noise);
        }
    }
}

fn packet_id(source: &mut Source<'_>) -> PacketId {
    PacketId::MIN.saturating_add(u16::from(source.byte() % PACKET_IDS))
}

fn handling(options: u8) -> RetainHandling {
    match options >> 2 & 3 {
        0 | 1 => RetainHandling::SendAtSubscribe,
        2 => RetainHandling::SendIfNew,
        _ => RetainHandling::DoNotSend,
    }
}

fn publish_properties(source: &mut Source<'_>, into: &mut PropertyBuffer) {
    if source.seldom(2) {
        into.push(Property::MessageExpiryInterval(source.pick(&super::SECONDS)));
    }
    if source.seldom(2) {
        into.push(Property::UserProperty("message-id", source.pick(&["1", "2", ""])));
    }
    if source.seldom(2) {
        into.push(Property::PayloadFormatIndicator(source.byte() % 2));
    }
    if source.seldom(3) {
        into.push(Property::ResponseTopic("t/answer"));
    }
}
