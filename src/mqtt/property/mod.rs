//! MQTT 5 properties (2.2.2): the closed list, and a validated block that is read in place.

mod buffer;
mod get;
pub(in crate::mqtt) mod id;
mod read;

pub use buffer::PropertyBuffer;

use std::fmt;

use super::DecodeError;
use super::wire::Reader;

/// Every property of MQTT 5. Intervals and keep alive are in seconds, sizes in
/// bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Property<'a> {
    /// 1 if the payload is UTF-8 text, says its sender; else 0.
    PayloadFormatIndicator(u8),
    MessageExpiryInterval(u32),
    ContentType(&'a str),
    /// A topic name.
    ResponseTopic(&'a str),
    CorrelationData(&'a [u8]),
    /// 1 to 268,435,455.
    SubscriptionIdentifier(u32),
    /// `u32::MAX` means never.
    SessionExpiryInterval(u32),
    AssignedClientIdentifier(&'a str),
    ServerKeepAlive(u16),
    AuthenticationMethod(&'a str),
    AuthenticationData(&'a [u8]),
    RequestProblemInformation(bool),
    WillDelayInterval(u32),
    RequestResponseInformation(bool),
    ResponseInformation(&'a str),
    ServerReference(&'a str),
    ReasonString(&'a str),
    /// Never 0.
    ReceiveMaximum(u16),
    /// 0 means no aliases.
    TopicAliasMaximum(u16),
    /// Never 0.
    TopicAlias(u16),
    /// 0 or 1; a server that takes QoS 2 does not send it.
    MaximumQoS(u8),
    RetainAvailable(bool),
    UserProperty(&'a str, &'a str),
    /// Never 0.
    MaximumPacketSize(u32),
    WildcardSubscriptionAvailable(bool),
    SubscriptionIdentifierAvailable(bool),
    SharedSubscriptionAvailable(bool),
}

/// Where a property block stands; each packet allows its own properties (2.2.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Scope {
    Connect,
    ConnAck,
    Publish,
    PubAck,
    PubRec,
    PubRel,
    PubComp,
    Subscribe,
    SubAck,
    Unsubscribe,
    UnsubAck,
    Disconnect,
    Auth,
    Will,
}

/// A validated property block without its length. Copies are cheap, the default is empty.
///
/// Validated means: known and allowed in its scope, not repeated unless that is allowed, values
/// in range, text in UTF-8. The getters ask a bit set first, so an absent property costs nothing.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Properties<'a> {
    bytes: &'a [u8],
    /// Bit n is set if the property with identifier n is present.
    present: u64,
}

impl<'a> Properties<'a> {
    /// Validates a block (without its length) in one pass, for packets and for stored messages.
    pub fn parse(bytes: &'a [u8], scope: Scope) -> Result<Self, DecodeError> {
        read::validate(bytes, scope).map(|present| Properties { bytes, present })
    }

    /// Every property, in the order of the block.
    pub fn iter(&self) -> impl Iterator<Item = Property<'a>> + use<'a> {
        let mut reader = Reader::new(self.bytes);
        std::iter::from_fn(move || {
            let property = if reader.is_empty() { None } else { read::property(&mut reader).ok() };
            property.map(|(_, property)| property)
        })
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The encoded block without its length: what [`Properties::parse`] takes back.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether the property with this identifier is present.
    pub(in crate::mqtt) fn has(&self, id: u8) -> bool {
        self.present & id::bit(id) != 0
    }

    /// Whether the buffer these came from was given a value that no packet can carry.
    pub(super) fn is_faulty(&self) -> bool {
        self.present & id::FAULTY != 0
    }
}

impl fmt::Debug for Properties<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
