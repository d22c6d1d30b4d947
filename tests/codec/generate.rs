//! Generated packets: any type, both versions, all properties, within the rules of the standard.
//!
//! The rules are written down here a second time, so that they check the ones in the codec.

use homing::mqtt::{
    Ack, Auth, ConnAck, Connect, Disconnect, FilterBuffer, FilterNameBuffer, Packet, PacketId,
    Property, PropertyBuffer, Publish, QoS, RetainHandling, Scope, SubAck, Subscribe,
    SubscribeOptions, Unsubscribe, Version, Will, encode,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

pub const SCOPES: [Scope; 14] = [
    Scope::Connect,
    Scope::ConnAck,
    Scope::Publish,
    Scope::PubAck,
    Scope::PubRec,
    Scope::PubRel,
    Scope::PubComp,
    Scope::Subscribe,
    Scope::SubAck,
    Scope::Unsubscribe,
    Scope::UnsubAck,
    Scope::Disconnect,
    Scope::Auth,
    Scope::Will,
];

/// The property identifiers of a scope (table 2-4).
pub fn allowed(scope: Scope) -> &'static [u8] {
    match scope {
        Scope::Connect => &[0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27],
        Scope::ConnAck => &[
            0x11, 0x12, 0x13, 0x15, 0x16, 0x1A, 0x1C, 0x1F, 0x21, 0x22, 0x24, 0x25, 0x26, 0x27,
            0x28, 0x29, 0x2A,
        ],
        Scope::Publish => &[0x01, 0x02, 0x03, 0x08, 0x09, 0x0B, 0x23, 0x26],
        Scope::Will => &[0x01, 0x02, 0x03, 0x08, 0x09, 0x18, 0x26],
        Scope::Subscribe => &[0x0B, 0x26],
        Scope::Unsubscribe => &[0x26],
        Scope::Disconnect => &[0x11, 0x1C, 0x1F, 0x26],
        Scope::Auth => &[0x15, 0x16, 0x1F, 0x26],
        _ => &[0x1F, 0x26],
    }
}

/// A valid value for each property identifier, encoded; for unknown ones a lone 1.
pub fn value_bytes(id: u8) -> Vec<u8> {
    match id {
        0x13 | 0x21 | 0x22 | 0x23 => vec![0, 1],
        0x02 | 0x11 | 0x18 | 0x27 => vec![0, 0, 0, 1],
        0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1A | 0x1C | 0x1F => b"\0\x01t".to_vec(),
        0x26 => b"\0\x01k\0\x01v".to_vec(),
        _ => vec![1],
    }
}

/// The reason codes of a packet (tables 3-1 to 3-11), or the return codes of 3.1.1.
fn codes(kind: u8, version: Version) -> &'static [u8] {
    match (kind, version) {
        (2, Version::V311) => &[0, 1, 2, 3, 4, 5],
        (9, Version::V311) => &[0, 1, 2, 0x80],
        (_, Version::V311) => &[0],
        (2, Version::V5) => &[0, 0x80, 0x84, 0x86, 0x87, 0x8C, 0x95, 0x9F],
        (4 | 5, _) => &[0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
        (6 | 7, _) => &[0, 0x92],
        (9, _) => &[0, 1, 2, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2],
        (11, _) => &[0, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91],
        (14, _) => &[0, 4, 0x80, 0x81, 0x82, 0x87, 0x8B, 0x8E, 0x95, 0x9D, 0xA2],
        _ => &[0, 0x18, 0x19],
    }
}

/// What a generated packet is made of; a packet takes from it what it needs.
#[derive(Debug, Clone)]
pub struct Parts {
    /// 1 to 15, the packet type.
    pub kind: u8,
    pub version: Version,
    flags: [bool; 5],
    qos: QoS,
    will_qos: QoS,
    number: u16,
    packet_id: PacketId,
    texts: [String; 3],
    topic: String,
    password: Vec<u8>,
    payload: Vec<u8>,
    filters: Vec<(String, SubscribeOptions)>,
    picks: Vec<Index>,
    values: Vec<Value>,
    will_values: Vec<Value>,
}

/// A property in the making: which of those allowed, and what to fill it with.
#[derive(Debug, Clone)]
struct Value {
    pick: Index,
    number: u32,
    text: String,
    data: Vec<u8>,
}

/// Packets of both versions.
pub fn parts() -> impl Strategy<Value = Parts> {
    prop_oneof![parts_of(Version::V311), parts_of(Version::V5)]
}

pub fn parts_of(version: Version) -> impl Strategy<Value = Parts> {
    let kinds = match version {
        Version::V311 => 1..=14u8,
        Version::V5 => 1..=15u8,
    };
    let small = (kinds, any::<[bool; 5]>(), qos(), qos(), any::<u16>(), 1..=u16::MAX);
    let fields = ([text(), text(), text()], topic(), vec(any::<u8>(), 0..20), payload());
    let lists = (
        vec((filter(), options()), 1..4),
        vec(any::<Index>(), 1..4),
        vec(value(), 0..6),
        vec(value(), 0..4),
    );
    (small, fields, lists).prop_map(move |(small, fields, lists)| {
        let (kind, flags, qos, will_qos, number, packet_id) = small;
        let (texts, topic, password, payload) = fields;
        let (filters, picks, values, will_values) = lists;
        let packet_id = PacketId::new(packet_id).unwrap();
        #[rustfmt::skip]
        let parts = Parts {
            kind, version, flags, qos, will_qos, number, packet_id, texts, topic, password, payload,
            filters, picks, values, will_values,
        };
        parts
    })
}

fn qos() -> impl Strategy<Value = QoS> {
    prop_oneof![Just(QoS::AtMostOnce), Just(QoS::AtLeastOnce), Just(QoS::ExactlyOnce)]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-z0-9/ éж漢😀]{0,12}", 1 => "[a-z]{120,300}"]
}

fn topic() -> impl Strategy<Value = String> {
    "[a-zж漢$/]{1,16}"
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![6 => vec(any::<u8>(), 0..40), 1 => vec(any::<u8>(), 100..20_000)]
}

fn filter() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-zж]{1,4}(/(\\+|[a-zж]{0,4})){0,3}(/#)?",
        1 => Just("#".to_owned()),
        1 => "\\$share/[a-z]{1,3}/[a-z]{1,3}(/#)?",
    ]
}

fn options() -> impl Strategy<Value = SubscribeOptions> {
    let handling = prop_oneof![
        Just(RetainHandling::SendAtSubscribe),
        Just(RetainHandling::SendIfNew),
        Just(RetainHandling::DoNotSend)
    ];
    (qos(), any::<bool>(), any::<bool>(), handling).prop_map(
        |(qos, no_local, retain_as_published, retain_handling)| SubscribeOptions {
            qos,
            no_local,
            retain_as_published,
            retain_handling,
        },
    )
}

fn value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![1..200u32, 1..=268_435_455u32];
    (any::<Index>(), number, topic(), vec(any::<u8>(), 0..20))
        .prop_map(|(pick, number, text, data)| Value { pick, number, text, data })
}

impl Value {
    fn property(&self, id: u8) -> Property<'_> {
        let (number, short, flag) = (self.number, self.number as u16 | 1, self.number % 2 == 1);
        let (text, data) = (self.text.as_str(), self.data.as_slice());
        match id {
            0x01 => Property::PayloadFormatIndicator(flag.into()),
            0x02 => Property::MessageExpiryInterval(number),
            0x03 => Property::ContentType(text),
            0x08 => Property::ResponseTopic(text),
            0x09 => Property::CorrelationData(data),
            0x0B => Property::SubscriptionIdentifier(number),
            0x11 => Property::SessionExpiryInterval(number),
            0x12 => Property::AssignedClientIdentifier(text),
            0x13 => Property::ServerKeepAlive(short),
            0x15 => Property::AuthenticationMethod(text),
            0x16 => Property::AuthenticationData(data),
            0x17 => Property::RequestProblemInformation(flag),
            0x18 => Property::WillDelayInterval(number),
            0x19 => Property::RequestResponseInformation(flag),
            0x1A => Property::ResponseInformation(text),
            0x1C => Property::ServerReference(text),
            0x1F => Property::ReasonString(text),
            0x21 => Property::ReceiveMaximum(short),
            0x22 => Property::TopicAliasMaximum(short),
            0x23 => Property::TopicAlias(short),
            0x24 => Property::MaximumQoS(flag.into()),
            0x25 => Property::RetainAvailable(flag),
            0x26 => Property::UserProperty(text, "value"),
            0x27 => Property::MaximumPacketSize(number),
            0x28 => Property::WildcardSubscriptionAvailable(flag),
            0x29 => Property::SubscriptionIdentifierAvailable(flag),
            _ => Property::SharedSubscriptionAvailable(flag),
        }
    }
}

/// Those of the values that make a valid block in this scope.
fn block(values: &[Value], scope: Scope, needs_method: bool) -> PropertyBuffer {
    let mut buffer = PropertyBuffer::new();
    let mut seen = Vec::new();
    for value in values {
        let id = *value.pick.get(allowed(scope));
        let repeats = id == 0x26 || (id == 0x0B && scope == Scope::Publish);
        if !seen.contains(&id) || repeats {
            buffer.push(value.property(id));
            seen.push(id);
        }
    }
    if !seen.contains(&0x15) && (seen.contains(&0x16) || needs_method && !seen.is_empty()) {
        buffer.push(Property::AuthenticationMethod("method"));
    }
    buffer
}

impl Parts {
    /// Builds the packet and hands it to `f`.
    pub fn with<R>(&self, f: impl FnOnce(Packet<'_>) -> R) -> R {
        let properties = match (self.version, self.scope()) {
            (Version::V5, Some(scope)) => block(&self.values, scope, self.kind == 15),
            _ => PropertyBuffer::new(),
        };
        match self.kind {
            1 => self.connect(&properties, f),
            8 => self.subscribe(&properties, f),
            10 => self.unsubscribe(&properties, f),
            9 | 11 => self.suback(&properties, f),
            _ => f(self.simple(&properties)),
        }
    }

    /// The frame of the packet, as our encoder writes it.
    pub fn frame(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.with(|packet| encode(&packet, self.version, &mut out));
        out
    }

    fn scope(&self) -> Option<Scope> {
        match self.kind {
            12 | 13 => None,
            14 => Some(Scope::Disconnect),
            15 => Some(Scope::Auth),
            kind => SCOPES.get(usize::from(kind) - 1).copied(),
        }
    }

    fn code(&self) -> u8 {
        *self.picks[0].get(codes(self.kind, self.version))
    }

    fn connect<R>(&self, block_of: &PropertyBuffer, f: impl FnOnce(Packet<'_>) -> R) -> R {
        let [clean_start, has_will, has_name, has_password, retain] = self.flags;
        let will_block = match self.version {
            Version::V5 => block(&self.will_values, Scope::Will, false),
            Version::V311 => PropertyBuffer::new(),
        };
        let will = Will {
            topic: &self.topic,
            payload: &self.password,
            qos: self.will_qos,
            retain,
            properties: will_block.as_properties(),
        };
        let has_password = has_password && (has_name || self.version == Version::V5);
        f(Packet::Connect(Connect {
            version: self.version,
            clean_start,
            keep_alive_secs: self.number,
            client_id: &self.texts[0],
            username: has_name.then_some(&self.texts[1]),
            password: has_password.then_some(&self.password),
            will: has_will.then_some(will),
            properties: block_of.as_properties(),
        }))
    }

    fn subscribe<R>(&self, block: &PropertyBuffer, f: impl FnOnce(Packet<'_>) -> R) -> R {
        let mut filters = FilterBuffer::new();
        for (filter, options) in &self.filters {
            let mut options = match self.version {
                Version::V5 => *options,
                Version::V311 => SubscribeOptions::plain(options.qos),
            };
            options.no_local &= !filter.starts_with("$share/");
            filters.push(filter, options).unwrap();
        }
        f(Packet::Subscribe(Subscribe {
            packet_id: self.packet_id,
            properties: block.as_properties(),
            filters: filters.as_filters(),
        }))
    }

    fn unsubscribe<R>(&self, block: &PropertyBuffer, f: impl FnOnce(Packet<'_>) -> R) -> R {
        let mut filters = FilterNameBuffer::new();
        self.filters.iter().for_each(|(filter, _)| filters.push(filter).unwrap());
        f(Packet::Unsubscribe(Unsubscribe {
            packet_id: self.packet_id,
            properties: block.as_properties(),
            filters: filters.as_filters(),
        }))
    }

    fn suback<R>(&self, block: &PropertyBuffer, f: impl FnOnce(Packet<'_>) -> R) -> R {
        let (packet_id, properties) = (self.packet_id, block.as_properties());
        let known = codes(self.kind, self.version);
        let codes: Vec<u8> = self.picks.iter().map(|pick| *pick.get(known)).collect();
        match (self.kind, self.version) {
            (9, _) => f(Packet::SubAck(SubAck { packet_id, properties, codes: &codes })),
            (_, Version::V5) => {
                f(Packet::UnsubAck(SubAck { packet_id, properties, codes: &codes }))
            }
            _ => f(Packet::UnsubAck(SubAck { packet_id, properties, codes: &[] })),
        }
    }

    fn simple<'a>(&'a self, block: &'a PropertyBuffer) -> Packet<'a> {
        let properties = block.as_properties();
        let ack = Ack { packet_id: self.packet_id, reason: self.code(), properties };
        match self.kind {
            2 => Packet::ConnAck(ConnAck {
                session_present: self.flags[0] && self.code() == 0,
                code: self.code(),
                properties,
            }),
            3 => Packet::Publish(self.publish(block)),
            4 => Packet::PubAck(ack),
            5 => Packet::PubRec(ack),
            6 => Packet::PubRel(ack),
            7 => Packet::PubComp(ack),
            12 => Packet::PingReq,
            13 => Packet::PingResp,
            14 => Packet::Disconnect(Disconnect { reason: self.code(), properties }),
            _ if properties.is_empty() => Packet::Auth(Auth::default()),
            _ => Packet::Auth(Auth { reason: self.code(), properties }),
        }
    }

    fn publish<'a>(&'a self, block: &'a PropertyBuffer) -> Publish<'a> {
        let properties = block.as_properties();
        let aliased = self.flags[1] && properties.topic_alias().is_some();
        Publish {
            dup: self.flags[2] && self.qos > QoS::AtMostOnce,
            qos: self.qos,
            retain: self.flags[3],
            topic: if aliased { "" } else { &self.topic },
            packet_id: (self.qos > QoS::AtMostOnce).then_some(self.packet_id),
            properties,
            payload: &self.payload,
        }
    }
}
