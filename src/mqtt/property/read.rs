//! Reads one property from a block, and validates a whole block in one pass.

use super::{Property, Scope, id};
use crate::mqtt::DecodeError;
use crate::mqtt::wire::Reader;

/// Checks every property of a block; the set of those present, as bits.
pub fn validate(bytes: &[u8], scope: Scope) -> Result<u64, DecodeError> {
    let mut reader = Reader::new(bytes);
    let mut present = 0;
    while !reader.is_empty() {
        let (id, _) = property(&mut reader)?;
        if !id::allowed(id, scope) {
            return Err(DecodeError::ProtocolError("a property that this packet may not carry"));
        }
        if present & id::bit(id) != 0 && !id::repeatable(id, scope) {
            return Err(DecodeError::ProtocolError("the same property twice"));
        }
        present |= id::bit(id);
    }
    if present & id::bit(id::AUTHENTICATION_DATA) != 0
        && present & id::bit(id::AUTHENTICATION_METHOD) == 0
    {
        return Err(DecodeError::ProtocolError("authentication data without a method"));
    }
    Ok(present)
}

/// The next property with its identifier. Values out of range are refused.
pub fn property<'a>(r: &mut Reader<'a>) -> Result<(u8, Property<'a>), DecodeError> {
    let id = r.u8("property")?;
    let property = match id {
        id::PAYLOAD_FORMAT_INDICATOR => Property::PayloadFormatIndicator(flag(r)?.into()),
        id::MESSAGE_EXPIRY => Property::MessageExpiryInterval(r.u32("message expiry")?),
        id::CONTENT_TYPE => Property::ContentType(r.text("content type")?),
        id::RESPONSE_TOPIC => Property::ResponseTopic(response_topic(r)?),
        id::CORRELATION_DATA => Property::CorrelationData(r.binary("correlation data")?),
        id::SUBSCRIPTION_ID => Property::SubscriptionIdentifier(subscription_id(r)?),
        id::SESSION_EXPIRY => Property::SessionExpiryInterval(r.u32("session expiry")?),
        id::ASSIGNED_CLIENT_ID => Property::AssignedClientIdentifier(r.text("assigned client id")?),
        id::SERVER_KEEP_ALIVE => Property::ServerKeepAlive(r.u16("server keep alive")?),
        id::AUTHENTICATION_METHOD => {
            Property::AuthenticationMethod(r.text("authentication method")?)
        }
        id::AUTHENTICATION_DATA => Property::AuthenticationData(r.binary("authentication data")?),
        id::REQUEST_PROBLEM_INFORMATION => Property::RequestProblemInformation(flag(r)?),
        id::WILL_DELAY => Property::WillDelayInterval(r.u32("will delay")?),
        id::REQUEST_RESPONSE_INFORMATION => Property::RequestResponseInformation(flag(r)?),
        id::RESPONSE_INFORMATION => Property::ResponseInformation(r.text("response information")?),
        id::SERVER_REFERENCE => Property::ServerReference(r.text("server reference")?),
        id::REASON_STRING => Property::ReasonString(r.text("reason string")?),
        id::RECEIVE_MAXIMUM => Property::ReceiveMaximum(receive_maximum(r)?),
        id::TOPIC_ALIAS_MAXIMUM => Property::TopicAliasMaximum(r.u16("topic alias maximum")?),
        id::TOPIC_ALIAS => Property::TopicAlias(topic_alias(r)?),
        id::MAXIMUM_QOS => Property::MaximumQoS(flag(r)?.into()),
        id::RETAIN_AVAILABLE => Property::RetainAvailable(flag(r)?),
        id::USER_PROPERTY => {
            Property::UserProperty(r.text("user property name")?, r.text("user property value")?)
        }
        id::MAXIMUM_PACKET_SIZE => Property::MaximumPacketSize(maximum_packet_bytes(r)?),
        id::WILDCARD_SUBSCRIPTION_AVAILABLE => Property::WildcardSubscriptionAvailable(flag(r)?),
        id::SUBSCRIPTION_ID_AVAILABLE => Property::SubscriptionIdentifierAvailable(flag(r)?),
        id::SHARED_SUBSCRIPTION_AVAILABLE => Property::SharedSubscriptionAvailable(flag(r)?),
        _ => return Err(DecodeError::Malformed("an unknown property")),
    };
    Ok((id, property))
}

fn flag(r: &mut Reader<'_>) -> Result<bool, DecodeError> {
    match r.u8("property")? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(DecodeError::ProtocolError("a property that must be 0 or 1 is neither")),
    }
}

fn response_topic<'a>(r: &mut Reader<'a>) -> Result<&'a str, DecodeError> {
    match r.topic_name("response topic")? {
        "" => Err(DecodeError::ProtocolError("the response topic is empty")),
        name => Ok(name),
    }
}

fn subscription_id(r: &mut Reader<'_>) -> Result<u32, DecodeError> {
    match r.varint("subscription identifier")? {
        0 => Err(DecodeError::ProtocolError("the subscription identifier is 0")),
        value => Ok(value),
    }
}

fn receive_maximum(r: &mut Reader<'_>) -> Result<u16, DecodeError> {
    match r.u16("receive maximum")? {
        0 => Err(DecodeError::ProtocolError("the receive maximum is 0")),
        value => Ok(value),
    }
}

fn topic_alias(r: &mut Reader<'_>) -> Result<u16, DecodeError> {
    match r.u16("topic alias")? {
        0 => Err(DecodeError::TopicAliasZero),
        value => Ok(value),
    }
}

fn maximum_packet_bytes(r: &mut Reader<'_>) -> Result<u32, DecodeError> {
    match r.u32("maximum packet size")? {
        0 => Err(DecodeError::ProtocolError("the maximum packet size is 0")),
        value => Ok(value),
    }
}
