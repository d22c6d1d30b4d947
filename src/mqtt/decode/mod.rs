//! Frames to packets: strict, iterative, without allocation and without copying.
//!
//! The announced length is judged before anything is kept, and the body is read through a cursor
//! that cannot leave it. Bad input is an error, never a panic.

mod ack;
mod connect;
mod error;
mod publish;
mod subscribe;

pub use error::DecodeError;

use super::wire::{Reader, read_varint};
use super::{Connect, Packet, Properties, Scope, Version};

/// Decodes the packet at the start of `input`, of a connection that speaks `version`.
///
/// Returns the packet and how many bytes it took, or None while the frame is incomplete.
/// `packet_bytes_max` bounds the whole packet, fixed header included; a longer one is refused as
/// soon as its length is known. Which packets a peer may send in which state is the session's to
/// say: a packet only a server sends decodes here like any other.
#[inline]
pub fn decode(
    input: &[u8],
    version: Version,
    packet_bytes_max: u32,
) -> Result<Option<(Packet<'_>, usize)>, DecodeError> {
    let Some((body, total)) = body(input, packet_bytes_max)? else { return Ok(None) };
    let Some(&first) = input.first() else { return Ok(None) };
    Ok(Some((packet(first, body, version)?, total)))
}

/// Decodes the first packet of a connection, which must be CONNECT and brings its own version.
///
/// Anything else is refused at its first byte.
pub fn decode_connect(
    input: &[u8],
    packet_bytes_max: u32,
) -> Result<Option<(Connect<'_>, usize)>, DecodeError> {
    match input.first() {
        None => return Ok(None),
        Some(&CONNECT) => {}
        Some(&first_byte) => return Err(DecodeError::ExpectedConnect { first_byte }),
    }
    let Some((body, total)) = body(input, packet_bytes_max)? else { return Ok(None) };
    Ok(Some((connect::connect(body)?, total)))
}

/// Whether this is a CONNECT of MQTT 3.1, as far as [`decode_connect`] takes it.
pub fn is_connect_v31(input: &[u8], packet_bytes_max: u32) -> bool {
    body(input, packet_bytes_max).is_ok_and(|body| body.is_some_and(|(b, _)| connect::is_v31(b)))
}

/// The length of the packet at the start of `input`, fixed header included, as soon as it is
/// known. An impossible first byte and a length over `packet_bytes_max` are refused at once.
pub fn frame_bytes(input: &[u8], packet_bytes_max: u32) -> Result<Option<usize>, DecodeError> {
    Ok(header(input, packet_bytes_max)?.map(|(_, total)| total))
}

const CONNECT: u8 = 0x10;

fn body(input: &[u8], max: u32) -> Result<Option<(&[u8], usize)>, DecodeError> {
    let Some((start, total)) = header(input, max)? else { return Ok(None) };
    Ok(input.get(start..total).map(|body| (body, total)))
}

/// Where the body starts and where it ends.
fn header(input: &[u8], max: u32) -> Result<Option<(usize, usize)>, DecodeError> {
    let Some((&first, rest)) = input.split_first() else { return Ok(None) };
    check_first_byte(first)?;
    let Some((length, width)) = read_varint(rest)? else { return Ok(None) };
    let start = 1 + width;
    let declared = length + start as u32;
    if declared > max {
        return Err(DecodeError::PacketTooLarge { declared, max });
    }
    Ok(Some((start, declared as usize)))
}

/// Packet type and flags (2.1.2, 2.1.3): reserved ones are refused before the length is read.
fn check_first_byte(first: u8) -> Result<(), DecodeError> {
    let required = match first >> 4 {
        0 => return Err(DecodeError::Malformed("packet type 0 does not exist")),
        3 => return publish::check_flags(first),
        6 | 8 | 10 => 2,
        _ => 0,
    };
    if first & 0x0F == required {
        return Ok(());
    }
    Err(DecodeError::Malformed("reserved flags in the first byte"))
}

#[inline]
fn packet(first: u8, body: &[u8], version: Version) -> Result<Packet<'_>, DecodeError> {
    Ok(match first >> 4 {
        1 => Packet::Connect(connect::connect(body)?),
        2 => Packet::ConnAck(connect::connack(body, version)?),
        3 => Packet::Publish(publish::publish(first, body, version)?),
        4 => Packet::PubAck(ack::ack(body, version, Scope::PubAck)?),
        5 => Packet::PubRec(ack::ack(body, version, Scope::PubRec)?),
        6 => Packet::PubRel(ack::ack(body, version, Scope::PubRel)?),
        7 => Packet::PubComp(ack::ack(body, version, Scope::PubComp)?),
        8 => Packet::Subscribe(subscribe::subscribe(body, version)?),
        9 => Packet::SubAck(subscribe::suback(body, version)?),
        10 => Packet::Unsubscribe(subscribe::unsubscribe(body, version)?),
        11 => Packet::UnsubAck(subscribe::unsuback(body, version)?),
        12 => Reader::new(body).end().map(|()| Packet::PingReq)?,
        13 => Reader::new(body).end().map(|()| Packet::PingResp)?,
        14 => Packet::Disconnect(ack::disconnect(body, version)?),
        _ => Packet::Auth(ack::auth(body, version)?),
    })
}

/// The property block with its length; versions before 5 have none.
#[inline]
fn properties<'a>(
    reader: &mut Reader<'a>,
    version: Version,
    scope: Scope,
) -> Result<Properties<'a>, DecodeError> {
    if !version.has_properties() {
        return Ok(Properties::default());
    }
    let length = reader.varint("property length")?;
    if length == 0 {
        return Ok(Properties::default());
    }
    Properties::parse(reader.take(length as usize, "properties")?, scope)
}

/// A reason code, if this packet may carry it.
fn reason_in(code: u8, allowed: &[u8]) -> Result<u8, DecodeError> {
    if allowed.contains(&code) {
        return Ok(code);
    }
    Err(DecodeError::ProtocolError("a reason code that this packet may not carry"))
}
