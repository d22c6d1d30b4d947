//! Packets to frames: the exact length first, then one pass of writing.

mod check;
mod size;
mod write;

use super::wire::{VARINT_MAX, put_varint, varint_bytes};
use super::{Packet, Publish, Version};

/// Appends the frame of a packet to `out`.
///
/// For 3.1.1 properties and reason codes are left out. The shortest form is written: an
/// acknowledgement or DISCONNECT with reason 0 and without properties has no reason code. A
/// CONNECT is written in its own version.
///
/// The caller guarantees what would cost a pass over the text to check: that topics are topic
/// names (`topic::topic_name_ok`), that text has no U+0000, that properties are those of the
/// packet's scope and not repeated, and that codes are those of the packet and the version.
///
/// A packet that no frame can express ([`encoded_bytes`] says which) is a bug of the caller: a
/// debug build panics, a release build writes nothing, since a length that lies would let the
/// sender of a message forge the packets behind it.
#[inline]
pub fn encode(packet: &Packet<'_>, version: Version, out: &mut Vec<u8>) {
    let body_bytes = size::body_bytes(packet, version);
    if let Err(why) = check::check(packet, version, body_bytes) {
        debug_assert!(false, "a {} that cannot be encoded: {why}", packet.name());
        return;
    }
    put_frame(packet, version, body_bytes, out);
}

/// As [`encode`], unless the frame has more than `max` bytes, or there is none for this packet:
/// then nothing is written, and it is false.
#[inline]
#[must_use]
pub fn encode_within(packet: &Packet<'_>, version: Version, max: usize, out: &mut Vec<u8>) -> bool {
    let body_bytes = size::body_bytes(packet, version);
    let fits = 1 + varint_bytes(body_bytes) + body_bytes <= max
        && check::check(packet, version, body_bytes).is_ok();
    if fits {
        put_frame(packet, version, body_bytes, out);
    }
    fits
}

/// As [`encode_within`], of the packet that counts.
#[inline]
#[must_use]
pub fn encode_publish_within(
    publish: &Publish<'_>,
    version: Version,
    max: usize,
    out: &mut Vec<u8>,
) -> bool {
    let body_bytes = size::publish_bytes(publish, version);
    let frame_bytes = 1 + varint_bytes(body_bytes) + body_bytes;
    let fits = frame_bytes <= max && check::publish(publish, body_bytes).is_ok();
    if fits {
        out.reserve(frame_bytes);
        out.push(write::publish_first_byte(publish));
        put_varint(out, body_bytes);
        write::publish(publish, version, out);
    }
    fits
}

#[inline]
fn put_frame(packet: &Packet<'_>, version: Version, body_bytes: usize, out: &mut Vec<u8>) {
    out.reserve(1 + varint_bytes(body_bytes) + body_bytes);
    out.push(write::first_byte(packet));
    put_varint(out, body_bytes);
    write::body(packet, version, out);
}

/// How many bytes [`encode`] appends: to honour the peer's Maximum Packet Size first.
///
/// `usize::MAX`, more than any peer accepts, for a packet that no frame can express: text or a
/// field over 65,535 bytes, a body over 268,435,455, a property that was refused, a packet id
/// with QoS 0 or none above it, no filter or no code, AUTH in 3.1.1.
#[inline]
pub fn encoded_bytes(packet: &Packet<'_>, version: Version) -> usize {
    let body_bytes = size::body_bytes(packet, version);
    match check::check(packet, version, body_bytes) {
        Ok(()) => 1 + varint_bytes(body_bytes) + body_bytes,
        Err(_) => usize::MAX,
    }
}
