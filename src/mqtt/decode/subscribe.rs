//! Decodes SUBSCRIBE, UNSUBSCRIBE and their acknowledgements.

use super::{DecodeError, properties, reason_in};
use crate::mqtt::wire::Reader;
use crate::mqtt::{FilterNames, Filters, Scope, SubAck, Subscribe, Unsubscribe, Version, reason};

pub fn subscribe(body: &[u8], version: Version) -> Result<Subscribe<'_>, DecodeError> {
    let mut reader = Reader::new(body);
    Ok(Subscribe {
        packet_id: reader.packet_id()?,
        properties: properties(&mut reader, version, Scope::Subscribe)?,
        filters: Filters::parse(reader.rest(), version)?,
    })
}

pub fn unsubscribe(body: &[u8], version: Version) -> Result<Unsubscribe<'_>, DecodeError> {
    let mut reader = Reader::new(body);
    Ok(Unsubscribe {
        packet_id: reader.packet_id()?,
        properties: properties(&mut reader, version, Scope::Unsubscribe)?,
        filters: FilterNames::parse(reader.rest(), version)?,
    })
}

pub fn suback(body: &[u8], version: Version) -> Result<SubAck<'_>, DecodeError> {
    let allowed = match version {
        Version::V311 => reason::v311::IN_SUBACK,
        Version::V5 => reason::IN_SUBACK,
    };
    acknowledgement(body, version, Scope::SubAck, allowed)
}

/// In 3.1.1 an UNSUBACK is a packet id and nothing else.
pub fn unsuback(body: &[u8], version: Version) -> Result<SubAck<'_>, DecodeError> {
    if version.has_properties() {
        return acknowledgement(body, version, Scope::UnsubAck, reason::IN_UNSUBACK);
    }
    let mut reader = Reader::new(body);
    let packet_id = reader.packet_id()?;
    reader.end()?;
    Ok(SubAck { packet_id, properties: Default::default(), codes: &[] })
}

fn acknowledgement<'a>(
    body: &'a [u8],
    version: Version,
    scope: Scope,
    allowed: &[u8],
) -> Result<SubAck<'a>, DecodeError> {
    let mut reader = Reader::new(body);
    let packet_id = reader.packet_id()?;
    let properties = properties(&mut reader, version, scope)?;
    let codes = reader.rest();
    if codes.is_empty() {
        return Err(DecodeError::ProtocolError("an acknowledgement without a reason code"));
    }
    for &code in codes {
        reason_in(code, allowed)?;
    }
    Ok(SubAck { packet_id, properties, codes })
}
