//! Decodes the packets that are little more than a reason: the publish acknowledgements,
//! DISCONNECT and AUTH.

use super::{DecodeError, properties, reason_in};
use crate::mqtt::property::id;
use crate::mqtt::wire::Reader;
use crate::mqtt::{Ack, Auth, Disconnect, Properties, Scope, Version, reason};

/// PUBACK, PUBREC, PUBREL or PUBCOMP, as the scope says.
#[inline]
pub fn ack(body: &[u8], version: Version, scope: Scope) -> Result<Ack<'_>, DecodeError> {
    let mut reader = Reader::new(body);
    let packet_id = reader.packet_id()?;
    if reader.is_empty() {
        return Ok(Ack::ok(packet_id));
    }
    let allowed = match scope {
        Scope::PubAck | Scope::PubRec => reason::IN_PUBACK,
        _ => reason::IN_PUBREL,
    };
    let (reason, properties) = reason_and_properties(reader, version, scope, allowed)?;
    Ok(Ack { packet_id, reason, properties })
}

pub fn disconnect(body: &[u8], version: Version) -> Result<Disconnect<'_>, DecodeError> {
    let reader = Reader::new(body);
    if reader.is_empty() {
        return Ok(Disconnect::default());
    }
    let (reason, properties) =
        reason_and_properties(reader, version, Scope::Disconnect, reason::IN_DISCONNECT)?;
    Ok(Disconnect { reason, properties })
}

/// AUTH; unlike the others it has no form with a reason and without a property length (3.15.2).
pub fn auth(body: &[u8], version: Version) -> Result<Auth<'_>, DecodeError> {
    if !version.has_properties() {
        return Err(DecodeError::Malformed("packet type 15 does not exist in MQTT 3.1.1"));
    }
    let mut reader = Reader::new(body);
    if reader.is_empty() {
        return Ok(Auth::default());
    }
    let reason = reason_in(reader.u8("reason code")?, reason::IN_AUTH)?;
    let properties = properties(&mut reader, version, Scope::Auth)?;
    reader.end()?;
    let needs_method = reason != reason::SUCCESS || !properties.is_empty();
    if needs_method && !properties.has(id::AUTHENTICATION_METHOD) {
        return Err(DecodeError::ProtocolError("AUTH without an authentication method"));
    }
    Ok(Auth { reason, properties })
}

/// A reason code, and properties unless the packet ends there (3.4.2.1, 3.14.2.2).
fn reason_and_properties<'a>(
    mut reader: Reader<'a>,
    version: Version,
    scope: Scope,
    allowed: &[u8],
) -> Result<(u8, Properties<'a>), DecodeError> {
    if !version.has_properties() {
        reader.end()?;
    }
    let reason = reason_in(reader.u8("reason code")?, allowed)?;
    if reader.is_empty() {
        return Ok((reason, Properties::default()));
    }
    let properties = properties(&mut reader, version, scope)?;
    reader.end()?;
    Ok((reason, properties))
}
