//! The packets of both versions (MQTT 5, chapter 3). The same structs are decoded and encoded;
//! they borrow everything.

use std::num::NonZeroU16;

use super::{FilterNames, Filters, Properties};

pub type PacketId = NonZeroU16;

/// Protocol version of a connection, as its CONNECT said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V311,
    V5,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum QoS {
    AtMostOnce = 0,
    AtLeastOnce = 1,
    ExactlyOnce = 2,
}

impl QoS {
    pub fn from_bits(bits: u8) -> Option<QoS> {
        match bits {
            0 => Some(QoS::AtMostOnce),
            1 => Some(QoS::AtLeastOnce),
            2 => Some(QoS::ExactlyOnce),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Packet<'a> {
    Connect(Connect<'a>),
    ConnAck(ConnAck<'a>),
    Publish(Publish<'a>),
    PubAck(Ack<'a>),
    PubRec(Ack<'a>),
    PubRel(Ack<'a>),
    PubComp(Ack<'a>),
    Subscribe(Subscribe<'a>),
    SubAck(SubAck<'a>),
    Unsubscribe(Unsubscribe<'a>),
    UnsubAck(SubAck<'a>),
    PingReq,
    PingResp,
    Disconnect(Disconnect<'a>),
    Auth(Auth<'a>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Connect<'a> {
    pub version: Version,
    pub clean_start: bool,
    pub keep_alive_secs: u16,
    pub client_id: &'a str,
    pub username: Option<&'a str>,
    pub password: Option<&'a [u8]>,
    pub will: Option<Will<'a>>,
    pub properties: Properties<'a>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Will<'a> {
    pub topic: &'a str,
    pub payload: &'a [u8],
    pub qos: QoS,
    pub retain: bool,
    pub properties: Properties<'a>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ConnAck<'a> {
    pub session_present: bool,
    /// Reason code, or the return code of 3.1.1.
    pub code: u8,
    pub properties: Properties<'a>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Publish<'a> {
    pub dup: bool,
    pub qos: QoS,
    pub retain: bool,
    /// Empty only with a topic alias.
    pub topic: &'a str,
    /// Present exactly if the QoS is above 0.
    pub packet_id: Option<PacketId>,
    pub properties: Properties<'a>,
    pub payload: &'a [u8],
}

/// PUBACK, PUBREC, PUBREL, PUBCOMP.
#[derive(Clone, Debug, PartialEq)]
pub struct Ack<'a> {
    pub packet_id: PacketId,
    /// 0 in 3.1.1.
    pub reason: u8,
    pub properties: Properties<'a>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Subscribe<'a> {
    pub packet_id: PacketId,
    pub properties: Properties<'a>,
    pub filters: Filters<'a>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Unsubscribe<'a> {
    pub packet_id: PacketId,
    pub properties: Properties<'a>,
    pub filters: FilterNames<'a>,
}

/// SUBACK and UNSUBACK; a 3.1.1 UNSUBACK has no codes.
#[derive(Clone, Debug, PartialEq)]
pub struct SubAck<'a> {
    pub packet_id: PacketId,
    pub properties: Properties<'a>,
    pub codes: &'a [u8],
}

#[derive(Clone, Debug, PartialEq)]
pub struct Disconnect<'a> {
    pub reason: u8,
    pub properties: Properties<'a>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Auth<'a> {
    pub reason: u8,
    pub properties: Properties<'a>,
}

/// Packet types: the high half of a packet's first byte (MQTT 5, section 2.1.2).
pub(super) mod kind {
    pub const CONNECT: u8 = 1;
    pub const CONNACK: u8 = 2;
    pub const PUBLISH: u8 = 3;
    pub const PUBACK: u8 = 4;
    pub const PUBREC: u8 = 5;
    pub const PUBREL: u8 = 6;
    pub const PUBCOMP: u8 = 7;
    pub const SUBSCRIBE: u8 = 8;
    pub const SUBACK: u8 = 9;
    pub const UNSUBSCRIBE: u8 = 10;
    pub const UNSUBACK: u8 = 11;
    pub const PINGREQ: u8 = 12;
    pub const PINGRESP: u8 = 13;
    pub const DISCONNECT: u8 = 14;
    pub const AUTH: u8 = 15;
    /// The will's properties have rules of their own.
    pub const WILL: u8 = 0;
}
