//! The data types of the wire (1.5): integers, variable byte integers, text, binary data.

use super::scan::{has_nul, has_wildcard_or_nul};
use super::{DecodeError, PacketId};

/// The largest variable byte integer, and so the longest body of a packet.
pub const VARINT_MAX: u32 = 268_435_455;

/// Reads a variable byte integer: its value and its width, or None if the input ends inside it.
/// Longer forms than needed are refused ([MQTT-1.5.5-1]).
#[inline]
pub fn read_varint(input: &[u8]) -> Result<Option<(u32, usize)>, DecodeError> {
    let mut value = 0;
    for (at, &byte) in input.iter().take(4).enumerate() {
        value |= u32::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            if byte == 0 && at > 0 {
                return Err(DecodeError::Malformed("a length is written longer than needed"));
            }
            return Ok(Some((value, at + 1)));
        }
    }
    if input.len() < 4 {
        return Ok(None);
    }
    Err(DecodeError::Malformed("a length is longer than four bytes"))
}

/// How many bytes a value takes as a variable byte integer.
pub const fn varint_bytes(value: usize) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    }
}

/// Appends a variable byte integer. The value is at most [`VARINT_MAX`].
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends text with its length. The text is at most 65,535 bytes.
#[inline]
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put_binary(out, text.as_bytes());
}

/// Appends binary data with its length. The data is at most 65,535 bytes.
#[inline]
pub fn put_binary(out: &mut Vec<u8>, data: &[u8]) {
    out.extend_from_slice(&(data.len() as u16).to_be_bytes());
    out.extend_from_slice(data);
}

/// A cursor over one packet body, bounded by it. Each read names its field for the error.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(body: &'a [u8]) -> Self {
        Reader { rest: body }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Everything that is left.
    pub fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// Refuses bytes left behind the last field.
    pub fn end(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(DecodeError::Malformed("bytes are left behind the last field"))
    }

    #[inline]
    pub fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        let (&byte, rest) = self.rest.split_first().ok_or(DecodeError::CutShort(field))?;
        self.rest = rest;
        Ok(byte)
    }

    #[inline]
    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(DecodeError::CutShort(field))?;
        self.rest = rest;
        Ok(*bytes)
    }

    #[inline]
    pub fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.array(field).map(u16::from_be_bytes)
    }

    #[inline]
    pub fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.array(field).map(u32::from_be_bytes)
    }

    pub fn varint(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        let (value, width) = read_varint(self.rest)?.ok_or(DecodeError::CutShort(field))?;
        self.take(width, field)?;
        Ok(value)
    }

    /// The next `count` bytes.
    #[inline]
    pub fn take(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) =
            self.rest.split_at_checked(count).ok_or(DecodeError::CutShort(field))?;
        self.rest = rest;
        Ok(taken)
    }

    /// Binary data with its length (1.5.6).
    #[inline]
    pub fn binary(&mut self, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let count = self.u16(field)?;
        self.take(usize::from(count), field)
    }

    /// Text with its length (1.5.4): UTF-8 without U+0000.
    #[inline]
    pub fn text(&mut self, field: &'static str) -> Result<&'a str, DecodeError> {
        let text = self.utf8(field)?;
        if has_nul(text.as_bytes()) {
            return Err(DecodeError::NotText(field));
        }
        Ok(text)
    }

    /// A topic name; whether it may be empty is the caller's to say.
    #[inline]
    pub fn topic_name(&mut self, field: &'static str) -> Result<&'a str, DecodeError> {
        let name = self.utf8(field)?;
        if has_wildcard_or_nul(name.as_bytes()) {
            return Err(not_a_name(name, field));
        }
        Ok(name)
    }

    #[inline]
    fn utf8(&mut self, field: &'static str) -> Result<&'a str, DecodeError> {
        let bytes = self.binary(field)?;
        std::str::from_utf8(bytes).map_err(|_| DecodeError::NotText(field))
    }

    #[inline]
    pub fn packet_id(&mut self) -> Result<PacketId, DecodeError> {
        let id = self.u16("packet id")?;
        PacketId::new(id).ok_or(DecodeError::ProtocolError("the packet id is 0"))
    }
}

#[cold]
fn not_a_name(name: &str, field: &'static str) -> DecodeError {
    if has_nul(name.as_bytes()) {
        return DecodeError::NotText(field);
    }
    DecodeError::WildcardInTopic(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The borders of table 1-1, and their widths.
    const BORDERS: [(u32, &[u8]); 8] = [
        (0, b"\x00"),
        (127, b"\x7f"),
        (128, b"\x80\x01"),
        (16_383, b"\xff\x7f"),
        (16_384, b"\x80\x80\x01"),
        (2_097_151, b"\xff\xff\x7f"),
        (2_097_152, b"\x80\x80\x80\x01"),
        (VARINT_MAX, b"\xff\xff\xff\x7f"),
    ];

    #[test]
    fn variable_byte_integers_at_their_borders() {
        for (value, bytes) in BORDERS {
            assert_eq!(read_varint(bytes), Ok(Some((value, bytes.len()))));
            assert_eq!(varint_bytes(value as usize), bytes.len());
            let mut out = Vec::new();
            put_varint(&mut out, value as usize);
            assert_eq!(out, bytes);
        }
    }

    #[test]
    fn a_variable_byte_integer_is_short_and_four_bytes_at_most() {
        for end in 0..4 {
            assert_eq!(read_varint(&b"\x80\x80\x80\x01"[..end]), Ok(None));
        }
        for bytes in [&b"\x80\x00"[..], b"\xff\x80\x00", b"\x80\x80\x80\x00", b"\x80\x80\x80\x80"] {
            assert!(read_varint(bytes).is_err(), "{bytes:02x?}");
        }
    }

    #[test]
    fn a_reader_never_leaves_its_body() {
        let mut reader = Reader::new(b"\x00\x05abc");
        assert_eq!(reader.binary("field"), Err(DecodeError::CutShort("field")));
        assert_eq!(Reader::new(b"\x01").u16("field"), Err(DecodeError::CutShort("field")));
        assert_eq!(Reader::new(b"abc").u32("field"), Err(DecodeError::CutShort("field")));
        assert_eq!(Reader::new(b"").u8("field"), Err(DecodeError::CutShort("field")));
        assert_eq!(
            Reader::new(b"a").take(usize::MAX, "field"),
            Err(DecodeError::CutShort("field"))
        );
    }
}
