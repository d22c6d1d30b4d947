//! Reading fields off the front of a packet's bytes (MQTT 5, section 1.5). Every read is bounded
//! by the bytes that are there.

use super::DecodeError;
use super::packet::PacketId;

#[derive(Clone, Copy)]
pub struct Cursor<'a>(pub &'a [u8]);

type Result<T> = std::result::Result<T, DecodeError>;

impl<'a> Cursor<'a> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (head, tail) =
            self.0.split_at_checked(count).ok_or(DecodeError::Malformed("a field is cut off"))?;
        self.0 = tail;
        Ok(head)
    }

    pub fn u8(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    pub fn u16(&mut self) -> Result<u16> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    pub fn u32(&mut self) -> Result<u32> {
        let bytes = self.take(4)?;
        Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    pub fn packet_id(&mut self) -> Result<PacketId> {
        PacketId::new(self.u16()?).ok_or(DecodeError::Malformed("packet identifier 0"))
    }

    /// Two bytes of length, then that many bytes.
    pub fn binary(&mut self) -> Result<&'a [u8]> {
        let length = self.u16()?;
        self.take(length.into())
    }

    /// UTF-8 without U+0000 [MQTT-1.5.4-1, -2].
    pub fn text(&mut self) -> Result<&'a str> {
        let text = std::str::from_utf8(self.binary()?)
            .map_err(|_| DecodeError::Malformed("a string is not UTF-8"))?;
        match text.as_bytes().contains(&0) {
            true => Err(DecodeError::Malformed("a string contains U+0000")),
            false => Ok(text),
        }
    }

    /// At most four bytes, in their shortest form [MQTT-1.5.5-1].
    pub fn variable(&mut self) -> Result<u32> {
        match variable(self.0)? {
            Some((value, length)) => {
                self.0 = &self.0[length..];
                Ok(value)
            }
            None => Err(DecodeError::Malformed("a variable byte integer is cut off")),
        }
    }
}

/// Value and length in bytes; `None` if more bytes are needed.
pub fn variable(bytes: &[u8]) -> Result<Option<(u32, usize)>> {
    let mut value = 0;
    for (n, byte) in bytes.iter().take(4).enumerate() {
        value |= u32::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            if n > 0 && *byte == 0 {
                return Err(DecodeError::Malformed("a length is not in its shortest form"));
            }
            return Ok(Some((value, n + 1)));
        }
    }
    match bytes.len() {
        0..4 => Ok(None),
        _ => Err(DecodeError::Malformed("a length has more than four bytes")),
    }
}
