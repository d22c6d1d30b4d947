//! One broker and the clients of one session on it. After each step everyone listens until two
//! markers have come, which stand behind all that the step has set off.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use crate::step::{Bad, CLIENTS, Step, is_v5};
use crate::support::client::{Gone, message};
use crate::support::wire::{self, packet, properties, string};
use crate::support::{Client, Connect, HANG, Packet, Publish, V5, V311, Will, prop};

/// By name, what each heard in one step, in words.
pub type Heard = BTreeMap<String, Vec<String>>;

/// Listens to everything with QoS 2.
pub const WATCHER: usize = CLIENTS;
/// In front of the words about a message.
pub const MESSAGE: &str = "PUBLISH ";
/// How long what has to come is waited for: longer only where a broker does not send it at all.
const PATIENCE: Duration = Duration::from_secs(3);

/// A client that is connected.
struct Party {
    client: Client,
    /// QoS 2 messages on their way.
    open: BTreeSet<u16>,
    /// Its own markers, whose acknowledgements say nothing.
    markers: BTreeSet<u16>,
    has_will: bool,
}

pub struct Stage {
    addr: SocketAddr,
    /// Where it sends a will for what a client does, it does so before it reads on: as mosquitto,
    /// which has one thread.
    one_thread: bool,
    name: String,
    parties: Vec<Option<Party>>,
    /// The filters of each, for what is to be expected of a further SUBSCRIBE.
    filters: Vec<BTreeSet<&'static str>>,
    retained: BTreeSet<&'static str>,
    marks: usize,
    heard: Heard,
}

impl Stage {
    pub fn new(addr: SocketAddr, one_thread: bool, name: &str) -> Stage {
        let mut stage = Stage {
            addr,
            one_thread,
            name: name.into(),
            parties: (0..=WATCHER).map(|_| None).collect(),
            filters: vec![BTreeSet::new(); CLIENTS],
            retained: BTreeSet::new(),
            marks: 0,
            heard: Heard::new(),
        };
        let mut client = Connect::v311("watcher", &format!("{name}-watcher")).open(addr);
        assert_eq!(client.subscribe(&stage.topic("#"), 2), 2);
        assert_eq!(client.subscribe(&stage.marker_topic(), 2), 2);
        stage.parties[WATCHER] = Some(Party::new(client, false));
        stage
    }

    fn topic(&self, rest: &str) -> String {
        format!("d/{}/{rest}", self.name)
    }

    fn marker_topic(&self) -> String {
        format!("s/{}", self.name)
    }

    /// Plays one step to its end.
    pub fn play(&mut self, step: &Step) -> Heard {
        let mut sender = WATCHER;
        match step {
            Step::Connect { who, clean, durable, will } => {
                self.connect(*who, *clean, *durable, will.as_ref());
            }
            Step::Subscribe { who, filter, options } => self.subscribe(*who, filter, *options),
            Step::Unsubscribe { who, filter } => self.unsubscribe(*who, filter),
            Step::Publish { who, topic, qos, retain, text } => {
                sender = *who;
                self.publish(*who, topic, *qos, *retain, text);
            }
            Step::Disconnect { who, with_will } => self.disconnect(*who, *with_will),
            Step::Cut { who } => self.cut(*who),
            Step::Bad { who, what } => self.misbehave(*who, *what),
        }
        self.everyone_listens(sender);
        let mut heard = std::mem::take(&mut self.heard);
        for all in heard.values_mut() {
            match step {
                // In which order retained messages come is left open.
                Step::Subscribe { .. } => all.sort(),
                // And whether a message or the answer to another one goes first.
                _ => all.sort_by_key(|words| words.starts_with(MESSAGE)),
            }
        }
        heard
    }

    // -- listening --------------------------------------------------------------------------------

    fn say(&mut self, who: usize, words: String) {
        self.heard.entry(name(who)).or_default().push(words);
    }

    /// The next packet, answered as it has to be and written down. `None` if nothing comes in time;
    /// a connection that is closed has no party any more.
    fn next(&mut self, who: usize, patience: Duration) -> Option<Packet> {
        let party = self.parties[who].as_mut()?;
        match party.client.try_recv(patience) {
            Ok(packet) => {
                let is_own = party.answer(&packet);
                if let Some(words) = self.words(&packet)
                    && !is_own
                {
                    self.say(who, words);
                }
                Some(packet)
            }
            Err(Gone::Silent) => None,
            Err(_) => {
                self.parties[who] = None;
                self.say(who, "closed".into());
                None
            }
        }
    }

    /// Listens until this has come; false if it does not.
    fn hear(&mut self, who: usize, mut wanted: impl FnMut(&Packet) -> bool) -> bool {
        while let Some(packet) = self.next(who, PATIENCE) {
            if wanted(&packet) {
                return true;
            }
        }
        false
    }

    /// Behind the markers of the same sender with both kinds of QoS nothing of this step comes.
    fn everyone_listens(&mut self, sender: usize) {
        self.marks += 1;
        let sender = if self.parties[sender].is_some() { sender } else { WATCHER };
        let (topic, marks) = (self.marker_topic(), self.marks);
        let words = [0, 1].map(|qos| format!("mark {marks} q{qos}"));
        let party = self.parties[sender].as_mut().expect("the watcher at least");
        party.client.publish(&topic, &words[0], 0);
        let id = party.client.publish(&topic, &words[1], 1);
        party.markers.insert(id);
        for who in 0..=WATCHER {
            self.listen(who, &words);
        }
    }

    fn listen(&mut self, who: usize, words: &[String; 2]) {
        let mut missing: BTreeSet<&[u8]> = words.iter().map(|text| text.as_bytes()).collect();
        while self.parties[who].as_ref().is_some_and(|p| !missing.is_empty() || !p.open.is_empty())
        {
            match self.next(who, HANG) {
                Some(Packet::Publish(publish)) => drop(missing.remove(&publish.payload[..])),
                Some(_) => {}
                None if self.parties[who].is_none() => {}
                None => panic!("{who} waits for {missing:?}"),
            }
        }
    }

    fn words(&self, packet: &Packet) -> Option<String> {
        let code = |name: &str, code: u8| Some(format!("{name} {code:#04x}"));
        match packet {
            Packet::Publish(publish) => self.words_of(publish),
            Packet::PubAck { reason, .. } => code("PUBACK", *reason),
            Packet::PubRec { reason, .. } => code("PUBREC", *reason),
            Packet::PubComp { reason, .. } => code("PUBCOMP", *reason),
            Packet::SubAck { codes, .. } => Some(format!("SUBACK {codes:02x?}")),
            Packet::UnsubAck { codes, .. } => Some(format!("UNSUBACK {codes:02x?}")),
            Packet::Disconnect { reason, .. } => code("DISCONNECT", *reason),
            _ => None,
        }
    }

    fn words_of(&self, publish: &Publish) -> Option<String> {
        let topic = publish.topic.strip_prefix(&self.topic(""))?;
        let retain = if publish.retain { " retain" } else { "" };
        Some(format!("{MESSAGE}{topic} '{}' q{}{retain}", publish.text(), publish.qos))
    }

    // -- the steps --------------------------------------------------------------------------------

    fn connect(&mut self, who: usize, clean: bool, durable: bool, will: Option<&(u8, String)>) {
        let version = if is_v5(who) { V5 } else { V311 };
        let (uid, client_id) = (format!("user{who}"), format!("{}-{who}", self.name));
        let mut connect = Connect::new(version, &uid, &client_id).clean(clean);
        if version == V5 && durable {
            connect = connect.prop(prop::session_expiry(3600));
        }
        if let Some((qos, text)) = will {
            connect = connect.will(Will::new(&self.topic("will"), text, *qos));
        }
        let old = self.parties[who].take();
        let (client, ack) = connect.try_open(self.addr).expect("a CONNACK");
        if let Some(old) = old {
            self.taken_over(who, old);
        }
        if !ack.session_present {
            self.filters[who].clear();
        }
        self.say(who, format!("CONNACK {:#04x} {}", ack.code, ack.session_present));
        self.parties[who] = Some(Party::new(client, will.is_some()));
        let topic = self.marker_topic();
        let party = self.parties[who].as_mut().expect("just connected");
        let bytes = wire::subscribe(version, 1, &topic, 2);
        party.client.send_raw(&bytes);
        assert!(self.hear(who, |packet| matches!(packet, Packet::SubAck { .. })));
    }

    /// What the older connection is told.
    fn taken_over(&mut self, who: usize, mut old: Party) {
        for words in self.last_words(&mut old) {
            self.say(who, format!("the older one: {words}"));
        }
        self.await_will(old.has_will && !self.one_thread);
    }

    /// What comes until the server closes.
    fn last_words(&self, party: &mut Party) -> Vec<String> {
        let rest = party.client.expect_closed();
        let is_marker = |packet: &&Packet| match packet {
            Packet::PubAck { id, .. } => party.markers.contains(id),
            _ => false,
        };
        rest.iter().filter(|p| !is_marker(p)).filter_map(|packet| self.words(packet)).collect()
    }

    fn subscribe(&mut self, who: usize, filter: &'static str, options: u8) {
        let (whole, handling) = (self.topic(filter), options >> 4);
        let is_new = self.filters[who].insert(filter);
        let comes = handling == 0 || (handling == 1 && is_new);
        let matching = self.retained.iter().filter(|topic| comes && matches(filter, topic)).count();
        let party = self.parties[who].as_mut().expect("connected");
        let id = party.client.next_id();
        party.client.send_raw(&wire::subscribe(party.client.version, id, &whole, options));
        self.hear(who, |packet| matches!(packet, Packet::SubAck { .. }));
        let mut missing = matching;
        if missing > 0 {
            self.hear(who, |packet| {
                missing -= usize::from(matches!(packet, Packet::Publish(p) if p.retain));
                missing == 0
            });
        }
    }

    fn unsubscribe(&mut self, who: usize, filter: &'static str) {
        self.filters[who].remove(filter);
        let whole = self.topic(filter);
        let party = self.parties[who].as_mut().expect("connected");
        let id = party.client.next_id();
        party.client.send_raw(&wire::unsubscribe(party.client.version, id, &whole));
        self.hear(who, |packet| matches!(packet, Packet::UnsubAck { .. }));
    }

    fn publish(&mut self, who: usize, topic: &'static str, qos: u8, retain: bool, text: &str) {
        match (retain, text) {
            (true, "") => drop(self.retained.remove(topic)),
            (true, _) => drop(self.retained.insert(topic)),
            _ => {}
        }
        let whole = self.topic(topic);
        let party = self.parties[who].as_mut().expect("connected");
        let id = if qos > 0 { party.client.next_id() } else { 0 };
        let publish = Publish { retain, ..message(&whole, text, qos, id) };
        party.client.send_publish(&publish, &[]);
        match qos {
            0 => {}
            1 => drop(self.hear(who, |packet| matches!(packet, Packet::PubAck { .. }))),
            _ => {
                self.hear(who, |packet| matches!(packet, Packet::PubRec { .. }));
                if let Some(party) = &mut self.parties[who] {
                    party.client.pubrel(id);
                    self.hear(who, |packet| matches!(packet, Packet::PubComp { .. }));
                }
            }
        }
    }

    fn disconnect(&mut self, who: usize, with_will: bool) {
        self.ping(who);
        let mut party = self.parties[who].take().expect("connected");
        party.client.send_raw(if with_will { &[0xE0, 1, 4] } else { &[0xE0, 0] });
        for words in self.last_words(&mut party) {
            self.say(who, words);
        }
        self.await_will(with_will && party.has_will);
    }

    fn cut(&mut self, who: usize) {
        self.ping(who);
        let party = self.parties[who].take().expect("connected");
        party.client.cut();
        self.await_will(party.has_will);
    }

    /// All answers that were sent have been taken.
    fn ping(&mut self, who: usize) {
        let party = self.parties[who].as_mut().expect("connected");
        party.client.send_raw(&[0xC0, 0]);
        self.hear(who, |packet| matches!(packet, Packet::PingResp));
    }

    fn await_will(&mut self, is_due: bool) {
        if is_due {
            let topic = self.topic("will");
            self.hear(WATCHER, |packet| matches!(packet, Packet::Publish(p) if p.topic == topic));
        }
    }

    /// Then the connection is cut, if the server has not done so.
    fn misbehave(&mut self, who: usize, what: Bad) {
        let topic = self.topic("a");
        let party = self.parties[who].as_mut().expect("connected");
        let has_will = party.has_will;
        party.client.send_raw(&bad(what, party.client.version, &topic));
        // It fails where the server was faster.
        let _ = party.client.try_send(&[0xC0, 0]);
        self.hear(who, |packet| matches!(packet, Packet::PingResp));
        if let Some(party) = self.parties[who].take() {
            party.client.cut();
            self.await_will(has_will);
        } else {
            self.await_will(has_will && !self.one_thread);
        }
    }
}

impl Party {
    fn new(client: Client, has_will: bool) -> Party {
        Party { client, open: BTreeSet::new(), markers: BTreeSet::new(), has_will }
    }

    /// True if it was an acknowledgement of a marker.
    fn answer(&mut self, packet: &Packet) -> bool {
        match packet {
            Packet::Publish(publish) if publish.qos == 1 => self.client.puback(publish.id),
            Packet::Publish(publish) if publish.qos == 2 => {
                self.open.insert(publish.id);
                self.client.pubrec(publish.id);
            }
            Packet::PubRel { id, .. } => {
                self.open.remove(id);
                self.client.pubcomp(*id);
            }
            Packet::PubAck { id, .. } => return self.markers.remove(id),
            _ => {}
        }
        false
    }
}

fn bad(what: Bad, version: u8, topic: &str) -> Vec<u8> {
    let none = properties(version, &[]);
    let publish =
        |first: u8, topic: &str, rest: &[u8]| packet(first, &[&string(topic)[..], rest].concat());
    let subscribe = |filter: &str, options: u8| {
        packet(0x82, &[&[0, 9], &none[..], &string(filter), &[options]].concat())
    };
    match what {
        Bad::SecondConnect => Connect::new(version, "user0", "another").encode(),
        Bad::ServerPacket => packet(0xD0, &[]),
        Bad::PublishToWildcard => publish(0x30, &format!("{topic}/+"), &none),
        Bad::FilterAfterHash => subscribe(&format!("{topic}/#/a"), 0),
        Bad::EmptyFilter => subscribe("", 0),
        Bad::SubscribeToNothing => packet(0x82, &[&[0, 9], &none[..]].concat()),
        Bad::QosThree => publish(0x36, topic, &[&[0, 9], &none[..]].concat()),
        Bad::UnknownPubrel => packet(0x62, &[0x77, 1]),
        Bad::UnknownPuback => packet(0x40, &[0x77, 1]),
        Bad::UnknownPubrec => packet(0x50, &[0x77, 1]),
        Bad::AliasZero if version == V5 => publish(0x30, topic, &[3, 0x23, 0, 0]),
        Bad::PropertyTwice if version == V5 => publish(0x30, topic, &[4, 1, 0, 1, 0]),
        Bad::PacketIdZero | Bad::AliasZero | Bad::PropertyTwice => {
            publish(0x32, topic, &[&[0, 0], &none[..]].concat())
        }
    }
}

/// As it stands in reports.
pub fn name(who: usize) -> String {
    if who == WATCHER { "watcher".into() } else { format!("client {who}") }
}

/// Whether the filter wants it; for names without `$`.
pub fn matches(filter: &str, topic: &str) -> bool {
    let (mut levels, mut names) = (filter.split('/'), topic.split('/'));
    loop {
        match (levels.next(), names.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(level), Some(name)) if level == name => {}
            _ => return false,
        }
    }
}
