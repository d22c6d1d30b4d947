//! Builds a property block for encoding, in memory that is used again and again.

use super::{Properties, Property, id};
use crate::mqtt::scan::has_nul;
use crate::mqtt::topic::{TEXT_BYTES_MAX, topic_name_ok};
use crate::mqtt::wire::{VARINT_MAX, put_binary, put_text, put_varint};

/// A property block in the making.
///
/// ```
/// use homing::mqtt::{Property, PropertyBuffer};
/// let mut buffer = PropertyBuffer::new();
/// buffer.push(Property::ReasonString("the message is too large"));
/// assert_eq!(buffer.as_properties().reason_string(), Some("the message is too large"));
/// buffer.clear(); // keeps the memory for the next packet
/// ```
///
/// Whether the packet may carry the property, and how often, is the caller's to know. A value no
/// packet can carry (text over 65,535 bytes or with U+0000, a 0 where 0 is not allowed) is left
/// out and remembered: a packet with this block cannot be encoded.
#[derive(Debug, Clone, Default)]
pub struct PropertyBuffer {
    bytes: Vec<u8>,
    present: u64,
}

impl PropertyBuffer {
    pub fn new() -> Self {
        Self::default()
    }

    /// Empties the buffer and keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.present = 0;
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The block so far, for a packet to borrow.
    pub fn as_properties(&self) -> Properties<'_> {
        Properties { bytes: &self.bytes, present: self.present }
    }

    /// Appends one property.
    pub fn push(&mut self, property: Property<'_>) {
        if !encodable(&property) {
            self.present |= id::FAULTY;
            return;
        }
        match property {
            Property::PayloadFormatIndicator(v) => self.flag(id::PAYLOAD_FORMAT_INDICATOR, v == 1),
            Property::MessageExpiryInterval(v) => self.u32(id::MESSAGE_EXPIRY, v),
            Property::ContentType(v) => self.text(id::CONTENT_TYPE, v),
            Property::ResponseTopic(v) => self.text(id::RESPONSE_TOPIC, v),
            Property::CorrelationData(v) => self.binary(id::CORRELATION_DATA, v),
            Property::SubscriptionIdentifier(v) => {
                self.start(id::SUBSCRIPTION_ID);
                put_varint(&mut self.bytes, v as usize);
            }
            Property::SessionExpiryInterval(v) => self.u32(id::SESSION_EXPIRY, v),
            Property::AssignedClientIdentifier(v) => self.text(id::ASSIGNED_CLIENT_ID, v),
            Property::ServerKeepAlive(v) => self.u16(id::SERVER_KEEP_ALIVE, v),
            Property::AuthenticationMethod(v) => self.text(id::AUTHENTICATION_METHOD, v),
            Property::AuthenticationData(v) => self.binary(id::AUTHENTICATION_DATA, v),
            Property::RequestProblemInformation(v) => {
                self.flag(id::REQUEST_PROBLEM_INFORMATION, v);
            }
            Property::WillDelayInterval(v) => self.u32(id::WILL_DELAY, v),
            Property::RequestResponseInformation(v) => {
                self.flag(id::REQUEST_RESPONSE_INFORMATION, v);
            }
            Property::ResponseInformation(v) => self.text(id::RESPONSE_INFORMATION, v),
            Property::ServerReference(v) => self.text(id::SERVER_REFERENCE, v),
            Property::ReasonString(v) => self.text(id::REASON_STRING, v),
            Property::ReceiveMaximum(v) => self.u16(id::RECEIVE_MAXIMUM, v),
            Property::TopicAliasMaximum(v) => self.u16(id::TOPIC_ALIAS_MAXIMUM, v),
            Property::TopicAlias(v) => self.u16(id::TOPIC_ALIAS, v),
            Property::MaximumQoS(v) => self.flag(id::MAXIMUM_QOS, v == 1),
            Property::RetainAvailable(v) => self.flag(id::RETAIN_AVAILABLE, v),
            Property::UserProperty(name, value) => {
                self.text(id::USER_PROPERTY, name);
                put_text(&mut self.bytes, value);
            }
            Property::MaximumPacketSize(v) => self.u32(id::MAXIMUM_PACKET_SIZE, v),
            Property::WildcardSubscriptionAvailable(v) => {
                self.flag(id::WILDCARD_SUBSCRIPTION_AVAILABLE, v);
            }
            Property::SubscriptionIdentifierAvailable(v) => {
                self.flag(id::SUBSCRIPTION_ID_AVAILABLE, v)
            }
            Property::SharedSubscriptionAvailable(v) => {
                self.flag(id::SHARED_SUBSCRIPTION_AVAILABLE, v);
            }
        }
    }

    fn start(&mut self, id: u8) {
        self.bytes.push(id);
        self.present |= id::bit(id);
    }

    fn flag(&mut self, id: u8, value: bool) {
        self.start(id);
        self.bytes.push(u8::from(value));
    }

    fn u16(&mut self, id: u8, value: u16) {
        self.start(id);
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    fn u32(&mut self, id: u8, value: u32) {
        self.start(id);
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    fn text(&mut self, id: u8, value: &str) {
        self.start(id);
        put_text(&mut self.bytes, value);
    }

    fn binary(&mut self, id: u8, value: &[u8]) {
        self.start(id);
        put_binary(&mut self.bytes, value);
    }
}

impl<'a> Extend<Property<'a>> for PropertyBuffer {
    fn extend<T: IntoIterator<Item = Property<'a>>>(&mut self, properties: T) {
        properties.into_iter().for_each(|property| self.push(property));
    }
}

fn encodable(property: &Property<'_>) -> bool {
    match *property {
        Property::ContentType(text)
        | Property::AssignedClientIdentifier(text)
        | Property::AuthenticationMethod(text)
        | Property::ResponseInformation(text)
        | Property::ServerReference(text)
        | Property::ReasonString(text) => text_ok(text),
        Property::UserProperty(name, value) => text_ok(name) && text_ok(value),
        Property::ResponseTopic(name) => topic_name_ok(name),
        Property::CorrelationData(data) | Property::AuthenticationData(data) => {
            data.len() <= TEXT_BYTES_MAX
        }
        Property::SubscriptionIdentifier(value) => (1..=VARINT_MAX).contains(&value),
        Property::ReceiveMaximum(value) | Property::TopicAlias(value) => value != 0,
        Property::MaximumPacketSize(value) => value != 0,
        Property::PayloadFormatIndicator(value) | Property::MaximumQoS(value) => value <= 1,
        _ => true,
    }
}

fn text_ok(text: &str) -> bool {
    text.len() <= TEXT_BYTES_MAX && !has_nul(text.as_bytes())
}
