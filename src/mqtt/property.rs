//! Properties (MQTT 5, section 2.2.2): checked once when decoded, then iterated where they lie.

use super::DecodeError;
use super::cursor::Cursor;
use super::encode::{write_binary, write_variable};
use super::packet::kind;

/// A property block as on the wire, without its length; valid for its packet.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Properties<'a>(&'a [u8]);

macro_rules! properties {
    ($($name:ident($($field:ident: $kind:ty),+) = $id:literal, $read:ident, in $packets:expr;)+) => {
        /// One property.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum Property<'a> { $($name($($kind),+),)+ }

        fn read<'a>(cursor: &mut Cursor<'a>) -> Result<(u8, Property<'a>), DecodeError> {
            let id = cursor.u8()?;
            let property = match id {
                $($id => Property::$name(
                    $({ const _: &str = stringify!($field); field::$read(cursor)? }),+
                ),)+
                _ => return Err(DecodeError::Malformed("an unknown property")),
            };
            Ok((id, property))
        }

        /// Bit set of the packets a property is allowed in.
        fn allowed_in(id: u8) -> u16 {
            match id { $($id => $packets.iter().fold(0, |set, kind| set | 1 << kind),)+ _ => 0 }
        }

        fn id(property: &Property<'_>) -> u8 {
            match property { $(Property::$name(..) => $id,)+ }
        }
    };
}

use kind::*;

const ANY_ACK: [u8; 9] =
    [CONNACK, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, DISCONNECT, AUTH];
const ANY: [u8; 14] = [
    CONNECT,
    CONNACK,
    PUBLISH,
    WILL,
    PUBACK,
    PUBREC,
    PUBREL,
    PUBCOMP,
    SUBSCRIBE,
    SUBACK,
    UNSUBSCRIBE,
    UNSUBACK,
    DISCONNECT,
    AUTH,
];

properties! {
    PayloadFormatIndicator(value: u8) = 0x01, flag, in [PUBLISH, WILL];
    MessageExpiryInterval(value: u32) = 0x02, u32, in [PUBLISH, WILL];
    ContentType(value: &'a str) = 0x03, text, in [PUBLISH, WILL];
    ResponseTopic(value: &'a str) = 0x08, topic, in [PUBLISH, WILL];
    CorrelationData(value: &'a [u8]) = 0x09, binary, in [PUBLISH, WILL];
    SubscriptionIdentifier(value: u32) = 0x0B, positive_variable, in [PUBLISH, SUBSCRIBE];
    SessionExpiryInterval(value: u32) = 0x11, u32, in [CONNECT, CONNACK, DISCONNECT];
    AssignedClientIdentifier(value: &'a str) = 0x12, text, in [CONNACK];
    ServerKeepAlive(value: u16) = 0x13, u16, in [CONNACK];
    AuthenticationMethod(value: &'a str) = 0x15, text, in [CONNECT, CONNACK, AUTH];
    AuthenticationData(value: &'a [u8]) = 0x16, binary, in [CONNECT, CONNACK, AUTH];
    RequestProblemInformation(value: bool) = 0x17, boolean, in [CONNECT];
    WillDelayInterval(value: u32) = 0x18, u32, in [WILL];
    RequestResponseInformation(value: bool) = 0x19, boolean, in [CONNECT];
    ResponseInformation(value: &'a str) = 0x1A, text, in [CONNACK];
    ServerReference(value: &'a str) = 0x1C, text, in [CONNACK, DISCONNECT];
    ReasonString(value: &'a str) = 0x1F, text, in ANY_ACK;
    ReceiveMaximum(value: u16) = 0x21, positive_u16, in [CONNECT, CONNACK];
    TopicAliasMaximum(value: u16) = 0x22, u16, in [CONNECT, CONNACK];
    TopicAlias(value: u16) = 0x23, any_u16, in [PUBLISH];
    MaximumQoS(value: u8) = 0x24, flag, in [CONNACK];
    RetainAvailable(value: bool) = 0x25, boolean, in [CONNACK];
    UserProperty(name: &'a str, value: &'a str) = 0x26, text, in ANY;
    MaximumPacketSize(value: u32) = 0x27, positive_u32, in [CONNECT, CONNACK];
    WildcardSubscriptionAvailable(value: bool) = 0x28, boolean, in [CONNACK];
    SubscriptionIdentifierAvailable(value: bool) = 0x29, boolean, in [CONNACK];
    SharedSubscriptionAvailable(value: bool) = 0x2A, boolean, in [CONNACK];
}

impl<'a> Properties<'a> {
    /// Takes the block of a packet of this kind off `cursor`: its length, then properties that
    /// are allowed there, each once but for user properties and a PUBLISH's subscription ids.
    pub(super) fn decode(cursor: &mut Cursor<'a>, kind: u8) -> Result<Properties<'a>, DecodeError> {
        let length = cursor.variable()?;
        let block = cursor.take(length as usize)?;
        let mut rest = Cursor(block);
        let mut seen = 0u64;
        while !rest.is_empty() {
            let (id, _) = read(&mut rest)?;
            if allowed_in(id) & 1 << kind == 0 {
                return Err(DecodeError::Protocol("a property that this packet must not have"));
            }
            if seen & 1 << id != 0 && !may_repeat(id, kind) {
                return Err(DecodeError::Protocol("a property stands twice"));
            }
            seen |= 1 << id;
        }
        Ok(Properties(block))
    }

    pub fn iter(&self) -> impl Iterator<Item = Property<'a>> + use<'a> {
        let mut cursor = Cursor(self.0);
        std::iter::from_fn(move || read(&mut cursor).ok().map(|(_, property)| property))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    fn find<T>(&self, pick: impl Fn(Property<'a>) -> Option<T>) -> Option<T> {
        match self.is_empty() {
            true => None,
            false => self.iter().find_map(pick),
        }
    }

    pub fn user_properties(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.iter().filter_map(|property| match property {
            Property::UserProperty(name, value) => Some((name, value)),
            _ => None,
        })
    }
}

const USER_PROPERTY: u8 = 0x26;
const SUBSCRIPTION_ID: u8 = 0x0B;

fn may_repeat(id: u8, kind: u8) -> bool {
    id == USER_PROPERTY || (id == SUBSCRIPTION_ID && kind == PUBLISH)
}

macro_rules! getters {
    ($($name:ident: $property:ident -> $kind:ty;)+) => {
        impl<'a> Properties<'a> {
            $(pub fn $name(&self) -> Option<$kind> {
                self.find(|property| match property {
                    Property::$property(value) => Some(value),
                    _ => None,
                })
            })+
        }
    };
}

getters! {
    payload_format: PayloadFormatIndicator -> u8;
    message_expiry_secs: MessageExpiryInterval -> u32;
    content_type: ContentType -> &'a str;
    response_topic: ResponseTopic -> &'a str;
    correlation_data: CorrelationData -> &'a [u8];
    subscription_id: SubscriptionIdentifier -> u32;
    session_expiry_secs: SessionExpiryInterval -> u32;
    assigned_client_id: AssignedClientIdentifier -> &'a str;
    server_keep_alive_secs: ServerKeepAlive -> u16;
    authentication_method: AuthenticationMethod -> &'a str;
    authentication_data: AuthenticationData -> &'a [u8];
    request_problem_information: RequestProblemInformation -> bool;
    will_delay_secs: WillDelayInterval -> u32;
    reason_string: ReasonString -> &'a str;
    receive_maximum: ReceiveMaximum -> u16;
    topic_alias_maximum: TopicAliasMaximum -> u16;
    topic_alias: TopicAlias -> u16;
    maximum_qos: MaximumQoS -> u8;
    retain_available: RetainAvailable -> bool;
    maximum_packet_size: MaximumPacketSize -> u32;
}

/// Builds a block for encoding; reused from packet to packet.
#[derive(Clone, Debug, Default)]
pub struct PropertyBuffer(Vec<u8>);

impl PropertyBuffer {
    pub fn new() -> PropertyBuffer {
        PropertyBuffer::default()
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    pub fn as_properties(&self) -> Properties<'_> {
        Properties(&self.0)
    }

    /// Appends one property. Text and data must be at most 65,535 bytes.
    pub fn push(&mut self, property: Property<'_>) {
        use Property::*;
        let out = &mut self.0;
        out.push(id(&property));
        match property {
            PayloadFormatIndicator(value) | MaximumQoS(value) => out.push(value),
            RequestProblemInformation(value)
            | RequestResponseInformation(value)
            | RetainAvailable(value)
            | WildcardSubscriptionAvailable(value)
            | SubscriptionIdentifierAvailable(value)
            | SharedSubscriptionAvailable(value) => out.push(value.into()),
            ServerKeepAlive(value)
            | ReceiveMaximum(value)
            | TopicAliasMaximum(value)
            | TopicAlias(value) => out.extend_from_slice(&value.to_be_bytes()),
            MessageExpiryInterval(value)
            | SessionExpiryInterval(value)
            | WillDelayInterval(value)
            | MaximumPacketSize(value) => out.extend_from_slice(&value.to_be_bytes()),
            SubscriptionIdentifier(value) => write_variable(out, value),
            ContentType(text)
            | ResponseTopic(text)
            | AssignedClientIdentifier(text)
            | AuthenticationMethod(text)
            | ResponseInformation(text)
            | ServerReference(text)
            | ReasonString(text) => write_binary(out, text.as_bytes()),
            CorrelationData(data) | AuthenticationData(data) => write_binary(out, data),
            UserProperty(name, value) => {
                write_binary(out, name.as_bytes());
                write_binary(out, value.as_bytes());
            }
        }
    }
}

/// How the value of each kind of property is read, and what it must not be.
mod field {
    use super::{Cursor, DecodeError};

    type Result<T> = std::result::Result<T, DecodeError>;

    fn positive<T: Default + PartialEq>(value: T) -> Result<T> {
        match value == T::default() {
            true => Err(DecodeError::Protocol("a property is 0 that must not be")),
            false => Ok(value),
        }
    }

    pub fn flag(cursor: &mut Cursor<'_>) -> Result<u8> {
        boolean(cursor).map(u8::from)
    }

    pub fn boolean(cursor: &mut Cursor<'_>) -> Result<bool> {
        match cursor.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Protocol("a property is neither 0 nor 1")),
        }
    }

    pub fn u16(cursor: &mut Cursor<'_>) -> Result<u16> {
        cursor.u16()
    }

    pub fn any_u16(cursor: &mut Cursor<'_>) -> Result<u16> {
        match cursor.u16()? {
            0 => Err(DecodeError::InvalidTopicAlias),
            alias => Ok(alias),
        }
    }

    pub fn u32(cursor: &mut Cursor<'_>) -> Result<u32> {
        cursor.u32()
    }

    pub fn positive_u16(cursor: &mut Cursor<'_>) -> Result<u16> {
        positive(cursor.u16()?)
    }

    pub fn positive_u32(cursor: &mut Cursor<'_>) -> Result<u32> {
        positive(cursor.u32()?)
    }

    pub fn positive_variable(cursor: &mut Cursor<'_>) -> Result<u32> {
        positive(cursor.variable()?)
    }

    pub fn text<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str> {
        cursor.text()
    }

    /// A response topic has no wildcards [MQTT-3.3.2-14].
    pub fn topic<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str> {
        let topic = cursor.text()?;
        match topic.is_empty() || topic.contains(['+', '#']) {
            true => Err(DecodeError::Protocol("a response topic that is no topic name")),
            false => Ok(topic),
        }
    }

    pub fn binary<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8]> {
        cursor.binary()
    }
}
