//! A message: what was said, by whom, when. It is made once, at submission, and never changes.

use std::sync::Arc;

use bytes::Bytes;

use super::{Attributes, ClientId, MessageId, Stamp, Uid};

/// Quality of service, the word of both MQTT specifications (section 4.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QoS {
    #[default]
    AtMostOnce = 0,
    AtLeastOnce = 1,
    ExactlyOnce = 2,
}

impl QoS {
    pub fn from_u8(level: u8) -> Option<QoS> {
        [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce].get(usize::from(level)).copied()
    }
}

/// Who sent a message: stamped by the server, never taken from the sender's words.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sender {
    pub uid: Uid,
    pub client_id: ClientId,
}

/// What a message is, for the apps and for the envelope's `kind`. The number is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// From one user to another, or plain MQTT.
    #[default]
    Chat = 0,
}

impl Kind {
    pub fn from_u8(number: u8) -> Option<Kind> {
        (number == 0).then_some(Kind::Chat)
    }

    pub fn name(self) -> &'static str {
        match self {
            Kind::Chat => "chat",
        }
    }
}

/// One message, shared by everyone it goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub id: MessageId,
    pub from: Sender,
    pub kind: Kind,
    /// When the broker took it.
    pub ts: Stamp,
    /// After this it is dropped and counted instead of delivered.
    pub expires_at: Option<Stamp>,
    /// The topic it was published to, as the receivers see it.
    pub topic: Arc<str>,
    /// The RETAIN flag of the publish; inboxes ignore it (ruling 16).
    pub retain: bool,
    /// The QoS it was published with.
    pub qos: QoS,
    pub body: Bytes,
    /// The publisher's MQTT 5 properties that travel with a message.
    pub attributes: Attributes,
}
