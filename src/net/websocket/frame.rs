//! The header of a frame as clients write it (RFC 6455, section 5.2), and what is wrong with one.

/// Bytes of a header at most: 2, a length of 8, a mask of 4.
pub const HEADER_BYTES_MAX: usize = 14;
/// Payload of a control frame (section 5.5).
pub const CONTROL_BYTES_MAX: usize = 125;
/// Payload of a data frame: the longest MQTT packet has no more (MQTT 5, section 1.5.5).
pub const FRAME_BYTES_MAX: u64 = 256 * 1024 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Continuation,
    Binary,
    Close,
    Ping,
    Pong,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The last frame of its message.
    pub last: bool,
    pub kind: Kind,
    /// Bytes of payload.
    pub length: u64,
    pub mask: [u8; 4],
}

#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    Whole(Header),
    /// At least so many bytes more.
    Needs(usize),
}

/// What no client may send. The words go into the log and into the Close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("reserved bits are set, and no extension was agreed on")]
    Reserved,
    #[error("a frame of the unknown kind {0}")]
    Opcode(u8),
    #[error("a text frame: MQTT goes in binary frames")]
    Text,
    #[error("a frame without mask: clients have to mask")]
    Unmasked,
    #[error("a control frame in fragments, or of more than 125 bytes")]
    Control,
    #[error("a continuation without a beginning")]
    NothingToContinue,
    #[error("a new message within one that is not whole")]
    NotContinued,
    #[error("a length with its highest bit set")]
    Length,
    #[error("a frame of {0} bytes: that is more than any MQTT packet has")]
    TooLong(u64),
    #[error("a Close frame with a code that is none")]
    CloseCode,
    #[error("a Close frame with a reason that is no UTF-8")]
    CloseReason,
}

impl Violation {
    /// The status code of the Close frame that answers it (section 7.4.1).
    pub fn code(self) -> u16 {
        match self {
            Violation::Text => 1003,
            Violation::CloseReason => 1007,
            Violation::TooLong(_) => 1009,
            _ => 1002,
        }
    }
}

impl Kind {
    pub fn is_control(self) -> bool {
        matches!(self, Kind::Close | Kind::Ping | Kind::Pong)
    }

    fn of(opcode: u8) -> Result<Kind, Violation> {
        match opcode {
            0x0 => Ok(Kind::Continuation),
            0x1 => Err(Violation::Text),
            0x2 => Ok(Kind::Binary),
            0x8 => Ok(Kind::Close),
            0x9 => Ok(Kind::Ping),
            0xA => Ok(Kind::Pong),
            other => Err(Violation::Opcode(other)),
        }
    }
}

/// Reads a header that begins with `bytes`, which hold no byte behind it. What is wrong is told as
/// soon as it is there.
///
/// # Errors
/// Any [`Violation`] that one frame shows by itself.
pub fn parse(bytes: &[u8]) -> Result<Parsed, Violation> {
    let [first, second, rest @ ..] = bytes else { return Ok(Parsed::Needs(2 - bytes.len())) };
    if first & 0x70 != 0 {
        return Err(Violation::Reserved);
    }
    let (last, kind, short) = (first & 0x80 != 0, Kind::of(first & 0x0F)?, second & 0x7F);
    if second & 0x80 == 0 {
        return Err(Violation::Unmasked);
    }
    if kind.is_control() && (!last || usize::from(short) > CONTROL_BYTES_MAX) {
        return Err(Violation::Control);
    }
    let wide = match short {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    if rest.len() < wide {
        return Ok(Parsed::Needs(wide + 4 - rest.len()));
    }
    let (wide, mask) = rest.split_at(wide);
    let length = length(short, wide)?;
    let Ok(mask) = mask.try_into() else { return Ok(Parsed::Needs(4 - mask.len())) };
    Ok(Parsed::Whole(Header { last, kind, length, mask }))
}

/// A shorter form than was taken is no reason to refuse a client.
fn length(short: u8, wide: &[u8]) -> Result<u64, Violation> {
    let length = match wide {
        [] => u64::from(short),
        bytes => bytes.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
    };
    match length {
        0..=FRAME_BYTES_MAX => Ok(length),
        _ if length >> 63 == 1 => Err(Violation::Length),
        _ => Err(Violation::TooLong(length)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(kind: Kind, length: u64) -> Result<Parsed, Violation> {
        Ok(Parsed::Whole(Header { last: true, kind, length, mask: [1, 2, 3, 4] }))
    }

    #[test]
    fn the_three_forms_of_a_length() {
        assert_eq!(parse(&[0x82, 0x85, 1, 2, 3, 4]), whole(Kind::Binary, 5));
        assert_eq!(parse(&[0x82, 0xFE, 1, 0, 1, 2, 3, 4]), whole(Kind::Binary, 256));
        let wide = [0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4];
        assert_eq!(parse(&wide), whole(Kind::Binary, 65_536));
        assert_eq!(wide.len(), HEADER_BYTES_MAX);
    }

    #[test]
    fn a_header_that_is_not_whole_asks_for_no_byte_behind_it() {
        for header in [
            &[0x82, 0x85, 1, 2, 3, 4][..],
            &[0x82, 0xFE, 1, 0, 1, 2, 3, 4],
            &[0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4],
        ] {
            for cut in 0..header.len() {
                let Ok(Parsed::Needs(count)) = parse(&header[..cut]) else { panic!("{cut}") };
                assert!(count > 0 && cut + count <= header.len(), "{cut} + {count}");
            }
        }
    }

    /// Threat W10. No compression is agreed on, so its bit (RSV1) ends the connection.
    #[test]
    fn reserved_bits_are_refused() {
        for bit in [0x10, 0x20, 0x40] {
            assert_eq!(parse(&[0x82 | bit, 0x80]), Err(Violation::Reserved));
        }
    }

    #[test]
    fn what_is_wrong_is_told_by_the_first_two_bytes_where_they_show_it() {
        for (bytes, wanted, code) in [
            ([0x81, 0x80], Violation::Text, 1003),
            ([0x83, 0x80], Violation::Opcode(3), 1002),
            ([0x8F, 0x80], Violation::Opcode(15), 1002),
            ([0x82, 0x05], Violation::Unmasked, 1002),
            ([0x09, 0x80], Violation::Control, 1002),
            ([0x89, 0xFE], Violation::Control, 1002),
        ] {
            assert_eq!(parse(&bytes), Err(wanted));
            assert_eq!(wanted.code(), code);
        }
    }

    /// Threat W2. A declared length reserves nothing, and one beyond all sense ends the connection.
    #[test]
    fn lengths_beyond_any_packet_are_refused() {
        let header = |length: u64| [&[0x82, 0xFF][..], &length.to_be_bytes()].concat();
        assert_eq!(parse(&header(1 << 63)), Err(Violation::Length));
        assert_eq!(parse(&header(u64::MAX)), Err(Violation::Length));
        assert_eq!(parse(&header(1 << 62)), Err(Violation::TooLong(1 << 62)));
        assert_eq!(Violation::TooLong(1 << 62).code(), 1009);
        assert_eq!(parse(&header(FRAME_BYTES_MAX)), Ok(Parsed::Needs(4)));
    }
}
