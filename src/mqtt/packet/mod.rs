//! The packets of MQTT 3.1.1 and 5, borrowing their text and bytes from the frame or the caller.
//!
//! The same structs serve decoding and encoding. For 3.1.1 the properties are empty, reason codes
//! are 0 and what the version cannot say is not written.

mod connect;
mod filters;
mod publish;
mod subscribe;

pub use connect::{Auth, ConnAck, Connect, Disconnect, Will};
pub use filters::{FilterBuffer, FilterNameBuffer, FilterNames, Filters};
pub use publish::{Ack, Publish};
pub use subscribe::{RetainHandling, SubAck, Subscribe, SubscribeOptions, Unsubscribe};

/// One MQTT control packet (2.1.2). AUTH exists in MQTT 5 only.
#[derive(Debug, Clone, Copy, PartialEq)]
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

impl Packet<'_> {
    /// The name as the standard writes it, for log lines.
    pub const fn name(&self) -> &'static str {
        match self {
            Packet::Connect(_) => "CONNECT",
            Packet::ConnAck(_) => "CONNACK",
            Packet::Publish(_) => "PUBLISH",
            Packet::PubAck(_) => "PUBACK",
            Packet::PubRec(_) => "PUBREC",
            Packet::PubRel(_) => "PUBREL",
            Packet::PubComp(_) => "PUBCOMP",
            Packet::Subscribe(_) => "SUBSCRIBE",
            Packet::SubAck(_) => "SUBACK",
            Packet::Unsubscribe(_) => "UNSUBSCRIBE",
            Packet::UnsubAck(_) => "UNSUBACK",
            Packet::PingReq => "PINGREQ",
            Packet::PingResp => "PINGRESP",
            Packet::Disconnect(_) => "DISCONNECT",
            Packet::Auth(_) => "AUTH",
        }
    }
}
