//! The table of property identifiers: which packets allow each, and which may be repeated.

use super::Scope;

pub const PAYLOAD_FORMAT_INDICATOR: u8 = 0x01;
pub const MESSAGE_EXPIRY: u8 = 0x02;
pub const CONTENT_TYPE: u8 = 0x03;
pub const RESPONSE_TOPIC: u8 = 0x08;
pub const CORRELATION_DATA: u8 = 0x09;
pub const SUBSCRIPTION_ID: u8 = 0x0B;
pub const SESSION_EXPIRY: u8 = 0x11;
pub const ASSIGNED_CLIENT_ID: u8 = 0x12;
pub const SERVER_KEEP_ALIVE: u8 = 0x13;
pub const AUTHENTICATION_METHOD: u8 = 0x15;
pub const AUTHENTICATION_DATA: u8 = 0x16;
pub const REQUEST_PROBLEM_INFORMATION: u8 = 0x17;
pub const WILL_DELAY: u8 = 0x18;
pub const REQUEST_RESPONSE_INFORMATION: u8 = 0x19;
pub const RESPONSE_INFORMATION: u8 = 0x1A;
pub const SERVER_REFERENCE: u8 = 0x1C;
pub const REASON_STRING: u8 = 0x1F;
pub const RECEIVE_MAXIMUM: u8 = 0x21;
pub const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
pub const TOPIC_ALIAS: u8 = 0x23;
pub const MAXIMUM_QOS: u8 = 0x24;
pub const RETAIN_AVAILABLE: u8 = 0x25;
pub const USER_PROPERTY: u8 = 0x26;
pub const MAXIMUM_PACKET_SIZE: u8 = 0x27;
pub const WILDCARD_SUBSCRIPTION_AVAILABLE: u8 = 0x28;
pub const SUBSCRIPTION_ID_AVAILABLE: u8 = 0x29;
pub const SHARED_SUBSCRIPTION_AVAILABLE: u8 = 0x2A;

/// The highest identifier; all of them fit into the bits of a `u64` below [`FAULTY`].
const ID_MAX: usize = 0x2A;

/// A bit no property has: the block was built from a value that cannot be encoded.
pub const FAULTY: u64 = 1 << 63;

/// The bit of a property identifier in a set of them. The identifier is at most 0x2A.
pub const fn bit(id: u8) -> u64 {
    1 << (id & 0x3F)
}

/// Whether a packet of this scope may carry the property (table 2-4).
pub fn allowed(id: u8, scope: Scope) -> bool {
    ALLOWED.get(usize::from(id)).is_some_and(|scopes| scopes & (1 << scope as u16) != 0)
}

/// Whether the property may stand more than once: user properties anywhere, and subscription
/// identifiers in a PUBLISH that matched several subscriptions.
pub fn repeatable(id: u8, scope: Scope) -> bool {
    id == USER_PROPERTY || (id == SUBSCRIPTION_ID && scope == Scope::Publish)
}

static ALLOWED: [u16; ID_MAX + 1] = table();

const fn table() -> [u16; ID_MAX + 1] {
    use Scope::*;
    let mut table = [0; ID_MAX + 1];
    let message = scopes(&[Publish, Will]);
    let limits = scopes(&[Connect, ConnAck]);
    let authentication = scopes(&[Connect, ConnAck, Auth]);
    let ack = scopes(&[PubAck, PubRec, PubRel, PubComp, SubAck, UnsubAck]);

    table[PAYLOAD_FORMAT_INDICATOR as usize] = message;
    table[MESSAGE_EXPIRY as usize] = message;
    table[CONTENT_TYPE as usize] = message;
    table[RESPONSE_TOPIC as usize] = message;
    table[CORRELATION_DATA as usize] = message;
    table[SUBSCRIPTION_ID as usize] = scopes(&[Publish, Subscribe]);
    table[SESSION_EXPIRY as usize] = scopes(&[Connect, ConnAck, Disconnect]);
    table[ASSIGNED_CLIENT_ID as usize] = scopes(&[ConnAck]);
    table[SERVER_KEEP_ALIVE as usize] = scopes(&[ConnAck]);
    table[AUTHENTICATION_METHOD as usize] = authentication;
    table[AUTHENTICATION_DATA as usize] = authentication;
    table[REQUEST_PROBLEM_INFORMATION as usize] = scopes(&[Connect]);
    table[WILL_DELAY as usize] = scopes(&[Will]);
    table[REQUEST_RESPONSE_INFORMATION as usize] = scopes(&[Connect]);
    table[RESPONSE_INFORMATION as usize] = scopes(&[ConnAck]);
    table[SERVER_REFERENCE as usize] = scopes(&[ConnAck, Disconnect]);
    table[REASON_STRING as usize] = ack | scopes(&[ConnAck, Disconnect, Auth]);
    table[RECEIVE_MAXIMUM as usize] = limits;
    table[TOPIC_ALIAS_MAXIMUM as usize] = limits;
    table[TOPIC_ALIAS as usize] = scopes(&[Publish]);
    table[MAXIMUM_QOS as usize] = scopes(&[ConnAck]);
    table[RETAIN_AVAILABLE as usize] = scopes(&[ConnAck]);
    table[USER_PROPERTY as usize] = scopes(&EVERYWHERE);
    table[MAXIMUM_PACKET_SIZE as usize] = limits;
    table[WILDCARD_SUBSCRIPTION_AVAILABLE as usize] = scopes(&[ConnAck]);
    table[SUBSCRIPTION_ID_AVAILABLE as usize] = scopes(&[ConnAck]);
    table[SHARED_SUBSCRIPTION_AVAILABLE as usize] = scopes(&[ConnAck]);
    table
}

const EVERYWHERE: [Scope; 14] = [
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

const fn scopes(list: &[Scope]) -> u16 {
    let mut bits = 0;
    let mut at = 0;
    while at < list.len() {
        bits |= 1 << list[at] as u16;
        at += 1;
    }
    bits
}
